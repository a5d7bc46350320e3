"""Get a core from its peers: the scheduler decides, this shell sends, stores and waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import structlog

from ..core import Core
from ..heads import Change
from ..store.storage import StorageError
from ..tree.proof import OtherTree, Proof, ProofError, Unconnected
from ..wire.answers import BlockAnswer, UpgradeAnswer
from ..wire.errors import ConnectionClosed, ReplicationError
from ..wire.order import Download
from ..wire.peer import Answered, PeerState
from ..wire.push import PUSH_COST, PUSH_LIMIT
from ..wire.scheduler import Scheduler
from .connection import Connection
from .replication import CorePeer, Replication

log = structlog.get_logger(__name__)

STALL_SECONDS = 30.0
"""Time without any change after which waiting callers get an error instead of waiting for ever."""
RETRY_SECONDS = 10.0
"""Pause after a failed write before anything is asked for again. A caller that tries again ends it."""
FLUSH_SECONDS = 0.5
"""Delay before received blocks are made durable, so that many of them share one commit."""

OnProgress = Callable[[int, int], None]
"""A function called with (blocks done, blocks wanted)."""


class Replicator:
    """A downloader of one core from any number of peers. Use it as a context, or call `close`."""

    def __init__(
        self,
        core: Core,
        live: bool = False,
        through: int = 0,
        *,
        allow_push: bool = False,
        push_only: bool = False,
        push_limit: int = PUSH_LIMIT,
    ) -> None:
        """Prepare a download. `live`: fetch every block as the core grows; `through`: see `Scheduler`.

        `allow_push`: take blocks that peers send unasked as well, up to `push_limit` bytes, after which they are told to send
        no more; `push_only`: take these, and ask for nothing, or, with `live`, for what a peer that pushes left out: what is
        missing below a block that it pushed, and the rest after `push.QUIET_SECONDS` without a push. That counts as pushed.
        """
        self.core = core
        self._scheduler = Scheduler(core, live, through, push_only)
        self._push_only = push_only
        self._pushable = push_limit if allow_push or push_only else 0
        """Bytes of pushed blocks that are still taken."""
        self._peers: dict[PeerState, CorePeer] = {}
        self._wake = asyncio.Event()
        self._last_reason = "no peer was tried"
        self._loop = asyncio.get_running_loop()
        self._flush_timer: asyncio.TimerHandle | None = None
        self._overdue: asyncio.TimerHandle | None = None
        self._pause_timer: asyncio.TimerHandle | None = None
        self._failures = 0
        self._failure = ""
        self._pumping = False
        self._stop_listening = core.on_change(self._on_change)

    def __enter__(self) -> Replicator:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def attach(self, connection: Connection) -> CorePeer:
        """Use this peer as well.

        Raises ConnectionClosed, and ReplicationError if another replicator already uses it for the core.
        """
        try:
            peer = Replication.of(connection).add(self.core)
        except (ConnectionClosed, ReplicationError) as error:
            self._last_reason = str(error)
            raise
        if peer.asker not in (None, self):
            raise ReplicationError(
                f"core {self.core.key.hex()} is already being fetched from {peer} by another replicator"
            )
        self._peers[peer.state] = peer
        peer.asker = self
        peer.state.allow_push(self._pushable > 0)
        self._scheduler.attach(peer.state, self._loop.time())
        peer.flush()
        self.changed(peer, None)
        return peer

    def close(self) -> None:
        """Stop asking, and make what arrived durable. The connections stay open."""
        self._stop_listening()
        if self._overdue is not None:
            self._overdue.cancel()
        self._scheduler.close()
        for peer in list(self._peers.values()):
            peer.asker = None
            peer.flush()
        self._peers.clear()
        self._last_reason = "the replicator was closed"
        self._wake.set()  # who still waits must not wait for the stall
        if self._pause_timer is not None:
            self._pause_timer.cancel()
        self._flush()

    @property
    def peers(self) -> list[CorePeer]:
        """The attached peers."""
        return list(self._peers.values())

    # ---- what callers wait for

    async def update(self, length: int = 0) -> int:
        """Wait until this core is as long as its peers' (and at least `length`). Return the length.

        Raises ReplicationError if the last peer is gone or the length does not arrive, and StorageError if it cannot be
        written.
        """
        before = self._try_again()
        while not (self._scheduler.up_to_date() and self.core.length >= length):
            what = "the feed's head" if length <= self.core.length else f"a head of {length} blocks"
            await self._wait(partial(str, what), before)
        self._flush()
        return self.core.length

    async def get(self, index: int) -> bytes:
        """Return a block as it was appended. Raises ReplicationError."""
        await self.download(index, index + 1)
        data = self.core.get(index)
        if data is None:
            raise ReplicationError(f"block {index} of core {self.core.key.hex()} was dropped right after its download")
        return data

    async def download(self, start: int = 0, end: int | None = None, on_progress: OnProgress | None = None) -> None:
        """Wait until blocks [start, end) are here and durable (default: all of the current length).

        Raises ReplicationError if no peer is left or none has them, and StorageError if the blocks cannot be written.
        """
        end = self.core.length if end is None else end
        if end > self.core.length:
            await self.update(end)
        before = self._try_again()
        wanted = self._scheduler.want(start, end)
        try:
            self._pump()
            while wanted.left > 0:
                if on_progress is not None:
                    on_progress(end - start - wanted.left, end - start)
                self._check_refused(wanted)
                await self._wait(lambda: self._scheduler.lacking(wanted), before)
        finally:
            self._scheduler.unwant(wanted)
            self._flush()
        if on_progress is not None:
            on_progress(end - start, end - start)

    def _check_refused(self, wanted: Download) -> None:
        """Raise ReplicationError if every peer has refused a block: it will not arrive."""
        hopeless = self._scheduler.hopeless(wanted)
        if hopeless:
            raise ReplicationError(
                f"core {self.core.key.hex()}: block {hopeless[0]}: not to be had from {self._names()}"
            )

    def _names(self) -> str:
        return ", ".join(map(str, self._peers.values()))

    async def _wait(self, what: Callable[[], str], before: int) -> None:
        """Wait until something changes. `what` says, if asked, what is waited for.

        Raises ReplicationError if nothing can change, and StorageError if a write failed after the first `before` that did.
        """
        if self._failures > before:
            raise StorageError(self._failure)
        if not self._peers:
            raise ReplicationError(f"core {self.core.key.hex()}: no peer is left for {what()}: {self._last_reason}")
        self._wake.clear()
        try:
            async with asyncio.timeout(STALL_SECONDS):
                await self._wake.wait()
        except TimeoutError:
            # something may have changed in the very turn in which the time was over: that is looked at first
            if self._scheduler.idle and not self._wake.is_set():
                raise ReplicationError(
                    f"core {self.core.key.hex()}: {what()}: not to be had from {self._names()}"
                ) from None

    # ---- what peers tell

    def changed(self, peer: CorePeer, block: int | None) -> None:
        """Note what a peer has (`replication.Asker`)."""
        self._scheduler.changed(peer.state, block, self._loop.time())
        self._wake.set()
        self._pump()

    def doubted(self, peer: CorePeer) -> None:
        """Ask a peer for nothing until it is known whether it has another history (`replication.Asker`)."""
        self._scheduler.left(peer.state)
        self._pump()

    def left(self, peer: CorePeer, reason: str) -> None:
        """Note that a peer is gone (`replication.Asker`)."""
        self._peers.pop(peer.state, None)
        self._scheduler.left(peer.state)
        self._last_reason = f"{peer}: {reason}"
        self._wake.set()
        self._pump()

    def answered(self, peer: CorePeer, answer: Answered) -> None:
        """Store a peer's answer (`replication.Asker`). Raises ProofError if it is wrong."""
        found = self._scheduler.answered(peer.state, answer)
        try:
            if isinstance(found, UpgradeAnswer):
                self._store_head(found)
                self._scheduler.shown(peer.state)
            elif found is not None:
                self._store_block(peer, found)
        except StorageError as error:
            self._cannot_store(error)
        self._wake.set()
        self._pump_soon()

    def pushed(self, peer: CorePeer, proof: Proof) -> bool:
        """Store a block that was not asked for, and the head that came with it (`replication.Asker`)."""
        used = proof.block is not None and self._store_pushed(peer, proof)
        if proof.block is not None and self._pushable > 0 and proof.fork == self.core.fork:
            self._scheduler.pushed(peer.state, proof.block.index, used, self._loop.time())
            self._wake.set()
            self._pump()
        return used

    def _store_pushed(self, peer: CorePeer, proof: Proof) -> bool:
        core, block, head = self.core, proof.block, proof.upgrade
        if block is None or self._pushable <= 0 or self._pause_timer is not None or core.writable:
            return False
        fits = head is not None and head.start == core.length and (proof.fork == core.fork or not core.length)
        if not fits:  # that head is known, or a part of the way to it is missing: it is asked for if it is longer
            proof = Proof(proof.fork, block)
            if proof.fork != core.fork or block.index >= core.length or core.has(block.index):
                return False
        try:
            core.apply(proof)
        except StorageError as error:
            self._cannot_store(error)
            return False
        except ProofError:
            if fits:
                raise
            return False
        peer.received += len(block.value)
        self._count_pushed(peer, len(block.value))
        if self._flush_timer is None:
            self._flush_timer = self._loop.call_later(FLUSH_SECONDS, self._flush_by_itself)
        return True

    def _count_pushed(self, peer: CorePeer, size: int) -> None:
        """Count bytes that were pushed, or asked for because they were not. After too many, none are taken or asked for."""
        before, self._pushable = self._pushable, self._pushable - max(PUSH_COST, size)
        if before > 0 >= self._pushable:
            log.warning("no more pushed blocks are taken", core=self.core.key.hex(), peer=str(peer))
            if self._push_only:
                self._scheduler.ask_no_more()
            for one in list(self._peers.values()):
                one.state.allow_push(False)
                one.flush()

    def _store_head(self, answer: UpgradeAnswer) -> None:
        core, wanted, proof = self.core, answer.request, answer.proof
        if proof.fork > core.fork and core.length > 0:
            core.adopt_fork(proof)
        elif wanted.start == core.length and (proof.fork == core.fork or core.length == 0):
            core.apply(proof)
        else:
            return  # another replicator of this core was faster
        core.flush()
        if core.length < wanted.start + wanted.length:
            raise ProofError(
                f"the request was for {wanted.start + wanted.length} blocks, but the answer leads to {core.length}"
            )

    def _store_block(self, peer: CorePeer, answer: BlockAnswer) -> None:
        try:
            self.core.apply(answer.proof)
        except StorageError:
            self._scheduler.give_back(answer.index)
            raise
        except ProofError as error:
            if answer.leans and isinstance(error, Unconnected):
                self._scheduler.uncheckable(answer.index)
                return
            self._scheduler.give_back(answer.index)
            kind = OtherTree if isinstance(error, OtherTree) else ProofError
            raise kind(f"block {answer.index}: {error}") from error
        size = 0 if answer.proof.block is None else len(answer.proof.block.value)
        peer.received += size
        if self._push_only:
            self._count_pushed(peer, size)
        if self._flush_timer is None:
            self._flush_timer = self._loop.call_later(FLUSH_SECONDS, self._flush_by_itself)

    def _on_change(self, change: Change) -> None:
        if self._scheduler.core_changed(change):
            self._loop.call_soon(self._pump)
        self._wake.set()

    def _pump_soon(self) -> None:
        """Pump once after all answers of this turn of the loop."""
        if not self._pumping:
            self._pumping = True
            self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        """Send every request that may be sent now: none while nothing can be stored."""
        self._pumping = False
        if self._pause_timer is not None:
            return
        for state, peer in self._peers.items():
            state.writable = peer.connection.writable
        self._scheduler.pump(self._loop.time())
        for peer in list(self._peers.values()):
            peer.flush()
        self._watch_overdue()

    def _watch_overdue(self) -> None:
        """Set the timer to the moment at which a peer's answer becomes overdue."""
        if self._overdue is not None:
            self._overdue.cancel()
        at = self._scheduler.deadline()
        self._overdue = None if at is None else self._loop.call_at(at, self._is_overdue)

    def _is_overdue(self) -> None:
        self._pump()
        self._wake.set()

    # ---- the disk

    def _flush(self) -> None:
        if self._flush_timer is not None:
            self._flush_timer.cancel()
            self._flush_timer = None
        self.core.flush()

    def _flush_by_itself(self) -> None:
        """Make what arrived durable. If it cannot be written it is lost, and the waiting callers get the error."""
        try:
            self._flush()
        except StorageError as error:
            self._cannot_store(error)

    def _cannot_store(self, error: StorageError) -> None:
        """Tell who waits, and ask for nothing until there may be room again. No peer is to blame."""
        self._failures += 1
        self._failure = str(error)
        self._scheduler.lost()
        self._wake.set()
        if self._pause_timer is None:
            log.error("cannot store blocks", core=self.core.key.hex(), error=str(error))
            self._pause_timer = self._loop.call_later(RETRY_SECONDS, self._try_again)

    def _try_again(self) -> int:
        """End the pause after a failed write. Return how many failed so far."""
        if self._pause_timer is not None:
            self._pause_timer.cancel()
            self._pause_timer = None
            self._pump()
        return self._failures


async def fetch(
    core: Core, connection: Connection, start: int = 0, end: int | None = None, on_progress: OnProgress | None = None
) -> None:
    """Update `core` from one peer and download blocks [start, end). Raises ReplicationError."""
    with Replicator(core) as replicator:
        replicator.attach(connection)
        await replicator.update()
        await replicator.download(start, end, on_progress)
