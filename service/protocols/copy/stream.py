"""The copy stream: which blocks a plan's ranges join, and the check of each block against the plan's own head.

A parent hash covers only the sum of its children's sizes, so an author can sign a tree whose sizes do not fit its
blocks ("split sizes", docs/protocol/copy.md section 3). `BlockVerifier` therefore trusts nothing but the head's roots,
and `BlockWalk` compares every block's offset by its own path with the running sum of the lengths verified so far.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from service.chain_client.pallet.constants import MAX_SEGMENTS, SEGMENT_CHECKPOINTS
from service.encoding import SECTOR, sector_count
from service.hypercore.crypto import Node, leaf_node, parent_node, tree_hash
from service.hypercore.tree import flat

MAX_BLOCK = 1 << 20
LEAST_MEAN_BLOCK, FREE_BLOCKS = 24, 1024
"""Bytes that the blocks of a plan have on average at least, but for so many: pay is by bytes, and each block costs a hoster
about 200 bytes of disk for its tree nodes. A Hyperbee of short values has some 30 bytes in a block."""
MAX_EMPTY_RUN = 1024
"""Empty blocks of a plan in a row at most: who reads past them gets no bytes for its work, however many bytes there are beside."""
MAX_SEGMENT = 4 << 30
"""Bytes of a segment as jobs were kept that do not say it: the shortest partial one of production."""
MAX_PATH = 64


def too_many_blocks(blocks: int, size: int) -> bool:
    """Return whether blocks of `size` bytes together are more than a hoster takes for the pay of those bytes."""
    return blocks > FREE_BLOCKS + size // LEAST_MEAN_BLOCK


class StreamError(Exception):
    """A block, path or position that does not fit the plan's head and ranges. The message says which, and how."""


@dataclass(frozen=True, slots=True)
class PlanHead:
    """A plan's head: fork, length in blocks, and the tree hash that the chain keeps."""

    fork: int
    length: int
    tree_hash: bytes

    def check_roots(self, roots: Sequence[Node]) -> None:
        """Raise StreamError unless these nodes are the roots of this head."""
        expected = flat.full_roots(2 * self.length)
        if [root.index for root in roots] != expected:
            raise StreamError(
                f"head of length {self.length}: the nodes {[root.index for root in roots]!r:.200} are not its roots"
            )
        if tree_hash(list(roots)) != self.tree_hash:
            raise StreamError(f"head of length {self.length}: the roots shown do not hash to the plan's tree hash")


@dataclass(frozen=True, slots=True)
class StreamRange:
    """Blocks [start, end) of the feed, and the bytes [first_byte, first_byte + bytes) they hold, as proven on the chain."""

    start: int
    end: int
    first_byte: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Position:
    """A place between two blocks: the next block, and its offset in the copy stream."""

    block: int
    offset: int


class CopyStream:
    """The ranges of a plan joined into one stream of bytes."""

    def __init__(self, ranges: Sequence[StreamRange]) -> None:
        if not ranges:
            raise StreamError("the plan has no ranges")
        self.ranges = tuple(ranges)
        self._starts = []
        self.total = 0
        for blocks in self.ranges:
            self._starts.append(self.total)
            self.total += blocks.bytes

    @property
    def start(self) -> Position:
        """The position before the first block."""
        return Position(self.ranges[0].start, 0)

    def range_of(self, block: int) -> int | None:
        """Return the number of the range that holds a block, or None."""
        for number, blocks in enumerate(self.ranges):
            if blocks.start <= block < blocks.end:
                return number
        return None

    def offset(self, number: int, feed_offset: int) -> int:
        """Return the offset in the stream of a byte of the feed inside range `number`."""
        return self._starts[number] + feed_offset - self.ranges[number].first_byte

    def end_of(self, number: int) -> int:
        """Return the offset in the stream where range `number` ends."""
        return self._starts[number] + self.ranges[number].bytes

    def spans(self, start: int, end: int) -> tuple[tuple[int, int], ...]:
        """Return the stream's blocks from `start` up to, but not including, `end`, as spans of the feed."""
        cut = ((max(start, blocks.start), min(end, blocks.end)) for blocks in self.ranges)
        return tuple((first, last) for first, last in cut if first < last)


