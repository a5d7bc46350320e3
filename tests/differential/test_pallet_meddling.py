"""What root can break behind the pallet's back: blocks go on, and model and runtime still agree on every entry."""

from __future__ import annotations

from typing import Any

import pytest

from runtime_mock.model.datdot.money import pot_account
from tests.support.differential.driver import UNIT
from tests.support.differential.pallet_world import BEGIN, CLAIM, EVERYTHING, SHORT, SPONSOR, Watched

BRIM = 2**128 - 1


@pytest.fixture
def world() -> Watched:
    made = Watched()
    made.whole = made.balanced = False
    made.people(hosters=2, encoders=2, attesters=3)
    made.publish()
    return made


def force(world: Watched, name: str, **arguments: Any) -> None:
    world.pair.sudo("Balances", name, arguments)
    assert world.seal()[-1].error is None


def test_holds_that_root_freed_cannot_be_burned_or_released(world: Watched) -> None:
    world.until("EncoderDrawn", 0)
    for party in world.parties[1:8]:
        force(world, "force_unreserve", who=("Id", party.id), amount=1_000 * UNIT)
    world.until("BeginMissed", EVERYTHING & ~BEGIN)
    world.offer(3, "Encoding")
    world.until("Stalled", BEGIN)
    for who in range(5, 8):
        world.do_withdraw(who, 2, 0)
    for who, role in ((1, 0), (2, 0), (3, 1), (4, 1)):
        world.do_withdraw(who, role, 0)
    world.until("SlotFreed")
    world.live(2)
    for who, role in ((1, 0), (2, 0), (3, 1), (4, 1)):
        world.do_release(who, role, 0)
    world.live(2)


def test_accounts_that_are_full_are_paid_nothing(world: Watched) -> None:
    world.until("SegmentBegun", BEGIN)
    for who in (1, 2, 3, 4):
        force(world, "force_set_balance", who=("Id", world.party(who).id), new_free=BRIM)
    world.until("CopyActive")
    world.until("PlanEnded" if world.events["PlanEnded"] else "StorageProved")
    world.live(3 * SHORT["era"])
    assert world.events["Paid"] > 0


@pytest.mark.parametrize("delta", [6_000_000 * UNIT, BRIM])
def test_an_issuance_below_what_there_is(world: Watched, delta: int) -> None:
    world.until("SegmentBegun", BEGIN)
    force(world, "force_adjust_total_issuance", direction="Decrease", delta=delta)
    # nobody can pay a fee out of nothing: deadlines pass, and burn what is held
    world.live(2 * SHORT["era"])
    force(world, "force_adjust_total_issuance", direction="Increase", delta=UNIT // 2)
    world.live(2 * SHORT["era"])
    world.call(world.party(SPONSOR), "end_plan", plan=0)
    world.live(5 * SHORT["era"])


@pytest.mark.parametrize("left", [0, UNIT // 100])
def test_a_pot_that_root_emptied(world: Watched, left: int) -> None:
    world.until("CopyActive")
    force(world, "force_set_balance", who=("Id", pot_account(0)), new_free=left)
    world.live(2 * SHORT["era"])
    world.call(world.party(SPONSOR), "end_plan", plan=0)
    world.live(4 * SHORT["era"] + SHORT["end_notice"], EVERYTHING & ~CLAIM)
    world.call(world.party(SPONSOR), "claim_refund", plan=0, donor=world.party(SPONSOR).id)
    world.live(2)


def test_parties_without_money(world: Watched) -> None:
    world.until("CopyActive")
    ed = 10**9
    for who in range(1, 8):
        # held money keeps an account alive, so root cannot take all that is free
        world.pair.sudo("Balances", "force_set_balance", {"who": ("Id", world.party(who).id), "new_free": 0})
        world.refused("ConsumerRemaining")
        force(world, "force_set_balance", who=("Id", world.party(who).id), new_free=ed)
    world.live(2 * SHORT["era"])
    assert world.events["StorageMissed"] > 0, "who cannot pay a fee proves nothing"
