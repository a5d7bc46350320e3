"""What hosters, encoders and attesters decide from the chain's state: every window at its edges, nothing twice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from service.chain_client.pallet.types import (
    Attester,
    Copy,
    CopySegment,
    CopyState,
    Encoder,
    Hoster,
    Plan,
    Range,
    Report,
    Retrieval,
    Sample,
    Seat,
    StorageChallenge,
    Times,
)
from service.protocols.copy.messages import Checkpoint, SignedRoot
from service.protocols.copy.stream import StreamRange
from service.roles.attester import decisions as at
from service.roles.attester.rules import probes
from service.roles.encoder import decisions as en
from service.roles.encoder.draws import sample_blocks
from service.roles.hoster import decisions as ho
from service.roles.hoster.losses import Losses, shows_loss
from service.roles.hoster.sectors import SectorsMissing
from tests.support.blank import blank
from tests.support.copy_world import digest

ME, OTHER = digest("me"), digest("other")
LINK = digest("link")
TIMES: Times = blank(
    Times,
    era=24,
    probe_blocks=14,
    reveal_from=3,
    settle_from=12,
    settle_to=48,
    begin_window=20,
    lease=240,
    checkpoint=8,
)
ERA, COPY = 5, 3
START = ERA * 24


# ---- attester


def attesting(now: int, **changes: Any) -> at.AttesterFacts:
    facts = at.AttesterFacts(
        now=now,
        account=ME,
        times=TIMES,
        terms=at.AttesterTerms(7, 2),
        offer=Attester(digest("anchor"), 1, digest("anchor"), (0, 4)),
        chain_fits=True,
        seats=(at.OwnSeat(COPY, 100, LINK),),
    )
    return replace(facts, **changes)


def seat(account: bytes, commit: bool = True, report: Report | None = None) -> Seat:
    return Seat(0, account, digest("commit") if commit else None, report)


def revealing(now: int, *seats: Seat, settled: bool = False, ended: int | None = None) -> list[at.AttesterAction]:
    return at.decide(
        attesting(
            now, seats=(), reported=frozenset({(ERA, COPY)}), retrievals={(ERA, COPY): Retrieval(seats, settled)},
            copies={COPY: blank(Copy, ended=ended)},
        )
    )  # fmt: skip


def test_slots_are_taken_and_filled_up() -> None:
    assert at.decide(attesting(0, seats=(), offer=None, chain_fits=False)) == [at.OfferAttesting(7, 2, True)]
    one = Attester(digest("anchor"), 0, digest("anchor"), (4,))
    assert at.decide(attesting(0, seats=(), offer=one)) == [at.OfferAttesting(7, 1, False)]
    assert at.decide(attesting(0, seats=())) == []


def test_links_that_cannot_be_shown_any_more_are_begun_anew() -> None:
    assert at.decide(attesting(0, seats=(), chain_fits=False)) == [at.OfferAttesting(7, 0, True)]
    stale = Attester(digest("anchor"), 10, digest("anchor"), (0, 4))
    assert at.decide(attesting(73 * 24, seats=(), offer=stale)) == []
    assert at.decide(attesting(74 * 24, seats=(), offer=stale)) == [at.OfferAttesting(7, 0, True)]


def test_each_probe_is_made_at_its_block_and_again_until_it_is_answered() -> None:
    due = probes(LINK, COPY, ERA, 100, 14)
    for now in range(START, START + 13):
        made = at.decide(attesting(now))
        assert made == [at.MakeProbe(ERA, COPY, p.number, p.sector) for p in due if now >= START + p.offset]
        answered = frozenset({(ERA, COPY, p.number) for p in due if p.number != 2})
        assert at.decide(attesting(now, answered=answered)) == [one for one in made if one.number == 2]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("answered", "first"), [((0, 1, 2, 3), 13), ((0, 1, 3), 19), ((1, 2, 3), 21), ((0, 2), 21), ((), 21)]
)
def test_a_report_is_committed_when_complete_or_late(answered: tuple[int, ...], first: int) -> None:
    """Block ``now + 1`` is the first that can hold the commit: the window begins at 14. "Not served" is said last."""
    numbers = frozenset((ERA, COPY, number) for number in answered)
    commit = at.CommitReport(ERA, COPY, LINK)
    for now in range(START, START + 24):
        assert (commit in at.decide(attesting(now, answered=numbers))) == (now >= START + first)


def test_a_fixed_report_is_committed_and_no_more_probed() -> None:
    fixed = frozenset({(ERA, COPY)})
    assert at.decide(attesting(START + 10, reported=fixed)) == []
    assert at.decide(attesting(START + 13, reported=fixed)) == [at.CommitReport(ERA, COPY, LINK)]
    record = {(ERA, COPY): Retrieval((seat(OTHER), seat(ME)), False)}
    assert at.decide(attesting(START + 15, reported=fixed, retrievals=record)) == [], "it stands on the chain"


def test_a_reveal_has_its_window() -> None:
    inside = [
        now for now in range(START, START + 60) if revealing(now, seat(OTHER), seat(ME)) == [at.RevealReport(ERA, COPY)]
    ]
    assert inside == list(range(START + 24 + 2, START + 24 + 11)), "seen at b, it can be in b + 1"
    now = START + 24 + 5
    assert revealing(now, seat(ME, report=Report(1, 2, 3))) == []
    assert revealing(now, seat(ME, commit=False)) == []
    assert revealing(now, seat(ME), settled=True) == []


def test_settling_goes_by_rank_and_has_an_end() -> None:
    end, told = START + 24, Report(1, 2, 3)
    for rank in range(3):
        seats = [seat(digest(i), report=told) for i in range(rank)] + [seat(ME, report=told)]
        inside = [now for now in range(end, end + 60) if revealing(now, *seats) == [at.Settle(ERA, COPY)]]
        assert inside == list(range(end + 12 + 2 * rank, end + 47))
    ranked_last = [seat(digest(i), report=told) for i in range(40)]
    assert revealing(end + 46, *ranked_last) == [at.Settle(ERA, COPY)], "the last block is everybody's"
    assert revealing(end + 20, seat(ME, report=told), ended=end - 1) == []
    assert revealing(end + 20, seat(ME, report=told), ended=end) == [at.Settle(ERA, COPY)]


# ---- hoster


def hosting(**changes: Any) -> ho.HosterFacts:
    facts = ho.HosterFacts(
        now=100,
        times=TIMES,
        era=4,
        terms=ho.HosterTerms(10, 2, 3),
        offer=blank(Hoster, open=True),
        next_copy=10,
        copies={},
        plans={},
        challenge=None,
    )
    return replace(facts, **changes)


def plan(size: int, blocks: int = 1) -> Plan:
    found: Plan = blank(Plan, ranges=(Range(0, blocks, 0, size),))
    return found


def test_a_copy_is_declared_lost_when_it_was_damaged_for_long() -> None:
    times = replace(TIMES, proof_window=30)
    copy = blank(Copy, state=CopyState.ACTIVE, active_since=7)

    def declared(copy: Copy, now: int = 115) -> bool:
        return ho.DeclareLost(1) in ho.decide(hosting(now=now, times=times, copies={1: copy}, damaged={1: 100, 2: 1}))

    assert [now for now in range(100, 118) if declared(copy, now)] == [115, 116, 117]
    assert declared(replace(copy, state=CopyState.ENCODING)), "it grows, and was whole once"
    assert not declared(replace(copy, active_since=None)), "the chain would refuse it"
    assert not declared(replace(copy, dropping=True)), "its end is under way"
    assert not declared(replace(copy, state=CopyState.ENDED))


def test_what_is_suspected_and_for_how_long() -> None:
    losses = Losses(replace(TIMES, proof_window=30))
    losses.suspect(1, 10, "a sector")
    losses.suspect(1, 20, "another")
    assert losses.suspected == {1: 10}
    losses.whole(1, 25)
    assert losses.suspected == {}
    losses.suspect(1, 26, "a reader got nothing", by_root=False)
    assert losses.suspected == {}, "it was just read through"
    losses.suspect(1, 49, "a reader got nothing", by_root=False)
    losses.suspect(2, 50, "a sector")
    assert losses.suspected == {1: 49, 2: 50}
    losses.keep({2: blank(Copy)})
    assert losses.suspected == {2: 50}
    assert shows_loss(SectorsMissing("gone"))
    assert not shows_loss(OSError(5, "input/output error"))


def test_a_hoster_offers_and_renews() -> None:
    assert ho.decide(hosting()) == []
    for offer in (None, blank(Hoster, open=False)):
        assert ho.decide(hosting(offer=offer)) == [ho.OfferHosting(ho.HosterTerms(10, 2, 3))]
    assert ho.decide(hosting(offer=blank(Hoster, open=False, step=3))) == [], "its copies are still being ended"


def test_a_hoster_declines_what_certainly_has_an_oversized_block() -> None:
    copies = {1: blank(Copy, plan=0, state=CopyState.OFFERED)}
    assert ho.decide(hosting(copies=copies, plans={0: plan(2 << 20, 2)})) == []
    (action,) = ho.decide(hosting(copies=copies, plans={0: plan((2 << 20) + 1, 2)}))
    assert isinstance(action, ho.DeclineCopy)
    assert "over the limit of 1 MiB" in action.reason
    spent = blank(Hoster, open=True, decline_era=4, declines=8)
    assert ho.decide(hosting(copies=copies, plans={0: plan(9 << 20)}, offer=spent)) == [], "the ninth would be an error"
    earlier = blank(Hoster, open=True, decline_era=3, declines=8)
    assert len(ho.decide(hosting(copies=copies, plans={0: plan(9 << 20)}, offer=earlier))) == 1


def test_a_hoster_declines_what_no_encoder_makes_within_the_lease_and_doubts_what_few_do() -> None:
    """236 blocks less 4 for the confirmation, of half a second: 116 s. 1,400 sectors a second are an ordinary encoder's."""
    times, ordinary, fastest = replace(TIMES, seed_delay=4, checkpoint=1 << 18), 116 * 1_400, 116 * 22_400

    def judged(sectors: int, seconds: float | None = 0.5, **changes: Any) -> tuple[list[str], list[int]]:
        copy = blank(Copy, **{"plan": 0, "state": CopyState.OFFERED, "bytes": 256 * sectors} | changes)
        facts = hosting(copies={1: copy}, plans={0: plan(100)}, times=times, block_seconds=seconds)
        return [one.reason for one in ho.decide(facts) if isinstance(one, ho.DeclineCopy)], list(ho.doubtful(facts))

    assert judged(ordinary) == ([], [])
    assert judged(ordinary + 1) == judged(fastest) == ([], [1])
    assert judged(fastest + 1) == (
        ["its segment of 2598401 sectors takes 116 s at 22400 sectors per second, and the lease is over after 116 s"],
        [1],
    )
    assert judged(fastest + 1, 10.0) == ([], []), "blocks of 10 s give twenty times as long"
    assert judged(fastest + 1, None) == ([], []), "the pace is not known yet"
    assert judged(fastest + 1, state=CopyState.ACCEPTED) == ([], [1]), "too late to decline"
    assert judged(fastest + 1, state=CopyState.ENCODING, current=5) == ([], []), "now its progress says more"
    assert judged(fastest + 1, stored_bytes=256 * fastest) == ([], []), "what is left counts"


