"""A hosted feed's blocks: the source from which a hoster's hypercore serves what its copies hold."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable

import structlog

from service.disk import DISK_ERRORS
from service.encoding import EncodingError, PoolClosed
from service.hypercore import Core, CoreError
from service.hypercore.crypto import Node, leaf_node
from service.hypercore.heads import Change, Dropped
from service.ports import Codec
from service.protocols.copy.job import SegmentJob
from service.protocols.copy.stream import CopyStream

from .sectors import SectorsMissing
from .store import HostedCopies

log = structlog.get_logger(__name__)

KEPT_BYTES = 16 * 1024 * 1024
"""Bytes of decoded blocks of all feeds kept for the next reader: readers of one feed are often at the same place."""
ENTRY_COST = 256
"""Memory of a kept block besides its bytes."""
QUICK_BYTES = 4096
"""A block of so few bytes is decoded on the spot: 0.04 ms with the codec in Rust, half a millisecond without."""
MAX_TOLD = 16
"""Log lines about blocks of a copy that cannot be served: readers may ask for one again and again."""
UNMARKED_AT_ONCE = 256
"""Blocks unmarked before the event loop gets a turn."""


class KeptBlocks:
    """The decoded blocks of all feeds of a hoster that were asked for lately, within KEPT_BYTES."""

    def __init__(self) -> None:
        self._blocks: OrderedDict[tuple[bytes, int], tuple[Node, bytes]] = OrderedDict()
        self.cost = 0
        """Bytes that they take."""

    def __len__(self) -> int:
        return len(self._blocks)

    def get(self, feed: bytes, leaf: Node | None) -> bytes | None:
        """Return the block of a leaf if it is kept."""
        if leaf is None:
            return None
        leaf_of, data = self._blocks.get((feed, leaf.index), _NOTHING)
        if leaf_of != leaf:
            return None
        self._blocks.move_to_end((feed, leaf.index))
        return data

    def keep(self, feed: bytes, leaf: Node, data: bytes) -> None:
        """Keep the block of a leaf, which was checked, in place of those that were not asked for for longest."""
        self._remove((feed, leaf.index))
        self._blocks[feed, leaf.index] = leaf, data
        self.cost += len(data) + ENTRY_COST
        while self.cost > KEPT_BYTES:
            self._remove(next(iter(self._blocks)))

    def drop(self, feed: bytes) -> None:
        """Keep nothing of a feed."""
        for key in [key for key in self._blocks if key[0] == feed]:
            self._remove(key)

    def _remove(self, key: tuple[bytes, int]) -> None:
        _, data = self._blocks.pop(key, _NOTHING)
        if data is not None:
            self.cost -= len(data) + ENTRY_COST


_NOTHING = (None, None)

REFUSALS = (SectorsMissing, EncodingError, CoreError, *DISK_ERRORS)
OnDamage = Callable[[int, str], None]
"""A function called with a copy that did not give a block's bytes, and why."""


