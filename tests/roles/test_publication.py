"""Publication: what the chain would refuse is refused before, by name; what is prepared proves the ranges' bytes."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.chain_client.pallet.types import Terms, Times
from service.feeds.reading import MAX_BLOCKS
from service.hypercore.core import Core
from service.hypercore.corestore import Corestore
from service.hypercore.crypto import KeyPair
from service.hypercore.heads import CoreHead
from service.hypercore.manifest import Manifest, ManifestSigner, default_manifest
from service.protocols.copy.stream import FREE_BLOCKS, LEAST_MEAN_BLOCK, MAX_EMPTY_RUN, too_many_blocks
from service.roles.sponsor import checks as pub
from service.roles.sponsor.lease import TooLong, block_seconds, check_lease, most_bytes
from service.roles.sponsor.terms import plan_terms

TIMES = Times(24, 4, 4, 40, 20, 240, 5, 30, 14, 3, 12, 48, 10, 1, 9, 2, 65_536, 1_000, 6, 256, 20)
TERMS = plan_terms(2, 10, 20, 30, 5, 100)
SIZES = [300, 200, 1, 0, 70_000, 5, 6, 7, 256, 9, 10]


def make_core(sizes: list[int] = SIZES, *, compat: bool = False) -> Core:
    core = Corestore().create(compat=compat)
    core.append([bytes([i % 256]) * size for i, size in enumerate(sizes)])
    return core


def prepare(core: Core, ranges: list[tuple[int, int]], pot: int = 10**12, terms: Terms = TERMS) -> pub.Publication:
    return pub.prepare(core.head(), ranges, pub.open_nodes(core, ranges), terms, pot, times=TIMES, now=50)


@pytest.mark.parametrize("compat", [False, True])
def test_a_whole_feed_needs_no_nodes(compat: bool) -> None:
    core = make_core(compat=compat)
    ready = prepare(core, [(0, 11)])
    assert (ready.nodes, ready.bytes) == ((), sum(SIZES))
    assert len(ready.head.manifest) == (0 if compat else 70)
    assert len(ready.head.signature) == 64


@given(st.sets(st.integers(0, 11), min_size=2, max_size=8), st.integers(1, 11))
@settings(max_examples=60, deadline=None)
def test_opened_nodes_prove_the_bytes(bounds: set[int], length: int) -> None:
    core = make_core(SIZES[:length])
    inside = sorted({min(bound if bound % 2 == 0 else bound + 1, length) for bound in bounds})
    ranges = list(zip(inside[::2], inside[1::2], strict=False))
    if not ranges:
        return
    nodes = pub.open_nodes(core, ranges)
    found = pub.range_bytes(pub.check_head(core.head()), ranges, nodes)
    assert found == [sum(SIZES[start:end]) for start, end in ranges]


def test_few_blocks_bring_all_nodes() -> None:
    core, ranges = make_core(), [(2, 4), (6, 8), (10, 11)]
    replica = Corestore().get(core.key)
    from service.hypercore.tree.proof import BlockRequest, Request, UpgradeRequest

    replica.apply(core.prove(Request(upgrade=UpgradeRequest(0, core.length), manifest=True)))
    with pytest.raises(pub.BadRanges, match="or one of its children is missing"):
        pub.open_nodes(replica, ranges)
    blocks = pub.blocks_to_open(core.length, ranges)
    assert len(blocks) <= 2
    for block in blocks:
        replica.apply(core.prove(Request(block=BlockRequest(block, replica.missing_nodes(2 * block)))))
    assert pub.open_nodes(replica, ranges) == pub.open_nodes(core, ranges)


@pytest.mark.parametrize(
    "ranges",
    [
        [],
        [(0, 12)],
        [(3, 6)],
        [(0, 5)],
        [(4, 4)],
        [(6, 4)],
        [(-2, 4)],
        [(0, 4), (4, 8)],
        [(4, 8), (0, 2)],
        [(0, 2)] * 17,
    ],
)
def test_impossible_ranges(ranges: list[tuple[int, int]]) -> None:
    with pytest.raises(pub.BadRanges):
        prepare(make_core(), ranges)


def test_an_empty_range_of_bytes() -> None:
    with pytest.raises(pub.BadRanges, match="0 bytes"):
        prepare(make_core([0, 0]), [(0, 2)])


def runs(sizes: list[int], start: int, end: int, most: int) -> list[int]:
    """The first blocks of all runs of more than `most` empty blocks, looked for block by block."""
    found, first = [], start
    for block in range(start, end + 1):
        if block == end or sizes[block]:
            found += [first] if block - first > most else []
            first = block + 1
    return found


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 3)), max_size=12), st.integers(1, 20), st.data())
@settings(max_examples=60, deadline=None)
def test_runs_of_empty_blocks_are_found(pieces: list[tuple[int, int]], most: int, data: st.DataObject) -> None:
    sizes = [size for empty, full in pieces for size in [0] * empty + [1] * full]
    core = make_core(sizes)
    start = data.draw(st.integers(0, len(sizes)))
    end = data.draw(st.integers(start, len(sizes)))
    found = pub.empty_run(core, start, end, most)
    expected = runs(sizes, start, end, most)
    assert (found is not None) == bool(expected)
    assert found is None or any(first <= found for first in expected)
    assert found is None or not any(sizes[found : found + most + 1])


def test_a_run_of_empty_blocks_has_a_bound_at_publication() -> None:
    """They have bytes enough beside them: the mean of all blocks says nothing of those that a reader must pass."""
    beside = [30_000] * 2
    for empty, over in ((MAX_EMPTY_RUN, False), (MAX_EMPTY_RUN + 1, True)):
        core = make_core([*beside, *[0] * empty, *beside])
        assert not too_many_blocks(core.length, core.byte_length)
        if over:
            with pytest.raises(pub.TinyBlocks, match="in a row are empty, from block 2 on"):
                pub.check_blocks(core, [(0, core.length)])
        else:
            pub.check_blocks(core, [(0, core.length)])
    core = make_core([*beside, *[0] * 3_000, *beside])
    pub.check_blocks(core, [(0, 2), (3_002, core.length)])


def test_the_specification_says_what_blocks_the_service_refuses() -> None:
    limits = (Path(__file__).parents[2] / "pallet-spec" / "README.md").read_text().split("## 19. Known limits")[1]
    said = " ".join(limits.split())
    assert f"more than {FREE_BLOCKS:,} blocks whose mean is under {LEAST_MEAN_BLOCK} bytes" in said
    assert f"more than {MAX_EMPTY_RUN:,} empty ones in a row" in said
    assert f"read {MAX_BLOCKS} blocks at most" in said


def test_wrong_nodes() -> None:
    core, ranges = make_core(), [(2, 4)]
    head, nodes = pub.check_head(core.head()), pub.open_nodes(core, ranges)
    for wrong in (
        nodes[1:],
        (*nodes, nodes[-1]),
        (replace(nodes[0], size=nodes[0].size + 1), *nodes[1:]),
        (replace(nodes[0], left=bytes(32)), *nodes[1:]),
    ):
        with pytest.raises(pub.BadRanges):
            pub.range_bytes(head, ranges, wrong)


def altered(head: CoreHead, **changes: object) -> CoreHead:
    return replace(head, **changes)  # type: ignore[arg-type]


def test_wrong_feed_key() -> None:
    head, other = make_core().head(), make_core()
    two = Manifest(1, 1, (ManifestSigner(bytes(32), bytes(32)),) * 2)
    for wrong in (
        altered(head, key=other.key),
        altered(head, key=b"short"),
        altered(head, manifest=b"\1"),
        altered(head, manifest=two.encode(), key=two.key),
    ):
        with pytest.raises(pub.WrongFeedKey):
            pub.check_head(wrong)


def test_bad_head_signature() -> None:
    head = make_core().head()
    for wrong in (
        altered(head, fork=1),
        altered(head, raw_signature=head.raw_signature[:-1] + bytes([head.raw_signature[-1] ^ 1])),
        altered(head, raw_signature=b"short"),
        altered(head, manifest=None),
    ):
        with pytest.raises(pub.BadHeadSignature):
            pub.check_head(wrong)


def test_bad_head() -> None:
    head = make_core().head()
    for wrong in (altered(head, length=12), altered(head, fork=1 << 53), altered(head, roots=head.roots[1:])):
        with pytest.raises(pub.BadHead):
            pub.check_head(wrong)


@pytest.mark.parametrize("point", sorted(pub._SMALL_ORDER))
@pytest.mark.parametrize("top", [0, 0x80])
def test_small_order_keys(point: bytes, top: int) -> None:
    weak = bytes((*point[:31], point[31] | top))
    head = make_core().head()
    manifest = default_manifest(weak)
    with pytest.raises(pub.SmallOrderKey, match="author's key"):
        pub.check_head(altered(head, manifest=manifest.encode(), key=manifest.key))
    with pytest.raises(pub.SmallOrderKey, match="point R"):
        pub.check_head(altered(head, raw_signature=weak + bytes(32)))
    assert not pub.is_small_order(KeyPair(bytes(32)).public)


@pytest.mark.parametrize(
    "terms",
    [
        replace(TERMS, replicas=0),
        replace(TERMS, replicas=17),
        replace(TERMS, max_ask_disk=-1),
        replace(TERMS, report_price=10**24 + 1),
        replace(TERMS, until=51),
        replace(TERMS, until=50 + 24_001),
    ],
)
def test_impossible_terms(terms: Terms) -> None:
    with pytest.raises(pub.BadTerms):
        prepare(make_core(), [(0, 11)], terms=terms)


def test_the_least_pot() -> None:
    sectors = (1 << 22) + 1
    assert pub.least_pot(TERMS, sectors, TIMES) == -(-21 * 2 * (11 + 21 + 31 + 4 * 9 * 5) // 10)
    core, least = make_core([100]), -(-21 * 2 * (1 + 1 + 1 + 180) // 10)
    assert prepare(core, [(0, 1)], least).pot == least
    with pytest.raises(pub.BadTerms, match=f"needs {least}"):
        prepare(core, [(0, 1)], least - 1)


def test_a_plan_whose_segment_no_lease_holds_is_refused_with_the_figures() -> None:
    """236 blocks of 0.5 s at 350 KiB/s are 41,300 KiB."""
    times = replace(TIMES, lease=240, seed_delay=4, checkpoint=1 << 18)
    assert most_bytes(times, 0.5) == 41_300 * 1024
    check_lease(41_300 * 1024, times, 0.5)
    check_lease(100 << 20, times, 2.0)
    with pytest.raises(
        TooLong, match=r"100 MiB.*lease of 240 blocks \(120 s here\).*350 KiB/s makes 40 MiB.*--range START:END"
    ):
        check_lease(100 << 20, times, 0.5)
    production = replace(times, lease=7_200)
    check_lease(200 << 30, production, 6.0)  # in segments of 4 GiB
    with pytest.raises(TooLong, match="a segment of 4096 MiB"):
        check_lease(200 << 30, replace(production, lease=1_440), 6.0)


@pytest.mark.parametrize("size", [1, 100 << 20, 1 << 30, 10 << 30])
def test_a_lease_of_the_development_chain_holds_the_segments_of_long_plans(size: int) -> None:
    """They are of 64 checkpoints there, of 64 KiB each, or longer if there would be more than 255."""
    check_lease(size, TIMES, 0.5)


def test_a_plan_of_11_gib_has_segments_that_no_lease_of_the_development_chain_holds() -> None:
    with pytest.raises(TooLong, match="a segment of 44 MiB"):
        check_lease(11 << 30, TIMES, 0.5)


async def test_the_pace_of_a_chain_is_measured_or_not_there() -> None:
    """By the virtual clock: a chain with a block each 3 s, and one on which none comes."""
    loop = asyncio.get_running_loop()
    start = loop.time()

    async def best() -> Any:
        await asyncio.sleep(0.01)
        return SimpleNamespace(number=10 + int((loop.time() - start) / 3))

    async def still() -> Any:
        return SimpleNamespace(number=10)

    measured = await block_seconds(cast(Any, SimpleNamespace(best=best)))
    assert measured is not None
    assert round(measured, 1) == 3.0
    assert await block_seconds(cast(Any, SimpleNamespace(best=still))) is None
