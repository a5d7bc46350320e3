"""The bytes of ranges, proven with opened nodes, against the sizes of the blocks themselves."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime_mock.model.datdot.crypto import digest
from runtime_mock.model.datdot.heads import Subtree, tiles
from runtime_mock.model.datdot.ranges import prove
from runtime_mock.model.datdot.records import BlockRange, OpenedNode, Range, Root
from runtime_mock.model.frame.dispatch import DispatchError
from runtime_mock.model.scale import U64


class Feed:
    """A feed of blocks with these sizes; hashes of blocks are any bytes."""

    def __init__(self, sizes: list[int]) -> None:
        self.sizes = sizes
        self.roots = [Root(self.hash(tile), self.size(tile)) for tile in tiles(0, len(sizes))]

    def size(self, tile: Subtree) -> int:
        return sum(self.sizes[tile.start : tile.end])

    def hash(self, tile: Subtree) -> bytes:
        if tile.height == 0:
            return digest(b"block", U64.encode(tile.start))
        left, right = self.halves(tile)
        return digest(b"\x01", U64.encode(self.size(tile)), self.hash(left), self.hash(right))

    @staticmethod
    def halves(tile: Subtree) -> tuple[Subtree, Subtree]:
        half = tile.height - 1
        return Subtree(tile.start, half), Subtree(tile.start + (1 << half), half)

    def open(self, ranges: list[BlockRange]) -> list[OpenedNode]:
        """Exactly the tiles that are no roots, and their ancestors."""
        found = {}
        for one in ranges:
            for tile in tiles(one.start, one.end):
                root = next(root for root in tiles(0, len(self.sizes)) if root.contains(tile))
                for height in range(tile.height, root.height + 1) if tile != root else ():
                    node = Subtree(tile.start >> height << height, height)
                    left, right = self.halves(node)
                    found[node.index] = OpenedNode(node.index, self.size(node), self.hash(left), self.hash(right))
        return [found[index] for index in sorted(found)]

    def expected(self, ranges: list[BlockRange]) -> list[Range]:
        return [Range(r.start, r.end, sum(self.sizes[: r.start]), sum(self.sizes[r.start : r.end])) for r in ranges]


@st.composite
def feeds(draw: st.DrawFn) -> tuple[Feed, list[BlockRange]]:
    sizes = draw(st.lists(st.integers(0, 1_000), min_size=1, max_size=40))
    length = len(sizes)
    bounds = sorted(draw(st.sets(st.sampled_from(sorted({*range(0, length, 2), length})), min_size=2, max_size=8)))
    pairs = list(zip(bounds[::2], bounds[1::2], strict=False))
    return Feed(sizes), [BlockRange(*pair) for pair in pairs]


@given(feeds())
@settings(max_examples=150, deadline=None)
def test_proven_bytes_are_those_of_the_blocks(made: tuple[Feed, list[BlockRange]]) -> None:
    feed, ranges = made
    assert prove(len(feed.sizes), feed.roots, ranges, feed.open(ranges)) == feed.expected(ranges)


@given(feeds(), st.data())
@settings(max_examples=100, deadline=None)
def test_any_other_nodes_are_refused(made: tuple[Feed, list[BlockRange]], data: st.DataObject) -> None:
    feed, ranges = made
    nodes = feed.open(ranges)
    spoiled = [[*nodes, OpenedNode(2**40 + 1, 0, bytes(32), bytes(32))]]
    if nodes:
        at = data.draw(st.integers(0, len(nodes) - 1))
        one = nodes[at]
        spoiled += [nodes[:at] + nodes[at + 1 :], [*nodes, one]]
        spoiled += [
            [*nodes[:at], changed, *nodes[at + 1 :]]
            for changed in (
                replace(one, size=one.size + 1),
                replace(one, left=bytes(32)),
                replace(one, index=one.index + 2),
            )
        ]
    if len(nodes) > 1:
        spoiled.append(nodes[::-1])
    for wrong in spoiled:
        with pytest.raises(DispatchError, match="BadNodes"):
            prove(len(feed.sizes), feed.roots, ranges, wrong)


@pytest.mark.parametrize(
    "ranges",
    [
        [],
        [(1, 4)],
        [(0, 3)],
        [(0, 0)],
        [(4, 2)],
        [(0, 12)],
        [(0, 2), (2, 4)],
        [(4, 6), (0, 2)],
        [(0, 4), (2, 6)],
        [(0, 2**64 - 2)],
    ],
)
def test_ranges_that_are_refused(ranges: list[tuple[int, int]]) -> None:
    feed = Feed([7] * 11)
    with pytest.raises(DispatchError, match="BadRanges"):
        prove(11, feed.roots, [BlockRange(*one) for one in ranges], [])


class Liar(Feed):
    """A feed whose author signs a parent of 700 bytes over children of 400 and 400."""

    def size(self, tile: Subtree) -> int:
        return 700 if tile == Subtree(0, 3) else super().size(tile)


def test_a_parent_whose_children_do_not_add_up_is_refused_where_both_are_opened() -> None:
    feed = Liar([100] * 8)
    ends = [BlockRange(0, 2)], [BlockRange(6, 8)]
    found = [prove(8, feed.roots, one, feed.open(one))[0] for one in ends]
    assert [(one.first_byte, one.bytes) for one in found] == [(0, 200), (500, 200)], "one child alone shows nothing"
    both = [BlockRange(0, 2), BlockRange(6, 8)]
    with pytest.raises(DispatchError, match="BadNodes"):
        prove(8, feed.roots, both, feed.open(both))
    honest = Feed([100] * 8)
    assert prove(8, honest.roots, both, honest.open(both)) == honest.expected(both)
