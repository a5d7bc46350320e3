"""The feeds of which a hoster has copies: served from what is stored, with trees that are checked at its start."""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog

from service.disk import DISK_ERRORS
from service.encoding.profiles import SECTOR
from service.hypercore import Core, CoreError, Corestore
from service.ports import Codec
from service.protocols.copy.job import SegmentJob
from service.protocols.copy.receiver import Stored
from service.protocols.copy.stream import CopyStream, Position

from .blocks import FeedBlocks, KeptBlocks, OnDamage
from .joining import OnHead
from .store import HostedCopies, HostedSegment
from .trees import remedy, tree_fault

log = structlog.get_logger(__name__)


class HostedFeeds:
    """The sources from which the node's hypercores serve what its copies hold."""

    def __init__(
        self, store: Corestore, hosted: HostedCopies, codec: Codec, directory: Path, on_damage: OnDamage
    ) -> None:
        self._store, self._hosted, self._codec = store, hosted, codec
        self._directory, self._on_damage = directory, on_damage
        self._sources: dict[bytes, FeedBlocks] = {}
        self._kept = KeptBlocks()

    def restore(self) -> None:
        """Serve what is stored. A feed whose tree cannot be read is told of, and its sectors are proved all the same."""
        for copy in self._hosted.copies():
            for segment in self._hosted.segments(copy)[-1:]:  # the last one has the longest head
                try:
                    core = self.serve(segment.job)
                    self._sources[core.key].mark(0, core.length)
                except (CoreError, *DISK_ERRORS) as error:
                    self.tell_damage(segment.job, str(error))

    def serve(self, job: SegmentJob) -> Core:
        """Serve a copy as it is with a job. Raises CoreError and StorageError."""
        core = self._store.get(job.feed_key)
        source = self._sources.get(job.feed_key)
        if source is None:
            source = FeedBlocks(core, self._hosted, self._codec, self._kept, self._on_damage)
            self._sources[job.feed_key] = source
            core.blocks = source
        source.add(job)
        return core

    def core_of(self, feed: bytes) -> Core | None:
        """Return the core of a feed of which copies are served here."""
        source = self._sources.get(feed)
        return None if source is None else source.core

    async def check_trees(self, on_head: OnHead) -> None:
        """Check the trees of all stored copies against the chain's roots, once, and tell of all heads that these have."""
        try:
            for copy in await asyncio.to_thread(self._hosted.copies):
                await self._check_tree(await asyncio.to_thread(self._hosted.segments, copy), on_head)
        except DISK_ERRORS as error:
            log.error("the trees of hosted feeds were not all checked: start the node again", error=str(error))

    async def _check_tree(self, segments: list[HostedSegment], on_head: OnHead) -> None:
        source = self._sources.get(segments[0].job.feed_key) if segments else None
        stored = [segment for segment in segments if segment.progress.sectors]
        if source is None or not stored:
            return
        job, reached = stored[-1].job, stored[-1].progress.position.block
        for head in dict.fromkeys(segment.job.head for segment in stored):
            on_head(source.core, head)
        try:
            fault = await tree_fault(source.core, job, reached)
        except (CoreError, *DISK_ERRORS) as error:
            fault = str(error)
        if fault is not None:
            self.tell_damage(job, fault)

    def tell_damage(self, job: SegmentJob, fault: str) -> None:
        """Log that a hosted feed's tree is damaged, and what to do."""
        log.error(
            "the tree of a hosted feed is damaged: no reader gets it, and attesters will find it not served",
            copy=job.copy,
            feed=job.feed_key.hex(),
            error=fault,
            remedy=remedy(job, self._directory),
        )

    async def drop(self, copy: int) -> None:
        """Serve a copy no longer. Raises CoreError and DISK_ERRORS."""
        for segment in (await asyncio.to_thread(self._hosted.segments, copy))[-1:]:
            source = self._sources.get(segment.job.feed_key)
            if source is None:
                continue
            source.drop(copy)
            core = source.core
            for span in segment.job.ranges:
                for start, end in core.ranges(span.start, span.end):
                    await source.unmark(start, end)
            core.flush()
            if source.empty:
                core.blocks = None
                source.close()
                del self._sources[core.key]

    async def tidy(self, copy: int, confirmed: dict[int, int], current: int | None) -> None:
        """Make the segments of a copy those that the chain has, `confirmed` sectors of each, and the one in the making.

        Raises CoreError and DISK_ERRORS.
        """
        for segment in await asyncio.to_thread(self._hosted.segments, copy):
            job, sectors = segment.job, confirmed.get(segment.job.segment)
            if sectors is None and job.segment != current:
                await asyncio.to_thread(self._hosted.drop, job)
            elif sectors is not None and sectors < segment.progress.sectors:
                position = position_at(
                    self._store.get(job.feed_key), job.stream, job.head.length, job.first_byte + sectors * SECTOR
                )
                await asyncio.to_thread(self._hosted.cut, job, Stored(sectors, position))
            else:
                continue
            log.info("segment cut to what is confirmed", copy=copy, segment=job.segment, sectors=sectors or 0)
            source = self._sources.get(job.feed_key)
            if source is not None:
                await source.unmark(self._hosted.reached(copy), segment.progress.position.block)
                source.core.flush()


def position_at(core: Core, stream: CopyStream, length: int, byte: int) -> Position:
    """Return the block that holds a byte of a copy's stream, at a head of `length` blocks.

    Raises CoreError if a node on the way to it is not here.
    """
    number = range_at(stream, byte)
    return position_in(core, stream, length, byte, (stream.ranges[number].start, stream.ranges[number].end))


def held_position(core: Core, stream: CopyStream, length: int, byte: int) -> Position | None:
    """Return what `position_at` does if that block is here, whatever else of the stream is not; else None."""
    number = range_at(stream, byte)
    for start, end in core.ranges(stream.ranges[number].start, stream.ranges[number].end):
        first, (last, size) = core.byte_range(start, length)[0], core.byte_range(end - 1, length)
        if stream.offset(number, first) <= byte < stream.offset(number, last + size):
            return position_in(core, stream, length, byte, (start, end))
    return None


def range_at(stream: CopyStream, byte: int) -> int:
    """Return the number of the range that holds a byte of a stream."""
    return next(one for one in range(len(stream.ranges)) if byte < stream.end_of(one))


def position_in(core: Core, stream: CopyStream, length: int, byte: int, blocks: tuple[int, int]) -> Position:
    """Return the block that holds a byte, if it is one of [start, end) in one range. Raises CoreError as `position_at`."""
    number = range_at(stream, byte)
    low, high = blocks[0], blocks[1] - 1
    while low < high:
        middle = (low + high) // 2
        start, size = core.byte_range(middle, length)
        if stream.offset(number, start + size) > byte:
            high = middle
        else:
            low = middle + 1
    start, _ = core.byte_range(low, length)
    return Position(low, stream.offset(number, start))
