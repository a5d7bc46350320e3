"""Lives of plans, and every deadline that can pass in one, on model and runtime: equal block hashes after every block."""

from __future__ import annotations

import pytest

from tests.support.differential.driver import UNIT
from tests.support.differential.pallet_world import (
    BEGIN,
    CLAIM,
    COLLECT,
    COMMIT,
    CONFIRM,
    EVERYTHING,
    PROVE,
    REVEAL,
    SETTLE,
    SHORT,
    SPONSOR,
    Watched,
)


@pytest.mark.slow
def test_a_plan_from_publication_to_the_last_refund() -> None:
    world = Watched()
    world.people(hosters=4, encoders=4, attesters=3)
    world.publish(replicas=3)
    world.until("CopyActive")
    world.call(world.party(12), "donate", plan=0, amount=UNIT, fresh=0)
    world.until("RetrievalSettled")
    world.live(2 * SHORT["era"])
    world.call(world.party(SPONSOR), "end_plan", plan=0)
    world.until("PlanEnded")
    for index, role in enumerate([0] * 4 + [1] * 4 + [2] * 3):
        world.do_withdraw(1 + index, role, 0)
    world.until("PlanClosed")
    # an encoder's bond stays for fourteen eras after its last segment
    world.live(14 * SHORT["era"], 0)
    for index, role in enumerate([0] * 4 + [1] * 4):
        world.do_release(1 + index, role, 0)
    world.live(1)
    expected = {
        *("PeerRegistered", "HostingOffered", "EncodingOffered", "AttestingOffered", "PlanPublished", "CopyOffered"),
        *("CopyAccepted", "EncoderDrawn", "SegmentBegun", "SaltDrawn", "SegmentConfirmed", "CopyActive", "Donated"),
        *("StorageChallenged", "StorageProved", "RetrievalCommitted", "RetrievalRevealed", "RetrievalSettled", "Paid"),
        *("PlanEnding", "PlanEnded", "CopyEnded", "CopyRemoved", "PlanClaimable", "Refunded", "PlanClosed"),
        *("OfferWithdrawn", "Released", "SlotFreed"),
    }
    assert expected <= set(world.events), expected - set(world.events)
    assert world.events["CopyActive"] >= 3
    assert world.events["Released"] == 8
    for item in ("Plans", "Copies", "Segments", "Moduli", "StorageChallenges", "Slots", "CopyNodes"):
        assert world.all(item) == {}, item
    held = world.pair.entries("Balances", "Holds")
    assert held == {}, "all holds are given back"
    minted, burned = (world.pair.value("DatDot", item) for item in ("Minted", "Burned"))
    assert minted > 0
    assert world.pair.value("Balances", "TotalIssuance") == world.at_genesis + minted - burned


def test_an_encoder_that_does_not_begin_is_fined_and_another_is_drawn() -> None:
    world = Watched()
    world.people(hosters=1, encoders=3)
    world.publish()
    world.until("BeginMissed", EVERYTHING & ~BEGIN)
    copy = next(iter(world.all("Copies").values()))
    assert copy["state"] == "Accepted"
    world.until("EncoderDrawn", EVERYTHING & ~BEGIN)
    out = [account for account, encoder in world.all("Encoders").items() if not encoder["open"]]
    assert len(out) == 1
    world.until("CopyActive")
    # it comes back by a new offer, which fills its bond again
    party = next(party for party in world.parties if party.id in out)
    world.call(party, "offer_encoding", ask=UNIT)
    world.live(SHORT["seed_delay"] + 1)
    assert world.all("EncoderDraws")[party.id]["bond"] == 100 * UNIT


def test_nobody_encodes_the_copy_ends_and_is_placed_anew() -> None:
    world = Watched()
    world.people(hosters=3, encoders=0)
    world.publish()
    world.until("CopyEnded")
    assert world.all("Copies")[0]["state"] == "Ended"
    world.until("CopyOffered")
    world.until("CopyRemoved")


def test_a_stalled_segment_costs_all_three_and_hoster_and_encoder_are_out() -> None:
    world = Watched()
    world.people(hosters=2, encoders=2)
    world.publish()
    world.until("Stalled", EVERYTHING & ~CONFIRM)
    assert sum(not hoster["open"] for hoster in world.all("Hosters").values()) == 1
    assert sum(not encoder["open"] for encoder in world.all("Encoders").values()) == 1
    world.until("CopyActive")


def test_a_hoster_that_declines_is_remembered_and_nine_times_are_too_many() -> None:
    world = Watched({"decline_window": 6, "memory": 0, "era": 100, "lease": 50, "probe_blocks": 50})
    world.people(hosters=1, encoders=1)
    world.publish(pot=900 * UNIT)
    for _ in range(8):
        world.until("CopyOffered")
        world.do_decline(0, 0, 0)
        world.live(1)
    assert world.events["CopyEnded"] == 8
    world.until("CopyOffered")
    world.do_decline(0, 0, 0)
    world.refused("TooManyDeclines")
    world.until("CopyAccepted")


