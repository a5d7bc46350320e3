"""A key that is listened at, as an asynchronous context manager, and its connections as they come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from types import TracebackType

import structlog

from ...crypto import KeyPair
from ...net.connection import Connection
from ...wire.errors import ConnectionClosed
from ..dht.address import Address
from ..dht.messages import RelayThrough
from ..dht.sockets import CLOSED, DhtError
from ..udx.transport import UdxTransport
from .announcer import Announcer
from .handshakes import Firewalled, Handshakes, OnHeard, OnPaired, OnSeen, OnUnpaired
from .hub import FoundPath, Hub
from .links import Links, OnConnection
from .relay_leg import DialRelay, RelayLeg

log = structlog.get_logger(__name__)

MAX_WAITING = 64
"""Connections that wait to be taken. Those beyond end at once."""
MAX_LEGS, MAX_NEW_LEGS = 64, 8
"""Connections to blind relays; and of them, those at a client's wish by which nobody has come yet: each is looked for in the DHT.
A client beyond is reached directly or not at all."""
MAX_CONNECTIONS = 1024
"""Connections of one server. Clients beyond are not answered."""
LEAVE_SECONDS = 3.0
"""Time for the nodes to hear that a server is no longer there. Their announcements end by themselves."""


class DhtServer:
    """A server. `async with` announces it, and takes it back; `async for` gives its connections, each open."""

    def __init__(
        self,
        hub: Hub,
        links: Links,
        flush: Callable[[], None],
        dial: DialRelay,
        pair: KeyPair,
        *,
        firewall: Firewalled | None = None,
        relay_through: bytes | None = None,
        relay_if_random: bool = False,
        may_relay: Firewalled | None = None,
        on_connection: OnConnection | None = None,
        reusable_socket: bool = False,
    ) -> None:
        self.pair = pair
        self._on_connection = on_connection
        self._hub, self._links, self._flush, self._firewall = hub, links, flush, firewall
        self._announcer = Announcer(hub, pair)
        self._relay_through, self._relay_if_random = relay_through, relay_if_random
        self._handshakes = Handshakes(
            hub, pair, self._announcer, self, self._refuses,
            relay_through=self._own_relay, reusable_socket=reusable_socket,
        )  # fmt: skip
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[int, UdxTransport] = {}
        self._queue: asyncio.Queue[Connection | None] = asyncio.Queue()
        self._connections: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self._announced: asyncio.Future[int] = self._loop.create_future()
        self._dial, self._may_relay = dial, may_relay
        self._legs: dict[int, RelayLeg] = {}
        self._relayed: dict[int, tuple[UdxTransport, Connection]] = {}

    @property
    def relays(self) -> tuple[Address, ...]:
        """The nodes that pass handshakes on to it. Peers that are told them need not look for them."""
        return tuple(relay for relay, _ in self._announcer.relays)

    @property
    def handshakes(self) -> Handshakes:
        """The machine, to be looked at."""
        return self._handshakes

    def refresh(self) -> None:
        """Announce it anew, at once: the address may have changed."""
        self._announcer.refresh(self._loop.time())
        self._flush()

    # ---- its life

    async def __aenter__(self) -> DhtServer:
        """Announce it. Raises DhtError if no node takes that, the key is listened at already, or the node was closed."""
        target = self._announcer.target
        if self._hub.closed:
            raise DhtError(CLOSED)
        if target in self._hub.servers:
            raise DhtError(f"{self.pair.public.hex()} is listened at already")
        self._hub.servers[target], self._hub.on_close[target] = self._handshakes, self._stop
        try:
            self._announcer.start(_tells(self._announced), self._loop.time())
            self._flush()
            if not await self._announced and self._hub.node.address is None:
                raise DhtError("no node takes the announcement: the peer could not be found")
        except BaseException:
            self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take it back, and end its connections."""
        self._stop()
        if self._hub.closed:
            return
        left: asyncio.Future[int] = self._loop.create_future()
        tell = _tells(left)
        self._announcer.stop(lambda now: tell(0, now), self._loop.time())
        self._flush()
        await asyncio.wait([left], timeout=LEAVE_SECONDS)

    def _stop(self) -> None:
        if self._closed:
            return
        self._closed = True
        if not self._announced.done():
            self._announced.set_exception(DhtError(CLOSED))
            self._announced.exception()  # marks it as retrieved: possibly nobody waits for it
        for known in (self._hub.servers, self._hub.on_close):
            known.pop(self._announcer.target, None)
        self._announcer.halt()
        self._handshakes.close(self._loop.time())
        for task in list(self._tasks):
            task.cancel()
        for leg in list(self._legs.values()):
            leg.close()
        self._legs.clear()
        for connection in list(self._connections):
            connection.close("the server stops")
        self._queue.put_nowait(None)
        self._flush()

    def __aiter__(self) -> AsyncIterator[Connection]:
        return self

    async def __anext__(self) -> Connection:
        """Return the next connection."""
        found = None if self._closed and self._queue.empty() else await self._queue.get()
        if found is None:
            raise StopAsyncIteration
        return found

    # ---- its streams

    def _refuses(self, key: bytes) -> bool:
        if len(self._connections) >= MAX_CONNECTIONS:
            return True
        return self._firewall is not None and _asked(self._firewall, key, broken=True)

    def _own_relay(self) -> bytes | None:
        return None if self._relay_if_random and not self._hub.random else self._relay_through

    def open_stream(self, heard: OnHeard) -> int:
        """Make a stream (ServerStreams)."""

        def heard_and_sent(port: object, sender: Address, now: float) -> bool:
            counts = heard(port, sender, now)  # type: ignore[arg-type]
            self._flush()
            return counts

        transport = self._links.new_stream(self._hub.main, heard_and_sent)
        self._waiting[transport.local_id] = transport
        return transport.local_id

    def connect_stream(self, stream: int, path: FoundPath) -> None:
        """Let a stream begin (ServerStreams)."""
        transport = self._waiting.pop(stream)
        connection = self._links.connect(transport, path, self.pair, self._on_connection)
        self._connections.add(connection)
        connection.on_closed.append(lambda: self._gone(connection, stream))
        if path.kind == "relayed":
            self._relayed[stream] = transport, connection
        else:
            self._leave_relay(stream)
        task = self._loop.create_task(self._opened(connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def drop_stream(self, stream: int) -> None:
        """Give up a stream that did not begin (ServerStreams)."""
        self._leave_relay(stream)
        self._waiting.pop(stream).abort()

    def relay_stream(
        self, stream: int, through: RelayThrough, initiator: bool,
        seen: OnSeen, paired: OnPaired, refused: OnUnpaired,
    ) -> bool:  # fmt: skip
        """Meet a client at a blind relay (ServerStreams)."""
        allowed = initiator or self._may_relay is None or _asked(self._may_relay, through.key, broken=False)
        new = sum(one not in self._relayed for one in self._legs)
        if not allowed or len(self._legs) >= MAX_LEGS or (not initiator and new >= MAX_NEW_LEGS):
            return False

        def paired_and_sent(number: int, now: float) -> None:
            paired(number, now)
            self._flush()

        self._legs[stream] = RelayLeg(
            self._dial, self._links, through, initiator, stream, seen, paired_and_sent, refused
        )
        return True

    def upgrade_stream(self, stream: int, path: FoundPath) -> None:
        """Let a stream that goes by a relay go directly (ServerStreams)."""
        relayed = self._relayed.pop(stream, None)
        if relayed is not None:
            transport, connection = relayed
            self._links.upgrade(connection, transport, path, lambda: self._leave_relay(stream))

    def _gone(self, connection: Connection, stream: int) -> None:
        self._connections.discard(connection)
        self._relayed.pop(stream, None)
        self._leave_relay(stream)

    def _leave_relay(self, stream: int) -> None:
        leg = self._legs.pop(stream, None)
        if leg is not None:
            leg.close()

    async def _opened(self, connection: Connection) -> None:
        try:
            await connection.opened()
        except ConnectionClosed as error:
            connection.complain("incoming connection refused", reason=str(error))
            return
        if self._on_connection is not None:
            return
        if self._queue.qsize() >= MAX_WAITING:
            connection.abort("nobody takes the connections of this server")
        else:
            self._queue.put_nowait(connection)


def _asked(what: Firewalled, key: bytes, *, broken: bool) -> bool:
    """Return what a caller says of a key, `broken` if that fails: whatever else came with the stranger's message goes on."""
    try:
        return what(key)
    except Exception as error:
        log.error("a firewall failed: the peer is refused", peer=key.hex()[:16], error=str(error), exc_info=True)
        return broken


def _tells(future: asyncio.Future[int]) -> Callable[[int, float], None]:
    def tell(count: int, now: float) -> None:
        if not future.done():
            future.set_result(count)

    return tell