@pytest.mark.case("network/tiny_blocks")
def test_a_hoster_declines_blocks_that_cost_more_than_they_pay() -> None:
    copies = {1: blank(Copy, plan=0, state=CopyState.OFFERED)}
    (action,) = ho.decide(hosting(copies=copies, plans={0: plan(40_000, 40_000)}))
    assert isinstance(action, ho.DeclineCopy)
    assert "40000 blocks have 40000 bytes" in action.reason
    for size, blocks in ((1024, 1024), (24 << 10, 1024 + (1 << 10)), (100, 1)):
        assert ho.decide(hosting(copies=copies, plans={0: plan(size, blocks)})) == []
    assert ho.decide(hosting(copies=copies, plans={0: plan(24 << 10, 1025 + (1 << 10))})) != []


def test_a_hoster_declines_what_has_no_room_beside_what_it_promised() -> None:
    copies = {
        1: blank(Copy, state=CopyState.ENCODING, bytes=1_000, stored_bytes=400),
        2: blank(Copy, state=CopyState.OFFERED, bytes=300),
        3: blank(Copy, state=CopyState.OFFERED, bytes=200),
        4: blank(Copy, state=CopyState.ACTIVE, bytes=5_000, stored_bytes=5_000),
        5: blank(Copy, state=CopyState.ENDED, bytes=5_000),
    }

    def declined(free: int | None) -> list[int]:
        actions = ho.decide(hosting(copies=copies, plans={0: plan(100)}, free=free))
        return [one.copy for one in actions if isinstance(one, ho.DeclineCopy)]

    assert declined(None) == declined(1_100) == []
    assert declined(1_099) == [3]
    assert declined(899) == [2, 3]
    assert declined(0) == [2, 3]
    (first, _) = ho.decide(hosting(copies=copies, plans={0: plan(100)}, free=700))
    assert isinstance(first, ho.DeclineCopy)
    assert first.reason == "it has 300 bytes, and there is room for 100 on this disk"


