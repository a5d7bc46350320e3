"""What an auditor found in the chain of version 2, and what became of it: each of the 17 has a cure, a bound, or a reason.

The numbers in brackets are sections of pallet-spec/README.md; 19 are its known limits. `PLAYED` names the tests that play each.

| | what was found | cure, bound or reason |
| --- | --- | --- |
| 1 | holes of slots that were given back leave no committee a quorum | 128 draws until the seats are filled; SlotFee (10, 11) |
| 2 | an encoding cap of 0 holds hosters' capacity for ever | one copy until something is confirmed; stalls; waiting (6, 12, 19) |
| 3 | attesters that never fetch are paid | only `served` is paid; two thirds must say otherwise (10, 19) |
| 4 | 256 offers a block refuse every proof of it | offers, withdrawals and releases fill 64 at most (5, 19) |
| 5 | plans that nobody serves delay all placement | two lanes; needs that sleep; RetryFee; new plans wait (6, 11, 19) |
| 6 | a small job costs more than it earns | calls 10 and 15 give the fee back; Checkpoint sectors are paid (11, 14) |
| 7 | asks that fit nobody cost misses | no cure: needs sleep, money is on hold for three eras (6, 19) |
| 8 | who never confirms costs others twice what it loses | a bound: blame is not known; salvage, doublings (12, 19) |
| 9 | sectors confirmed before a miss lose pay after it | a bound: one interval of the new sectors (9, 19) |
| 10 | Operational calls that fail fill blocks | CheckParty refuses them before the block; not in batches (14, 19) |
| 11 | a donor that never claims keeps the plan | anyone may claim for it (11, 14) |
| 12 | a modulus is copied from the pool | the encoder makes another; the thief has no factors, and stalls (8, 19) |
| 13 | reputation can be had for nothing | a reason: it is no security, and at most doubles a weight (11, 19) |
| 14 | tables are never freed | a release of hosting frees the slot; of encoding not (5, 19) |
| 15 | with all its money on hold a hoster cannot prove | its node warns, and offers nothing that leaves too little (11, 19) |
| 16 | the worst block leaves no room | counted anew with all rules, and measured (18, 19) |
| 17 | nobody checks the source of seeds, and root can set them | a reason: the runtime chooses source and root (5, 19) |
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from runtime_mock.model.datdot import items, offers
from runtime_mock.model.datdot.params import DEFAULT_AMOUNTS
from runtime_mock.model.datdot.records import CopyState, StorageChallenge, Terms
from tests.play.catalogue import acts
from tests.support.differential.driver import UNIT
from tests.support.differential.small_feeds import Feed
from tests.support.model_world import ModelWorld

ROOT = Path(__file__).parents[2]
RUST = "pallet-spec/pallet/src/tests"
HERE = "tests/model/test_findings.py"
GIB = 1 << 30

PLAYED: dict[int, tuple[str, ...]] = {
    1: (f"{RUST}/committees.rs::holes_do_not_thin_a_committee", f"{RUST}/committees.rs::a_committee_is_full_with_its_seats"),
    2: (f"{RUST}/bounds.rs::a_plan_that_pays_no_encoder_holds_little_capacity", "cheats::capacity-held-by-a-cap-of-0"),
    3: ("cheats::attester-never-fetches", "cheats::one-in-three-liars"),
    4: (f"{RUST}/deadlines.rs::changes_are_256_for_a_block_and_offers_fill_64_of_them", "cheats::256-offers-a-block"),
    5: (f"{RUST}/needs.rs::a_flood_of_new_plans_does_not_keep_a_running_one_waiting",),
    6: (f"{RUST}/validity.rs::who_begins_and_who_settles_pays_nothing", f"{HERE}::test_a_small_job_is_paid"),
    7: (f"{HERE}::test_asks_that_fit_nobody_delay_and_do_not_stop",),
    8: (f"{RUST}/stalls.rs::the_sponsors_part_doubles_with_each_stall", "cheats::stalling-encoder"),
    9: (f"{HERE}::test_a_miss_costs_new_sectors_one_interval_at_most",),
    10: (f"{RUST}/validity.rs::only_who_is_challenged_proves", f"{RUST}/validity.rs::only_parties_confirm"),
    11: (f"{RUST}/plans.rs::refunds_share_the_remainder_and_the_last_takes_the_rest",),
    12: ("tests/roles/test_stolen_modulus.py::test_an_encoder_makes_a_new_key_when_its_modulus_is_taken",),
    13: (f"{HERE}::test_reputation_for_nothing_doubles_a_weight_at_most",),
    14: (f"{RUST}/peers.rs::a_released_hosters_slot_is_free_for_others", f"{RUST}/peers.rs::draw_tables_have_262144_entries"),
    15: (
        "tests/roles/test_fees.py::"
        "test_a_hoster_that_cannot_pay_for_a_proof_is_told_before_and_proves_again_when_it_can",
    ),
    16: (f"{RUST}/bounds.rs::the_worst_block_fits", "tests/pallet/test_weights.py::test_no_weight_is_below_what_was_measured"),
    17: (
        "tests/model/test_vectors.py::test_without_set_seed_the_seed_is_the_hash_of_the_parent_s",
        "tests/model/test_vectors.py::test_the_development_seed_is_the_block_s_seed_after_set_seed",
    ),
}  # fmt: skip
"""By number in the table above; `cheats::NAME` is played by `make cheats`."""


@pytest.mark.parametrize("number", range(1, 18))
def test_each_finding_is_played(number: int) -> None:
    assert re.search(rf"^\| {number} \|", __doc__ or "", re.MULTILINE)
    for name in PLAYED[number]:
        path, _, test = name.partition("::")
        if path == "cheats":
            assert test in acts("cheats"), name
        else:
            assert re.search(rf"\b(fn|def) {test}\(", (ROOT / path).read_text()), name


def terms(chain: Any, **changed: Any) -> Terms:
    """Terms of one copy for anybody's price."""
    caps = dict.fromkeys(("max_ask_disk", "max_ask_encoding", "max_ask_receiving"), 2 * UNIT)
    rest = {"report_price": 10**9, "live": False, "min_reputation": 0, "regions": [], "max_latency_ms": 2**32 - 1}
    return Terms(**{"replicas": 1, "until": chain.number + 2_000, "min_kib_per_s": 0, **caps, **rest, **changed})


