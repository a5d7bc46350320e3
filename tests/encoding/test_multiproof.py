"""One proof of several sectors: against a plain reading of the rules, taken apart again, its size, and what is wrong refused."""

from __future__ import annotations

import random
import re
from collections import deque
from dataclasses import replace
from pathlib import Path
from statistics import mean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime_mock.model.datdot.merkle import proven_root
from service.chain_client.pallet.constants import MAX_PROOF_SIBLINGS
from service.encoding import Opening, OpeningError, leaf_hash, node_hash, root_hash, verify_opening
from service.encoding.multiproof import join, needed, split
from tests.encoding.test_merkle import CTX, plain_levels, plain_opening, plain_root, sectors_of

SAMPLES = 16
SPECIFICATION = Path(__file__).parents[2] / "pallet-spec" / "README.md"


def plain_siblings(sectors: list[bytes], opened: list[int]) -> tuple[bytes, ...]:
    """The hashes that lie beside the paths of what is opened and on none of them, as the specification orders them."""
    found = []
    for height, level in enumerate(plain_levels(sectors)[:-1]):
        on_a_path = {index >> height for index in opened}
        found += [node for at, node in enumerate(level) if at not in on_a_path and at ^ 1 in on_a_path]
    return tuple(found)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_proof_is_made_of_openings_and_taken_apart_into_them(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 70))
    opened = sorted(data.draw(st.sets(st.integers(0, count - 1), min_size=1, max_size=count)))
    sectors = sectors_of(count)
    openings = [plain_opening(sectors, index) for index in opened]
    siblings = join(count, openings)
    assert siblings == plain_siblings(sectors, opened)
    assert len(siblings) == len(needed(opened, count))
    root, again = split(CTX, count, {index: sectors[index] for index in opened}, siblings)
    assert root == plain_root(sectors)
    assert again == openings
    for opening in again:
        verify_opening(CTX, count, root, opening)


def test_a_proof_of_one_sector_is_its_opening_and_one_of_all_has_no_sibling() -> None:
    sectors = sectors_of(13)
    for index in range(13):
        opening = plain_opening(sectors, index)
        assert join(13, [opening]) == opening.siblings
    assert join(13, [plain_opening(sectors, index) for index in range(13)]) == ()


def test_every_wrong_proof_is_refused() -> None:
    count, opened = 13, [1, 4, 5, 12]
    sectors = sectors_of(count)
    root, data = plain_root(sectors), {index: sectors[index] for index in opened}
    good = plain_siblings(sectors, opened)
    assert split(CTX, count, data, good)[0] == root
    leads_elsewhere = [
        (data | {4: sectors[5]}, good),
        (data | {4: sectors[5], 5: sectors[4]}, good),
        (data, good[::-1]),
        *((data, (*good[:at], root_hash(CTX, 1, good[at]), *good[at + 1 :])) for at in range(len(good))),
    ]
    for changed, siblings in leads_elsewhere:
        assert split(CTX, count, changed, siblings)[0] != root
    for changed, siblings, why in (
        (data, good[1:], "need 4 siblings, not 3"),
        (data, (*good, good[0]), "need 4 siblings, not 5"),
        (data, (b"short", *good[1:]), "of 32 bytes each"),
        (data | {13: sectors[0]}, good, "not some of the 13"),
        ({-1: sectors[0]}, good, "not some of the 13"),
        ({}, (), "not some of the 13"),
        (data | {4: b"short"}, good, "256 bytes"),
    ):
        with pytest.raises(OpeningError, match=why):
            split(CTX, count, changed, siblings)
    with pytest.raises(OpeningError, match="cannot have 0 sectors"):
        split(CTX, 0, data, good)
    short = replace(plain_opening(sectors, 4), siblings=good[:1])
    with pytest.raises(OpeningError, match="sector 4 needs 4 siblings, not 1"):
        join(count, [plain_opening(sectors, 1), short])


def size(segments: int, sectors: int, samples: int, dice: random.Random) -> int:
    """The bytes of a proof of random samples of segments of so many sectors each, with SCALE's two lengths."""
    opened: dict[int, set[int]] = {}
    for _ in range(samples):
        segment, sector = divmod(dice.randrange(segments * sectors), sectors)
        opened.setdefault(segment, set()).add(sector)
    siblings = sum(len(needed(of, sectors)) for of in opened.values())
    count = sum(len(of) for of in opened.values())
    return (1 if count < 64 else 2) + 256 * count + (1 if siblings < 64 else 2) + 32 * siblings


@pytest.mark.parametrize(
    ("segments", "gib", "average", "most"), [(1, 100, 16_289, 16_675), (25, 4, 15_987, 16_387)], ids=["one", "25"]
)
def test_the_size_of_a_proof_of_100_gib(segments: int, gib: int, average: int, most: int) -> None:
    dice = random.Random(1)
    sizes = [size(segments, gib << 22, SAMPLES, dice) for _ in range(400)]
    assert abs(mean(sizes) - average) < 40, mean(sizes)
    assert max(sizes) <= most


def test_the_longest_proofs() -> None:
    """16 sectors of 100 GiB: below 2^24 sectors no paths meet, and of the 25 nodes there 9 are missing. 32 of 32 x 256 GiB."""
    apart = [*range(6), *range(6, 24, 2), 24]
    assert len(needed([place << 24 for place in apart], 100 << 22)) == 16 * 24 + 9 == 393
    assert 256 * 16 + 1 + 32 * 393 + 2 == 16_675
    assert 32 * len(needed([2**29], 2**30)) == 960 <= MAX_PROOF_SIBLINGS


def test_the_example_of_the_specification() -> None:
    """Each of its hashes, in its order, and none that is not computed here."""
    ctx, sectors = bytes(range(32)), {index: bytes([index]) * 256 for index in range(7)}
    leaf = [leaf_hash(ctx, index, data) for index, data in sectors.items()]
    pairs = [node_hash(leaf[at], leaf[at + 1]) for at in (0, 2, 4)]
    left, right = node_hash(pairs[0], pairs[1]), node_hash(pairs[2], leaf[6])
    top = node_hash(left, right)
    root = root_hash(ctx, 7, top)
    siblings = (leaf[0], leaf[3], pairs[2])
    text = SPECIFICATION.read_text().partition("*Example*: ctx is the bytes 0")[2].partition("\n## ")[0]
    computed = (leaf[1], leaf[2], leaf[6], pairs[0], pairs[1], left, right, top, root)
    assert re.findall("[0-9a-f]{64}", text) == [one.hex() for one in (*siblings, *computed)]
    opened = {index: sectors[index] for index in (1, 2, 6)}
    assert split(ctx, 7, opened, siblings)[0] == root
    assert proven_root(ctx, 7, opened, deque(siblings)) == root, "the model's check is the same"


def test_an_opening_of_a_tree_of_one() -> None:
    (sector,) = sectors_of(1)
    assert split(CTX, 1, {0: sector}, ()) == (plain_root([sector]), [Opening(0, sector, ())])