def test_a_hoster_confirms_only_the_segment_in_the_making() -> None:
    point = Checkpoint(9, digest("root"), bytes(64))
    copies = {1: blank(Copy, state=CopyState.ENCODING, current=6, bytes=4_000, stored_bytes=1_792)}
    assert ho.decide(hosting(copies=copies, checkpoints={6: point})) == [ho.ConfirmSegment(1, 6, point, 2_208)]
    assert ho.decide(hosting(copies=copies, checkpoints={5: point})) == []
    active = {1: blank(Copy, state=CopyState.ACTIVE, current=None)}
    assert ho.decide(hosting(copies=active, checkpoints={6: point})) == []


def test_a_hoster_keeps_of_a_copy_what_the_chain_has_of_it() -> None:
    parts = (CopySegment(4, 10, 0), CopySegment(6, 3, 0))
    copies = {1: blank(Copy, state=CopyState.ENCODING, segments=parts, current=9)}
    tidy = ho.TidyCopy(1, ((4, 10), (6, 3)), 9)

    def tidied(stored: dict[int, tuple[int, int]], **changes: Any) -> bool:
        return tidy in ho.decide(hosting(**{"copies": copies, "stored": stored, "next_segment": 10, **changes}))

    good = {4: (1, 10), 6: (1, 3), 9: (1, 700)}
    assert not tidied(good)
    assert tidied({**good, 6: (1, 4)}), "salvaged: the hoster had more than was signed"
    assert tidied({**good, 8: (1, 0)}), "its lease passed"
    assert not tidied({**good, 8: (1, 0)}, next_segment=8), "the state is older than the segment"
    assert not tidied({**good, 8: (2, 5)}), "of another copy"
    ended = {1: replace(copies[1], state=CopyState.ENDED)}
    assert ho.decide(hosting(copies=ended, stored={8: (1, 5)}, next_segment=10)) == []