def publish(world: ModelWorld, name: str, sizes: list[int], pot: int = 10 * UNIT, **changed: Any) -> None:
    assert world.publish(world.sponsor, Feed(name, "v1", sizes), pot, terms(world.chain, **changed)) is None


def happened(world: ModelWorld, kind: str) -> list[tuple[int, Any]]:
    """The events of a kind, with their blocks."""
    return [(block, event) for block, event in world.chain.events if type(event).__name__ == kind]


def test_a_small_job_is_paid() -> None:
    """Finding 6: 12 sectors earned 0.000003 UNIT, and cost 0.0055 of fees."""
    world = ModelWorld(1, 1, 0, "a small job")
    encoder, before = world.encoders[0].id, None
    for _ in range(6):
        world.step(check=False)
    before = world.chain.money(encoder)
    publish(world, "tiny", [3_000])
    while not happened(world, "CopyActive"):
        world.step(check=False)
    half = UNIT * world.chain.times.checkpoint // (1 << 22) // 2
    assert world.chain.money(encoder) - before == half
    assert half > 4 * (UNIT * 12 // (1 << 22)), "far more than its 12 sectors"


def placed_after(strangers: int) -> tuple[int, int]:
    """How many blocks four plans wait for their hosters, and how often a need fell asleep."""
    world = ModelWorld(8, 4, strangers, "asks that fit nobody", 16 * GIB)
    for one in world.attesters:
        world.must(offers.offer_hosting, one.id, 1_024 * GIB, 10**24, 0, b"")
    world.attesters = []
    for _ in range(6):
        world.step(check=False)
    begun = world.chain.number
    for number in range(4):
        publish(world, f"plan {number}", [5_000])
    while len(happened(world, "CopyOffered")) < 4:
        world.step(check=False)
        assert world.chain.number < begun + 1_500
    return world.chain.number - begun, len(happened(world, "NeedSleeps"))


def test_asks_that_fit_nobody_delay_and_do_not_stop() -> None:
    """Finding 7: who has most of the weight and asks for more than anybody pays costs new plans their tries."""
    alone, slept = placed_after(0)
    assert alone <= 8
    assert slept == 0
    later, slept = placed_after(4)
    assert alone < later
    assert slept, "a need that finds nobody uses no more of others' tries"


class Silent(ModelWorld):
    """A world of hosters that answer no challenge while they are silent."""

    silent = False

    def prove(self, hoster: bytes, challenge: StorageChallenge) -> None:
        if not self.silent:
            super().prove(hoster, challenge)


def test_a_miss_costs_new_sectors_one_interval_at_most() -> None:
    """Finding 9: sectors are charged from the last pass on, and a miss leaves that time unpaid for the others only."""
    world = Silent(1, 4, 0, "a miss", 1 << 20, {"mean_gap": 60, "proof_window": 20})
    chain, account = world.chain, world.hosters[0].id

    def hoster() -> Any:
        return items.Hosters.at(chain.state, account)

    def second() -> int | None:
        found = chain.all(items.Copies).items()
        return next((key for key, copy in found if copy.plan == 1 and copy.state == CopyState.ACTIVE), None)

    publish(world, "first", [4_000] * 4)
    for _ in range(150):
        world.step(check=False)
    last, reputation = hoster().last, items.Peers.at(chain.state, account).reputation
    publish(world, "second", [4_000] * 4)
    while second() is None:
        world.step(check=False)
    assert (hoster().last, hoster().missed) == (last, 0), "it was confirmed between a pass and a miss"
    world.silent = True
    while not hoster().missed:
        world.step(check=False)
    copy = items.Copies.at(chain.state, second())
    lost = copy.debt - copy.stored * hoster().acc
    charged = reputation + (1_000_000 - reputation) // 64
    assert lost == copy.stored * charged * (copy.first_confirmed - last) > 0

    world.silent, passed = False, hoster().passed
    while copy.debt > copy.stored * hoster().acc:
        world.step(check=False)
    assert 0 < hoster().passed - passed <= 12, "then it earns as the others do"


def test_reputation_for_nothing_doubles_a_weight_at_most() -> None:
    """Finding 13: one sector of one's own plan at price 0, for the fee of a publication and those of its ticks."""
    world = ModelWorld(1, 1, 0, "reputation for nothing", 1 << 30, {"mean_gap": 4})
    chain, account = world.chain, world.hosters[0].id
    world.must(offers.offer_hosting, account, 1 << 30, 0, 0, b"")
    world.must(offers.offer_encoding, world.encoders[0].id, 0)
    for _ in range(6):
        world.step(check=False)
    free = dict.fromkeys(("max_ask_disk", "max_ask_encoding", "max_ask_receiving"), 0)
    publish(world, "mine", [1], UNIT, **free, until=chain.number + 5_000)
    while items.Peers.at(chain.state, account).reputation < 990_000:
        world.step(check=False)
    assert items.Hosters.at(chain.state, account).passed == 249, "42 eras of six challenges"
    ticks = (chain.number - items.Plans.at(chain.state, 0).published) // chain.times.era
    assert items.Plans.at(chain.state, 0).burned == ticks * DEFAULT_AMOUNTS.tick_fee
    first = 500_000
    assert items.Peers.at(chain.state, account).reputation < 2 * first
