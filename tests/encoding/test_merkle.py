"""The segment's tree: its shape against a plain reading of the rules, the frontier, openings and their check."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.encoding import (
    MAX_SECTORS,
    Frontier,
    Opening,
    OpeningError,
    SectorError,
    leaf_hash,
    opening_root,
    sibling_count,
    verify_opening,
)

pytestmark = pytest.mark.usefixtures("codec")

CTX = hashlib.sha256(b"context").digest()


def blake(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=32).digest()


def sectors_of(count: int) -> list[bytes]:
    return [hashlib.shake_128(count.to_bytes(4, "big") + i.to_bytes(4, "big")).digest(256) for i in range(count)]


def plain_levels(sectors: list[bytes]) -> list[list[bytes]]:
    """All levels of the tree, written straight from docs/protocol/encoding.md section 8."""
    levels = [[blake(b"\0" + CTX + i.to_bytes(8, "little") + sector) for i, sector in enumerate(sectors)]]
    while len(levels[-1]) > 1:
        below = levels[-1]
        above = [blake(b"\1" + below[i] + below[i + 1]) for i in range(0, len(below) - 1, 2)]
        levels.append(above + ([below[-1]] if len(below) % 2 else []))
    return levels


def plain_root(sectors: list[bytes]) -> bytes:
    count = len(sectors).to_bytes(8, "little")
    return blake(b"\2" + CTX + count + (256).to_bytes(4, "little") + plain_levels(sectors)[-1][0])


def plain_opening(sectors: list[bytes], sector: int) -> Opening:
    siblings, i = [], sector
    for level in plain_levels(sectors)[:-1]:
        if i ^ 1 < len(level):
            siblings.append(level[i ^ 1])
        i //= 2
    return Opening(sector, sectors[sector], tuple(siblings))


@pytest.mark.parametrize("count", [*range(1, 20), 31, 32, 33, 100, 255, 256, 257, 300])
def test_root_and_openings(count: int) -> None:
    sectors = sectors_of(count)
    tree = Frontier(CTX)
    tree.append(b"".join(sectors))
    root = plain_root(sectors)
    assert tree.root() == root
    for i in {0, 1, count // 3, count // 2, count - 2, count - 1} & set(range(count)):
        opening = plain_opening(sectors, i)
        assert len(opening.siblings) == sibling_count(i, count)
        verify_opening(CTX, count, root, opening)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=8))
def test_roots_at_any_moment(pieces: list[int]) -> None:
    sectors = sectors_of(sum(pieces))
    tree, at = Frontier(CTX), 0
    for piece in pieces:
        tree.append(b"".join(sectors[at : at + piece]))
        at += piece
        assert tree.sectors == at
        if at:
            assert tree.root() == plain_root(sectors[:at])


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 8, 255, 256, 300])
def test_a_frontier_goes_on_after_a_restart(count: int) -> None:
    sectors = sectors_of(count + 5)
    tree = Frontier(CTX)
    tree.append(b"".join(sectors[:count]))
    kept = tree.to_bytes()
    assert kept[:9] == b"\1" + count.to_bytes(8, "little")
    assert len(kept) == 9 + 32 * count.bit_count()
    again = Frontier.from_bytes(CTX, kept)
    assert again.to_bytes() == kept
    again.append(b"".join(sectors[count:]))
    assert again.root() == plain_root(sectors)


@pytest.mark.parametrize(
    "data", [b"", b"\1", b"\2" + bytes(8), b"\1" + bytes(9), b"\1\3" + bytes(7 + 32), b"\1" + b"\xff" * 40]
)
def test_bytes_that_are_no_frontier(data: bytes) -> None:
    with pytest.raises(SectorError, match="frontier"):
        Frontier.from_bytes(CTX, data)


def test_a_tree_needs_a_sector() -> None:
    with pytest.raises(SectorError, match="no root"):
        Frontier(CTX).root()


def test_subtrees_begin_at_multiples_of_their_size() -> None:
    tree = Frontier(CTX)
    tree.push(0, bytes(32))
    with pytest.raises(SectorError, match="2 sectors cannot begin at sector 1"):
        tree.push(1, bytes(32))
    with pytest.raises(SectorError):
        tree.append(bytes(100))
    with pytest.raises(SectorError):
        Frontier(CTX).push(31, bytes(32))


def test_every_wrong_opening_is_refused() -> None:
    count = 13
    sectors = sectors_of(count)
    root = plain_root(sectors)
    for i in range(count):
        good = plain_opening(sectors, i)
        verify_opening(CTX, count, root, good)
        wrong = [replace(good, sector=j) for j in range(count) if j != i]
        wrong += [replace(good, data=sectors[i - 1]), replace(good, data=bytes(256))]
        wrong += [replace(good, siblings=good.siblings[:-1]), replace(good, siblings=(*good.siblings, bytes(32)))]
        wrong += [replace(good, siblings=good.siblings[::-1]) for _ in "x" if len(set(good.siblings)) > 1]
        for opening in wrong:
            with pytest.raises(OpeningError):
                verify_opening(CTX, count, root, opening)
        for ctx, size, top in ((blake(CTX), count, root), (CTX, count + 1, root), (CTX, count, blake(root))):
            with pytest.raises(OpeningError):
                verify_opening(ctx, size, top, good)


@pytest.mark.parametrize("bit", [0, 7, 100, 2047])
def test_one_bit_of_data_or_siblings(bit: int) -> None:
    sectors = sectors_of(9)
    good = plain_opening(sectors, 4)
    data = bytearray(good.data)
    data[bit // 8] ^= 1 << bit % 8
    sibling = bytearray(good.siblings[1])
    sibling[bit // 8 % 32] ^= 1 << bit % 8
    for opening in (
        replace(good, data=bytes(data)),
        replace(good, siblings=(good.siblings[0], bytes(sibling), *good.siblings[2:])),
    ):
        with pytest.raises(OpeningError, match="does not lead to the root"):
            verify_opening(CTX, 9, plain_root(sectors), opening)


@pytest.mark.parametrize(
    ("sectors", "opening", "message"),
    [
        (0, Opening(0, bytes(256), ()), "cannot have 0 sectors"),
        (MAX_SECTORS + 1, Opening(0, bytes(256), ()), "cannot have"),
        (1, Opening(1, bytes(256), ()), "not among the 1"),
        (1, Opening(-1, bytes(256), ()), "not among the 1"),
        (1, Opening(0, bytes(255), ()), "255 bytes of data instead of 256"),
        (2, Opening(0, bytes(256), (bytes(32),) * 10**5), "needs 1 siblings, not 100000"),
        (2, Opening(0, bytes(256), (bytes(31),)), "not 32 bytes long"),
    ],
)
def test_malformed_openings_name_what_is_wrong(sectors: int, opening: Opening, message: str) -> None:
    with pytest.raises(OpeningError, match=message):
        opening_root(CTX, sectors, opening)


def test_the_largest_tree() -> None:
    assert sibling_count(0, MAX_SECTORS) == 30
    assert sibling_count(MAX_SECTORS - 1, MAX_SECTORS) == 30
    assert sibling_count(2**29, 2**29 + 1) == 1
    opening = Opening(2**29, bytes(256), (bytes(32),))
    verify_opening(CTX, 2**29 + 1, opening_root(CTX, 2**29 + 1, opening), opening)


def test_leaves_are_bound_to_context_and_index() -> None:
    leaf = leaf_hash(CTX, 5, bytes(256))
    assert leaf == blake(b"\0" + CTX + b"\5" + bytes(7) + bytes(256))
    assert leaf not in (leaf_hash(CTX, 6, bytes(256)), leaf_hash(blake(CTX), 5, bytes(256)))