def test_a_hoster_proves_first_and_forgets_last() -> None:
    challenge = StorageChallenge(90, (Sample(1, 2, 3),))
    copies = {1: blank(Copy, state=CopyState.ACTIVE)}
    found = ho.decide(hosting(copies=copies, challenge=challenge, kept=frozenset({0, 1}), offer=None))
    assert found == [
        ho.AnswerChallenge(90, (Sample(1, 2, 3),)),
        ho.OfferHosting(ho.HosterTerms(10, 2, 3)),
        ho.ForgetCopy(0),
    ]
    ended = {1: blank(Copy, state=CopyState.ENDED)}
    assert ho.decide(hosting(copies=ended, kept=frozenset({1}))) == [], "it may still be asked for"


def test_a_hoster_forgets_nothing_that_an_old_state_does_not_know_yet() -> None:
    assert ho.decide(hosting(kept=frozenset({3, 4}), next_copy=4)) == [ho.ForgetCopy(3)]
    assert ho.decide(hosting(kept=frozenset({3, 4}), next_copy=0)) == []


# ---- encoder


def encoding(copy: Copy | None, *keys: en.KeyRecord, **changes: Any) -> list[en.EncoderAction]:
    facts = en.EncoderFacts(
        now=100, account=ME, times=TIMES, terms=en.EncoderTerms(4), offer=blank(Encoder, open=True, ask=4),
        next_copy=10, seen=0, copies={} if copy is None else {1: copy}, plans={}, keys=keys, reachable=frozenset({1}),
    )  # fmt: skip
    return en.decide(replace(facts, **changes))


