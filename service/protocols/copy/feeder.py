"""The encoder's source of messages: it checks blocks, hands out plaintext to encode, and cuts the result into runs."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from service.encoding.hashes import HASH
from service.encoding.profiles import SECTOR
from service.hypercore.crypto import Node

from .job import SegmentJob
from .messages import MAX_BLOCKS, RUN_SECTORS, BlockPath, BlockPaths, CopyRefused, Message, Sectors
from .sender import Begin
from .stream import BlockVerifier, BlockWalk, Position

_BLOCKS_PER_MESSAGE = min(MAX_BLOCKS, 256)


@dataclass(frozen=True, slots=True)
class TreePoint:
    """The progress of the encoder's own tree, and the block that holds the byte after it (or begins there)."""

    sectors: int
    position: Position


@dataclass(frozen=True, slots=True)
class Fed:
    """The result of an encoded run: messages to send, and the leaf hashes that the tree does not have yet."""

    messages: tuple[Message, ...]
    leaves: bytes
    point: TreePoint


class Feeder:
    """The feeder of one connection. It starts where both the hoster and our own tree stand.

    Blocks go in through `next_block`, `siblings` and `block`. Their plaintext, joined from `first_sector` on, is
    encoded outside and comes back in runs through `run`, in order.
    """

    def __init__(self, job: SegmentJob, begin: Begin, own: TreePoint) -> None:
        self._job, self._begin = job, begin
        theirs = TreePoint(begin.sectors, Position(begin.block, begin.offset))
        start = own if own.sectors <= begin.sectors else theirs
        self.first_sector = start.sectors
        self._tree = own.sectors
        self._walk = BlockWalk(job.stream, start.position)
        self._verifier = BlockVerifier(job.head, job.roots)
        self._skip = job.first_byte + min(start.sectors * SECTOR, job.length) - start.position.offset
        if self._skip < 0:
            raise CopyRefused(f"block {begin.block} begins after the sectors that the hoster has")
        self._positions: deque[tuple[int, Position]] = deque()
        self._announce: deque[tuple[int, BlockPath]] = deque()
        self._encoded = start.sectors

    @property
    def next_block(self) -> int | None:
        """The block to read next, or None if the segment needs no more."""
        job, position = self._job, self._walk.position
        if not job.ends_stream and position.offset >= job.first_byte + job.length:
            return None
        if self._begin.sectors == job.sectors and self._tree == job.sectors and not job.ends_stream:
            return None
        return self._walk.next_block

    def siblings(self, block: int) -> list[int]:
        """Return the tree indices of the nodes that `block` expects with this block."""
        if block == self._begin.block:
            self._verifier = BlockVerifier(self._job.head, self._job.roots)
        return self._verifier.siblings(block)

    def block(self, block: int, data: bytes, siblings: Sequence[Node]) -> bytes:
        """Check a block and return the plaintext to encode next (possibly none).

        Raises StreamError for a block that does not fit the head, is over 1 MiB or has split sizes, and CopyRefused if
        the hoster's position in the stream is wrong.
        """
        before = self._walk.position
        if block == self._begin.block and before.offset != self._begin.offset:
            raise CopyRefused(
                f"the hoster expects block {block} at byte {self._begin.offset}, but it starts at {before.offset}"
            )
        verified = self._verifier.verify(block, data, siblings)
        self._walk.accept(block, len(data), verified.offset)
        end = before.offset + len(data)
        self._positions.append((end, before))
        if block >= self._begin.block:
            self._announce.append((end, BlockPath(block, len(data), tuple(siblings))))
        skipped = min(self._skip, len(data))
        self._skip -= skipped
        return data[skipped:]

    def run(self, first: int, data: bytes, leaves: bytes) -> Fed:
        """Take the next encoded run and its leaf hashes, and return what to send for it."""
        if first != self._encoded:
            raise ValueError(f"a run starts at sector {first}, expected {self._encoded}")
        self._encoded += len(data) // SECTOR
        counted = min(self._encoded, self._job.sectors)
        fresh = leaves[max(0, self._tree - first) * HASH : max(0, counted - first) * HASH]
        self._tree = max(self._tree, counted)
        messages: list[Message] = []
        unsent = data[max(0, self._begin.sectors - first) * SECTOR :]
        sector = max(first, self._begin.sectors)
        for start in range(0, len(unsent), RUN_SECTORS * SECTOR):
            piece = unsent[start : start + RUN_SECTORS * SECTOR]
            messages.append(Sectors(sector + start // SECTOR, piece))
            messages += self.complete(sector + (start + len(piece)) // SECTOR)
        return Fed(tuple(messages), fresh, self._point(self._tree))

    def complete(self, sectors: int) -> list[Message]:
        """Return announcements of the blocks that lie wholly in the first `sectors` sectors."""
        reached = self._job.first_byte + sectors * SECTOR
        ready: list[BlockPath] = []
        while self._announce and self._announce[0][0] <= reached:
            ready.append(self._announce.popleft()[1])
        return [
            BlockPaths(tuple(ready[start : start + _BLOCKS_PER_MESSAGE]))
            for start in range(0, len(ready), _BLOCKS_PER_MESSAGE)
        ]

    def finish(self) -> list[Message]:
        """Return the announcements still due once all runs are back: those of empty blocks at the end."""
        return self.complete(max(self._encoded, self._begin.sectors, self._job.sectors))

    def _point(self, sectors: int) -> TreePoint:
        boundary = self._job.first_byte + min(sectors * SECTOR, self._job.length)
        while self._positions and self._positions[0][0] <= boundary:
            self._positions.popleft()
        return TreePoint(sectors, self._positions[0][1] if self._positions else self._walk.position)
