"""A node of the DHT on its two sockets, with a clock: what others ask is answered, and queries are awaited."""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable
from types import TracebackType
from typing import Any, Self, TypeVar

import structlog

from ...codec import CodecError, encode_uint
from ...crypto import KeyPair, blake2b
from ...net.taken import listening_at
from ..udx.endpoint import Address as SocketAddress
from ..udx.endpoint import Streams, UdxSocket
from .address import Address
from .messages import Announcement, Command, FoundPeer, MutableRecord, decode_peers, sign_announcement
from .node import DhtNode
from .query import Answerer, Query
from .requests import Port, Via
from .rpc import DhtReply

log = structlog.get_logger(__name__)

Result = TypeVar("Result")
OnFound = Callable[[FoundPeer], None]
CLOSED = "the node was closed"


class DhtError(Exception):
    """What was asked of the DHT cannot be had. The message says why."""


class DhtSockets:
    """A node of the DHT on its sockets, as an asynchronous context manager.

    `listen` is where others ask it, `announce` its address as they see it: with one the node stays, and others may begin
    with it. Without, it finds out whether it can be reached (not so `firewalled`), and stays once it was there for 20 minutes.
    `bootstrap` are the nodes that it begins with: nothing else is contacted unless they name it.
    """

    def __init__(
        self,
        listen: Address,
        bootstrap: Iterable[Address] = (),
        announce: Address | None = None,
        *,
        firewalled: bool = False,
    ) -> None:
        self._firewalled = firewalled
        self._listen, self._bootstrap, self._announce = listen, tuple(bootstrap), announce
        self.streams = Streams()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._open: set[asyncio.Future[Any]] = set()

    async def __aenter__(self) -> Self:
        """Open the sockets, and look for the node's place. Raises OSError, and DhtError if no node that is known answers."""
        loop = asyncio.get_running_loop()
        self._loop = loop
        with listening_at("--listen", str(self._listen), "udp"):
            server = UdxSocket(self._listen.host, self._listen.port, self.streams)
        try:
            client = UdxSocket(self._listen.host, 0, self.streams)
        except OSError:
            server.close()
            raise
        self._sockets: dict[Port, UdxSocket] = {Via.SERVER: server, Via.CLIENT: client}
        self._address = Address(*server.address)
        own = self._announce
        if own is not None and not own.port:
            own = Address(own.host, server.address[1])
        chance = random.Random(secrets.randbits(64))
        self.node = DhtNode(self._bootstrap, loop.time(), chance, own, lambda: time.time_ns() // 1_000_000)
        for via, opened in self._sockets.items():
            opened.on_datagram = self._taking(via)
        self._began()
        if self._bootstrap:
            try:
                await self._refresh()
                await self._check_open()
            except BaseException:
                self.close()
                raise
        self._wake()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the sockets."""
        self.close()

    def close(self) -> None:
        """Close the sockets. What is awaited ends with DhtError."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        for opened in self._sockets.values():
            opened.close()
        self._sockets.clear()
        for over in self._open:
            if not over.done():
                over.set_exception(DhtError(CLOSED))

    @property
    def address(self) -> Address:
        """Where others ask it."""
        return self._address

    # ---- sockets and time

    def _began(self) -> None:
        """Do what is to be done once node and sockets are there."""

    def _taking(self, via: Port) -> Callable[[bytes, SocketAddress, UdxSocket], None]:
        def take(data: bytes, sender: SocketAddress, opened: UdxSocket) -> None:
            self.node.take(data, Address(*sender), via, self._loop.time())
            self._flush()

        return take

    def _flush(self) -> None:
        if self._closed:
            return
        for datagram in self.node.out:
            opened = self._sockets.get(datagram.via) or self._open_socket(datagram.via)
            if opened is not None:
                opened.send(datagram.data, datagram.to, datagram.ttl)
        self.node.out.clear()
        for number in self.node.punches.closed:
            unused = self._sockets.pop(number, None)
            if unused is not None:
                unused.close()
        self.node.punches.closed.clear()
        self._wake()

    def _open_socket(self, port: Port) -> UdxSocket | None:
        """Open a socket to punch a hole. Return None if it was closed before, or none can be opened: its datagram is lost."""
        if isinstance(port, Via) or not self.node.punches.is_open(port):
            return None
        try:
            opened = UdxSocket(self._listen.host, 0, self.streams)
        except OSError as error:
            log.warning("no socket for punching a hole", error=str(error))
            return None
        opened.on_datagram = self._taking(port)
        self._sockets[port] = opened
        return opened

    def _wake(self) -> None:
        if self._closed:
            return
        at = self.node.deadline()
        if self._timer is None or at < self._timer.when():
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(at, self._fire)

    def _fire(self) -> None:
        self._timer = None
        if not self._closed:
            self.node.fire(self._loop.time())
            self._flush()

    # ---- queries

    async def _check_open(self) -> None:
        if not self._firewalled:
            self.node.server_port = self.address.port
            over, done = self._awaited(bool)
            self.node.check_open(done, self._loop.time())
            await over

    def network_changed(self) -> None:
        """Find out anew where this node is, and whether it can be reached: the machine's addresses are others."""
        if not self._closed and self._bootstrap:
            self.node.moved(self._loop.time())
            self._flush()

    async def _refresh(self) -> None:
        over, done = self._awaited(Query)
        self.node.refresh(self._loop.time(), done)
        if not (await over).answers:
            raise DhtError(f"none of the nodes {', '.join(map(str, self._bootstrap))} answers")

    async def query(
        self,
        command: Command,
        target: bytes,
        value: bytes | None = None,
        on_reply: Callable[[DhtReply], None] | None = None,
    ) -> tuple[Query, list[DhtReply]]:
        """Ask nodes nearer and nearer to a target. Return the query and all replies, of which `on_reply` is told at once.

        What `on_reply` raises is raised here at the end, and it is told nothing more. Raises DhtError if the node was closed.
        """
        over, done = self._awaited(Query)
        replies: list[DhtReply] = []
        broken: list[Exception] = []

        def keep(sender: Address, reply: DhtReply) -> None:
            replies.append(reply)
            if on_reply is not None and not broken:
                try:
                    on_reply(reply)
                except Exception as error:  # noqa: BLE001 (raised below: others use the same socket)
                    broken.append(error)

        self.node.query(command, target, done, self._loop.time(), value=value, on_answer=keep)
        query = await over
        if broken:
            raise broken[0]
        return query, replies

    def _awaited(self, kind: type[Result]) -> tuple[Awaitable[Result], Callable[[Result, float], None]]:
        """Return something to await, and what is to be called with its result. What there is to send is sent first.

        Raises DhtError if the node was closed: nobody would call it.
        """
        if self._closed:
            raise DhtError(CLOSED)
        over: asyncio.Future[Result] = self._loop.create_future()
        self._open.add(over)

        def done(result: Result, now: float) -> None:
            if not over.done():
                over.set_result(result)

        async def wait() -> Result:
            try:
                self._flush()
                return await over
            finally:
                self._open.discard(over)

        return wait(), done

    async def _commit(
        self, closest: list[Answerer], command: Command, target: bytes, value_of: Callable[[Answerer], bytes]
    ) -> int:
        over, done = self._awaited(int)
        self.node.commit(closest, command, target, value_of, done, self._loop.time())
        taken = await over
        if not taken:
            raise DhtError("too few nodes responded")
        return taken

    async def lookup(self, topic: bytes, on_found: OnFound | None = None) -> list[FoundPeer]:
        """Return the peers that announced themselves under a topic, each once. `on_found` is told of each at once.

        What `on_found` raises is raised here.
        """
        found = FoundPeers(on_found)
        await self.query(Command.LOOKUP, topic, on_reply=found.add)
        return found.peers

    async def announce(
        self, topic: bytes, pair: KeyPair, relays: tuple[Address, ...] = (), on_found: OnFound | None = None
    ) -> int:
        """Let a peer be found under a topic. Return how many nodes took it. Raises DhtError if none did.

        `on_found` is told of each other peer that is found there on the way.
        """
        peer = FoundPeer(pair.public, relays)
        query, _ = await self.query(Command.LOOKUP, topic, on_reply=FoundPeers(on_found).add)

        def value(node: Answerer) -> bytes:
            signature = sign_announcement(pair, topic, node.id, node.reply.token or b"", peer)
            return Announcement(peer, signature=signature).encode()

        return await self._commit(query.closest, Command.ANNOUNCE, topic, value)

    async def unannounce(self, topic: bytes, pair: KeyPair) -> int:
        """Let a peer be found no longer. Return how many nodes know. Raises DhtError if none does."""
        peer = FoundPeer(pair.public)
        query, _ = await self.query(Command.LOOKUP, topic)

        def value(node: Answerer) -> bytes:
            signature = sign_announcement(pair, topic, node.id, node.reply.token or b"", peer, leaving=True)
            return Announcement(peer, signature=signature).encode()

        return await self._commit(query.closest, Command.UNANNOUNCE, topic, value)

    async def mutable_put(self, pair: KeyPair, seq: int, value: bytes) -> int:
        """Store a value under a key. Return how many nodes took it. Raises DhtError if none did."""
        target, record = blake2b(pair.public), MutableRecord.signed(pair, seq, value).encode()
        query, _ = await self.query(Command.MUTABLE_GET, target, encode_uint(0))
        return await self._commit(query.closest, Command.MUTABLE_PUT, target, lambda node: record)

    async def mutable_get(self, key: bytes, seq: int = 0) -> MutableRecord | None:
        """Return the newest value under a key, if there is one with that number or a higher one."""
        _, replies = await self.query(Command.MUTABLE_GET, blake2b(key), encode_uint(seq))
        newest: MutableRecord | None = None
        for reply in replies:
            found = _record(key, reply.value)
            if found is not None and found.seq >= (seq if newest is None else newest.seq + 1) and found.is_signed:
                newest = found
        return newest

    async def immutable_put(self, value: bytes) -> bytes:
        """Store a value. Return its hash, under which it is found. Raises DhtError if no node took it."""
        target = blake2b(value)
        query, _ = await self.query(Command.IMMUTABLE_GET, target)
        await self._commit(query.closest, Command.IMMUTABLE_PUT, target, lambda node: value)
        return target

    async def immutable_get(self, target: bytes) -> bytes | None:
        """Return the value with a hash."""
        _, replies = await self.query(Command.IMMUTABLE_GET, target)
        return next((one.value for one in replies if one.value is not None and blake2b(one.value) == target), None)


class FoundPeers:
    """The peers that replies name, each once."""

    def __init__(self, on_found: OnFound | None = None) -> None:
        self._found: dict[bytes, FoundPeer] = {}
        self._on_found = on_found

    @property
    def peers(self) -> list[FoundPeer]:
        """All of them, in the order in which they were found."""
        return list(self._found.values())

    def add(self, reply: DhtReply) -> None:
        """Take what a reply names."""
        try:
            peers = decode_peers(reply.value) if reply.value is not None else []
        except CodecError:
            return  # one node that answers rubbish hides nothing that others know
        for peer in peers:
            if peer.key not in self._found:
                self._found[peer.key] = peer
                if self._on_found is not None:
                    self._on_found(peer)


def _record(key: bytes, value: bytes | None) -> MutableRecord | None:
    try:
        return None if value is None else MutableRecord.decode_found(key, value)
    except CodecError:
        return None
