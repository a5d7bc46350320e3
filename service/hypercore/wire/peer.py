"""One core on one channel, without input or output: what the peer has, the requests to it, and the news for it.

Its shell passes in the messages received and the time, sends what is in `outbox`, and calls `expire` at `deadline`.

    closed ── open ──▶ opened ── their Sync ──▶ synced ── ask ──▶ waiting ── answer ──▶ synced
                         └ no Sync in OPEN_SECONDS ─▶ given up        ├ none in ANSWER_SECONDS ─▶ failed
                                                                      └ not of our tree ─▶ doubted: asked for its head

Times are seconds of one clock that never goes back (docs/protocol/hypercore.md section 3 has the messages).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from ..codec import MAX_UINT, Reader, encode_uint
from ..heads import Appended, Available, Change, Dropped
from ..tree.proof import Proof, Request, UpgradeRequest
from . import messages as m
from .intervals import Intervals

WANT_BLOCKS = 1 << 21
"""Blocks in one question about which blocks the peer has."""
MAX_NEWS = 1024
"""Changes kept for a peer that does not keep up. Beyond that all blocks are announced again."""
MAX_TAKEN_BACK = 1024
"""Requests that were taken back and may be answered all the same, of which each peer's are kept."""
ANSWER_SECONDS = 60.0
"""Time for an answer while the connection is read. It covers a server whose other peers come first."""
OPEN_SECONDS = 20.0
"""Time for the peer's first Sync. It is shorter, because other peers may have the core."""
DOUBT_SECONDS = 10.0
"""Time for the answer to the question what head the peer has, once something of it did not fit ours."""
MAX_HEADS_SHOWN = 4
"""Heads that a peer may show unasked. What comes beyond that is passed over: each is a signature to check."""
CHECK_SECONDS = 1.0
"""Least time between two looks at a silence, so that a pause of reading at its very end does not mean a look at each turn."""


class CoreState(Protocol):
    """The part of a core that a peer learns about."""

    @property
    def fork(self) -> int:
        """The core's fork."""
        ...

    @property
    def length(self) -> int:
        """The core's length in blocks."""
        ...

    @property
    def contiguous_length(self) -> int:
        """Number of blocks available without a gap from block 0."""
        ...

    @property
    def manifest(self) -> bytes | None:
        """The core's encoded manifest, if it is known."""
        ...


@dataclass(frozen=True, slots=True)
class Changed:
    """The peer has more blocks from `block` on. None means that it has another head."""

    block: int | None


class Answered(NamedTuple):
    """An answer to a request. `proof` is None if the peer does not have it."""

    number: int
    request: Request
    proof: Proof | None


@dataclass(frozen=True, slots=True)
class HeadShown:
    """The peer showed its signed head unasked: it has seen that ours is another one of the same fork."""

    proof: Proof


@dataclass(frozen=True, slots=True)
class Pushed:
    """The peer sent a block that was not asked for. `allowed`: it may, or might when it sent it."""

    proof: Proof
    allowed: bool


@dataclass(frozen=True, slots=True)
class Silence:
    """The peer was silent too long. `fatal` ends the whole connection, otherwise only this core's channel ends."""

    reason: str
    fatal: bool


