"""A hosted feed's blocks: the source from which a hoster's hypercore serves what its copies hold."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

import structlog

from service.disk import DISK_ERRORS
from service.encoding import EncodingError
from service.hypercore import Core, CoreError
from service.hypercore.crypto import leaf_node
from service.hypercore.heads import Change, Dropped
from service.protocols.copy.job import SegmentJob
from service.protocols.copy.stream import CopyStream

from .sectors import SectorsMissing
from .store import HostedCopies

log = structlog.get_logger(__name__)

KEPT_BYTES = 8 * 1024 * 1024
"""Bytes of decoded blocks kept for the next reader: readers of one feed are often at the same place."""
UNMARKED_AT_ONCE = 256
"""Blocks unmarked before the event loop gets a turn."""


class FeedBlocks:
    """A core's blocks, decoded from the sectors of the copies that hold them and checked against the core's tree."""

    def __init__(self, core: Core, hosted: HostedCopies) -> None:
        self.core, self._hosted = core, hosted
        self._jobs: dict[int, SegmentJob] = {}
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self._kept_bytes = 0
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
            segments = self._hosted.segments(copy)
            reached = segments[-1].progress.position.block if segments else 0
            for first, last in job.stream.spans(start, min(end, reached)):
                (self.core.mark if same else self.core.mark_again)(first, last)

    def add(self, job: SegmentJob) -> None:
        """Add the copy of a job as a source."""
        self._jobs[job.copy] = job

    def drop(self, copy: int) -> None:
        """Remove a copy as a source."""
        self._jobs.pop(copy, None)
        self._kept.clear()  # what no copy holds is not here any longer
        self._kept_bytes = 0

    @property
    def empty(self) -> bool:
        """Whether no copy is left."""
        return not self._jobs

    def covers(self, block: int) -> bool:
        """Return whether some copy's plan holds the block."""
        return any(job.stream.range_of(block) is not None for job in self._jobs.values())

    def get(self, index: int) -> bytes | None:
        """Return a block as `BlockSource` does, or None if no copy gives the right bytes. The reason is logged."""
        data = self._kept.get(index)
        if data is not None and leaf_node(index, data) == self.core.node(2 * index):
            self._kept.move_to_end(index)
            return data
        data = self._decoded(index)
        if data is not None:
            self._keep(index, data)
        return data

    def _keep(self, index: int, data: bytes) -> None:
        self._kept_bytes += len(data) - len(self._kept.pop(index, b""))
        self._kept[index] = data
        while self._kept_bytes > KEPT_BYTES:
            _, oldest = self._kept.popitem(last=False)
            self._kept_bytes -= len(oldest)

    def _decoded(self, index: int) -> bytes | None:
        for copy, job in self._jobs.items():
            stream = CopyStream(job.ranges)
            number = stream.range_of(index)
            if number is None:
                continue
            try:
                start, size = self.core.byte_range(index, job.head.length)
                offset = stream.offset(number, start)
                data = self._hosted.plain(copy, offset, offset + size)
            except (SectorsMissing, EncodingError, CoreError, *DISK_ERRORS) as error:
                log.error("cannot serve a block", copy=copy, block=index, error=str(error))
                continue
            if leaf_node(index, data) == self.core.node(2 * index):
                return data
            log.error("the sectors of a block are damaged", copy=copy, block=index)
        return None

    async def unmark(self, start: int, end: int) -> None:
        """Unmark blocks that no copy holds any longer. The core's own blocks stay: an author may host its own feed."""
        for block in range(start, end):
            if not self.covers(block) and self.core.raw(block) is None:
                self.core.unmark(block, block + 1)
            if block % UNMARKED_AT_ONCE == 0:
                await asyncio.sleep(0)
