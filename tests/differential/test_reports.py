"""Reports of invalid encodings on model and runtime: every error, every effect, and sectors that were really encoded."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.differential.driver import UNIT
from tests.support.differential.pallet_world import SPONSOR, Watched
from tests.support.differential.segments import SECTOR, Tree, context
from tests.support.differential.small_feeds import Feed, TallestFeed
from tests.support.evidence import Trapdoor

SIZES = [300, 0, 700, 92]
REPORTER, STRANGER = 3, 9
# Time for all that a test reports.
WINDOW = {"report_window": 40}


class Honest(Watched):
    """A world in which encoders encode: each sector decodes to the feed, but for those that are spoiled."""

    def __init__(self, primes: int = 2) -> None:
        super().__init__(WINDOW)
        self.trapdoors = {number: Trapdoor.of(primes, 100 * primes + number) for number in range(1, 3)}
        self.spoil: dict[int, bytes] = {}

    def modulus(self, number: int) -> bytes:
        return self.trapdoors[number].modulus if number in self.trapdoors else super().modulus(number)

    def tree_of(self, number: int, segment: dict[str, Any], hoster: bytes, size: int) -> Tree:
        ctx = context(self.pair.genesis, segment["copy"], segment, hoster)
        plan = self.all("Plans")[self.all("Copies")[segment["copy"]]["plan"]]
        feed = self._feed_of(plan)
        assert feed is not None
        stream = b"".join(feed.block(index) for part in plan["ranges"] for index in range(part["start"], part["end"]))
        plain = stream[segment["first_byte"] :][:size].ljust(size, b"\0")
        key = next(one for one in self.trapdoors.values() if one.modulus == self.all("Moduli")[number])
        sectors = [
            self.spoil.get(at) or key.encode(segment["salt"], at, plain[SECTOR * at :][:SECTOR])
            for at in range(len(plain) // SECTOR)
        ]
        return Tree(number, ctx, len(sectors), b"".join(sectors))


def active(world: Watched, *, live: bool = False) -> Feed:
    """An active copy of a small feed."""
    world.people(hosters=3, encoders=2)
    world.publish(SIZES, live=live)
    world.until("CopyActive")
    feed = world._feed_of(world.all("Plans")[0])
    assert feed is not None
    return feed


def announce(world: Watched, *evidences: dict[str, Any], who: int = REPORTER, copy: int = 0) -> None:
    """Commit to reports, and wait until they may be shown."""
    for evidence in evidences:
        world.commit_to(world.party(who), copy, evidence)
    world.live(4)


def show(world: Watched, evidence: dict[str, Any], error: str = "", who: int = REPORTER, copy: int = 0) -> None:
    """Report in the next block; the error that it gives there, "refused" if it gets into none."""
    if error == "refused":
        world.call(world.party(who), "report_invalid_encoding", copy=copy, evidence=evidence)
    else:
        world.inside(who, "report_invalid_encoding", copy=copy, evidence=evidence)
    world.refused(error)


def report(world: Watched, evidence: dict[str, Any], who: int = REPORTER, copy: int = 0) -> None:
    """A report that is right."""
    world.call(world.party(who), "report_invalid_encoding", copy=copy, evidence=evidence)
    world.refused("")


def test_rubbish_costs_who_made_it() -> None:
    world = Watched(WINDOW)
    feed = active(world)
    copy, segment = world.all("Copies")[0], world.all("Segments")[0]
    evidence = world.evidence(0, 1, feed.block_proof(2))
    announce(world, evidence)
    before = world.pair.value("System", "Account", world.party(REPORTER).id)["data"]["free"]
    report(world, evidence)
    happened = next(one.fields for one in world.pair.events() if one.name == "DatDot.EncodingReported")
    collateral = UNIT // 20 * SECTOR * copy["sectors"] // 2**30
    taken = collateral + 100 * UNIT
    assert (happened["taken"], happened["reward"]) == (taken, taken // 4)
    after = world.pair.value("System", "Account", world.party(REPORTER).id)["data"]["free"]
    assert after - before == taken // 4, "it costs no fee"
    makers = copy["hoster"], segment["encoder"]
    assert {world.all("Peers")[maker]["reputation"] for maker in makers} == {100_000}
    world.until("CopyEnded")
    assert not world.all("Hosters")[makers[0]]["open"]
    assert not world.all("Encoders")[makers[1]]["open"]


def test_the_errors() -> None:
    world = Watched(WINDOW)
    feed = active(world)
    good = world.evidence(0, 1, feed.block_proof(2))
    other_segment, bad_opening = good | {"segment": 7}, good | {"sector": 0}
    beside, no_padding = good | {"block": feed.block_proof(3)}, world.evidence(0, 2, None)
    world.commit_to(world.party(REPORTER), 0, good)
    world.live(2)
    show(world, good, "NoReport")
    show(world, good, "refused")
    announce(world, other_segment, bad_opening, beside, no_padding)
    world.call(world.party(REPORTER), "report_invalid_encoding", copy=0, evidence=bad_opening)
    world.call(world.party(REPORTER), "report_invalid_encoding", copy=0, evidence=other_segment)
    world.refused("BadOpening", "WrongSegment")
    show(world, good, "NoSuchCopy", copy=9)
    show(world, good, "NoReport", who=STRANGER)
    show(world, beside, "NotProven")
    show(world, no_padding, "NotProven")


def test_a_report_is_made_once() -> None:
    world = Watched(WINDOW)
    feed = active(world)
    good, padding = world.evidence(0, 1, feed.block_proof(2)), world.evidence(0, 4, None)
    announce(world, good, padding)
    report(world, padding)
    show(world, good, "AlreadyReported")
    world.until("CopyEnded")
    show(world, good, "AlreadyReported")


def test_an_end_that_is_under_way_saves_nobody() -> None:
    world = Watched(WINDOW)
    feed = active(world)
    evidence = world.evidence(0, 1, feed.block_proof(2))
    announce(world, evidence)
    hoster = world._by_id[world.all("Copies")[0]["hoster"]]
    world.call(hoster, "declare_lost", copy=0)
    world.live(1)
    report(world, evidence)
    world.until("CopyEnded")
    assert world.events["Forfeited"] == 1, "it was lost"
    world.live(3)
    assert not world.all("Hosters")[hoster.id]["open"]


def test_a_copy_that_ended_is_reported_until_its_records_go() -> None:
    world = Watched(WINDOW)
    feed = active(world)
    evidence = world.evidence(0, 1, feed.block_proof(2))
    hoster = world._by_id[world.all("Copies")[0]["hoster"]]
    world.call(hoster, "declare_lost", copy=0)
    world.until("CopyEnded")
    last = world.all("Copies")[0]["ended"] + 3 * world.times["era"] - 1
    while world.pair.number < last - 5:
        world.live(1)
    announce(world, evidence)
    report(world, evidence)
    assert world.pair.number == last
    world.live(1)
    assert world.all("Copies")[0]["dropping"], "its records wait"
    assert world.all("Hosters")[hoster.id]["open"]
    world.live(3)
    assert 0 not in world.all("Copies")
    assert not world.all("Hosters")[hoster.id]["open"]


@pytest.mark.parametrize("primes", [2, 3, 4])
def test_only_what_is_wrong_is_proven(primes: int) -> None:
    world = Honest(primes)
    spoiled = bytes([primes]) * SECTOR
    world.spoil = {3: spoiled}
    feed = active(world)
    # 1,092 bytes: sector 1 is in blocks 0 and 2, sector 3 in 2 and 3, sector 4 in 3 and has padding.
    right = [world.evidence(0, sector, feed.block_proof(block)) for sector, block in ((1, 0), (1, 2), (2, 2), (4, 3))]
    padding = world.evidence(0, 4, None)
    wrong = world.evidence(0, 3, feed.block_proof(3))
    announce(world, *right, padding, wrong)
    for evidence in (*right, padding):
        show(world, evidence, "NotProven")
    report(world, wrong)


def test_an_older_segment_of_a_grown_copy() -> None:
    """A segment has the head of its time: the block must lead to that one."""
    world = Watched(WINDOW)
    feed = active(world, live=True)
    longer = feed.again([*feed.sizes, 700])
    world.remember(longer)
    nodes = longer.extension(feed.length)
    world.call(world.party(SPONSOR), "update_head", plan=0, head=longer.head(), nodes=nodes)
    world.until("GrowthBegun")
    world.until("CopyActive")
    newer, older = world.evidence(0, 1, longer.block_proof(2)), world.evidence(0, 1, feed.block_proof(2))
    announce(world, newer, older)
    show(world, newer, "NotProven")
    report(world, older)
    world.until("CopyEnded")


def test_the_largest_evidence() -> None:
    """A block of a mebibyte in the tallest tree: an extrinsic that a block takes, in one with other reports."""
    world = Watched(WINDOW)
    world.people(hosters=3, encoders=2)
    feed = TallestFeed()
    world.publish_of(feed, [(0, 2)], 20 * UNIT)
    world.until("CopyActive")
    block = feed.block_proof(0)
    assert (len(block["data"]), len(block["roots"]), len(block["siblings"])) == (1 << 20, 53, 52)
    evidence = world.evidence(0, 4_095, block)
    announce(world, evidence)
    report(world, evidence)
    world.until("CopyEnded")
