"""Getting a core from peers: which peer is asked for what, in bounded windows, until all that is wanted is here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from ..codec import MAX_UINT
from ..core import Core
from ..heads import Appended, Available, Change, Truncated
from ..store.storage import StorageError
from ..tree.proof import BlockRequest, Proof, ProofError, Request, UpgradeRequest
from ..wire import messages as m
from ..wire.errors import ReplicationError
from .connection import Connection
from .replication import CorePeer, Replication

log = structlog.get_logger(__name__)

WINDOW_BLOCKS = 64
MAX_DENIED = 32  # lengths in a row that a peer tells and then does not show
STALL_SECONDS = 30.0
FLUSH_SECONDS = 0.5

OnProgress = Callable[[int, int], None]
"""Called with (blocks here, blocks wanted)."""


@dataclass(eq=False, slots=True)
class _Download:
    """Blocks [start, end) that somebody waits for."""

    start: int
    end: int
    left: int
    at: dict[CorePeer, int] = field(default_factory=dict)
    """Below that block nothing is left to ask of the peer."""


class Replicator:
    """One core, from any number of peers. Whoever made it calls :meth:`close` (or uses it as a context)."""

    def __init__(self, core: Core, live: bool = False) -> None:
        """``live``: get every block as the core grows."""
        self.core = core
        self._peers: dict[CorePeer, None] = {}
        self._downloads = [_Download(0, MAX_UINT, MAX_UINT)] if live else []
        self._blocks: dict[int, tuple[CorePeer, int]] = {}
        self._refused: dict[CorePeer, set[int]] = {}
        self._upgrade: tuple[CorePeer, int, m.Sync] | None = None
        self._no_upgrade: dict[CorePeer, m.Sync] = {}
        self._denied: dict[CorePeer, int] = {}
        self._wake = asyncio.Event()
        self._last_reason = "no peer was tried"
        self._loop = asyncio.get_running_loop()
        self._flush_timer: asyncio.TimerHandle | None = None
        self._failed: StorageError | None = None
        self._pumping = False
        self._stop_listening = core.on_change(self._on_change)

    def __enter__(self) -> Replicator:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def attach(self, connection: Connection) -> CorePeer:
        """Ask this peer, too. Raises :class:`ConnectionClosed`, :class:`ReplicationError` when another replicator does."""
        peer = Replication.of(connection).add(self.core)
        if peer.asker not in (None, self):
            raise ReplicationError(f"core {self.core.key.hex()} is fetched from {peer} by somebody else already")
        self._peers[peer] = None
        self._refused[peer] = set()
        peer.become_asker(self)
        return peer

    def close(self) -> None:
        """Ask no more; what is here is made durable. The connections stay."""
        self._stop_listening()
        for peer in list(self._peers):
            for number in list(peer.asked):
                peer.cancel(number)
            peer.become_asker(None)
        self._peers.clear()
        self._blocks.clear()
        self._flush()

    @property
    def peers(self) -> list[CorePeer]:
        """Peers that are there."""
        return list(self._peers)

    # ---- what callers wait for

    async def update(self, length: int = 0) -> int:
        """Wait until this core is as long as its peers' say (and at least ``length``). The length.

        Raises :class:`ReplicationError` when the last peer is gone or the length does not come.
        """
        while not (self._up_to_date() and self.core.length >= length):
            await self._wait("the feed's head" if length <= self.core.length else f"a head of {length} blocks")
        self._flush()
        return self.core.length

    def _up_to_date(self) -> bool:
        return any(peer.synced for peer in self._peers) and all(
            peer.synced and not self._is_ahead(peer) for peer in self._peers
        )

    async def get(self, index: int) -> bytes:
        """A block, as it was appended. Raises :class:`ReplicationError`."""
        await self.download(index, index + 1)
        data = self.core.get(index)
        if data is None:
            raise ReplicationError(f"block {index} of core {self.core.key.hex()} was dropped as soon as it came")
        return data

    async def download(self, start: int = 0, end: int | None = None, on_progress: OnProgress | None = None) -> None:
        """Wait until blocks [start, end) are here and durable; default: all of the present length.

        Raises :class:`ReplicationError` when no peer is left or none has them, :class:`StorageError` when what came
        cannot be written.
        """
        end = self.core.length if end is None else end
        if end > self.core.length:
            await self.update(end)
        wanted = _Download(start, end, self._missing(start, end))
        self._downloads.append(wanted)
        try:
            self._pump()
            while wanted.left > 0:
                if on_progress is not None:
                    on_progress(end - start - wanted.left, end - start)
                self._check_refused(wanted)
                await self._wait(f"blocks {start} to {end}")
        finally:
            self._downloads.remove(wanted)
            self._flush()
        if on_progress is not None:
            on_progress(end - start, end - start)

    def _check_refused(self, wanted: _Download) -> None:
        """A block that every peer has refused will not come: none of them is asked for it again."""
        refused = set.intersection(*self._refused.values()) if self._refused else set()
        hopeless = [block for block in refused if wanted.start <= block < wanted.end and not self.core.has(block)]
        if hopeless:
            peers = ", ".join(map(str, self._peers))
            raise ReplicationError(f"core {self.core.key.hex()}: block {min(hopeless)}: not to be had from {peers}")

    def _missing(self, start: int, end: int) -> int:
        return end - start - sum(b - a for a, b in self.core.ranges(start, end))

    def _on_change(self, change: Change) -> None:
        for wanted in self._downloads:
            if isinstance(change, Available):
                wanted.left -= max(0, min(change.end, wanted.end) - max(change.start, wanted.start))
            elif not isinstance(change, Appended):
                wanted.at.clear()
                wanted.left = self._missing(wanted.start, min(wanted.end, max(self.core.length, wanted.start)))
                self._loop.call_soon(self._pump)
        if isinstance(change, Truncated):
            self._blocks.clear()  # what is on its way belongs to another tree
        self._wake.set()

    async def _wait(self, what: str) -> None:
        """Until something changed. Raises :class:`ReplicationError` when nothing can, and :class:`StorageError`."""
        if self._failed is not None:
            failed, self._failed = self._failed, None
            raise failed
        if not self._peers:
            raise ReplicationError(f"core {self.core.key.hex()}: no peer is left for {what}: {self._last_reason}")
        self._wake.clear()
        try:
            async with asyncio.timeout(STALL_SECONDS):
                await self._wake.wait()
        except TimeoutError:
            if not self._blocks and self._upgrade is None:
                peers = ", ".join(map(str, self._peers))
                raise ReplicationError(f"core {self.core.key.hex()}: {what}: not to be had from {peers}") from None

    # ---- what peers tell

    def changed(self, peer: CorePeer, block: int | None) -> None:
        """See :class:`replication.Asker`."""
        if block is not None:
            self._refused[peer] = {one for one in self._refused[peer] if one < block}
            for wanted in self._downloads:
                if peer in wanted.at:
                    wanted.at[peer] = max(wanted.start, min(wanted.at[peer], block))
        self._wake.set()
        self._pump()

    def left(self, peer: CorePeer, reason: str) -> None:
        """See :class:`replication.Asker`."""
        self._peers.pop(peer, None)
        self._refused.pop(peer, None)
        self._no_upgrade.pop(peer, None)
        self._denied.pop(peer, None)
        self._last_reason = f"{peer}: {reason}"
        if self._upgrade is not None and self._upgrade[0] is peer:
            self._upgrade = None
        self._give_back([block for block, (owner, _) in self._blocks.items() if owner is peer])
        for wanted in self._downloads:
            wanted.at.pop(peer, None)
        self._wake.set()
        self._pump()

    def answered(self, peer: CorePeer, number: int, request: Request, answer: Proof | None) -> None:
        """See :class:`replication.Asker`."""
        if self._upgrade is not None and self._upgrade[:2] == (peer, number):
            _, _, state = self._upgrade
            self._upgrade = None
            if answer is None or _is_bare(answer):
                self._no_upgrade[peer] = state
                self._denied[peer] = self._denied.get(peer, 0) + 1
                if self._denied[peer] > MAX_DENIED:
                    raise ProofError(f"the peer told {MAX_DENIED} lengths in a row that it does not show")
            else:
                self._take_upgrade(request, state.fork, answer)
                self._denied.pop(peer, None)
        elif request.block is not None and self._blocks.get(request.block.index) == (peer, number):
            del self._blocks[request.block.index]
            self._take_block(peer, request.block, answer)
        self._wake.set()
        self._pump()

    def _take_upgrade(self, request: Request, fork: int, answer: Proof) -> None:
        wanted = request.upgrade
        assert wanted is not None
        upgrade, core = answer.upgrade, self.core
        # the length may be another: npm peers show the prologue first, and what is beyond it as additional nodes
        if (
            upgrade is None
            or upgrade.start != wanted.start
            or answer.fork != fork
            or answer.block is not None
            or _unasked(answer)
        ):
            raise ProofError(f"an upgrade from {wanted.start} of fork {fork} was asked for, the answer has another")
        if answer.fork > core.fork and core.length > 0:
            core.adopt_fork(answer)
        elif wanted.start == core.length and (answer.fork == core.fork or core.length == 0):
            core.apply(answer)
        else:
            return  # another replicator of this core was faster
        core.flush()
        if core.length < wanted.start + wanted.length:
            raise ProofError(f"{wanted.start + wanted.length} blocks were asked for, the answer leads to {core.length}")

    def _take_block(self, peer: CorePeer, wanted: BlockRequest, answer: Proof | None) -> None:
        if answer is None:
            self._refused[peer].add(wanted.index)
            self._give_back([wanted.index])
            return
        if answer.block is None or answer.block.index != wanted.index or answer.upgrade or _unasked(answer):
            raise ProofError(f"block {wanted.index} was asked for, the answer has another")
        try:
            self.core.apply(answer)
        except ProofError as error:
            self._give_back([wanted.index])
            raise ProofError(f"block {wanted.index}: {error}") from error
        if self._flush_timer is None:
            self._flush_timer = self._loop.call_later(FLUSH_SECONDS, self._flush_by_itself)

    def _give_back(self, blocks: list[int]) -> None:
        for block in blocks:
            self._blocks.pop(block, None)
            for wanted in self._downloads:
                for peer, at in wanted.at.items():
                    wanted.at[peer] = max(wanted.start, min(at, block))

    def _flush(self) -> None:
        if self._flush_timer is not None:
            self._flush_timer.cancel()
            self._flush_timer = None
        self.core.flush()

    def _flush_by_itself(self) -> None:
        """What came is lost when it cannot be written: whoever waits for it is told."""
        try:
            self._flush()
        except StorageError as error:
            log.error("blocks cannot be kept", core=self.core.key.hex(), error=str(error))
            self._failed = error
            self._wake.set()

    # ---- asking

    def _pump(self) -> None:
        """Ask for whatever may be asked for now."""
        if self._pumping:
            return
        self._pumping = True
        try:
            for peer in list(self._peers):
                if peer.opened and peer.synced and not peer.closed:
                    self._ask_upgrade(peer)
                    self._ask_blocks(peer)
        finally:
            self._pumping = False

    def _is_ahead(self, peer: CorePeer) -> bool:
        core, remote = self.core, peer.remote
        if remote.length == 0 or self._no_upgrade.get(peer) == remote:
            return False
        if remote.fork > core.fork:
            return True  # npm peers do not say that they can upgrade whom they see at another fork
        if not remote.flags & m.CAN_UPGRADE:
            return False
        return core.length == 0 or (remote.fork == core.fork and remote.length > core.length)

    def _ask_upgrade(self, peer: CorePeer) -> None:
        core, remote = self.core, peer.remote
        if self._upgrade is not None or core.writable or not self._is_ahead(peer):
            return
        start = core.length if remote.fork == core.fork else 0
        manifest = not core.knows_signers and bool(remote.flags & m.HAS_MANIFEST)
        request = Request(upgrade=UpgradeRequest(start, remote.length - start), manifest=manifest)
        self._upgrade = (peer, peer.ask(request, remote.fork), remote)

    def _ask_blocks(self, peer: CorePeer) -> None:
        if peer.remote.fork != self.core.fork:
            return
        for wanted in self._downloads:
            while len(peer.asked) < WINDOW_BLOCKS and peer.connection.writable:
                block = self._next(peer, wanted)
                if block is None:
                    break
                request = Request(block=BlockRequest(block, self.core.missing_nodes(2 * block)))
                self._blocks[block] = (peer, peer.ask(request, self.core.fork))

    def _next(self, peer: CorePeer, wanted: _Download) -> int | None:
        core, refused = self.core, self._refused[peer]
        block = wanted.at.get(peer, wanted.start)
        end = min(wanted.end, core.length)
        found = None
        while block < end:
            known = peer.has.next(block)
            if known is None or known >= end:
                self._want(peer, block, end)
                break
            if known > block:
                self._want(peer, block, known)  # it may have more there than it told
            block = known
            if core.has(block) or block in self._blocks or block in refused:
                block += 1
                continue
            found = block
            break
        wanted.at[peer] = block if found is None else found + 1
        return found

    def _want(self, peer: CorePeer, block: int, end: int) -> None:
        while block < end and (self.core.has(block) or block in self._blocks):
            block += 1
        if block < end:
            peer.want(block)


def _is_bare(answer: Proof) -> bool:
    """Whether it shows nothing: the manifest alone, as an npm peer gives it that cannot show the head (any more)."""
    return answer.upgrade is None and answer.block is None and not _unasked(answer)


def _unasked(answer: Proof) -> bool:
    """Whether it holds what is never asked for here."""
    return answer.hash is not None or answer.seek is not None


async def fetch(
    core: Core, connection: Connection, start: int = 0, end: int | None = None, on_progress: OnProgress | None = None
) -> None:
    """Update ``core`` from one peer and download blocks [start, end). Raises :class:`ReplicationError`."""
    with Replicator(core) as replicator:
        replicator.attach(connection)
        await replicator.update()
        await replicator.download(start, end, on_progress)
