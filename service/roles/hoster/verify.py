"""The check of hosted copies on demand: every sector against the root on the chain, every block against the feed's tree.

It only reads, so the node may run. It goes on where it was cut off: what was found whole is noted in `DIR/verify.json`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from service import durable
from service.chain_client.pallet.types import Segment
from service.disk import DISK_ERRORS
from service.encoding import EncodingError, Frontier
from service.encoding.profiles import SECTOR
from service.hypercore import Core, CoreError, Corestore
from service.hypercore.crypto import leaf_node
from service.protocols.copy.stream import CopyStream

from .feeds import position_at
from .sectors import SectorFile, SectorsMissing, segment_path
from .store import HostedCopies, HostedSegment

NOTES = "verify.json"
VERSION = 1
RUN = 4096
"""Sectors read at a time (1 MiB)."""
MOST_BLOCKS = 8
"""Wrong blocks of a segment that are named."""


class FaultKind(Enum):
    """What is wrong, by what can be done about it."""

    LOST = "lost"
    """Sectors are missing or are not what they were: nobody can make them again, as their key is erased."""
    FEED = "feed"
    """The feed's own tree is damaged or missing: it is fetched again."""
    UNREADABLE = "unreadable"
    """The disk did not give it, or it is still being made: that proves nothing."""


@dataclass(frozen=True, slots=True)
class CopyFault:
    """A fault of a segment of a copy."""

    copy: int
    segment: int
    kind: FaultKind
    text: str


class CopyChecker:
    """The check of the copies in a node's directory. Every method blocks: call it in a thread."""

    def __init__(self, directory: Path, hosted: HostedCopies, store: Corestore) -> None:
        self._directory, self._hosted, self._store = directory, hosted, store
        self.faults: list[CopyFault] = []

    def work(self, hosted: HostedSegment) -> int:
        """Return how many bytes the check of a segment reads."""
        return 2 * SECTOR * hosted.progress.sectors

    def check(self, hosted: HostedSegment, on_chain: Segment | None) -> Iterator[int]:
        """Check a segment, yielding the bytes that were read since the last step. What is wrong is added to `faults`."""
        before = len(self.faults)
        sectors = 0 if on_chain is None else on_chain.sectors
        # what is not confirmed is being made or dropped, perhaps at this moment: it is no loss
        lost = FaultKind.LOST if sectors else FaultKind.UNREADABLE
        try:
            if on_chain is not None and sectors:
                yield from self._against_root(hosted, on_chain)
            # sectors that lead to their root are what was confirmed: then it is the feed's tree that differs
            whole = len(self.faults) == before and sectors >= hosted.progress.sectors
            yield from self._against_feed(hosted, FaultKind.FEED if whole else lost)
        except SectorsMissing as error:
            if len(self.faults) == before:
                self._add(hosted, lost, str(error))
        except CoreError as error:
            self._add(hosted, FaultKind.FEED, str(error))
        except DISK_ERRORS as error:
            self._add(hosted, FaultKind.UNREADABLE, str(error))

    def _against_root(self, hosted: HostedSegment, on_chain: Segment) -> Iterator[int]:
        job, frontier = hosted.job, Frontier(hosted.job.ctx)
        file = SectorFile(segment_path(self._directory, job.copy, job.segment))
        for first in range(0, on_chain.sectors, RUN):
            count = min(RUN, on_chain.sectors - first)
            frontier.append(file.read(first, count))
            yield count * SECTOR
        if frontier.root() != on_chain.root:
            self._add(hosted, FaultKind.LOST, f"{file.path}: its sectors do not lead to the root on the chain")

    def _against_feed(self, hosted: HostedSegment, kind: FaultKind) -> Iterator[int]:
        job, core = hosted.job, self._store.known(hosted.job.feed_key)
        if core is None:
            raise CoreError("the feed's tree is not here")
        if core.length < job.head.length:
            raise CoreError(f"the feed's tree has {core.length} blocks, and the copy is of {job.head.length}")
        if core.fork != job.head.fork:
            return  # the feed went on on another fork: its own tree says nothing of these blocks
        if not hosted.progress.sectors:
            return
        stream = CopyStream(job.ranges)
        first = position_at(core, stream, job.head.length, job.first_byte).block
        blocks = (one for span in stream.spans(first, hosted.progress.position.block) for one in range(*span))
        wrong: list[int] = []
        for index in blocks:
            if not self._is_right(core, stream, hosted, index):
                wrong.append(index)
            yield core.byte_range(index, job.head.length)[1]
            if len(wrong) >= MOST_BLOCKS:
                break
        if wrong:
            told = ", ".join(map(str, wrong)) + (" and perhaps more" if len(wrong) >= MOST_BLOCKS else "")
            self._add(hosted, kind, f"blocks {told} of the feed are not what the sectors decode to")

    def _is_right(self, core: Core, stream: CopyStream, hosted: HostedSegment, index: int) -> bool:
        number = stream.range_of(index)
        assert number is not None
        start, size = core.byte_range(index, hosted.job.head.length)
        offset = stream.offset(number, start)
        try:
            data = self._hosted.plain(hosted.job.copy, offset, offset + size)
        except EncodingError:
            return False  # what does not decode is no block
        node = core.node(2 * index)
        if node is None:
            raise CoreError(f"tree node {2 * index} is not here")
        return leaf_node(index, data) == node

    def _add(self, hosted: HostedSegment, kind: FaultKind, text: str) -> None:
        self.faults.append(CopyFault(hosted.job.copy, hosted.job.segment, kind, text))


class CheckNotes:
    """The segments that a run which was cut off had found whole, with the sectors that they had then."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / NOTES
        self._whole: dict[str, int] = {}

    def load(self) -> None:
        """Read the notes of the run before. Notes that cannot be read are none: all is checked then."""
        try:
            found = json.loads(self._path.read_text())
            if found["version"] == VERSION:
                self._whole = {str(segment): int(sectors) for segment, sectors in found["whole"].items()}
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            self._whole = {}

    def has(self, hosted: HostedSegment) -> bool:
        """Return whether a segment was found whole as it is."""
        return self._whole.get(str(hosted.job.segment)) == hosted.progress.sectors

    def keep(self, hosted: HostedSegment) -> None:
        """Note that a segment is whole. Raises OSError."""
        self._whole[str(hosted.job.segment)] = hosted.progress.sectors
        durable.replace(self._path, json.dumps({"version": VERSION, "whole": self._whole}).encode())

    def clear(self) -> None:
        """Remove the notes: the next run checks all again. Raises OSError."""
        self._whole = {}
        durable.remove(self._path)
