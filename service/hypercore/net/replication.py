"""Hypercore's replication protocol: one connection's channels, one per core; who asks is the replicator."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

import structlog

from ..codec import MAX_UINT, CodecError, Reader, encode_uint
from ..core import Core, CoreError
from ..crypto import capability, equal
from ..heads import Appended, Available, Change, Dropped
from ..tree.proof import Proof, ProofError, Request
from ..wire import messages as m
from ..wire.errors import ConnectionClosed
from ..wire.intervals import Intervals
from ..wire.protomux import Endpoint
from .connection import Connection
from .serving import WANT_BLOCKS, Server

log = structlog.get_logger(__name__)

PROTOCOL = "hypercore/alpha"
SEEKS = 1
MAX_NEWS = 1024
ANSWER_SECONDS = 60.0
OPEN_SECONDS = 20.0

Find = Callable[[bytes], "Core | None"]


class Asker(Protocol):
    """What hears of a peer's state and answers: the replicator."""

    def changed(self, peer: CorePeer, block: int | None) -> None:
        """The peer has more, from ``block`` on; None: it has another head, or takes requests again."""
        ...

    def answered(self, peer: CorePeer, number: int, request: Request, answer: Proof | None) -> None:
        """An answer came; None: the peer has not got it. Raises ProofError when it is wrong."""
        ...

    def left(self, peer: CorePeer, reason: str) -> None:
        """The peer is gone, and with it what was asked of it."""
        ...


