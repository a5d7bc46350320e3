"""Replication of cores on one connection, with a channel for each core. The replicator asks; the server answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

import structlog

from ..codec import CodecError, Reader, encode_uint
from ..core import Core
from ..crypto import capability, equal
from ..heads import Change, Truncated
from ..store.storage import StorageError
from ..stored import CoreError
from ..tree.proof import OtherTree, Proof, ProofError, Request, UpgradeRequest
from ..wire import messages as m
from ..wire import push
from ..wire.errors import ConnectionClosed, ReplicationError
from ..wire.intervals import Intervals
from ..wire.peer import Answered, HeadShown, PeerState, Pushed
from ..wire.protomux import Endpoint
from .connection import Connection
from .serving import Server

log = structlog.get_logger(__name__)

PROTOCOL = "hypercore/alpha"
SEEKS = 1
MAX_HEADS_JUDGED = 64
"""Heads shown unasked that are compared with ours for one connection, on all its channels: each takes signatures to check."""

Find = Callable[[bytes], "Core | None"]


class Asker(Protocol):
    """The listener to a peer's state and answers: the replicator."""

    def changed(self, peer: CorePeer, block: int | None) -> None:
        """Note that the peer has more from `block` on. None means another head, or that it takes requests again."""
        ...

    def answered(self, peer: CorePeer, answer: Answered) -> None:
        """Take an answer. Raises ProofError if it is wrong."""
        ...

    def pushed(self, peer: CorePeer, proof: Proof) -> bool:
        """Take a block that was not asked for. Return whether it was of use. Raises ProofError for a false head."""
        ...

    def doubted(self, peer: CorePeer) -> None:
        """Ask the peer for nothing more: it is asked whether it has another history. It leaves in the end."""
        ...

    def left(self, peer: CorePeer, reason: str) -> None:
        """Note that the peer is gone, and the requests sent to it with it."""
        ...


class Replication:
    """All cores on one connection. Get it with `of`."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._peers: dict[bytes, CorePeer] = {}
        self._heads_judged = 0
        connection.on_writable.append(self._writable)

    @classmethod
    def of(cls, connection: Connection) -> Replication:
        """Return the replication of a connection, created at the first call."""
        found = connection.context.get(PROTOCOL)
        if not isinstance(found, Replication):
            found = connection.context[PROTOCOL] = cls(connection)
        return found

    def serve(self, find: Find) -> None:
        """Answer the peer's requests for the cores that `find` returns by discovery key."""

        def notify(identifier: bytes | None, handshake: bytes) -> bool:
            try:
                core = find(identifier) if identifier is not None and len(identifier) == 32 else None
            except (CoreError, StorageError) as error:
                self.connection.complain("cannot serve a feed", error=str(error))
                return False
            if core is None:
                return False
            if core.shuns(self.connection.remote_key):
                return False
            peer = self.add(core)
            return not peer.closed

        self.connection.mux.on_protocol(PROTOCOL, notify)

    def add(self, core: Core) -> CorePeer:
        """Replicate a core on this connection. Raises ConnectionClosed, and ReplicationError if the peer is shunned."""
        if core.shuns(self.connection.remote_key):
            raise ReplicationError(f"core {core.key.hex()}: {self.connection} has another history of it")
        peer = self._peers.get(core.key)
        if peer is None or peer.closed:
            if self.connection.is_closed:
                raise ConnectionClosed(self.connection.reason)
            peer = self._peers[core.key] = CorePeer(self.connection, core)
        return peer

    def push(self, core: Core, index: int) -> bool:
        """Send a block unasked, once, if the peer allows it and lacks the block. Return whether it was sent; if not, it can ask."""
        peer = self._peers.get(core.key)
        return peer is not None and peer.push(index)

    def may_judge(self) -> bool:
        """Return whether one more head that the peer shows is compared with ours, and count it."""
        self._heads_judged += 1
        return self._heads_judged <= MAX_HEADS_JUDGED

    def _writable(self) -> None:
        for peer in list(self._peers.values()):
            if peer.closed:
                self._peers.pop(peer.core.key, None)
            else:
                peer.writable()


