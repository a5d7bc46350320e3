"""Proof of the bytes of block ranges by opened tree nodes, whose sizes are hashed (pallet-spec/README.md section 7)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from ..scale import U64
from .crypto import digest
from .errors import Error, ensure, error
from .heads import Subtree, tiles
from .records import BlockRange, OpenedNode, Range, Root


def _well_formed(length: int, ranges: list[BlockRange]) -> bool:
    """Return whether ranges are ascending, not empty or touching, inside the feed, with even bounds or its length."""

    def bound(at: int) -> bool:
        return at % 2 == 0 or at == length

    apart = all(one.end < other.start for one, other in pairwise(ranges))
    each = all(r.start < r.end <= length and bound(r.start) and bound(r.end) for r in ranges)
    return bool(ranges) and apart and each


@dataclass(frozen=True, slots=True)
class Placed:
    """A root of the head, with its byte offset."""

    subtree: Subtree
    root: Root
    offset: int


def _place(length: int, roots: list[Root]) -> list[Placed]:
    placed, offset = [], 0
    for subtree, root in zip(tiles(0, length), roots, strict=True):
        placed.append(Placed(subtree, root, offset))
        offset += root.size
    return placed


def _path(root: Subtree, tile: Subtree) -> list[Subtree]:
    """Return the subtrees from a root down to `tile`, both included."""
    heights = range(root.height, tile.height - 1, -1)
    return [Subtree(tile.start >> height << height, height) for height in heights]


def _node_hash(node: OpenedNode) -> bytes:
    return digest(b"\x01", U64.encode(node.size), node.left, node.right)


class Opened:
    """The opened nodes by flat-tree index, with their hashes."""

    def __init__(self, nodes: Iterable[OpenedNode]) -> None:
        self.nodes = {node.index: (node, _node_hash(node)) for node in nodes}

    def locate(self, placed: Placed, tile: Subtree) -> tuple[int, int]:
        """Walk from a root to a tile. Return the tile's byte offset and size. Raises BadNodes."""
        expected, offset = placed.root.hash, placed.offset
        parent: tuple[int, bool] | None = None
        steps = _path(placed.subtree, tile)
        if len(steps) == 1:
            return offset, placed.root.size
        node = None
        for step, following in zip(steps, [*steps[1:], None], strict=True):
            node, hash_ = self.nodes[step.index]
            ensure(hash_ == expected, Error.BadNodes)
            if parent is None:
                ensure(node.size == placed.root.size, Error.BadNodes)
            else:
                # A right child begins after its sibling, whose size is the difference.
                size, is_right = parent
                ensure(node.size <= size, Error.BadNodes)
                offset += size - node.size if is_right else 0
            if following is not None:
                is_right = following.start != step.start
                expected = node.right if is_right else node.left
                parent = node.size, is_right
        assert node is not None
        return offset, node.size

    def siblings_add_up(self, subtrees: Iterable[Subtree]) -> bool:
        """Return whether opened siblings add up to their parent."""
        for subtree in subtrees:
            if subtree.height == 0:
                continue
            height = subtree.height - 1
            children = [
                self.nodes.get(Subtree(start, height).index) for start in (subtree.start, subtree.start + (1 << height))
            ]
            sizes = [child[0].size for child in children if child is not None]
            if len(sizes) == 2 and sum(sizes) != self.nodes[subtree.index][0].size:
                return False
        return True


def prove(length: int, roots: list[Root], ranges: list[BlockRange], nodes: list[OpenedNode]) -> list[Range]:
    """Return the ranges with their bytes.

    `nodes` must be exactly the tiles that are not roots, and their ancestors, ascending. Raises BadRanges or BadNodes.
    """
    ensure(_well_formed(length, ranges), Error.BadRanges)
    placed = _place(length, roots)
    wanted: dict[int, Subtree] = {}
    located: list[tuple[int, Placed, Subtree]] = []
    for block_range in ranges:
        for tile in tiles(block_range.start, block_range.end):
            root = next((one for one in placed if one.subtree.contains(tile)), None)
            if root is None:
                raise error(Error.BadRanges)
            if tile != root.subtree:
                wanted.update((subtree.index, subtree) for subtree in _path(root.subtree, tile))
            located.append((block_range.start, root, tile))
    ensure([node.index for node in nodes] == sorted(wanted), Error.BadNodes)
    opened = Opened(nodes)
    found: dict[int, tuple[int, int]] = {}
    for start, root, tile in located:
        offset, size = opened.locate(root, tile)
        first, total = found.get(start, (offset, 0))
        found[start] = first, total + size
    ensure(opened.siblings_add_up(wanted.values()), Error.BadNodes)
    return [Range(r.start, r.end, *found[r.start]) for r in ranges]