def test_a_former_party_is_not_drawn_while_it_is_remembered() -> None:
    world = Watched({"decline_window": 6})
    world.people(hosters=2, encoders=1)
    world.publish()
    world.until("CopyOffered")
    first = world.all("Copies")[0]["hoster"]
    world.do_decline(0, 0, 0)
    world.until("CopyOffered")
    assert world.all("Copies")[1]["hoster"] != first
    assert world.all("Plans")[0]["former"] == [first]


def test_missed_proofs_strike_and_cost_reputation() -> None:
    world = Watched()
    world.people(hosters=2, encoders=2)
    world.publish(replicas=2)
    world.until("CopyActive")
    world.until("StorageProved")
    world.until("StorageMissed", EVERYTHING & ~PROVE)
    assert world.events["CopyStruck"] >= 1
    struck = [peer["reputation"] for peer in world.all("Peers").values() if peer["reputation"] < 500_000]
    assert struck
    # late is better than never
    world.until("HosterCleared")
    world.until("StorageProved")


@pytest.mark.slow
def test_a_hoster_that_never_proves_is_evicted_and_its_copies_are_placed_anew() -> None:
    world = Watched()
    world.people(hosters=3, encoders=3)
    world.publish(replicas=1)
    world.publish(replicas=1)
    world.live(3 * SHORT["era"])
    active = world.events["CopyActive"]
    assert active >= 2
    evicted = {copy["hoster"] for copy in world.all("Copies").values()}
    world.until("HosterEvicted", EVERYTHING & ~PROVE)
    while world.events["HosterEvicted"] < len(evicted):
        world.live(1, EVERYTHING & ~PROVE)
    world.until("HosterCleared", EVERYTHING & ~PROVE)
    assert world.events["Forfeited"] >= 1
    world.live(2 * SHORT["era"])
    for hoster in (1, 2, 3):
        world.offer(hoster, "Hosting")
    world.live(3 * SHORT["era"])
    assert world.events["CopyActive"] > active


def test_silent_committees_void_verdicts_and_burned_bonds() -> None:
    world = Watched()
    world.people(hosters=2, encoders=1, attesters=4)
    world.publish()
    world.until("CopyActive")
    world.until("SeatEmptyHanded", EVERYTHING & ~REVEAL, most=200)
    assert world.events["RetrievalSettled"] >= 1
    assert world.events["RetrievalRevealed"] == 0
    slots = world.all("Slots").values()
    assert any(slot["bond"] < 10 * UNIT for slot in slots)
    # nobody settles: records are pruned all the same
    world.until("RetrievalCommitted", EVERYTHING & ~SETTLE)
    assert world.all("Retrievals")
    world.live(SHORT["era"] + SHORT["settle_to"] + 1, BEGIN | CONFIRM | PROVE)
    assert not world.pair.entries("DatDot", "Retrievals")


def test_a_silent_slot_with_less_than_half_a_bond_is_taken_back() -> None:
    world = Watched()
    world.people(hosters=2, encoders=1, attesters=4)
    world.publish()
    world.until("CopyActive")
    amounts = world.pair.value("DatDot", "Amount")
    world.pair.sudo("DatDot", "set_parameters", {"amounts": amounts | {"attester_bond": 2 * 10 * UNIT}})
    world.until("SlotTakenBack", EVERYTHING & ~REVEAL, most=200)
    slots = world.all("Slots")
    back = [index for index, slot in slots.items() if slot["returned"] is not None]
    assert back
    assert all(slots[index]["bond"] < 10 * UNIT for index in back)
    assert all(index not in attester["slots"] for attester in world.all("Attesters").values() for index in back)
    world.until("SlotFreed", EVERYTHING & ~REVEAL)


