"""The topics of a swarm as tasks: what the DHT is asked about each, and the sessions for which that is done."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from types import TracebackType

import structlog

from .dht.sockets import DhtError
from .discovery import Discovery, Errand

log = structlog.get_logger(__name__)

Ask = Callable[["JoinedTopic", Errand], Awaitable[None]]
Clock = Callable[[], float]


class JoinedTopic:
    """One topic, and all sessions of it."""

    def __init__(self, topic: bytes, ask: Ask, clock: Clock, chance: random.Random) -> None:
        self.topic = topic
        self.sessions: set[TopicSession] = set()
        self.suspended = False
        self.discovery = Discovery(chance, clock())
        self._ask, self._clock = ask, clock
        self._task: asyncio.Task[None] | None = None
        self.fine = False
        """Whether the last errand succeeded, and holds."""

    def __str__(self) -> str:
        return self.topic.hex()[:16]

    def deadline(self) -> float:
        """Return when it is to be woken."""
        return float("inf") if self.suspended else self.discovery.deadline()

    def wake(self) -> None:
        """Begin the errand that is due."""
        if self.suspended or self._task is not None:
            return
        errand = self.discovery.begin(self._clock())
        if errand is not None:
            self._task = asyncio.get_running_loop().create_task(self._run(errand))

    async def _run(self, errand: Errand) -> None:
        fine = False
        try:
            await self._ask(self, errand)
            fine = True
        except (DhtError, OSError) as error:
            log.info("topic not reached", topic=str(self), errand=errand.value, reason=str(error))
        except Exception as error:
            log.error("topic failed", topic=str(self), errand=errand.value, error=str(error), exc_info=True)
        self._task, self.fine = None, fine
        self.discovery.ended(fine, self._clock())

    def hurry(self) -> None:
        """Have it asked at once, unless it is being asked."""
        self.discovery.hurry(self._clock())

    def count(self) -> None:
        """Count the sessions anew. What runs for others than those that there are now is begun again."""
        known = self.discovery
        before = known.wanted(), known.clients > 0
        known.servers = sum(session.server for session in self.sessions)
        known.clients = sum(session.client for session in self.sessions)
        if (known.wanted(), known.clients > 0) != before:
            self.stop()

    def stop(self) -> None:
        """Give up the errand that runs, and have the one that is wanted begun at once."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self.fine = False
        self.discovery.stop(self._clock())

    async def settled(self) -> bool:
        """Wait for the end of the errand that runs. Return whether the last one succeeded."""
        while (task := self._task) is not None:
            await asyncio.wait({task})
        return self.fine


class TopicSession:
    """One `join` of a topic, of which there can be several. As a context manager it leaves at the end."""

    def __init__(self, joined: JoinedTopic, server: bool, client: bool, pump: Callable[[], None], leave: Leave) -> None:
        self.server, self.client = server, client
        self._joined, self._pump, self._leave = joined, pump, leave

    @property
    def topic(self) -> bytes:
        """The topic."""
        return self._joined.topic

    @property
    def is_left(self) -> bool:
        """Whether it was left."""
        return self not in self._joined.sessions

    async def refresh(self, *, server: bool | None = None, client: bool | None = None) -> bool:
        """Announce and look up now, and change whether it is found and whether it finds. Return whether it succeeded.

        Raises ValueError if the session was left, or would do neither.
        """
        if self.is_left:
            raise ValueError("the topic was left")
        server, client = self.server if server is None else server, self.client if client is None else client
        if not (server or client):
            raise ValueError("a session that is neither server nor client does nothing: leave it")
        self.server, self.client = server, client
        self._joined.count()
        self._joined.hurry()
        self._pump()
        return await self._joined.settled()

    async def flushed(self) -> bool:
        """Wait until it was announced and looked up. Return whether that succeeded."""
        return await self._joined.settled()

    async def leave(self) -> None:
        """End this session. With the last one the topic is left, and the DHT told."""
        if not self.is_left:
            self._joined.sessions.discard(self)
            self._joined.count()
            await self._leave(self._joined)

    async def __aenter__(self) -> TopicSession:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.leave()


Leave = Callable[[JoinedTopic], Awaitable[None]]
