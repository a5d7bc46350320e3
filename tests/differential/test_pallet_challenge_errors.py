"""The errors of proofs, commits, reveals and settlements, by name, on model and runtime."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.differential.pallet_world import COMMIT, CONFIRM, EVERYTHING, PROVE, REVEAL, SHORT, SPONSOR, Watched

NO_PROOF: dict[str, Any] = {"sectors": [], "siblings": []}
NO_REPORT = {"served": 0, "latency_ms": 0, "kib_per_s": 0}


def commits(*copies: int) -> list[dict[str, Any]]:
    """What is committed to of copies: nothing that could be opened."""
    return [{"copy": copy, "commit": bytes(32)} for copy in copies]


def reveals(*copies: int) -> list[dict[str, Any]]:
    """What opens no commit."""
    return [{"copy": copy, "report": NO_REPORT, "salt": bytes(32), "opening": None} for copy in copies]


@pytest.fixture
def world() -> Watched:
    return Watched()


def test_storage_proofs(world: Watched) -> None:
    world.people(hosters=1, encoders=1)
    # whoever has no challenge is not even heard
    world.inside(1, "submit_storage_proof", issued=0, proof=NO_PROOF)
    world.call(world.party(1), "submit_storage_proof", issued=0, proof=NO_PROOF)
    world.refused("NoChallenge", "refused")
    world.publish()
    world.until("StorageChallenged", EVERYTHING & ~PROVE)
    world.until("StorageChallenged", PROVE)
    wanted = ((1, "BadOpening"), (2, "WrongSectorCount"), (3, "WrongChallenge"), (4, "BadOpening"))
    for wrong, error in wanted:
        world.do_prove(0, wrong, 0)
        world.refused(error)
    world.do_prove(0, 0, 0)
    world.refused("")


def test_a_challenge_is_not_answered_in_its_own_block(world: Watched) -> None:
    world.people(hosters=1, encoders=1)
    world.publish()
    world.until("CopyActive")
    hoster = world.party(1)
    for _ in range(60):
        world.live(1, PROVE)
        if not world.all("StorageChallenges"):
            world.call(hoster, "submit_storage_proof", issued=world.next_block, proof=NO_PROOF)
            if world.seal()[-1].error == "DatDot.OutsideWindow":
                return
    raise AssertionError("no challenge in sixty blocks")


def _to(world: Watched, offset: int, duties: int) -> int:
    """Live until the next block is `offset` behind an era's start; returns that era."""
    world.live(1, duties)
    while world.next_block % SHORT["era"] != offset:
        world.live(1, duties)
    return world.next_block // SHORT["era"]


def test_commits(world: Watched) -> None:
    world.people(hosters=2, encoders=1, attesters=4)
    world.call(world.party(4), "commit_retrievals", era=7, commits=commits(0))
    world.refused("OutsideWindow")
    world.publish()
    world.until("CopyActive")
    duties = EVERYTHING & ~(COMMIT | REVEAL | CONFIRM)
    world.publish()
    world.until("CopyOffered", duties)
    _to(world, 0, duties)
    era = _to(world, SHORT["probe_blocks"], duties)
    for copies in ((1,), (77,), (1, 77), ()):
        world.call(world.party(4), "commit_retrievals", era=era, commits=commits(*copies))
    world.refused("NotUnderTest", "NoSuchCopy", "NotUnderTest", "NothingSaid")
    world.inside(SPONSOR, "commit_retrievals", era=era, commits=commits(0))
    world.refused("NoSeat")
    for party in range(4, 8):
        world.call(world.party(party), "commit_retrievals", era=era, commits=commits(77, 0, 1, 0))
    assert any(one.ok for one in world.seal()), "some attester has a seat"
    told = [one.fields for one in world.pair.events() if one.name == "DatDot.RetrievalRefused"]
    assert [(one["copy"], one["error"]) for one in told[:3]] == [(77, 30), (1, 46), (0, 48)], (
        "as section 16 counts them"
    )
    seat = next(one for one in world.pair.value("DatDot", "Retrievals", era, 0)["seats"] if one["commit"])
    party = next(one for one in world.parties if one.id == seat["account"])
    world.call(party, "commit_retrievals", era=era, commits=commits(0))  # type: ignore[arg-type]
    world.refused("AlreadyCommitted")
    # it offers anew with another anchor, and has lost its seat
    world.call(party, "offer_attesting", ask=10**9, anchor=party.chain(3).anchor, slots=0)  # type: ignore[arg-type]
    world.live(1, 0)
    world.call(party, "commit_retrievals", era=era, commits=commits(0))  # type: ignore[arg-type]
    world.refused("NoSeat")


