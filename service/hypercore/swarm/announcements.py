"""The topics under which a peer wants to be found, kept in the DHT: announced, announced again, and withdrawn."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Awaitable, Callable, Iterable

import structlog

from .dht.sockets import DhtError
from .discovery import Errand
from .swarm import awake_seconds
from .topics import JoinedTopic

log = structlog.get_logger(__name__)

MAX_TOPICS = 4096
"""Topics that a peer may be found under. Each costs some 40 messages every 10 minutes."""
MAX_AT_ONCE = 16
WITHDRAW_SECONDS = 3.0
"""Time for the DHT to hear of what a peer that stops no longer serves. It forgets by itself in 20 minutes."""

Announce = Callable[[bytes], Awaitable[None]]


class Announcements:
    """Topics, each announced by a task of its own. `announce` and `withdraw` tell the DHT, and raise DhtError."""

    def __init__(self, announce: Announce, withdraw: Announce, clock: Callable[[], float] = awake_seconds) -> None:
        self._announce, self._withdraw, self._clock = announce, withdraw, clock
        self._topics: dict[bytes, JoinedTopic] = {}
        self._at_once = asyncio.Semaphore(MAX_AT_ONCE)
        self._chance = random.Random(secrets.randbits(64))
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def want(self, topics: Iterable[bytes]) -> int:
        """Be found under these topics, and no longer under others. Return how many of them were too many."""
        wanted = list(dict.fromkeys(topics))
        left_out, wanted = len(wanted[MAX_TOPICS:]), wanted[:MAX_TOPICS]
        for topic in set(self._topics).difference(wanted):
            self._set(self._topics[topic], 0)
        for topic in wanted:
            if topic not in self._topics:
                self._topics[topic] = JoinedTopic(topic, self._ask, self._clock, self._chance)
            self._set(self._topics[topic], 1)
        self._pump()
        return left_out

    def hurry(self) -> None:
        """Announce all topics again, at once."""
        for joined in self._topics.values():
            joined.hurry()
        self._pump()

    def _set(self, joined: JoinedTopic, servers: int) -> None:
        if joined.discovery.servers != servers:
            joined.discovery.servers = servers
            joined.stop()

    async def settled(self) -> bool:
        """Wait until each topic was announced, or could not be. Return whether all were."""
        return all([await joined.settled() for joined in list(self._topics.values())])

    async def _ask(self, joined: JoinedTopic, errand: Errand) -> None:
        try:
            async with self._at_once:
                await (self._announce if errand is Errand.ANNOUNCE else self._withdraw)(joined.topic)
        finally:
            asyncio.get_running_loop().call_soon(self._pump)  # by then the topic knows that the errand is over

    def _pump(self) -> None:
        """Begin what is due, and be woken when more is."""
        if self._closed:
            return
        for joined in list(self._topics.values()):
            joined.wake()
            if joined.discovery.running is None and joined.discovery.wanted() is None:
                del self._topics[joined.topic]
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadlines = [at for joined in self._topics.values() if (at := joined.deadline()) != float("inf")]
        if deadlines:
            wait = max(0.0, min(deadlines) - self._clock())
            self._timer = asyncio.get_running_loop().call_later(wait, self._pump)

    async def close(self) -> None:
        """Withdraw all topics, as far as the DHT answers at once."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        announced = [joined for joined in self._topics.values() if joined.discovery.announced]
        for joined in self._topics.values():
            joined.stop()
            joined.suspended = True
        leaving = [asyncio.ensure_future(self._quietly(joined.topic)) for joined in announced]
        if leaving:
            _, late = await asyncio.wait(leaving, timeout=WITHDRAW_SECONDS)
            for one in late:
                one.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _quietly(self, topic: bytes) -> None:
        async with self._at_once:
            try:
                await self._withdraw(topic)
            except (DhtError, OSError) as error:
                log.info("topic not withdrawn", topic=topic.hex()[:16], reason=str(error))
