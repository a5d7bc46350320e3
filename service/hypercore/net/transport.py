"""Transports: how connections are made, as an interface, and over TCP with static peers `KEY@host:port`."""

from __future__ import annotations

import asyncio
import ctypes
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

import structlog

from ..crypto import KeyPair
from ..wire.errors import ConnectError, ConnectionClosed
from .admission import Admission, Guest, places_of, raise_file_limit
from .connection import Connection
from .shared import Shared

log = structlog.get_logger(__name__)

CONNECT_SECONDS = 10.0
"""Time for one TCP connection."""
BACKLOG = 64
"""Connections that the kernel keeps until they are accepted. All of them may be accepted, and ended, at one time."""
TRIM_SECONDS = 60.0
"""Interval at which memory of connections that have ended is given back to the system."""
MAX_UNFINISHED = 256 * 1024 * 1024
"""Bytes of incomplete frames held for all connections together."""

MALLOC_TRIM = getattr(ctypes.CDLL(None), "malloc_trim", None)
"""The C library's function, where it has one (glibc). It is called in a thread, and holds no lock of Python's."""

OnConnection = Callable[[Connection], None]


@dataclass(frozen=True, slots=True)
class PeerAddress:
    """A peer's public key and the address at which it listens."""

    key: bytes
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> PeerAddress:
        """Parse `KEY@host:port` with the key in hex. Raises ValueError."""
        key, at, address = text.partition("@")
        host, _, port = address.rpartition(":")
        try:
            raw = bytes.fromhex(key)
        except ValueError:
            raw = b""
        if not at or len(raw) != 32 or not host or not port.isdecimal() or not 0 < int(port) < 65536:
            raise ValueError(f"{text!r:.120} is not of the form KEY@host:port with a key of 64 hex digits")
        return cls(raw, host.strip("[]"), int(port))

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.key.hex()}@{host}:{self.port}"