def assigned(state: CopyState, segments: int = 0, current: int | None = None, encoder: bytes | None = ME) -> Copy:
    parts = tuple(CopySegment(number, 4, 0) for number in range(segments))
    found: Copy = blank(Copy, plan=2, encoder=encoder, state=state, segments=parts, current=current)
    return found


def test_an_encoder_begins_only_with_a_feed_at_hand_and_a_key_on_disk() -> None:
    copy, key = assigned(CopyState.ASSIGNED), en.KeyRecord(1, 0, b"N")
    assert encoding(copy, reachable=frozenset()) == [en.FetchHead(1)]
    assert encoding(copy) == [en.MakeKey(1, 0)]
    assert encoding(copy, key) == [en.BeginSegment(1, b"N")]
    assert encoding(assigned(CopyState.BEGUN, current=8), key) == [], "no salt yet"
    assert encoding(copy, offer=None) == [en.MakeKey(1, 0), en.OfferEncoding(en.EncoderTerms(4))]


def test_an_encoder_declines_in_time_what_is_not_to_be_had() -> None:
    copy, none = assigned(CopyState.ASSIGNED), frozenset[int]()

    def declined(**changes: Any) -> bool:
        (action,) = encoding(copy, **{"reachable": none, "drawn": {1: 90}, **changes})
        return isinstance(action, en.DeclineJob)

    assert [now for now in range(90, 111) if declined(now=now)] == list(range(100, 111)), "ten blocks before it is late"
    assert not declined(drawn={}), "not known since when"
    spent = blank(Encoder, open=True, ask=4, decline_era=100 // 24, declines=8)
    assert not declined(offer=spent), "the ninth of an era would be an error"
    assert declined(offer=blank(Encoder, open=True, ask=4, decline_era=100 // 24, declines=7))
    assert declined(offer=spent, now=110, drawn={1: 100}) == (110 // 24 != 100 // 24)
    assert declined(offer=spent, now=120, drawn={1: 100}), "another era"
    assert encoding(copy, drawn={1: 0}) == [en.MakeKey(1, 0)], "it is to be had"


def test_the_blocks_that_are_asked_for_lie_all_over_what_is_to_be_encoded() -> None:
    ranges = (StreamRange(10, 20, 100, 1_000), StreamRange(40, 41, 9_000, 7), StreamRange(50, 1_050, 9_100, 10_000))
    found = sample_blocks(ranges, 0, 11_007)
    assert found[0] == 10
    assert found[-1] == 1_049
    assert len(found) == 8
    assert sample_blocks(ranges, 1_000, 1_007) == [40]
    assert sample_blocks(ranges, 0, 500) == [10, 11, 12, 13, 14]
    assert sample_blocks(ranges, 11_006, 11_007) == [1_049]
    assert sample_blocks(ranges, 5, 5) == []
    assert sample_blocks((StreamRange(0, 3, 0, 0), StreamRange(5, 6, 0, 1)), 0, 1) == [5]


def test_an_encoder_encodes_with_the_key_that_the_chain_knows() -> None:
    copy, key = assigned(CopyState.ENCODING, current=8), en.KeyRecord(1, 0, b"N")
    assert encoding(copy, key, moduli={8: b"N"}) == [en.EncodeSegment(1, 8, 0)]
    assert encoding(copy, key, moduli={8: b"M"}) == []
    assert encoding(copy, moduli={8: b"N"}) == []


def test_an_encoder_confirms_by_itself_after_the_grace() -> None:
    receipt = SignedRoot(4, digest("root"), bytes(64))
    copy = replace(assigned(CopyState.ENCODING, current=8), bytes=1_000)
    key = en.KeyRecord(1, 0, b"N", receipt, 91)
    assert encoding(copy, key, moduli={8: b"N"}) == []
    assert encoding(copy, key, moduli={8: b"N"}, now=101) == [en.ConfirmByEncoder(1, 8, receipt)]


def test_keys_are_erased_as_soon_as_they_are_of_no_use() -> None:
    keys = en.KeyRecord(1, 0, b"N"), en.KeyRecord(1, 1, b"M")
    assert encoding(assigned(CopyState.ASSIGNED, segments=1), *keys) == [
        en.BeginSegment(1, b"M"),
        en.EraseKey(1, 0, False),
    ]
    for copy in (None, assigned(CopyState.ACTIVE, 2, encoder=None), assigned(CopyState.ASSIGNED, encoder=OTHER)):
        assert encoding(copy, *keys) == [en.EraseKey(1, 0, True), en.EraseKey(1, 1, True)]


def test_a_key_stays_while_the_chain_shows_a_state_older_than_its_copy() -> None:
    key = en.KeyRecord(1, 0, b"N")
    assert encoding(None, key, next_copy=1) == []
    assert encoding(None, key, next_copy=2) == [en.EraseKey(1, 0, True)]


def test_a_key_stays_while_the_chain_shows_a_state_in_which_the_copy_is_not_ours_yet() -> None:
    key = en.KeyRecord(1, 0, b"N")
    for before in (assigned(CopyState.OFFERED, encoder=None), assigned(CopyState.BEGUN, current=7, encoder=OTHER)):
        assert encoding(before, key, now=99, seen=100) == []
        assert encoding(before, key, now=100, seen=100) == [en.EraseKey(1, 0, True)]


def test_a_hoster_offers_no_more_than_its_disk_holds() -> None:
    terms = ho.HosterTerms(10_000, 2, 3)

    def offered(free: int | None, **changes: Any) -> list[int]:
        facts = hosting(**{"terms": terms, "offer": None, "free": free} | changes)
        return [one.terms.capacity for one in ho.decide(facts) if isinstance(one, ho.OfferHosting)]

    assert offered(None) == [10_000]
    assert offered(20_000) == [10_000]
    assert offered(4_000) == [4_000]
    assert offered(4_000, stored={1: (1, 4)}) == [4_000 + 4 * 256], "what is stored already has its room"
    assert offered(0) == [], "an offer of nothing would only cost its fee"


def test_an_open_offer_is_renewed_once_an_era_if_it_is_another_one_than_it_should_be() -> None:
    terms = ho.HosterTerms(10_000, 2, 3, b"u3")
    right = {"open": True, "capacity": 10_000, "ask_disk": 2, "ask_receiving": 3, "region": b"u3"}

    def renewed(free: int | None = None, may: bool = True, **changes: Any) -> bool:
        offer = blank(Hoster, **right | changes)
        return bool(ho.decide(hosting(terms=terms, offer=offer, free=free, may_renew=may)))

    assert not renewed()
    assert not renewed(free=9_000), "an eighth less is not worth the fee"
    for wrong in ({"ask_disk": 1}, {"ask_receiving": 1}, {"region": b""}, {"capacity": 8_000}, {"capacity": 20_000}):
        assert renewed(**wrong)
        assert not renewed(may=False, **wrong)
        assert not renewed(step=1, **wrong), "a late challenge comes first"
    assert renewed(free=5_000)
    assert not renewed(free=5_000, used=10_000), "the chain does not apply less than is used"


def test_an_encoder_that_asks_another_price_offers_anew() -> None:
    assert encoding(None) == []
    assert encoding(None, terms=en.EncoderTerms(5)) == [en.OfferEncoding(en.EncoderTerms(5))]
