"""One peer's connection to a blind relay, by which one of its streams goes until there is a direct way, or for good."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from ...codec import CodecError
from ...net.connection import Connection
from ...wire.errors import ChannelClosed, ConnectError, ConnectionClosed
from ..dht.messages import RelayThrough
from .blind import PAIR, PROTOCOL, PairMessage
from .handshakes import OnPaired, OnSeen, OnUnpaired
from .links import Links

log = structlog.get_logger(__name__)

PAIR_SECONDS = 15.0
"""Time for the relay to be reached, and for the other peer to come there."""

DialRelay = Callable[[bytes], Awaitable[tuple[Connection, bytes]]]
"""Connects to a relay by its key. Returns the connection and the own key under which it was made."""


class RelayLeg:
    """The way to a relay. `on_seen` is told the relay's address, `on_paired` the number of the stream there."""

    def __init__(
        self, dial: DialRelay, links: Links, through: RelayThrough, initiator: bool, stream: int,
        on_seen: OnSeen, on_paired: OnPaired, on_refused: OnUnpaired,
    ) -> None:  # fmt: skip
        self._dial, self._links, self._through = dial, links, through
        self._said = PairMessage(initiator, through.token, stream)
        self._on_seen, self._on_paired, self._on_refused = on_seen, on_paired, on_refused
        self._loop = asyncio.get_running_loop()
        self._connection: Connection | None = None
        self._task = self._loop.create_task(self._run())

    async def _run(self) -> None:
        try:
            async with asyncio.timeout(PAIR_SECONDS):
                connection, own = await self._dial(self._through.key)
                self._connection = connection
                path = self._links.path_of(connection)
                self._on_seen(path.port, path.remote, self._loop.time())
                stream = await self._pair(connection, own)
        except (ConnectError, ConnectionClosed, ChannelClosed, CodecError, TimeoutError) as error:
            log.debug("no way by a relay", relay=self._through.key.hex(), reason=str(error))
            self._on_refused(str(error) or "the other peer did not come", self._loop.time())
            self.close()
            return
        self._on_paired(stream, self._loop.time())

    async def _pair(self, connection: Connection, own: bytes) -> int:
        channel = connection.open(PROTOCOL, own)
        await channel.opened()
        await channel.send(PAIR, self._said.encode())
        while True:
            kind, body = await channel.receive()
            if kind == PAIR:
                answer = PairMessage.decode(body)
                if (answer.token, answer.initiator) == (self._said.token, self._said.initiator):
                    return answer.stream

    def close(self) -> None:
        """Leave the relay. What still goes by it is lost."""
        if self._task is not asyncio.current_task():
            self._task.cancel()
        if self._connection is not None:
            self._connection.close("the relay is not needed")