def test_reveals_and_settlements(world: Watched) -> None:
    world.people(hosters=2, encoders=1, attesters=4)
    world.publish()
    world.until("CopyActive")
    world.until("RetrievalCommitted", EVERYTHING & ~REVEAL)
    era = _to(world, SHORT["reveal_from"], EVERYTHING & ~REVEAL) - 1
    said = next(one for one in sorted(world._committed) if one[0] == era and world._may_reveal(*one))
    me = world.parties.index(world._by_id[said[2]])
    mine = sorted(one for one in world._committed if one[2] == said[2])
    place, served = mine.index(said), world._committed[said]["opening"] is not None
    wanted = [(1, "CommitMismatch"), (2, "BadLink"), (3, "CommitMismatch"), (4, "BadReport")]
    if served:
        wanted.append((7, "BadOpening"))
    for wrong, _ in wanted:
        world.do_reveal(place, me, wrong)
    world.refused(*(error for _, error in wanted))
    link = world._committed[said]["link"]
    world.do_reveal(place, me, 0)
    world.do_reveal(place, me, 0)
    world.inside(SPONSOR, "reveal_retrievals", era=era, link=link, reveals=reveals(said[1]))
    for copies in ((99,), (99, said[1]), ()):
        world.call(world.party(me), "reveal_retrievals", era=era, link=link, reveals=reveals(*copies))
    world.call(world.party(SPONSOR), "settle_retrieval", era=era, copy=said[1])
    world.refused("", "AlreadyRevealed", "NoSeat", "NoSuchCopy", "NoSuchCopy", "NothingSaid", "OutsideWindow")
    assert _to(world, SHORT["settle_from"], 0) == era + 1
    world.call(world.party(SPONSOR), "settle_retrieval", era=era, copy=said[1])
    world.call(world.party(SPONSOR), "settle_retrieval", era=era, copy=said[1])
    world.call(world.party(SPONSOR), "settle_retrieval", era=max(0, era - 5), copy=said[1])
    world.refused("", "AlreadySettled", "OutsideWindow")


def test_reveals_without_a_commit(world: Watched) -> None:
    world.people(hosters=2, encoders=1, attesters=4)
    world.publish()
    world.until("CopyActive")
    since = world.all("Copies")[0]["active_since"]
    while True:
        era = _to(world, SHORT["reveal_from"], EVERYTHING & ~(COMMIT | REVEAL)) - 1
        if era >= 2 and since < era * SHORT["era"]:
            break
    attester = world.party(4)
    link = attester.link(world.pair.value("DatDot", "Attesters", attester.id), era)
    world.call(attester, "reveal_retrievals", era=era, link=link, reveals=reveals(0))
    world.refused("NotCommitted")


def test_another_anchor_costs_the_seats_of_slots_given_back_before_too(world: Watched) -> None:
    """Else an attester that knows its seats could choose the link, and with it the sector, of an era that has begun."""
    world.people(hosters=2, encoders=1, attesters=1)
    world.publish()
    world.until("CopyActive")
    copy, era, attester = world.copy_in("Active"), world.era + 1, world.party(4)
    while world.next_block < era * SHORT["era"]:
        world.live(1, PROVE)
    chosen = attester.chain(1).anchor
    world.call(attester, "withdraw_offer", role="Attesting")
    world.offer(4, "Attesting", anchor=chosen)
    while world.next_block < era * SHORT["era"] + SHORT["probe_blocks"]:
        world.live(1, PROVE)
    assert world.all("Slots")[0]["returned"] is not None
    world.call(attester, "commit_retrievals", era=era, commits=commits(copy))
    world.refused("NoSeat")
    # the seat is there, and its hands are empty
    while world.next_block < (era + 1) * SHORT["era"] + SHORT["settle_from"]:
        world.live(1, PROVE)
    world.call(world.party(SPONSOR), "settle_retrieval", era=era, copy=copy)
    world.live(1, PROVE)
    assert world.events["SeatEmptyHanded"] == 1