class CorePeer:
    """One core on one connection: the channel and timer of a `PeerState`, and the server of the peer."""

    def __init__(self, connection: Connection, core: Core) -> None:
        self.connection, self.core = connection, core
        self.asker: Asker | None = None
        self.received = 0
        """Bytes of the blocks that it sent and that were stored."""
        self._loop = asyncio.get_running_loop()
        self.state = PeerState(core, self._loop.time())
        self._server = Server(connection, core, self._send)
        self._telling = False
        self._pushed, self._pushed_length = Intervals(), 0
        """What was sent unasked: npm peers do not tell which blocks they have of that."""
        self._allowance = push.PushAllowance()
        self._early: list[tuple[int, bytes]] | None = []
        self._handshake: bytes | None = None
        self._endpoint: Endpoint | None = None
        self._doubt = ""
        """What did not fit, while the peer is asked for its whole head."""
        self._timer: asyncio.TimerHandle | None = None
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

    @property
    def closed(self) -> bool:
        """Whether the channel has ended."""
        return self.state.closed

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
        self.state.open()
        self.flush()

    def _on_close(self, reason: str) -> None:
        if self.closed:
            return
        self.state.close()
        self._server.stop()
        self._stop_listening()
        if self._timer is not None:
            self._timer.cancel()
        if self.asker is not None:
            self.asker.left(self, self.connection.reason or reason)

    def close(self, reason: str = "closed") -> None:
        """Stop replicating this core on this connection."""
        if self._endpoint is not None:
            self.connection.mux.close(self._endpoint, reason)

    def _send(self, kind: int, body: bytes) -> None:
        if self._endpoint is not None and not self.closed:
            self.connection.mux.send(self._endpoint, kind, body)

    def flush(self) -> None:
        """Send what the peer's state has queued, and set the timer to its deadline."""
        outbox = self.state.outbox
        while outbox:
            self._send(*outbox.popleft())
        deadline = self.state.deadline
        if deadline is not None and self._timer is None:
            self._timer = self._loop.call_at(deadline, self._expire)

    def _expire(self) -> None:
        self._timer = None
        silence = self.state.expire(self._loop.time(), self.connection.paused_seconds)
        if silence is None:
            self.flush()
        elif silence.fatal:
            self.connection.fail(silence.reason)
        else:
            self.close(silence.reason)

    # ---- what the peer must hear

    def _on_change(self, change: Change) -> None:
        if not self.state.opened or self.closed:
            return
        if isinstance(change, Truncated):
            self._pushed, self._pushed_length = Intervals(), 0
        self.state.core_changed(change)
        self.flush()
        if not self._telling:  # one message for everything that changes in this turn of the loop
            self._telling = True
            self._loop.call_soon(self._tell)

    def _tell(self) -> None:
        """Announce what changed, or later if the peer does not keep up."""
        self._telling = False
        if not self.connection.writable or self.closed:
            return
        everything = self.state.tell()
        self.flush()
        if everything:
            self._server.tell_blocks(0, self.core.length)

    def writable(self) -> None:
        """Continue, because the peer keeps up again."""
        self._tell()
        self._server.schedule()
        self._inform(None)

    def push(self, index: int) -> bool:
        """Send a block unasked, with the head that it belongs to. Return whether that was possible at once. Raises StorageError."""
        core, state = self.core, self.state
        if self.closed or not self.connection.writable or not push.takes(state, core.fork, index):
            return False
        if index in self._pushed or not core.has(index) or not core.is_quick(index):
            return False
        known = max(state.remote.length, self._pushed_length)
        proof = core.prove(push.request_for(index, core.length, known, state.remote.length == 0))
        body = m.encode_data(push.NUMBER, proof)
        self._send(m.DATA, body)
        self._pushed.add(index, index + 1)
        self._pushed_length = core.length if index >= known else self._pushed_length
        self.connection.count_served(len(body))
        return True

    # ---- messages

    def _on_message(self, kind: int, body: bytes) -> None:
        if self._early is not None:
            self._early.append((kind, body))
            return
        if self.closed or not self.state.opened:
            return
        try:
            self._take(kind, body)
        except CodecError as error:
            self.connection.fail(f"message {kind} of core {self.core.discovery_key.hex()}: {error}")
        except (ProofError, CoreError) as error:
            self.connection.fail(f"core {self.core.key.hex()}: {error}")
        except StorageError as error:
            self.connection.complain("cannot read a feed from the disk", core=self.core.key.hex(), error=str(error))
            self.close("the feed cannot be read here now")

    def _take(self, kind: int, body: bytes) -> None:
        if kind == m.REQUEST:
            self._server.take_request(*m.decode_request(body))
        elif kind == m.WANT:
            self._server.take_want(*m.decode_want(body))
        elif kind == m.CANCEL:
            self._server.cancel(Reader(body).uint("request id"))
        else:
            event = self.state.take(kind, body, self._loop.time())
            if isinstance(event, Answered):
                self._take_answer(event)
                self.state.settle_head(event.number)
                self.flush()
                return
            self.flush()
            if isinstance(event, HeadShown):
                judged = Replication.of(self.connection).may_judge() and self._judge(event.proof)
                if not judged and event.proof.block is not None:
                    self._take_pushed(event.proof, allowed=True)
            elif isinstance(event, Pushed):
                self._take_pushed(event.proof, event.allowed)
            elif event is not None:
                self._inform(event.block)

    def _inform(self, block: int | None) -> None:
        if self.asker is not None and self.state.doubted is None:
            self.asker.changed(self, block)

    def _take_pushed(self, proof: Proof, allowed: bool) -> None:
        """Pass a pushed block on, and end the connection once too many were of no use."""
        assert proof.block is not None
        used = False
        if allowed and self.asker is not None and self.state.doubted is None:
            try:
                used = self.asker.pushed(self, proof)
            except OtherTree as error:
                self._doubt_peer(error)
        if not self._allowance.count(len(proof.block.value), used):
            self.connection.fail(
                f"core {self.core.key.hex()}: over {push.MAX_UNUSED >> 20} MiB were pushed that are of no use"
            )

    # ---- two histories

    def _take_answer(self, answer: Answered) -> None:
        """Pass an answer on. If it is not of our tree, the peer is asked for its whole head before it is to blame."""
        if answer.number == self.state.doubted:
            if answer.proof is None or not self._judge(answer.proof):
                raise ProofError(self._doubt)
            return
        if self.asker is None:
            return
        try:
            self.asker.answered(self, answer)
        except OtherTree as error:
            self._doubt_peer(error)

    def _doubt_peer(self, error: OtherTree) -> None:
        """Ask for the head of a peer that sent what does not fit. Raises the error if that says nothing."""
        if not self.state.doubt(self._loop.time()):
            raise error
        self._doubt = str(error)
        if self._timer is not None:  # it is set to a later time
            self._timer.cancel()
            self._timer = None
        if self.asker is not None:
            self.asker.doubted(self)
        self.flush()

    def _judge(self, shown: Proof) -> bool:
        """Compare the head that a peer shows with ours. Return whether both are signed and contradict each other.

        Then the proof is kept, the peer gets ours, and no more of this core is taken from it.
        """
        core = self.core
        try:
            conflict = core.contradicted_by(shown)
        except ProofError as error:
            self.connection.complain("a peer shows a false head", core=core.key.hex(), error=str(error))
            return False
        if conflict is None:
            return False
        core.shun(self.connection.remote_key)
        try:
            new = core.keep_conflict(conflict)
        except StorageError as error:
            new = False
            self.connection.complain("cannot keep the proof of two histories", core=core.key.hex(), error=str(error))
        if new:
            log.error(str(conflict), core=core.key.hex(), peer=str(self))
        else:
            self.connection.complain("a peer has another history", core=core.key.hex(), reason=str(conflict))
        with suppress(ProofError):  # of a sparse tree, which cannot be shown
            length = min(core.length, self.state.remote.length) or core.length
            self.state.show_head(core.prove(Request(upgrade=UpgradeRequest(0, length))))
        self.flush()
        self.close(str(conflict))
        return True
