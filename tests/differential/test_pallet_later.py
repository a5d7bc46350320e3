"""The errors of live plans, of leave and pauses, of other terms and of proofs of fraud, by name, on model and runtime."""

from __future__ import annotations

import pytest

from tests.support.differential.driver import UNIT
from tests.support.differential.pallet_world import SPONSOR, Watched
from tests.support.differential.small_feeds import Feed


@pytest.fixture
def world() -> Watched:
    """A live plan with an active copy."""
    world = Watched()
    world.people(hosters=3, encoders=2)
    world.publish(live=True)
    world.until("CopyActive")
    return world


def feed_of(world: Watched, plan: int) -> Feed:
    found = world._feed_of(world.all("Plans")[plan])
    assert found is not None
    return found


def test_heads(world: Watched) -> None:
    feed, anybody = feed_of(world, 0), world.party(3)
    longer = feed.again([*feed.sizes, 700])
    nodes = longer.extension(feed.length)
    world.publish()
    world.live(1)
    fixed = feed_of(world, 1)
    for plan, head, path, error in (
        (7, longer.head(), nodes, "NoSuchPlan"),
        (1, fixed.again([*fixed.sizes, 1]).head(), [], "PlanFixed"),
        (0, fixed.head(), [], "WrongFeedKey"),
        (0, longer.head() | {"signature": bytes(64)}, nodes, "SmallOrderKey"),
        (0, feed.head(), [], "HeadNotNewer"),
        (0, longer.head(), nodes[:-1], "BadExtension"),
        (0, longer.head(), [*nodes, nodes[-1]], "BadExtension"),
        (0, feed.again([size + 1 for size in longer.sizes]).head(), nodes, "BadExtension"),
        (
            0,
            feed.again([*feed.sizes, 256 << 30]).head(),
            feed.again([*feed.sizes, 256 << 30]).extension(3),
            "BadPlanSize",
        ),
        (0, longer.head(), nodes, ""),
    ):
        world.call(anybody, "update_head", plan=plan, head=head, nodes=path)
        world.refused(error)
    world.until("GrowthBegun")
    world.until("CopyActive")
    assert world.all("Copies")[0]["bytes"] == sum(longer.sizes)


def test_a_feed_with_two_histories_is_frozen(world: Watched) -> None:
    feed, anybody = feed_of(world, 0), world.party(3)
    other = feed.again([size + 1 for size in feed.sizes])
    honest = {"plan": 0, "first": feed.head(), "second": feed.head(), "root": 0, "nodes": []}
    for changed, error in (
        ({"plan": 99}, "NoSuchPlan"),
        ({}, "NotProven"),
        ({"second": other.head(), "root": 9}, "NotProven"),
        ({"second": Feed("another", "v1", [5]).head()}, "WrongFeedKey"),
        ({"second": other.head()}, ""),
        ({"second": other.head()}, "FeedFrozen"),
    ):
        world.call(anybody, "report_equivocation", **honest | changed)
        world.refused(error)
    world.call(anybody, "update_head", plan=0, head=feed.head(), nodes=[])
    world.refused("FeedFrozen")
    world.until("PlanEnded")


def test_leave_loss_and_pause(world: Watched) -> None:
    copy = world.all("Copies")[0]
    hoster = world._by_id[copy["hoster"]]
    for name in ("declare_lost", "leave_copy", "decline_job"):
        world.call(world.party(SPONSOR), name, copy=0)
        world.call(world.party(SPONSOR), name, copy=99)
        world.refused("NotParty", "NoSuchCopy")
    world.call(hoster, "leave_copy", copy=0)
    world.call(hoster, "leave_copy", copy=0)
    world.refused("", "AlreadyLeaving")
    world.call(world.party(SPONSOR), "pause")
    world.call(hoster, "pause")
    world.call(hoster, "pause")
    world.refused("NoOffer", "", "PauseTooSoon")
    world.call(hoster, "declare_lost", copy=0)
    world.call(hoster, "declare_lost", copy=0)
    world.refused("", "WrongState")
    world.until("Forfeited")


def test_other_terms(world: Watched) -> None:
    terms = world.all("Plans")[0]["terms"]

    def amend(who: int, error: str, **changes: object) -> None:
        world.call(world.party(who), "amend_plan", plan=0, terms=terms | changes)
        world.refused(error)

    amend(3, "NotSponsor")
    amend(SPONSOR, "AmountTooLarge", max_ask_disk=10**24 + 1)
    amend(SPONSOR, "BadTerms", regions=[b"a"])
    amend(SPONSOR, "BadTerms", report_price=terms["report_price"] + 1)
    amend(SPONSOR, "", replicas=2)
    world.call(world.party(3), "donate", plan=0, amount=30 * UNIT, fresh=world.all("Plans")[0]["fresh"])
    world.live(1)
    amend(SPONSOR, "AmendTooWide", replicas=3)
    amend(SPONSOR, "AmendTooWide", max_latency_ms=9)
    amend(SPONSOR, "", replicas=1, live=False)
    amend(SPONSOR, "BadTerms", replicas=1, live=True)


def test_reports(world: Watched) -> None:
    world.call(world.party(12), "commit_report", hash=bytes(32))
    world.refused("NotAPeer")
    world.call(world.party(1), "commit_report", hash=bytes(32))
    world.call(world.party(2), "commit_report", hash=bytes(32))
    world.refused("", "AlreadyReported")
    world.live(7)
    assert world.all("Reports") == {}
