"""What is said of a plan's money and of copies without a hoster: one story, that does not contradict itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from service.chain_client.pallet.types import Copy, CopyState, Hoster, Plan, PlanState, RegisteredPeer
from service.units import UNIT
from service.views.outlook import Runway, lasting, placement, runway
from tests.roles.test_publication import TIMES
from tests.support.chain_world import ALICE, BOB, CHARLIE
from tests.support.dashboard import HOSTER, a_copy, a_plan

NOW = 1_000
PLAN = replace(a_plan(NOW), live=())
FITS = replace(HOSTER, ask_disk=1, ask_receiving=1)
PEER = RegisteredPeer(bytes(32), bytes(32), 0, 500_000, 0, 0, 0, 0)


def placed(
    plan: Plan, hosters: dict[bytes, Hoster], copies: dict[int, Copy] | None = None
) -> tuple[int, str, str, list[str]]:
    peers = dict.fromkeys(hosters, PEER)
    found = placement(7, plan, copies or {}, hosters, peers, 500_000, TIMES, NOW)
    assert found.fitting in (0, len(hosters))
    return found.missing, found.outlook, found.remedy, found.why_not


NOBODY = "No hoster fits that keeps no copy of it."


@pytest.mark.parametrize(
    ("plan", "hoster", "outlook", "remedy", "why_not"),
    [
        (PLAN, FITS, "1 hoster fits and keeps no copy of it", "Nothing for you", []),
        (replace(PLAN, waiting=True), FITS, f"asks for a hoster again in block {NOW + 1}", "is served", []),
        (PLAN, replace(FITS, ask_disk=UNIT), NOBODY, "datdot plan amend 7", ["1 ask for more than the plan pays"]),
        (PLAN, replace(FITS, open=False), NOBODY, "more hosters must offer", ["1 offer nothing at present"]),
        (PLAN, replace(FITS, used=FITS.capacity), NOBODY, "more hosters must offer", ["1 have not enough room left"]),
        (PLAN, replace(FITS, pause=NOW - 1), NOBODY, "more hosters must offer", ["1 paused"]),
        (replace(PLAN, former=(CHARLIE.public_key,)), FITS, NOBODY, "more hosters must offer", ["1 keep a copy of it"]),
    ],
)
def test_copies_without_a_hoster(plan: Plan, hoster: Hoster, outlook: str, remedy: str, why_not: list[str]) -> None:
    missing, said, do, reasons = placed(plan, {CHARLIE.public_key: hoster})
    assert missing == plan.terms.replicas
    assert outlook in said
    assert remedy in do
    assert len(reasons) == len(why_not)
    assert all(one.startswith(part) for one, part in zip(reasons, why_not, strict=True))


def test_nobody_offers_anything() -> None:
    assert placed(PLAN, {})[1:] == (
        NOBODY, "Other terms would not help: more hosters must offer, or those that do must have room again.", []
    )  # fmt: skip


def test_nothing_is_said_of_a_plan_that_is_whole_or_has_ended() -> None:
    copies = {number: a_copy(number) for number in range(4)}
    for plan, having in ((PLAN, copies), (replace(PLAN, state=PlanState.ENDED), {})):
        assert placed(plan, {BOB.public_key: FITS}, having) == (0, "", "", [])


def test_a_copy_that_has_ended_is_missed_and_its_hoster_may_have_another() -> None:
    ended = {0: replace(a_copy(0), state=CopyState.ENDED)}
    assert placed(PLAN, {ALICE.public_key: FITS}, ended)[:2] == (
        4, "1 hoster fits and keeps no copy of it: the chain draws one in the next blocks.",
    )  # fmt: skip


def test_how_long_the_money_lasts() -> None:
    plan = replace(PLAN, published=NOW - 240, burned=50 * UNIT, mark=50 * UNIT)
    assert runway(plan, 20 * UNIT, NOW, 24) == Runway(5 * UNIT, 4, 500)
    kept = replace(plan, reserved=2 * UNIT, mark=49 * UNIT)
    assert runway(kept, 20 * UNIT + 1, NOW, 24).lasts_eras == 2, (
        "it keeps 2.1 times that, and the surcharge on 1 UNIT: 5.3"
    )
    assert runway(kept, 203 * UNIT // 10, NOW, 24).lasts_eras == 3
    assert lasting(4, 500) == "At its mean burn the money lasts 4 eras of 500."
    assert lasting(1, 2) == "At its mean burn the money lasts 1 era of 2."
    assert lasting(500, 500) == "At its mean burn the money lasts to the plan’s end."
    assert runway(replace(plan, burned=0), UNIT, NOW, 24) == Runway(0, None, 500)
    assert lasting(None, 500) == "Nothing was paid from its pot yet."
