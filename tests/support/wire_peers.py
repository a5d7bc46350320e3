"""Two sides on loopback for the tests of the wire: one of ours, and one that may say anything."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from service.hypercore import Core, Corestore, KeyPair
from service.hypercore.codec import encode_uint
from service.hypercore.crypto import capability
from service.hypercore.net import Channel, Connection, PeerAddress, Replication, TcpTransport
from service.hypercore.net.replication import PROTOCOL
from service.hypercore.wire import messages as m

SECONDS = 30.0


class Side:
    """A corestore that is served to whoever connects."""

    def __init__(self, transport: TcpTransport) -> None:
        self.store = Corestore()
        self.transport = transport
        self.incoming: list[Connection] = []

    @property
    def peer(self) -> PeerAddress:
        assert self.transport.address is not None
        return PeerAddress(self.transport.public_key, *self.transport.address)

    @property
    def peer_address(self) -> tuple[str, int]:
        """Where it listens."""
        return self.peer.host, self.peer.port

    async def connect(self, other: Side) -> Connection:
        self.transport.add_peer(other.peer)
        return await self.transport.connect(other.peer.key)

    def accept(self, connection: Connection) -> None:
        self.incoming.append(connection)
        Replication.of(connection).serve(self.store.find)


@asynccontextmanager
async def side(upload_limit: float | None = None) -> AsyncIterator[Side]:
    held: list[Side] = []
    transport = TcpTransport(
        KeyPair.generate(), on_connection=lambda connection: held[0].accept(connection), upload_limit=upload_limit
    )
    async with transport:
        held.append(Side(transport))
        await transport.listen("127.0.0.1", 0)
        yield held[0]


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that has no event of its own."""
    async with asyncio.timeout(SECONDS):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def closed(connection: Connection) -> str:
    """Wait for a connection's end; the reason on this side."""
    async with asyncio.timeout(SECONDS):
        await connection.wait_closed()
    return connection.reason


async def speak(connection: Connection, core: Core) -> Channel:
    """A replication channel on which the test says what it likes."""
    handshake = encode_uint(1) + capability(core.key, connection.handshake_hash, connection.initiator)
    channel = connection.open(PROTOCOL, core.discovery_key, handshake)
    async with asyncio.timeout(SECONDS):
        await channel.opened()
    return channel


async def hear(channel: Channel, kind: int) -> bytes:
    """The next message of that kind; others are passed over."""
    async with asyncio.timeout(SECONDS):
        while True:
            found, body = await channel.receive()
            if found == kind:
                return body


class Impostor:
    """A peer that answers requests as the test says."""

    def __init__(
        self, side: Side, core: Core, answer: Callable[[int, int, m.Request], tuple[int, bytes] | None], fork: int = 0
    ) -> None:
        """``core``: what it claims to have all of, at ``fork``."""
        self._core, self._answer, self._fork = core, answer, fork
        side.accept = self._accept  # type: ignore[method-assign]
        self._side = side

    def _accept(self, connection: Connection) -> None:
        self._side.incoming.append(connection)
        handshake = encode_uint(1) + capability(self._core.key, connection.handshake_hash, connection.initiator)
        connection.on_protocol(PROTOCOL, lambda *_: handshake, self._run)

    async def _run(self, channel: Channel) -> None:
        await channel.opened()
        flags = m.CAN_UPGRADE | m.UPLOADING | m.HAS_MANIFEST
        await channel.send(m.SYNC, m.encode_sync(m.Sync(flags, self._fork, self._core.length, 0)))
        await channel.send(m.RANGE, m.encode_range(0, self._core.length))
        async for kind, body in channel:
            if kind == m.REQUEST:
                answer = self._answer(*m.decode_request(body))
                if answer is not None:
                    await channel.send(*answer)