class PeerState:
    """What is known of one peer's copy of one core, and the requests sent to it."""

    def __init__(self, core: CoreState, now: float) -> None:
        self.opened = self.synced = self.closed = self.asking = False
        self.writable = True
        """Whether the connection takes more. The shell keeps it up to date."""
        self.remote = m.Sync(0, 0, 0, 0)
        self.has = Intervals()
        self.asked: dict[int, Request] = {}
        self.doubted: int | None = None
        """The request for the peer's whole head, which was sent because something of it did not fit ours."""
        self._allow_push = self._ever_allowed = False
        self._upgrading: int | None = None
        """The request for a head, while which no push is allowed: npm peers would answer it with another start than is asked."""
        self._heads_shown = 0
        self._taken_back: set[int] = set()
        self.outbox: deque[tuple[int, bytes]] = deque()
        """(message type, body) of the messages to send, in order."""
        self.deadline: float | None = None
        """The time at which `expire` must be called."""
        self._core = core
        self.heard = now
        """The time of the last answer, or of the first request that waits for one, and later by each pause of reading since."""
        self._paused = 0.0
        self._next_number = 1
        self._told: m.Sync | None = None
        self._wanted: set[int] = set()
        self._new = Intervals(MAX_NEWS)
        self._new_lost = False

    # ---- the channel

    def open(self) -> None:
        """Begin, once the peer has shown that it knows the core's key."""
        self.opened = True
        self._sync()
        self._tell_all()

    def close(self) -> None:
        """End: nothing more is sent or expected."""
        self.closed = True
        self.deadline = None
        self.outbox.clear()

    def _send(self, kind: int, body: bytes) -> None:
        if not self.closed:
            self.outbox.append((kind, body))

    def _tell_all(self) -> None:
        """Announce the blocks available without a gap from block 0. The peer must ask for the rest."""
        if self._core.contiguous_length:
            self._send(m.RANGE, m.encode_range(0, self._core.contiguous_length))

    def _sync(self) -> None:
        """Send our state unless it was sent last: answering a Sync with the same Sync would never end."""
        core = self._core
        flags = m.CAN_UPGRADE | m.UPLOADING
        flags |= m.DOWNLOADING if self.asking else 0
        flags |= m.HAS_MANIFEST if core.manifest is not None else 0
        flags |= m.ALLOW_PUSH if self.asking and self._allow_push and self._upgrading is None else 0
        known = self.remote.length if self.remote.fork == core.fork else 0
        state = m.Sync(flags, core.fork, core.length, known)
        if self.opened and state != self._told:
            self._told = state
            self._send(m.SYNC, m.encode_sync(state))

    # ---- news for the peer

    def core_changed(self, change: Change) -> None:
        """Note a change of our core. `tell` sends it."""
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

    def tell(self) -> bool:
        """Send what changed. Return True if more changed than was kept, so that the shell must announce all blocks."""
        self._sync()
        new, self._new = self._new, Intervals(MAX_NEWS)
        if not len(new):
            return False
        if self._core.contiguous_length == self._core.length:
            self._tell_all()
            return False
        if self._new_lost:
            self._new_lost = False
            return True
        for start, end in new.runs():
            self._send(m.RANGE, m.encode_range(start, end - start))
        return False

    # ---- messages

    def take(self, kind: int, body: bytes, now: float) -> Changed | Answered | HeadShown | Pushed | None:
        """Take a message about the peer's blocks, or an answer. Raises CodecError if it does not decode."""
        if kind == m.DATA:
            return self._answer(*m.decode_data(body), now)
        if kind == m.NO_DATA:
            return self._answer(Reader(body).uint("request id"), None, now)
        if kind == m.SYNC:
            return self._take_sync(m.decode_sync(body))
        if kind == m.RANGE:
            return self._take_range(*m.decode_range(body))
        if kind == m.BITFIELD:
            start, bits = m.decode_bitfield(body)
            self.has.replace(start, bits)
            return Changed(start)
        return None  # a message of another version

    def _answer(self, number: int, proof: Proof | None, now: float) -> Answered | HeadShown | Pushed | None:
        if number == 0 and proof is not None:
            return self._take_unasked(proof)
        request = self.asked.pop(number, None)
        if request is not None or number in self._taken_back:  # else it answers nothing, and is silent in all but name
            self._taken_back.discard(number)
            self.heard = now
        if request is None or not self.asking:
            return None  # the request was taken back
        return Answered(number, request, proof)

    def _take_unasked(self, proof: Proof) -> HeadShown | Pushed | None:
        """Take what answers no request: a head from 0 that may contradict ours, or a pushed block."""
        if proof.upgrade is not None and proof.upgrade.start == 0 and (proof.block is None or self._core.length):
            self._heads_shown += 1
            if self._heads_shown <= MAX_HEADS_SHOWN:
                return HeadShown(proof)
        return None if proof.block is None else Pushed(proof, self._ever_allowed)

    def _take_range(self, start: int, length: int, drop: bool) -> Changed | None:
        end = min(start + length, MAX_UINT)
        if drop:
            self.has.remove(start, end)
            return None
        fresh = self.has.gap(start)
        if fresh >= end:
            return None
        self.has.add(fresh, end)
        return Changed(fresh)

    def _take_sync(self, sync: m.Sync) -> Changed:
        forked = self.synced and sync.fork != self.remote.fork
        if forked:
            self.has = Intervals()
            self._wanted.clear()
        self.remote, self.synced = sync, True
        self._sync()
        if forked and sync.fork == self._core.fork:
            # while it had blocks of the other fork, it may have ignored our announcements
            self._tell_all()
        return Changed(0 if forked else None)

    # ---- asking

    def start_asking(self, now: float) -> None:
        """Use this peer from now on. It is given up if it does not announce its length in time."""
        self.asking = True
        if not self.synced and self.deadline is None:
            self.deadline = now + OPEN_SECONDS
        self._sync()

    def allow_push(self, allowed: bool) -> None:
        """Let the peer send blocks that it was not asked for, as long as this peer is asked at all, or no longer."""
        self._allow_push, self._ever_allowed = allowed, self._ever_allowed or allowed
        self._sync()

    def settle_head(self, number: int) -> None:
        """Let pushes come again, once a request for a head was answered and the answer is stored, or it was taken back."""
        if number == self._upgrading:
            self._upgrading = None
            self._sync()

    def stop_asking(self) -> None:
        """Cancel all requests and send no more."""
        self._allow_push = False
        for number in list(self.asked):
            self.cancel(number)
        self.asking = False
        self._sync()

    def want(self, block: int) -> None:
        """Ask which blocks around `block` the peer has, once for each window of WANT_BLOCKS."""
        window = block // WANT_BLOCKS
        if window not in self._wanted:
            self._wanted.add(window)
            self._send(m.WANT, m.encode_want(window * WANT_BLOCKS, WANT_BLOCKS))

    def ask(self, request: Request, fork: int, now: float) -> int:
        """Send a request and return its number."""
        number, self._next_number = self._next_number, self._next_number + 1
        if not self.asked:
            self.heard = now
        self.asked[number] = request
        if request.upgrade is not None and self._allow_push:
            self._upgrading = number
            self._sync()
        self._send(m.REQUEST, m.encode_request(number, fork, request))
        if self.deadline is None:
            self.deadline = now + ANSWER_SECONDS
        return number

    def cancel(self, number: int) -> None:
        """Cancel a request. An answer that is already on its way is dropped."""
        if self.asked.pop(number, None) is not None:
            if len(self._taken_back) >= MAX_TAKEN_BACK:
                self._taken_back.clear()
            self._taken_back.add(number)
            self._send(m.CANCEL, encode_uint(number))
            self.settle_head(number)

    def doubt(self, now: float) -> bool:
        """Take all requests back and ask for the peer's whole head instead: something that it sent does not fit ours.

        Return False if that was asked before, or if its head can say nothing about ours.
        """
        length = min(self._core.length, self.remote.length)
        if self.doubted is not None or length == 0 or self.remote.fork != self._core.fork:
            return False
        for number in list(self.asked):
            self.cancel(number)
        self.heard = now
        self.doubted = self.ask(Request(upgrade=UpgradeRequest(0, length)), self._core.fork, now)
        self.deadline = now + DOUBT_SECONDS
        return True

    def show_head(self, proof: Proof) -> None:
        """Send our head unasked, as npm peers do that have seen a conflict. It is the proof of an upgrade from 0."""
        self._send(m.DATA, m.encode_data(0, proof))

    def expire(self, now: float, paused: float) -> Silence | None:
        """Check at `deadline` whether the peer has been silent for too long, and set the next deadline.

        `paused` are the seconds in all for which the connection was not read. The peer's messages then waited behind
        another channel whose reader is slow, so they are no silence of the peer. They only stop the clock: a peer that
        has its connection paused again and again does not begin anew.
        """
        self.deadline = None
        self.heard = min(now, self.heard + paused - self._paused)
        self._paused = paused
        if self.closed or not self.asking or (self.synced and not self.asked):
            return None
        limit = ANSWER_SECONDS if self.synced else OPEN_SECONDS
        limit = limit if self.doubted is None else DOUBT_SECONDS
        silent = now - self.heard
        if silent < limit:
            self.deadline = now + max(limit - silent, CHECK_SECONDS)
            return None
        if self.synced:
            return Silence(f"no answer to {len(self.asked)} requests within {limit:.0f} s", fatal=True)
        # give up only this core: other peers may have it and must not wait for this one
        return Silence(f"the peer did not announce its length within {OPEN_SECONDS:.0f} s", fatal=False)
