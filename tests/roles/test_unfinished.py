"""Segments that are not finished in time: when a checkpoint is salvaged, and which are not begun at all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from service.chain_client.pallet.types import Copy, CopySegment, CopyState, Encoder, Segment
from service.protocols.copy.messages import Checkpoint, SignedRoot
from service.roles.common.pace import Pace, is_long
from service.roles.common.salvage import Making, salvage_due
from service.roles.encoder import decisions as en
from service.roles.encoder.speed import Speed
from service.roles.hoster import decisions as ho
from tests.roles.test_decisions import ME, TIMES, encoding, hosting
from tests.support.blank import blank
from tests.support.copy_world import digest

BEGUN = 1_000
UNFINISHED: Copy = blank(Copy, state=CopyState.ENCODING, encoder=ME, current=6, bytes=25_600)


def salvaged(copy: Copy = UNFINISHED, signed: int = 50, hoster: bool = False, **heard: Any) -> list[int]:
    """Return the blocks of the lease in which the checkpoint is confirmed. `heard`: block of the last sector, sectors."""
    found = []
    for now in range(BEGUN, BEGUN + 241):
        last, done = min(now, heard.get("heard", 9_999)), heard.get("done", 60)
        making = Making(BEGUN, done, signed, last)
        if salvage_due(now, TIMES, copy, making, hoster):
            found.append(now)
    return found


def test_a_checkpoint_is_confirmed_when_the_other_side_stays_away() -> None:
    away = salvaged(heard=BEGUN + 20)
    assert away == list(range(BEGUN + 80, BEGUN + 241)), "a quarter of the lease after the last word"
    assert salvaged(heard=BEGUN + 20, hoster=True)[0] == BEGUN + 85, "one of them pays"
    assert salvaged(heard=BEGUN + 230)[0] == BEGUN + 216, "and nobody waits beyond the lease"


def test_a_checkpoint_is_confirmed_when_the_rest_is_not_made_in_time() -> None:
    assert salvaged(done=60)[0] == BEGUN + 216, "40 of 100 sectors are missing with 20 blocks left"
    assert salvaged(done=60, hoster=True)[0] == BEGUN + 221
    assert salvaged(done=95)[0] == BEGUN + 225, "5 more are made in 11 blocks, until too few are left"
    assert salvaged(done=99, signed=99)[0] > BEGUN + 230
    assert salvaged(done=100)[0] == BEGUN + 236, "it was all done, and yet there is no signature over it"


def test_a_checkpoint_is_not_confirmed_where_the_chain_refuses_it() -> None:
    assert salvaged(signed=7, heard=BEGUN) == [], "less than a checkpoint"
    assert salvaged(signed=8, heard=BEGUN) != []
    assert salvaged(signed=100, heard=BEGUN) == [], "the whole is no salvage"
    assert salvaged(replace(UNFINISHED, stalls=1), heard=BEGUN) == [], "once only"
    full = tuple(CopySegment(number, 1, 0) for number in range(255))
    assert salvaged(replace(UNFINISHED, segments=full), heard=BEGUN) == []


def test_hoster_and_encoder_salvage_their_own_signatures() -> None:
    segment = blank(Segment, begun=10)
    point = Checkpoint(50, digest("root"), bytes(64))
    copies = {1: UNFINISHED}
    facts = {
        "copies": copies,
        "segments": {6: segment},
        "checkpoints": {6: point},
        "stored": {6: (1, 60)},
        "next_segment": 7,
    }
    assert ho.decide(hosting(**facts, heard={6: 40})) == []
    assert ho.decide(hosting(**facts, heard={6: 35})) == [ho.ConfirmSegment(1, 6, point, 12_800)]
    receipt, key = SignedRoot(50, digest("root"), bytes(64)), en.KeyRecord(1, 0, b"N")
    more: Any = {"moduli": {6: b"N"}, "segments": {6: segment}, "acked": {6: (60, 40)}}
    encode = en.EncodeSegment(1, 6, 0)
    assert encoding(UNFINISHED, key, **more) == [encode]
    signed = replace(key, receipt=receipt, receipt_block=40)
    assert encoding(UNFINISHED, signed, **more) == [en.ConfirmByEncoder(1, 6, receipt), encode]
    assert encoding(UNFINISHED, signed, **{**more, "acked": {6: (60, 41)}}) == [encode]


LONG: Copy = blank(Copy, plan=2, encoder=ME, state=CopyState.ASSIGNED, bytes=256 * 50_000, segments=())


def test_an_encoder_declines_what_is_not_done_within_the_lease() -> None:
    """232 blocks of 2 s are 464 s: 50,000 sectors are made at 108 per second."""

    def before(rate: float | None, seconds: float | None = 2.0, **changes: Any) -> en.EncoderAction | None:
        times = replace(TIMES, seed_delay=4, checkpoint=1 << 18)
        actions = encoding(LONG, rate=rate, block_seconds=seconds, times=times, drawn={1: 95}, **changes)
        return actions[0] if actions else None

    assert before(108.0) == en.MakeKey(1, 0)
    declined = before(107.0)
    assert isinstance(declined, en.DeclineJob)
    assert declined.reason == (
        "its segment of 50000 sectors takes 467 s at 107 sectors per second, and the lease is over after 464 s, "
        "as fast as this machine is"
    )
    assert before(None) == en.MeasureSpeed()
    assert before(108.0, None) is None, "wait for some blocks"
    assert before(None, None, now=105) == en.MakeKey(1, 0), "unknown for too long"
    busy = {1: LONG, 2: replace(LONG, state=CopyState.BEGUN)}
    keys = (en.KeyRecord(2, 0, b"N"),)
    facts: Any = {"copies": busy, "keys": keys}
    assert isinstance(before(108.0, **facts), en.DeclineJob), "another job takes half of it"
    assert before(216.0, **facts) == en.MakeKey(1, 0)
    spent = blank(Encoder, open=True, ask=4, decline_era=100 // 24, declines=8)
    assert before(107.0, offer=spent) is None


def test_a_machine_shows_its_speed_and_a_chain_its_pace() -> None:
    speed, pace = Speed(), Pace()
    assert (speed.best, pace.seconds) == (None, None)
    speed.note(0.0, 1)
    assert speed.best is None
    speed.note(300.0, 2)
    speed.note(500.0, 1)
    assert speed.best == 600.0, "a slow feed makes no slow machine"
    for number in range(10, 18):
        pace.look(number, 3.0 * number)
    pace.look(17, 999.0)
    assert pace.seconds is None
    pace.look(18, 54.0)
    assert pace.seconds == 3.0
    times = replace(TIMES, seed_delay=4)
    assert [is_long(sectors, times) for sectors in (7_424, 7_425)] == [False, True], "232 blocks of half a second"