def test_a_plan_that_is_settled_without_any_commit() -> None:
    world = Watched()
    world.people(hosters=2, encoders=1, attesters=4)
    world.publish()
    world.until("CopyActive")
    copy = world.copy_in("Active")
    since = world.all("Copies")[copy]["active_since"]
    era = max(2, since // SHORT["era"] + 1)
    while world.next_block < (era + 1) * SHORT["era"] + SHORT["settle_from"]:
        world.live(1, EVERYTHING & ~(COMMIT | SETTLE))
    world.call(world.party(SPONSOR), "settle_retrieval", era=era, copy=copy)
    world.live(1, PROVE)
    assert world.events["RetrievalSettled"] == 1
    assert world.events["SeatEmptyHanded"] >= 1


def test_a_pot_that_cannot_pay_the_next_tick_is_announced_and_ends_the_plan() -> None:
    world = Watched()
    world.people(hosters=2, encoders=2)
    for hoster in (1, 2):
        world.offer(hoster, "Hosting", ask_disk=1_000 * UNIT)
    world.live(SHORT["seed_delay"] + 1)
    # a megabyte costs 0.93 UNIT per era
    world.publish([1_000_000], pot=3 * UNIT, max_ask_disk=1_100 * UNIT)
    world.until("CopyActive")
    world.until("PotLow", most=60)
    world.until("PlanEnded", most=60)
    assert world.pair.value("DatDot", "Plans", 0)["state"] == "Ended"
    assert world.events["PlanEnding"] == 0
    world.until("PlanClosed")


def test_a_plan_ends_at_its_first_tick_after_until() -> None:
    world = Watched()
    world.people(hosters=2, encoders=2)
    world.publish(until=world.next_block + SHORT["era"] + 3)
    world.until("PlanEnded", most=3 * SHORT["era"])
    plan = world.all("Plans")[0]
    assert plan["next_tick"] == plan["published"] + 2 * SHORT["era"]
    assert world.pair.number == plan["published"] + 2 * SHORT["era"]


def test_a_copy_of_several_segments_and_encoders() -> None:
    world = Watched()
    world.people(hosters=1, encoders=3)
    for hoster in (1,):
        world.offer(hoster, "Hosting", capacity=20 << 30)
    world.live(SHORT["seed_delay"] + 1)
    world.publish([5 << 30, 4 << 30], pot=200 * UNIT)
    world.until("SegmentConfirmed")
    copy = world.all("Copies")[0]
    assert (copy["state"], copy["stored_bytes"], copy["generation"]) == ("Assigned", 4 << 30, 2)
    # its encoder does not begin again: another one continues from there
    world.until("BeginMissed", EVERYTHING & ~BEGIN)
    world.until("CopyActive")
    copy = world.all("Copies")[0]
    assert len(copy["segments"]) == 3
    assert len(copy["encoders"]) == 2
    world.live(2 * SHORT["era"] + 2, COLLECT | PROVE)
    assert world.all("Copies")[0]["halves"] == 0
    assert all(segment["half"] == 0 for segment in world.all("Segments").values())


def test_slots_are_given_back_freed_and_taken_again() -> None:
    world = Watched()
    world.people(hosters=1, encoders=1, attesters=3)
    world.do_withdraw(3, 2, 0)
    world.do_withdraw(4, 2, 0)
    world.live(3 * SHORT["era"])
    assert world.events["SlotFreed"] == 0
    world.live(1)
    assert world.events["SlotFreed"] == 4
    assert world.pair.value("DatDot", "HoleCount") == 4
    last = world.all("Holes")[3]
    world.offer(4, "Attesting", slots=5)
    world.live(1)
    slots = world.pair.value("DatDot", "Attesters", world.party(4).id)["slots"]
    assert slots[0] == last, "the hole that was freed last is taken first"
    assert slots[4] == 6, "and then a new place at the end"
    # another anchor: all the slots count as taken in this era
    world.offer(4, "Attesting", slots=0, anchor=world.party(4).chain(1).anchor)
    world.live(1)
    era = world.pair.number // SHORT["era"]
    assert all(world.all("Slots")[slot]["renewed"] == [era] for slot in slots)
    for number in range(5):
        world.live(SHORT["era"])
        world.offer(4, "Attesting", slots=0, anchor=world.party(4).chain(2 + number % 2).anchor)
    world.live(1)
    assert len(world.all("Slots")[slots[0]]["renewed"]) == 4


@pytest.mark.slow
def test_many_plans_at_once_share_hosters_encoders_and_expiries() -> None:
    world = Watched(accounts=13)
    world.people(hosters=4, encoders=4, attesters=3)
    for number in range(12):
        world.publish(replicas=1 + number % 4, until=world.next_block + 30 + number)
    world.live(3 * SHORT["era"], EVERYTHING & ~COMMIT)
    world.live(4 * SHORT["era"], PROVE | BEGIN | CONFIRM | CLAIM)
    assert world.events["PlanPublished"] == 12
    assert world.events["PlanEnded"] == 12
    assert world.events["CopyActive"] >= 8
    world.until("PlanClosed", CLAIM)


def test_root_s_seed_and_parameters() -> None:
    world = Watched()
    world.do_set_seed(5, 0, 0)
    world.live(3)
    first = world.all("Seeds")[3]
    world.do_unset_seed(0, 0, 0)
    world.do_set_parameters(3, 0, 0)
    world.live(2)
    assert {"SeedSet", "SeedUnset", "ParametersSet"} <= set(world.events)
    assert first != world.all("Seeds")[5]
    other = Watched()
    other.live(1)
    other.do_set_seed(5, 0, 0)
    other.live(2)
    assert other.all("Seeds")[3] == first, "the seed follows from the value and the block alone"


@pytest.mark.slow
def test_seeds_are_kept_for_256_blocks_and_eras_for_four() -> None:
    world = Watched()
    world.whole = False
    world.live(262, 0)
    assert sorted(world.all("Seeds")) == list(range(7, 263))
    era = 262 // SHORT["era"]
    assert sorted(world.all("Eras")) == [era - 3, era - 2, era - 1, era]