class FeedBlocks:
    """A core's blocks, decoded from the sectors of the copies that hold them and checked against the core's tree."""

    def __init__(self, core: Core, hosted: HostedCopies, codec: Codec, kept: KeptBlocks, on_damage: OnDamage) -> None:
        self.core, self._hosted, self._codec, self._kept, self._on_damage = core, hosted, codec, kept, on_damage
        self._asked: dict[int, asyncio.Future[bytes | None]] = {}
        """Blocks that are being decoded, for all who ask for them meanwhile."""
        self._jobs: dict[int, SegmentJob] = {}
        self._told: dict[int, int] = {}
        self.close = core.on_change(self._on_change)

    def _on_change(self, change: Change) -> None:
        """Mark blocks again that an encoder on this node dropped but a copy now holds.

        The mark is deferred to the next loop iteration, because the core is still in the middle of its change.
        """
        if isinstance(change, Dropped) and any(
            job.stream.spans(change.start, change.end) for job in self._jobs.values()
        ):
            asyncio.get_running_loop().call_soon(self.mark, change.start, change.end)

    def mark(self, start: int, end: int) -> None:
        """Mark in the core those blocks of [start, end) that a copy stores.

        The marks need not be durable: they are made again at each start, out of what is stored.
        """
        for copy, job in self._jobs.items():
            # of another fork only the blocks that it shares were left marked; the core does not have the others
            same = job.head.fork == self.core.fork
            for first, last in job.stream.spans(start, min(end, self._hosted.reached(copy))):
                (self.core.mark if same else self.core.mark_again)(first, last)

    def add(self, job: SegmentJob) -> None:
        """Add the copy of a job as a source, or let it be as it is with this job from now on."""
        self._jobs[job.copy] = job

    def drop(self, copy: int) -> None:
        """Remove a copy as a source."""
        self._jobs.pop(copy, None)
        self._told.pop(copy, None)
        self._kept.drop(self.core.key)  # what no copy holds is not here any longer

    @property
    def empty(self) -> bool:
        """Whether no copy is left."""
        return not self._jobs

    def get(self, index: int) -> bytes | None:
        """Return a block as `BlockSource` does, or None if no copy gives the right bytes. The reason is logged."""
        data = self._known(index)
        if data is not None:
            return data
        for copy, start, size in self._places(index):
            try:
                data = self._hosted.plain(copy, start, start + size)
            except REFUSALS as error:
                self._refused(copy, index, error)
                continue
            if self._is_right(copy, index, data, leaf_node(index, data)):
                return data
        return None

    def is_quick(self, index: int) -> bool:
        """Return whether a block is kept or short."""
        leaf = self.core.node(2 * index)
        return leaf is None or leaf.size <= QUICK_BYTES or self._kept.get(self.core.key, leaf) is not None

    async def fetch(self, index: int) -> bytes | None:
        """Return what `get` does, decoded by the codec's workers, once for all who ask for it meanwhile."""
        while (asked := self._asked.get(index)) is not None:
            await asyncio.wait([asked])
            if not asked.cancelled():
                return asked.result()
        asked = self._asked[index] = asyncio.get_running_loop().create_future()
        try:
            data = await self._decoded(index)
            asked.set_result(data)
            return data
        finally:
            del self._asked[index]
            asked.cancel()

    async def _decoded(self, index: int) -> bytes | None:
        for copy, start, size in self._places(index):
            try:
                data, digest = await self._hosted.fetch(
                    self._codec, copy, start, start + size, lambda data: leaf_node(index, data).hash
                )
            except PoolClosed:
                return None  # the node ends
            except REFUSALS as error:
                if copy in self._jobs:  # it may have been dropped meanwhile
                    self._refused(copy, index, error)
                continue
            if copy in self._jobs and self._is_right(copy, index, data, Node(2 * index, size, digest)):
                return data
        return None

    def _known(self, index: int) -> bytes | None:
        return self._kept.get(self.core.key, self.core.node(2 * index))

    def _places(self, index: int) -> list[tuple[int, int, int]]:
        """Return (copy, offset in its stream, size) of a block in each copy that should have it."""
        places = []
        for copy, job in self._jobs.items():
            stream = CopyStream(job.ranges)
            number = stream.range_of(index)
            if number is None or index >= self._hosted.reached(copy):
                continue
            try:
                start, size = self.core.byte_range(index, job.head.length)
                places.append((copy, stream.offset(number, start), size))
            except CoreError as error:
                self._refused(copy, index, error)
        return places

    def _is_right(self, copy: int, index: int, data: bytes, leaf: Node) -> bool:
        if leaf == self.core.node(2 * index):
            self._kept.keep(self.core.key, leaf, data)
            return True
        self._tell("the sectors of a block are damaged", copy, index)
        self._on_damage(copy, f"block {index} is not what it decodes to")
        return False

    def _refused(self, copy: int, index: int, error: Exception) -> None:
        self._tell("cannot serve a block", copy, index, error=str(error))
        if isinstance(error, SectorsMissing):
            self._on_damage(copy, str(error))

    def _tell(self, event: str, copy: int, block: int, **more: object) -> None:
        told = self._told[copy] = self._told.get(copy, 0) + 1
        if told == MAX_TOLD:
            more["note"] = "no more of this copy is told until the node starts again"
        if told <= MAX_TOLD:
            log.error(event, copy=copy, block=block, **more)

    async def unmark(self, start: int, end: int) -> None:
        """Unmark blocks that no copy holds any longer. The core's own blocks stay: an author may host its own feed."""
        held = [(job.stream, self._hosted.reached(copy)) for copy, job in self._jobs.items()]
        for block in range(start, end):
            covered = any(block < reached and stream.range_of(block) is not None for stream, reached in held)
            if not covered and self.core.raw(block) is None:
                self.core.unmark(block, block + 1)
            if block % UNMARKED_AT_ONCE == 0:
                await asyncio.sleep(0)