class Transport(Protocol):
    """The interface of a network for roles: TCP with static peers, or a swarm."""

    async def providers(self, feed: bytes) -> list[bytes]:
        """Return the keys of peers that may have a feed, which its discovery key names."""
        ...

    def offer(self, feeds: Iterable[bytes]) -> None:
        """Be found by who looks for these feeds (discovery keys), and for no others any longer."""
        ...

    async def connect(self, public_key: bytes, *, key_pair: KeyPair | None = None) -> Connection:
        """Return an open connection to the peer of that key, under our own identity or another one.

        Raises ConnectError.
        """
        ...

    def apart(self) -> AbstractAsyncContextManager[Transport]:
        """Return a transport to dial from that shows nothing of this one but its machine's address: a reader's of its own.

        It has an identity and sockets of its own, and ends, with all its connections, with the context.
        """
        ...

    def expect(self, keys: Iterable[bytes]) -> None:
        """Keep places for connections from these peers."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


class TcpTransport:
    """A transport over TCP with static peers."""

    def __init__(
        self,
        key_pair: KeyPair,
        peers: Iterable[PeerAddress] = (),
        on_connection: OnConnection | None = None,
        *,
        source: str | None = None,
        upload_limit: float | None = None,
    ) -> None:
        """Prepare a transport.

        `on_connection` is called for each incoming connection before its requests are processed. `source` is the own
        address that connections are made from; without it the system picks one. `upload_limit` are the bytes a second that
        are served to all peers together, None for no limit.
        """
        self._key_pair = key_pair
        self._peers = {peer.key: peer for peer in peers}
        self._on_connection = on_connection
        self._source = None if source is None else (source, 0)
        self._server: asyncio.Server | None = None
        self._connections: set[Connection] = set()
        self._admission = Admission()
        self._expected: frozenset[bytes] = frozenset()
        self._shared = Shared(MAX_UNFINISHED, upload_limit)
        self._tasks: set[asyncio.Task[None]] = set()
        self._trim: asyncio.TimerHandle | None = None
        self._ended = 0
        self.address: tuple[str, int] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def public_key(self) -> bytes:
        """Our own key."""
        return self._key_pair.public

    @property
    def known(self) -> list[PeerAddress]:
        """The static peers, without ourselves."""
        return [peer for peer in self._peers.values() if peer.key != self._key_pair.public]

    @property
    def connections(self) -> list[Connection]:
        """The connections that are open."""
        return [one for one in self._connections if one.is_open]

    def add_peer(self, peer: PeerAddress) -> None:
        """Add a peer, or change its address."""
        self._peers[peer.key] = peer

    def rename_peer(self, old_key: bytes, key: bytes) -> bool:
        """Know a static peer by another key, at the same address. Return whether there is one of the old key."""
        peer = self._peers.pop(old_key, None)
        if peer is not None:
            self._peers[key] = PeerAddress(key, peer.host, peer.port)
        return peer is not None

    async def providers(self, feed: bytes) -> list[bytes]:
        """Return the keys of all static peers: each may have the feed."""
        return [peer.key for peer in self.known]

    def offer(self, feeds: Iterable[bytes]) -> None:
        """Do nothing: who dials static peers knows their addresses."""

    def expect(self, keys: Iterable[bytes]) -> None:
        """Keep places for these peers as well, instead of those that were expected before.

        It holds for connections that they have already, too.
        """
        now = asyncio.get_running_loop().time()
        new = frozenset(keys) - self._expected
        self._expected = frozenset(keys)
        for connection in list(self._connections) if new else ():
            if not connection.initiator and connection.is_open and connection.remote_key in new:
                self._make_room(connection, self._admission.recognise(connection, connection.remote_key, now))

    @asynccontextmanager
    async def apart(self) -> AsyncIterator[Transport]:
        """Return a transport of its own as `Transport.apart` describes."""
        source = None if self._source is None else self._source[0]
        async with TcpTransport(KeyPair.generate(), self._peers.values(), source=source) as other:
            yield other

    async def listen(self, host: str, port: int) -> tuple[str, int]:
        """Accept connections. Return the address, with the port that was picked for 0. Raises OSError."""
        loop = asyncio.get_running_loop()
        self._admission = Admission(places_of(raise_file_limit()))
        self._server = await loop.create_server(self._incoming, host, port, backlog=BACKLOG)
        self._trim = loop.call_later(TRIM_SECONDS, self._give_back)
        found = self._server.sockets[0].getsockname()
        self.address = (host, int(found[1]))
        return self.address

    async def connect(self, public_key: bytes, *, key_pair: KeyPair | None = None) -> Connection:
        """Connect as `Transport.connect` describes."""
        peer = self._peers.get(public_key)
        if peer is None:
            raise ConnectError(f"no address of peer {public_key.hex()} is known: add --peer KEY@HOST:PORT")
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                _, connection = await loop.create_connection(
                    lambda: Connection(True, key_pair or self._key_pair, public_key, shared=self._shared),
                    peer.host,
                    peer.port,
                    local_addr=self._source,
                )
        except TimeoutError:
            raise ConnectError(f"{peer} did not answer within {CONNECT_SECONDS:.0f} s") from None
        except OSError as error:
            raise ConnectError(f"{peer}: {error}") from error
        self._keep(connection)
        try:
            await connection.opened()
        except ConnectionClosed as error:
            raise ConnectError(f"{peer}: {error}") from error
        except BaseException:
            connection.close("given up")
            raise
        return connection

    async def close(self) -> None:
        """Stop listening and close all connections."""
        if self._trim is not None:
            self._trim.cancel()
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.close("this peer stops")
        if self._connections:
            # a short wait for written data to leave; after it the connections are aborted
            await asyncio.wait([asyncio.ensure_future(one.wait_closed()) for one in self._connections], timeout=2)
        for connection in list(self._connections):
            connection.abort("this peer stops")
        if self._server is not None:
            await self._server.wait_closed()
            self._server = None

    def _give_back(self) -> None:
        """Give free memory back: after a crowd the allocator keeps what it took, in pieces."""
        loop = asyncio.get_running_loop()
        self._trim = loop.call_later(TRIM_SECONDS, self._give_back)
        if self._ended and MALLOC_TRIM is not None:
            self._ended = 0
            loop.run_in_executor(None, MALLOC_TRIM, 0)

    def _gone(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self._ended += 1

    def _keep(self, connection: Connection) -> None:
        self._connections.add(connection)
        connection.on_closed.append(lambda: self._gone(connection))

    def _incoming(self) -> Connection:
        return Connection(False, self._key_pair, on_made=self._made, on_opened=self._opened, shared=self._shared)

    def _made(self, connection: Connection) -> None:
        if not self._make_room(connection, self._admission.enter(connection, connection.heard_at)):
            return
        self._keep(connection)
        connection.on_closed.append(lambda: self._admission.leave(connection))
        task = asyncio.get_running_loop().create_task(self._await_handshake(connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def welcome(self, connection: Connection) -> None:
        """Take in a connection that was dialled by another way, and is open already. It may end at once."""
        if self._make_room(connection, self._admission.enter(connection, connection.heard_at)):
            self._keep(connection)
            connection.on_closed.append(lambda: self._admission.leave(connection))
            self._opened(connection)

    def _make_room(self, connection: Connection, leaver: Guest | None) -> bool:
        """End the connection that must end for this one. Return False if it is this one."""
        if leaver is connection:
            connection.fail(f"too many connections from {connection.host}, or in all")
        elif isinstance(leaver, Connection):
            leaver.abort("it was idle, and its place was needed")
        return leaver is not connection

    def _opened(self, connection: Connection) -> None:
        key, now = connection.remote_key, asyncio.get_running_loop().time()
        if key in self._peers or key in self._expected:
            leaver = self._admission.recognise(connection, key, now)
        else:
            leaver = self._admission.stay(connection, now)
        if self._make_room(connection, leaver) and self._on_connection is not None:
            self._on_connection(connection)

    async def _await_handshake(self, connection: Connection) -> None:
        try:
            await connection.opened()
        except ConnectionClosed as error:
            connection.complain("incoming connection refused", reason=str(error))
