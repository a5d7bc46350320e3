"""Every error of the pallet, by name, on model and runtime; states that would take years are written by root's hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from runtime_mock.model.datdot import items
from runtime_mock.model.datdot.errors import Error
from runtime_mock.model.datdot.limits import BEGINS, MAX_CHANGES, MAX_ENTRIES, MAX_SEGMENTS
from runtime_mock.model.datdot.records import CopySegment
from runtime_mock.model.datdot.types import HosterWithdrawn
from runtime_mock.state.overlay import Overlay
from tests.support.differential.acts_plans import TARGETS
from tests.support.differential.driver import UNIT
from tests.support.differential.pallet_world import BEGIN, CONFIRM, EVERYTHING, PROVE, SHORT, SPONSOR, Watched
from tests.support.differential.small_feeds import Feed

NOTHING = {"segment": 0, "bytes": 0, "root": bytes(32), "signature": bytes(64)}


@pytest.fixture
def world() -> Watched:
    return Watched()


def state(world: Watched) -> Overlay:
    return Overlay(world.pair.state)


def test_registration(world: Watched) -> None:
    for wrong, error in ((1, "BadSignature"), (2, "KeyBound"), (3, "SmallOrderKey")):
        world.do_register(1, wrong, 0)
        world.refused(error)
    world.do_register(1, 0, 0)
    world.live(1)
    world.do_register(1, 0, 0)
    world.refused("AlreadyAPeer")
    world.call(world.party(2), "register_peer", **world.party(1).bind())
    world.refused("KeyBound")
    poor = world.party(3)
    world.do_transfer(3, 200, 4 * 12 + 2)
    world.live(1)
    assert world.pair.value("System", "Account", poor.id)["data"]["free"] < UNIT
    world.pair.submit(
        world.party(4).account, "Balances", "transfer_allow_death", {"dest": ("Id", poor.id), "value": UNIT // 2}
    )
    world.live(1)
    world.do_register(3, 0, 0)
    world.refused("InsufficientBalance")


def test_rotation(world: Watched) -> None:
    world.do_rotate(1, 0, 0)
    world.refused("NotAPeer")
    for who in (1, 2, 3):
        world.do_register(who, 0, 0)
    world.live(1)
    wrongs = ((1, "BadSignature"), (2, "KeyBound"), (3, "SmallOrderKey"), (4, "BadSignature"), (5, "BadSignature"))
    for wrong, error in (*wrongs, (6, "KeyBound")):
        world.do_rotate(1, 0, wrong)
        world.refused(error)
    burned, peer = world.pair.value("DatDot", "Burned"), world.all("Peers")[world.party(1).id]
    world.do_rotate(1, 0, 0)
    world.live(1)
    assert world.pair.history[-1].events.count("DatDot.SwarmKeyRotated") == 1
    new, old = world.party(1).rotate(1)["swarm_key"], bytes(world.party(1).swarm.verify_key)
    assert world.all("Peers")[world.party(1).id] == {**peer, "swarm_key": new}
    assert {world.all("Keys")[key] for key in (new, old)} == {world.party(1).id}
    assert world.pair.value("DatDot", "Burned") - burned > UNIT, "the fee, and the extrinsic's"
    # neither the old nor the new key can be bound again, by whomever
    world.do_rotate(1, 0, 0)
    world.refused("KeyBound")
    world.do_rotate(1, 0, 2)
    world.refused("KeyBound")
    world.call(world.party(2), "rotate_swarm_key", **world.party(1).rotate(1))
    world.refused("KeyBound")
    world.do_rotate(1, 1, 0)
    world.live(1)
    assert world.all("Peers")[world.party(1).id]["swarm_key"] == world.party(1).rotate(2)["swarm_key"]
    world.do_transfer(3, 200, 4 * 12 + 2)
    world.live(1)
    assert world.pair.value("System", "Account", world.party(3).id)["data"]["free"] < UNIT
    world.pair.submit(
        world.party(4).account,
        "Balances",
        "transfer_allow_death",
        {"dest": ("Id", world.party(3).id), "value": UNIT // 2},
    )
    world.live(1)
    world.do_rotate(3, 0, 0)
    world.refused("InsufficientBalance")


def test_offers(world: Watched) -> None:
    world.offer(1, "Hosting")
    world.refused("NotAPeer")
    world.do_register(1, 0, 0)
    world.live(1)
    for role in range(3):
        world.do_withdraw(1, role, 0)
        world.refused("NoOffer")
        world.do_release(1, role, 0)
        world.refused("NoOffer")
    world.offer(1, "Hosting", ask_disk=10**24 + 1)
    world.refused("AmountTooLarge")
    world.offer(1, "Hosting", region=b"u3a")
    world.refused("BadRegion")
    world.offer(1, "Hosting", capacity=2**64 - 1)
    world.refused("InsufficientBalance")
    world.offer(1, "Encoding", ask=10**24 + 1)
    world.refused("AmountTooLarge")
    world.offer(1, "Attesting", ask=10**24 + 1)
    world.refused("AmountTooLarge")
    for slots in (0, 17, 2**32 - 1):
        world.offer(1, "Attesting", slots=slots)
        world.refused("BadSlotCount")
    world.offer(1, "Hosting")
    world.offer(1, "Attesting", slots=16)
    world.live(1)
    world.offer(1, "Attesting", slots=1)
    world.refused("BadSlotCount")
    world.do_release(1, 0, 0)
    world.refused("OfferOpen")
    world.do_withdraw(1, 0, 0)
    world.live(1)
    world.do_withdraw(1, 0, 0)
    world.refused("NoOffer")
    world.live(3 * SHORT["era"] - 3)
    world.do_release(1, 0, 0)
    world.refused("TooEarly")
    world.do_release(1, 0, 0)
    world.refused("")


def test_tables_that_are_full(world: Watched) -> None:
    world.whole = False
    world.do_register(1, 0, 0)
    world.live(1)
    for count in (items.HosterCount, items.EncoderCount):
        world.write(count.key, MAX_ENTRIES.to_bytes(4, "little"))
    world.offer(1, "Hosting")
    world.offer(1, "Encoding")
    world.refused("", "", "TableFull", "TableFull")


def test_changes_that_are_too_many_wait_for_the_next_block(world: Watched) -> None:
    world.do_register(1, 0, 0)
    world.live(1)
    due = world.next_block + SHORT["seed_delay"]
    waiting = [HosterWithdrawn(world.party(1).id)] * (MAX_CHANGES - 1)
    world.write(items.DueChanges.key(due), items.DueChanges.codec.encode(waiting))  # type: ignore[arg-type]
    world.offer(1, "Hosting")
    world.offer(1, "Encoding")
    world.refused("", "", "TooManyChanges")
    world.offer(1, "Encoding")
    world.refused("")
    world.live(SHORT["seed_delay"] + 1, 0)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (1, "SmallOrderKey"),
        (2, "BadHead"),
        (3, "WrongFeedKey"),
        (4, "BadRanges"),
        (5, "BadRanges"),
        (6, "BadNodes"),
        (7, "DonationTooSmall"),
        (8, "AmountTooLarge"),
        (9, "BadTerms"),
        (10, "BadTerms"),
        (11, "AmountTooLarge"),
        (12, "BadManifest"),
        (13, "BadSignature"),
        (14, "BadHead"),
    ],
)
def test_publication(world: Watched, wrong: int, error: str) -> None:
    world.do_publish(0, 1, wrong)
    world.refused(error)


def test_publication_of_too_little_and_too_much(world: Watched) -> None:
    world.publish([0, 0])
    world.refused("BadPlanSize")
    world.publish([(256 << 30) + 1])
    world.refused("BadPlanSize")
    world.publish(pot=UNIT // 100, report_price=UNIT)
    world.refused("PotTooSmall")
    world.publish(pot=2_000_000 * UNIT)
    world.refused("InsufficientBalance")
    feed = Feed("small", "compat", [5])
    head = feed.head() | {"signature": b"\1" + bytes(63)}
    terms = {"replicas": 1, "max_ask_disk": 0, "max_ask_encoding": 0, "max_ask_receiving": 0, "report_price": 10**9}
    terms |= TARGETS[1]
    world.call(
        world.party(SPONSOR),
        "publish_plan",
        head=head,
        ranges=[{"start": 0, "end": 1}],
        nodes=[],
        terms=terms | {"until": 100},
        pot=UNIT,
    )
    world.refused("SmallOrderKey")


def test_money_of_plans(world: Watched) -> None:
    for name, arguments in (
        ("donate", {"amount": UNIT, "fresh": 0}),
        ("end_plan", {}),
        ("claim_refund", {"donor": bytes(32)}),
    ):
        world.call(None, name, plan=7, **arguments)
        world.refused("NoSuchPlan")
    world.call(None, "collect", copy=7)
    world.refused("NoSuchCopy")
    world.publish()
    world.live(1)
    for amount, error in ((UNIT // 100 - 1, "DonationTooSmall"), (10**24 + 1, "AmountTooLarge")):
        world.call(world.party(3), "donate", plan=0, amount=amount, fresh=0)
        world.refused(error)
    world.call(world.party(3), "donate", plan=0, amount=UNIT, fresh=1)
    world.refused("TermsChanged")
    world.call(world.party(3), "donate", plan=0, amount=10**22, fresh=0)
    world.refused("InsufficientBalance")
    world.call(world.party(3), "end_plan", plan=0)
    world.refused("NotSponsor")
    world.call(world.party(3), "claim_refund", plan=0, donor=world.party(3).id)
    world.refused("NotClaimable")
    plan = items.Plans.at(state(world), 0)
    world.write(items.Plans.key(0), items.Plans.codec.encode(replace(plan, shares=10**30)))
    world.call(world.party(3), "donate", plan=0, amount=UNIT, fresh=0)
    world.refused("", "PotExhausted")
    world.write(items.Plans.key(0), items.Plans.codec.encode(plan))
    world.call(world.party(SPONSOR), "end_plan", plan=0)
    world.live(1)
    world.call(world.party(SPONSOR), "end_plan", plan=0)
    world.refused("AlreadyEnding")
    world.live(SHORT["end_notice"], 0)
    for name, arguments in (("donate", {"amount": UNIT, "fresh": 0}), ("end_plan", {})):
        world.call(world.party(SPONSOR), name, plan=0, **arguments)
        world.refused("PlanNotLive")
    world.call(world.party(SPONSOR), "claim_refund", plan=0, donor=world.party(3).id)
    world.refused("NoShares")


def test_segments(world: Watched) -> None:
    world.people(hosters=1, encoders=1)
    world.call(None, "decline_copy", copy=0)
    world.refused("NoSuchCopy")
    world.do_begin(0, 0, 0)
    world.refused("NoSuchCopy")
    # whoever is no party of a copy is not even heard
    world.do_confirm(0, 0, 0)
    world.inside(3, "confirm_segment", copy=0, **NOTHING)
    world.refused("refused", "NoSuchCopy")
    world.publish()
    world.until("CopyOffered")
    world.do_decline(0, 5, 0)
    world.refused("NotParty")
    world.until("EncoderDrawn", 0)
    world.do_decline(0, 0, 0)
    world.refused("WrongState")
    for wrong in (1, 3, 4, 5, 6):
        world.do_begin(0, wrong, 0)
    world.refused("NotParty", "BadModulus", "BadModulus", "BadModulus", "BadProfile")
    world.do_begin(0, 0, 0)
    world.do_begin(0, 0, 0)
    world.refused("", "WrongState")


def test_moduli_and_begins(world: Watched) -> None:
    world.people(hosters=2, encoders=2)
    world.publish()
    world.until("SegmentBegun")
    world.publish()
    while "Assigned" not in {copy["state"] for copy in world.all("Copies").values()}:
        world.live(1, EVERYTHING & ~BEGIN)
    world.do_begin(1, 2, 0)
    world.refused("ModulusUsed")
    world.write(items.Begins.key, BEGINS.to_bytes(4, "little"))
    world.do_begin(1, 0, 0)
    world.refused("", "TooManyBegins")


def test_confirmations(world: Watched) -> None:
    world.people(hosters=1, encoders=1)
    world.publish()
    world.until("SegmentBegun")
    copy = world.all("Copies")[0]
    hoster = next(party for party in world.parties if party.id == copy["hoster"])
    nothing = {"copy": 0, **NOTHING}
    world.call(hoster, "confirm_segment", **nothing)
    world.refused("WrongState")
    world.until("SaltDrawn", 0)
    wanted = (
        (1, "BadSegmentBytes"),
        (2, "BadSignature"),
        (4, "WrongSegment"),
        (5, "BadSignature"),
        (6, "SmallOrderKey"),
    )
    for wrong, error in wanted:
        world.do_confirm(0, wrong, 0)
        world.refused(error)
    world.inside(SPONSOR, "confirm_segment", **nothing)
    world.do_confirm(0, 8, 0)
    # the encoder may confirm, too
    world.refused("NotParty", "")
    world.call(hoster, "confirm_segment", **nothing)
    world.refused("WrongState")


def test_the_last_of_256_segments_must_end_the_copy(world: Watched) -> None:
    world.whole = False
    world.people(hosters=1, encoders=1)
    world.offer(1, "Hosting", capacity=20 << 30)
    world.live(SHORT["seed_delay"] + 1)
    world.publish([5 << 30, 4 << 30], pot=200 * UNIT)
    world.until("SaltDrawn", BEGIN)
    copy = items.Copies.at(state(world), 0)
    many = [CopySegment(1_000 + number, 1, 1) for number in range(MAX_SEGMENTS - 1)]
    world.write(items.Copies.key(0), items.Copies.codec.encode(replace(copy, segments=many)))
    world.live(1, 0)
    world.do_confirm(0, 0, 1)
    world.refused("TooManySegments")


def test_root_s_calls(world: Watched) -> None:
    for name in ("do_set_seed", "do_set_parameters"):
        getattr(world, name)(3, 3, 0)
    world.do_unset_seed(3, 0, 0)
    world.refused("BadOrigin", "BadOrigin", "BadOrigin")
    world.do_set_parameters(8 * 4, 0, 0)
    world.refused("AmountTooLarge")


def test_what_a_copy_of_another_owner_cannot_release(world: Watched) -> None:
    world.people(hosters=1, encoders=1)
    world.publish()
    world.until("CopyActive", EVERYTHING)
    for who, role in ((1, 0), (2, 1)):
        world.do_withdraw(who, role, 0)
    world.live(3 * SHORT["era"] + 1, BEGIN | CONFIRM | PROVE)
    world.do_release(1, 0, 0)
    world.refused("StillBound")


def test_every_error_is_caused_by_a_test() -> None:
    here = Path(__file__)
    names = (
        here.name,
        "test_operators.py",
        "test_pallet_challenge_errors.py",
        "test_pallet_later.py",
        "test_pallet_lives.py",
        "test_reports.py",
    )
    texts = "".join(here.with_name(name).read_text() for name in names)
    assert [error.name for error in Error if f'"{error.name}"' not in texts] == []
