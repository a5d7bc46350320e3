"""What a stranger gained by the rules of before version 8 of the chain, tried again: each loses now, or is refused.

See pallet-spec/README.md sections 10 to 12 and 14.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from runtime_mock.model.datdot import amend, items, ladder, money, offers, plans
from runtime_mock.model.datdot.limits import GIB_SECTORS, MARGIN, PPM, UNIT, WIDENING_PART
from runtime_mock.model.datdot.params import DEFAULT_AMOUNTS
from runtime_mock.model.datdot.records import CopyState, Terms
from runtime_mock.model.frame import balances
from tests.support.differential.parties import Party
from tests.support.differential.small_feeds import Feed
from tests.support.model_world import ModelWorld

PRICE = DEFAULT_AMOUNTS.report_price
MOST_RECEIVING = DEFAULT_AMOUNTS.collateral // 10


def terms(world: ModelWorld, **changed: Any) -> Terms:
    return replace(Terms(3, 2 * UNIT, 2 * UNIT, 2 * UNIT, PRICE, world.chain.number + 5_000), **changed)


def publish(world: ModelWorld, sizes: list[int], pot: int, **changed: Any) -> str | None:
    return world.publish(world.sponsor, Feed("f", "v1", sizes), pot, terms(world, **changed))


def steps(world: ModelWorld, blocks: int) -> None:
    for _ in range(blocks):
        world.step()


def happened(world: ModelWorld, kind: str) -> list[Any]:
    return [event for _, event in world.chain.events if type(event).__name__ == kind]


def amended(world: ModelWorld, **changed: Any) -> str | None:
    now = items.Plans.at(world.chain.state, 0).terms
    return world.chain.call(amend.amend_plan, world.sponsor.id, 0, replace(now, **changed))


def give(world: ModelWorld, who: Party, amount: int) -> None:
    world.must(plans.donate, who.id, 0, amount, items.Plans.at(world.chain.state, 0).fresh)


def ratio(world: ModelWorld, who: Party) -> tuple[int, int]:
    found = items.Ratios.get(world.chain.state, who.id)
    return found.given, found.taken


def test_a_right_to_widen_cannot_be_bought() -> None:
    world = ModelWorld(3, 4, 0, "bought", 1 << 20)
    assert publish(world, [1_000], UNIT, replicas=1) is None
    give(world, world.donor, 5 * UNIT)
    give(world, world.sponsor, 1_000 * UNIT)
    assert items.Plans.at(world.chain.state, 0).founded == UNIT
    assert amended(world, replicas=2) == "AmendTooWide"
    assert amended(world, max_ask_receiving=3 * UNIT) == "AmendTooWide"
    assert amended(world, max_ask_disk=UNIT) is None


@pytest.mark.parametrize("beyond", [0, 1])
def test_terms_become_wider_while_others_gave_a_twentieth(beyond: int) -> None:
    world = ModelWorld(3, 4, 0, "a twentieth", 1 << 20)
    assert publish(world, [1_000], UNIT, replicas=1) is None
    give(world, world.sponsor, 9 * UNIT)
    plan = items.Plans.at(world.chain.state, 0)
    assert plan.founded == 10 * UNIT
    give(world, world.donor, 10 * UNIT // WIDENING_PART + beyond)
    assert amended(world, replicas=2) == ("AmendTooWide" if beyond else None)


def test_a_gift_is_for_the_terms_that_its_donor_saw() -> None:
    """A sponsor that changes its terms just before a donation gets nothing of it."""
    world = ModelWorld(3, 4, 0, "seen", 1 << 20)
    assert publish(world, [1_000], UNIT, replicas=1) is None
    steps(world, 3)
    assert amended(world, max_ask_disk=9 * UNIT) is None
    assert world.chain.call(plans.donate, world.donor.id, 0, 100 * UNIT, 0) == "TermsChanged"
    give(world, world.donor, 100 * UNIT)


def test_what_goes_on_for_longer_is_not_wider() -> None:
    """So nobody who gives a little takes from a sponsor the right to let its plan go on."""
    world = ModelWorld(3, 4, 0, "longer", 1 << 20)
    assert publish(world, [1_000], UNIT, replicas=1) is None
    give(world, world.donor, 5 * UNIT)
    until = items.Plans.at(world.chain.state, 0).terms.until
    assert amended(world, until=until + 1) is None
    assert amended(world, until=until + 2, replicas=2) == "AmendTooWide"


def test_a_plan_that_is_topped_up_when_it_is_low_takes_many_gifts() -> None:
    world = ModelWorld(3, 6, 0, "topped up", 1 << 20)
    assert publish(world, [1_000], UNIT) is None
    for _ in range(7):
        world.must(left, money.pot_account(0), UNIT // 10)
        give(world, world.donor, 5 * UNIT)
    assert items.Plans.at(world.chain.state, 0).shares > 10**8 * UNIT


def left(s: Any, pot: bytes, rest: int) -> None:
    """Let a pot have paid all but so much."""
    money.burn(s, pot, balances.free(s, pot) - rest)


def test_an_offer_of_before_that_asks_too_much_fits_nobody() -> None:
    world = ModelWorld(1, 6, 0, "old offer", 1 << 26)
    state, hoster = world.chain.state, world.hosters[0].id
    steps(world, 6)
    for table in (items.Hosters, items.HosterDraws):
        found: Any = table.at(state, hoster)
        table.put(state, hoster, replace(found, ask_receiving=MOST_RECEIVING + 1))
    assert publish(world, [4_000], 50 * UNIT, replicas=1) is None
    steps(world, 30)
    assert happened(world, "CopyOffered") == []
    world.must(offers.offer_hosting, hoster, 1 << 26, UNIT, MOST_RECEIVING, b"")
    while happened(world, "CopyOffered") == []:
        world.step()


def test_what_others_gave_is_burned_and_not_gained() -> None:
    """A sponsor at ratio 1 that widens its terms and lets its own hoster take all of the pot: 1/21 goes, as much as others gave."""
    world = ModelWorld(2, 4, 0, "taken", 1 << 20)
    chain, own = world.chain, world.hosters[0]
    items.Ratios.put(
        chain.state, world.sponsor.id, replace(items.Ratios.get(chain.state, world.sponsor.id), given=10**5 * UNIT)
    )
    ask = 20 * UNIT * GIB_SECTORS // 4
    world.must(offers.offer_hosting, own.id, 1 << 20, ask, 0, b"zzz")
    steps(world, 5)
    before = chain.money(world.sponsor.id) + chain.money(own.id)
    assert publish(world, [1_000], 200 * UNIT, replicas=1, regions=[b"x"]) is None
    give(world, world.donor, 200 * UNIT // WIDENING_PART)
    assert amended(world, regions=[b"zzz"], max_ask_disk=2 * ask) is None
    while items.Plans.contains(chain.state, 0) and happened(world, "PlanClaimable") == []:
        world.step()
    claimable = happened(world, "PlanClaimable")[0].remainder
    world.must(plans.claim_refund, 0, world.sponsor.id)
    assert sum(event.amount for event in happened(world, "Paid") if event.account == own.id) > 0, "its hoster was paid"
    assert chain.money(world.sponsor.id) + chain.money(own.id) < before
    assert claimable < 210 * UNIT


def test_targets_that_are_amended_cost_no_hoster_its_collateral() -> None:
    world = ModelWorld(3, 6, 9, "slow", 1 << 20, {"checkpoint": 1})
    assert publish(world, [4_000] * 64, 50 * UNIT) is None
    steps(world, 30)
    held = [money.held(world.chain.state, one.id, 0) for one in world.hosters]  # type: ignore[arg-type]
    assert amended(world, max_latency_ms=0) is None
    while len(happened(world, "CopyEnded")) < 3:
        world.step()
    assert {event.reason.name for event in happened(world, "CopyEnded")} == {"SLOW"}
    assert happened(world, "Forfeited") == []
    assert held == [money.held(world.chain.state, one.id, 0) for one in world.hosters]  # type: ignore[arg-type]


def test_reports_have_one_price_that_nobody_is_above_or_below() -> None:
    world = ModelWorld(3, 6, 6, "one price", 1 << 20)
    assert publish(world, [4_000], 50 * UNIT, report_price=PRICE - 1) == "BadTerms"
    attester = world.attesters[0]
    above = world.chain.call(offers.offer_attesting, attester.id, PRICE + 1, attester.chain(0).anchor, 1)
    assert above == "AmountTooLarge"
    assert world.chain.call(offers.offer_attesting, attester.id, PRICE, attester.chain(0).anchor, 1) is None


def test_five_slots_of_fifty_fail_nobody() -> None:
    class Liars(ModelWorld):
        own: list[Party]

        def sees_served(self, attester: Party, copy: int) -> bool:
            return attester not in self.own

    world = Liars(3, 6, 50, "five of fifty", 1 << 20, {"quorum": 5, "checkpoint": 1})
    world.own = world.attesters[:5]
    assert publish(world, [4_000] * 64, 50 * UNIT) is None
    for _ in range(24 * 9):
        world.step(check=False)
    verdicts = Counter(event.verdict.name for event in happened(world, "RetrievalSettled"))
    assert verdicts["PASSED"] > 0
    assert verdicts["FAILED"] == 0
    assert happened(world, "Forfeited") == []


def test_what_is_received_and_lost_at_once_gains_nothing() -> None:
    world = ModelWorld(1, 6, 0, "lost", 1 << 26, {"checkpoint": 1})
    chain, hoster = world.chain, world.hosters[0].id
    assert chain.call(offers.offer_hosting, hoster, 1 << 26, 0, MOST_RECEIVING + 1, b"") == "AmountTooLarge"
    world.must(offers.offer_hosting, hoster, 1 << 26, 0, MOST_RECEIVING, b"")
    steps(world, 6)
    before = chain.money(hoster)
    assert publish(world, [4_000] * 200, 50 * UNIT, replicas=1) is None
    while not any(copy.state == CopyState.ACTIVE for copy in chain.all(items.Copies).values()):
        world.step()
    world.must(ladder.declare_lost, hoster, 0)
    while happened(world, "CopyEnded") == []:
        world.step()
    forfeited = sum(event.burned + event.pot for event in happened(world, "Forfeited"))
    received = sum(event.amount for event in happened(world, "Paid") if event.account == hoster)
    assert 0 < received <= forfeited + 1
    assert chain.money(hoster) <= before + 1, "but for what is rounded"


@pytest.mark.parametrize("frugal", [False, True])
def test_much_in_one_payment_has_the_surcharge_of_much(frugal: bool) -> None:
    """100 UNIT for the disk of one era, out of a pot with plenty, and out of the smallest that can pay it."""
    world = ModelWorld(1, 6, 0, "one payment", 1 << 20, {"checkpoint": 1})
    ask = 100 * UNIT * GIB_SECTORS // 1_000
    world.must(offers.offer_hosting, world.hosters[0].id, 1 << 20, ask, 0, b"")
    steps(world, 6)
    wanted = terms(world, replicas=1, max_ask_disk=2 * ask)
    feed = Feed("f", "v1", [4_000] * 64)
    assert world.publish(world.sponsor, feed, 420 * UNIT, wanted) == "PotTooSmall"
    assert world.publish(world.sponsor, feed, 425 * UNIT if frugal else 5_000 * UNIT, wanted) is None
    while not any(event.base > 4 * UNIT for event in happened(world, "Surcharged")):
        world.step()
    *before, event = happened(world, "Surcharged")
    taken = sum(one.base + one.amount for one in before) + event.base
    q = max(4 * UNIT * PPM // (taken + 4 * UNIT), PPM // 2)
    assert event.amount == -(-event.base * MARGIN // q) - event.base
    assert event.amount > event.base
    assert ratio(world, world.sponsor) == (0, taken + event.amount)


def test_a_surcharge_can_always_be_burned() -> None:
    """Whatever was paid, out of a pot of which nothing is free."""
    world = ModelWorld(3, 6, 9, "nothing free", 1 << 20, {"checkpoint": 1})
    chain = world.chain
    least = money.dearest(
        (2 * -(-2 * UNIT * 1_000 // GIB_SECTORS) + -(-2 * UNIT * 1_001 // GIB_SECTORS) + 36 * PRICE) * 3
    )
    assert publish(world, [4_000] * 64, least - 1) == "PotTooSmall"
    assert publish(world, [4_000] * 64, least) is None
    while happened(world, "PlanClaimable") == []:
        world.step()
        if items.Plans.contains(chain.state, 0):
            plan = items.Plans.at(chain.state, 0)
            assert money.pot_value(chain.state, 0) + 1 >= money.kept(plan, plan.reserved)
    surcharges = happened(world, "Surcharged")
    assert surcharges
    assert all(event.amount * 20 >= event.base for event in surcharges)


def test_no_plan_ends_without_notice() -> None:
    world = ModelWorld(3, 6, 0, "notice", 1 << 20, {"end_notice": 168})
    assert publish(world, [4_000], 50 * UNIT) is None
    steps(world, 10)
    notice = world.chain.number + 168
    assert amended(world, until=notice - 1) == "BadTerms"
    assert amended(world, until=notice) is None
    steps(world, 5)
    assert amended(world, until=notice - 1) == "BadTerms"
    assert amended(world, until=notice, max_ask_disk=UNIT) is None, "what stands may stay"


def test_each_tick_costs_the_pot_a_fee_for_each_copy() -> None:
    world = ModelWorld(3, 6, 0, "ticks", 1 << 20)
    for one in world.hosters:
        world.must(offers.offer_hosting, one.id, 1 << 20, 0, 0, b"")
    for one in world.encoders:
        world.must(offers.offer_encoding, one.id, 0)
    steps(world, 6)
    fee, kept = DEFAULT_AMOUNTS.tick_fee, money.dearest(36 * PRICE) * 3
    assert publish(world, [1_000], kept + 5 * fee, max_ask_disk=0, max_ask_encoding=0, max_ask_receiving=0) is None
    plan = items.Plans.at(world.chain.state, 0)
    while happened(world, "PlanEnded") == []:
        before = plan
        world.step()
        plan = items.Plans.at(world.chain.state, 0)
        if plan.next_tick > before.next_tick:
            assert plan.burned - before.burned == fee * len(before.live) > 0
            assert plan.mark == plan.burned
    assert [event.reason.name for event in happened(world, "PlanEnded")] == ["UNPAID"]
    assert happened(world, "PotLow")