class Replication:
    """All cores on one connection. Get it by :meth:`of`."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._peers: dict[bytes, CorePeer] = {}
        connection.on_writable.append(self._writable)

    @classmethod
    def of(cls, connection: Connection) -> Replication:
        """That of a connection; made at the first call."""
        found = connection.context.get(PROTOCOL)
        if not isinstance(found, Replication):
            found = connection.context[PROTOCOL] = cls(connection)
        return found

    def serve(self, find: Find) -> None:
        """Give the peer what it asks for, of the cores that ``find`` gives by discovery key."""

        def notify(identifier: bytes | None, handshake: bytes) -> bool:
            core = find(identifier) if identifier is not None and len(identifier) == 32 else None
            if core is None:
                return False
            peer = self.add(core)
            return not peer.closed

        self.connection.mux.on_protocol(PROTOCOL, notify)

    def add(self, core: Core) -> CorePeer:
        """Replicate a core on this connection. Raises :class:`ConnectionClosed`."""
        peer = self._peers.get(core.key)
        if peer is None or peer.closed:
            if self.connection.is_closed:
                raise ConnectionClosed(self.connection.reason)
            peer = self._peers[core.key] = CorePeer(self.connection, core)
        return peer

    def _writable(self) -> None:
        for peer in list(self._peers.values()):
            if peer.closed:
                self._peers.pop(peer.core.key, None)
            else:
                peer.writable()


class CorePeer:
    """One core on one connection: what the peer has, what it asked for, what was asked of it."""

    def __init__(self, connection: Connection, core: Core) -> None:
        self.connection, self.core = connection, core
        self.asker: Asker | None = None
        self.opened = self.synced = self.closed = False
        self.remote = m.Sync(0, 0, 0, 0)
        self.has = Intervals()
        self.asked: dict[int, Request] = {}
        self._loop = asyncio.get_running_loop()
        self._next_number = 1
        self._told: m.Sync | None = None
        self._wanted: set[int] = set()
        self._server = Server(connection, core, self._send)
        self._new = Intervals(MAX_NEWS)
        self._new_lost = False
        self._telling = False
        self._early: list[tuple[int, bytes]] | None = []
        self._handshake: bytes | None = None
        self._endpoint: Endpoint | None = None
        self._heard = self._loop.time()
        self._watch: asyncio.TimerHandle | None = None
        self._stop_listening = core.on_change(self._on_change)
        proof = capability(core.key, connection.handshake_hash, connection.initiator)
        self._endpoint = connection.mux.open(
            PROTOCOL, core.discovery_key, encode_uint(SEEKS) + proof, self._on_open, self._on_message, self._on_close
        )
        early, self._early = self._early, None
        if self._handshake is not None:
            self._start(self._handshake)
        for kind, body in early or ():
            self._on_message(kind, body)

    def __str__(self) -> str:
        return str(self.connection)

    # ---- the channel

    def _on_open(self, handshake: bytes) -> None:
        self._handshake = handshake
        if self._endpoint is not None:
            self._start(handshake)

    def _start(self, handshake: bytes) -> None:
        theirs = capability(self.core.key, self.connection.handshake_hash, not self.connection.initiator)
        try:
            reader = Reader(handshake)
            reader.uint("flags")
            right = equal(reader.fixed(32, "capability"), theirs)
        except CodecError:
            right = False
        if not right:
            self.connection.fail(f"the peer does not know the key of core {self.core.discovery_key.hex()}")
            return
        self.opened = True
        self._sync()
        self._tell_all()

    def _tell_all(self) -> None:
        """Tell what is here from block 0 without a gap; of the rest the peer must ask."""
        if self.core.contiguous_length:
            self._send(m.RANGE, m.encode_range(0, self.core.contiguous_length))

    def _on_close(self, reason: str) -> None:
        if self.closed:
            return
        self.closed = True
        self._server.stop()
        self._stop_listening()
        if self._watch is not None:
            self._watch.cancel()
        if self.asker is not None:
            self.asker.left(self, self.connection.reason or reason)

    def close(self, reason: str = "closed") -> None:
        """Replicate this core no more on this connection."""
        if self._endpoint is not None:
            self.connection.mux.close(self._endpoint, reason)

    def _send(self, kind: int, body: bytes) -> None:
        if self._endpoint is not None and not self.closed:
            self.connection.mux.send(self._endpoint, kind, body)

    def _sync(self) -> None:
        """Tell our state when it is not what was told last: a sync must never be answered with the same again."""
        core = self.core
        flags = m.CAN_UPGRADE | m.UPLOADING
        flags |= m.DOWNLOADING if self.asker is not None else 0
        flags |= m.HAS_MANIFEST if core.manifest is not None else 0
        known = self.remote.length if self.remote.fork == core.fork else 0
        state = m.Sync(flags, core.fork, core.length, known)
        if self.opened and state != self._told:
            self._told = state
            self._send(m.SYNC, m.encode_sync(state))

    def _on_change(self, change: Change) -> None:
        if not self.opened or self.closed:
            return
        if isinstance(change, Available):
            self._new.add(change.start, change.end)
            self._new_lost = self._new_lost or self._new.gap(change.start) < change.end
        elif isinstance(change, Dropped):
            self._new.remove(change.start, change.end)
            self._send(m.RANGE, m.encode_range(change.start, change.end - change.start, drop=True))
        elif not isinstance(change, Appended):  # truncated
            told = self._told.length if self._told is not None else 0
            self._new = Intervals(MAX_NEWS)
            self.has = Intervals()
            self._wanted.clear()
            if change.length < told:
                self._send(m.RANGE, m.encode_range(change.length, told - change.length, drop=True))
            self._sync()
        if not self._telling:
            self._telling = True
            self._loop.call_soon(self._tell)

    def _tell(self) -> None:
        """Tell what changed; while the peer does not keep up, later."""
        self._telling = False
        if not self.connection.writable or self.closed:
            return
        self._sync()
        new, self._new = self._new, Intervals(MAX_NEWS)
        if not len(new):
            return
        if self.core.contiguous_length == self.core.length:
            self._tell_all()
            return
        if self._new_lost:  # more news than are kept: tell everything
            self._new_lost = False
            self._server.tell_blocks(0, self.core.length)
            return
        for start, end in new.runs():
            self._send(m.RANGE, m.encode_range(start, end - start))

    # ---- messages

    def _on_message(self, kind: int, body: bytes) -> None:
        if self._early is not None:
            self._early.append((kind, body))
            return
        if self.closed or not self.opened:
            return
        try:
            self._take(kind, body)
        except CodecError as error:
            self.connection.fail(f"message {kind} of core {self.core.discovery_key.hex()}: {error}")
        except (ProofError, CoreError) as error:
            self.connection.fail(f"core {self.core.key.hex()}: {error}")

    def _take(self, kind: int, body: bytes) -> None:
        if kind == m.DATA:
            number, answer = m.decode_data(body)
            self._take_answer(number, answer)
        elif kind == m.REQUEST:
            self._server.take_request(*m.decode_request(body))
        elif kind == m.SYNC:
            self._take_sync(m.decode_sync(body))
        elif kind == m.RANGE:
            self._take_range(*m.decode_range(body))
        elif kind == m.BITFIELD:
            start, bits = m.decode_bitfield(body)
            self.has.replace(start, bits)
            self._inform(start)
        elif kind == m.WANT:
            self._server.take_want(*m.decode_want(body))
        elif kind == m.NO_DATA:
            self._take_answer(Reader(body).uint("request id"), None)
        elif kind == m.CANCEL:
            self._server.cancel(Reader(body).uint("request id"))

    def _take_range(self, start: int, length: int, drop: bool) -> None:
        end = min(start + length, MAX_UINT)
        if drop:
            self.has.remove(start, end)
            return
        fresh = self.has.gap(start)
        if fresh < end:
            self.has.add(fresh, end)
            self._inform(fresh)

    def _inform(self, block: int | None = None) -> None:
        if self.asker is not None:
            self.asker.changed(self, block)

    def _take_sync(self, sync: m.Sync) -> None:
        forked = self.synced and sync.fork != self.remote.fork
        if forked:
            self.has = Intervals()
            self._wanted.clear()
        self.remote, self.synced = sync, True
        self._sync()
        if forked and sync.fork == self.core.fork:
            self._tell_all()  # what it heard while it had blocks of the other fork it may have overlooked
        self._inform(0 if forked else None)

    def writable(self) -> None:
        """The peer keeps up again."""
        self._tell()
        self._server.schedule()
        self._inform()

    # ---- asking

    def become_asker(self, asker: Asker | None) -> None:
        """From here on ``asker`` hears of this peer; None: nobody does."""
        self.asker = asker
        if asker is not None and not self.synced and self._watch is None:
            self._watch = self._loop.call_later(OPEN_SECONDS, self._check)
        self._sync()
        self._inform()

    def want(self, block: int) -> None:
        """Ask which blocks around ``block`` the peer has, once."""
        window = block // WANT_BLOCKS
        if window not in self._wanted:
            self._wanted.add(window)
            self._send(m.WANT, m.encode_want(window * WANT_BLOCKS, WANT_BLOCKS))

    def ask(self, request: Request, fork: int) -> int:
        """Send a request; its number."""
        number, self._next_number = self._next_number, self._next_number + 1
        if not self.asked:
            self._heard = self._loop.time()
        self.asked[number] = request
        self._send(m.REQUEST, m.encode_request(number, fork, request))
        if self._watch is None:
            self._watch = self._loop.call_later(ANSWER_SECONDS, self._check)
        return number

    def cancel(self, number: int) -> None:
        """Take a request back; an answer that is under way is dropped."""
        if self.asked.pop(number, None) is not None:
            self._send(m.CANCEL, encode_uint(number))

    def _check(self) -> None:
        self._watch = None
        if self.closed or self.asker is None:
            return
        reading = self.connection.reading_since
        if reading is None:  # what it says waits here, behind a channel whose reader takes its time
            self._watch = self._loop.call_later(OPEN_SECONDS, self._check)
            return
        silent = self._loop.time() - max(self._heard, reading)
        if not self.synced:
            if silent < OPEN_SECONDS:  # reading went on just now
                self._watch = self._loop.call_later(OPEN_SECONDS - silent, self._check)
            else:  # others may have the core: they must not wait for this one
                self.close(f"it does not tell its length within {OPEN_SECONDS:.0f} s")
            return
        if not self.asked:
            return
        if silent >= ANSWER_SECONDS:
            self.connection.fail(f"no answer to {len(self.asked)} requests within {ANSWER_SECONDS:.0f} s")
        else:
            self._watch = self._loop.call_later(ANSWER_SECONDS - silent, self._check)

    def _take_answer(self, number: int, answer: Proof | None) -> None:
        request = self.asked.pop(number, None)
        self._heard = self._loop.time()
        if request is None or self.asker is None:
            return  # it was taken back
        self.asker.answered(self, number, request, answer)