class BlockWalk:
    """A walk over the stream's blocks in order, from any position. It refuses sizes that do not add up."""

    def __init__(self, stream: CopyStream, position: Position) -> None:
        self._stream = stream
        self.position = position
        if stream.range_of(position.block) is None and position.offset != stream.total:
            raise StreamError(f"block {position.block} is in no range of the plan")

    @property
    def next_block(self) -> int | None:
        """The block that must come next, or None at the stream's end."""
        return None if self._stream.range_of(self.position.block) is None else self.position.block

    def accept(self, block: int, length: int, path_offset: int) -> None:
        """Step over a verified block of `length` bytes that begins at `path_offset` of the feed by its own path.

        Raises StreamError for a block out of turn, one over 1 MiB, split sizes, and a range of a different length.
        """
        number = self._stream.range_of(self.position.block)
        if number is None or block != self.position.block:
            raise StreamError(f"block {block} came, expected block {self.next_block}")
        if length > MAX_BLOCK:
            raise StreamError(f"block {block} has {length} bytes, over the limit of 1 MiB")
        offset = self._stream.offset(number, path_offset)
        if offset != self.position.offset:
            raise StreamError(
                f"split sizes: block {block} starts at {offset} by its own path, but {self.position.offset} bytes precede it"
            )
        end, range_end = offset + length, self._stream.end_of(number)
        last = block + 1 == self._stream.ranges[number].end
        if end > range_end or (last and end != range_end):
            raise StreamError(
                f"split sizes: block {block} ends at {end}, but its range ends at {range_end} by the chain"
            )
        following = block + 1
        if last and number + 1 < len(self._stream.ranges):
            following = self._stream.ranges[number + 1].start
        self.position = Position(following, end)


@dataclass(frozen=True, slots=True)
class VerifiedBlock:
    """A block that fits the head: its byte offset by its own path, and the nodes now known to be true."""

    offset: int
    nodes: tuple[Node, ...]


class BlockVerifier:
    """A check of blocks, in ascending order, against a head's roots, with as few proof nodes as possible.

    Each end of a copy connection holds one, in the same state, so that the sender knows which siblings the receiver
    still lacks: about one per block instead of a whole path.
    """

    def __init__(self, head: PlanHead, roots: Sequence[Node]) -> None:
        head.check_roots(roots)
        self._length = head.length
        self._next = 0
        self._known: dict[int, tuple[Node, int]] = {}
        offset = 0
        for root in roots:
            self._known[root.index] = (root, offset)
            offset += root.size

    def siblings(self, block: int) -> list[int]:
        """Return the tree indices, bottom up, of the nodes that must come with this block."""
        self._check(block)
        index, needed = 2 * block, []
        while index not in self._known:
            needed.append(flat.sibling(index))
            index = flat.parent(index)
        return needed

    def _check(self, block: int) -> None:
        if not 0 <= block < self._length:
            raise StreamError(f"block {block} is outside the head of length {self._length}")
        if block < self._next:
            raise StreamError(f"block {block} comes after block {self._next - 1}: blocks must come in ascending order")

    def verify(self, block: int, data: bytes, siblings: Sequence[Node]) -> VerifiedBlock:
        """Verify a block with exactly these siblings. Raises StreamError unless it leads to a node known to be true."""
        self._check(block)
        needed = self.siblings(block)
        if [node.index for node in siblings] != needed:
            raise StreamError(f"block {block} needs the siblings {needed}, not {[n.index for n in siblings]!r:.200}")
        node = leaf_node(block, data)
        steps: list[tuple[Node, Node]] = []
        for sibling in siblings:
            steps.append((node, sibling))
            node = parent_node(node, sibling)
        known, offset = self._known[node.index]
        if known.hash != node.hash:
            raise StreamError(f"block {block} does not match the plan's tree hash")
        if known.size != node.size:
            raise StreamError(
                f"split sizes: node {node.index} over block {block} has {node.size} bytes, not {known.size}"
            )
        fresh = self._descend(steps, offset)
        found = self._known[2 * block][1]
        self._prune(block)
        return VerifiedBlock(found, fresh)

    def _descend(self, steps: list[tuple[Node, Node]], offset: int) -> tuple[Node, ...]:
        fresh: list[Node] = []
        for node, sibling in reversed(steps):
            left, right = (node, sibling) if node.index < sibling.index else (sibling, node)
            self._known[left.index] = (left, offset)
            self._known[right.index] = (right, offset + left.size)
            fresh += (left, right)
            if node is right:
                offset += left.size
        return tuple(fresh)

    def _prune(self, block: int) -> None:
        for index in [index for index in self._known if flat.right_span(index) <= 2 * block]:
            del self._known[index]
        self._next = block + 1


def longest_segment(rest: int, segments: int, checkpoint: int) -> int:
    """Return the bytes of the next segment of a copy of so many, whose stream has `rest` bytes left; the rest may be less.

    It is the shortest that is no salvage (pallet-spec/README.md section 8), or more if a copy would have too many of them: a
    place is left for a salvage. `checkpoint` is the chain's, in sectors.
    """
    places = max(1, MAX_SEGMENTS - 1 - segments)
    return max(SEGMENT_CHECKPOINTS * checkpoint, sector_count(-(-rest // places))) * SECTOR
