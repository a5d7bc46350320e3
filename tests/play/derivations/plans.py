"""What crowds of plans cost who makes them, and whom they keep waiting (pallet-spec/README.md section 19)."""

from __future__ import annotations

from runtime_mock.model.datdot.limits import (
    COPIES,
    DOUBLINGS,
    DROP_PART,
    ENCODER_ROUNDS,
    GIB,
    HOSTER_ROUNDS,
    LANES,
    MAX_ENTRIES,
    MAX_PLAN_BYTES,
    MAX_REPLICAS,
    MISSES,
    REPORT_ERAS,
    TICKS,
    TRIES,
)
from runtime_mock.model.datdot.money import dearest
from runtime_mock.model.datdot.params import DEFAULT_AMOUNTS, PRODUCTION
from runtime_mock.model.datdot.records import BlockRange, Root, SignedHead

from .catalogue import Figures, Said, derive, limits, specified
from .fees import DEAR, fee, terms
from .lives import BLOCK_SECONDS
from .words import count, units

ERA, PER_BLOCK = PRODUCTION.era, LANES * TRIES
AWAKE = 320
"""Plans that run and want more than there is."""
OTHERS, REPLICAS = 100_000, 3
"""Copies of others, and how many a plan of theirs has."""


def publication(roots: int = 1) -> int:
    """Return the fee of the call that publishes a plan of so many roots."""
    head = SignedHead(bytes(32), b"", 0, 1, [Root(bytes(32), 1)] * roots, bytes(64))
    return fee("publish_plan", head, [BlockRange(0, 1)], [], terms(), DEAR)


# ---- needs


def _waiting_says(found: Figures) -> tuple[Said, ...]:
    crowd, at_once, an_era = count(found["plans"]), found["at once"], found["an era"]
    some = f"{found['320 alone']} to {found['320 beside new ones']}"
    money = f"{crowd} new plans ({units(round(at_once, -14))} UNIT, and {units(an_era)} an era)"
    return (
        *specified(
            19,
            f"In production as many tries an era as there are take {crowd} plans: {units(round(at_once, -14))} UNIT at once and "
            f"{units(an_era)} an era.",
            f"takes {MISSES} tries an era for RetryFee, or {MISSES * HOSTER_ROUNDS} for the fee of an `amend_plan`",
            "waits for n / 4 blocks then, n / 2 while new plans keep the other lane busy: "
            f"{AWAKE} such plans are {some} blocks, {crowd}",
            f"A growth that nobody makes takes {MISSES * ENCODER_ROUNDS} tries an era for RetryFee.",
        ),
        *limits(f"{money} hold up all others that are new.", f"{AWAKE} of them for {some} blocks."),
    )


@derive(
    "waiting",
    "a need that nobody fits has 8 tries an era; a block has 32, of which a lane has 16 while the other wants them; at once: the "
    "fees of publication and of the call; an era: RetryFee",
    _waiting_says,
)
def waiting() -> Figures:
    """How many plans that nobody fits take all tries of an era, what they cost, and how long others wait for a round of tries."""
    plans = PER_BLOCK * ERA // MISSES
    assert PER_BLOCK // MISSES == 4
    return {
        "plans": plans,
        "at once": plans * (DEFAULT_AMOUNTS.publish_fee),
        "fees of calls": plans * publication(),
        "an era": plans * DEFAULT_AMOUNTS.retry_fee,
        "320 alone": AWAKE * MISSES // PER_BLOCK,
        "320 beside new ones": AWAKE * MISSES // TRIES,
        "eras, alone": plans * MISSES // PER_BLOCK // ERA,
        "eras, beside new ones": plans * MISSES // TRIES // ERA,
    }


# ---- ticks


def _ticks_says(found: Figures) -> tuple[Said, ...]:
    copies, once = count(found["copies"]), found["publications"]
    fee, locked = units(found["an era"]), units(found["kept"])
    at_once, an_era = found["without copies, at once"], found["without copies, an era"]
    return (
        *specified(
            19,
            f"{copies} copies of one sector at price 0, on hosters and by encoders of one's own ({units(once)} UNIT of PublishFee "
            f"once, {fee} of TickFee an era, and {locked} that their pots keep for reports), with 100,000 others fill all ticks",
            f"(Plans without copies pay RetryFee for each: {units(round(at_once, -14))} UNIT at once and "
            f"{units(round(an_era, -14))} an era;",
        ),
        *limits(
            f"{copies} copies of one sector at price 0, on hosters of one's own, fill the ticks for {units(once)} UNIT once "
            f"and {fee} an era."
        ),
    )


@derive(
    "ticks",
    "56 of ticks a block, which count each plan and each live copy, 100,000 copies of others, three a plan; plans of 16 copies "
    "pay PublishFee, and at each tick TickFee for each copy; a pot keeps four eras of reports of each at the least ratio; plans "
    "without copies pay PublishFee, the least donation and the fee of their call",
    _ticks_says,
)
def ticks() -> Figures:
    """How many copies fill the ticks beside those of others, and what these cost."""
    rest = TICKS * ERA - OTHERS * (1 + REPLICAS) // REPLICAS
    plans, bare = rest // (1 + MAX_REPLICAS), rest // 2
    copies = plans * MAX_REPLICAS
    at_once = bare * (DEFAULT_AMOUNTS.publish_fee + DEFAULT_AMOUNTS.min_donation + publication())
    return {
        "copies": copies,
        "plans": plans,
        "publications": plans * DEFAULT_AMOUNTS.publish_fee,
        "an era": copies * DEFAULT_AMOUNTS.tick_fee,
        "kept": copies * dearest(DEFAULT_AMOUNTS.report_price * REPORT_ERAS * PRODUCTION.seats),
        "hosters": -(-copies // COPIES),
        "without copies, at once": at_once,
        "without copies, an era": bare * DEFAULT_AMOUNTS.retry_fee,
    }


# ---- stalls and tables


def _stalls_says(found: Figures) -> tuple[Said, ...]:
    fine, most = units(found["fine"], 2), units(found["most of the pot"], 2)
    entries = count(found["encoders"])
    return specified(
        19,
        f"a hoster that receives all but the last of 256 GiB and stalls twice has {units(found['received'], 2)} UNIT for "
        "receiving at the highest ask, and two fines (`stalls`).",
        f"A stall costs a hoster that never confirms {fine} UNIT, its encoder as much, the pot {fine} to {most},",
        f"{entries} registered encoders ({units(found['registrations'])} UNIT burned, and bonds that come back) close encoding.",
    )


@derive("stalls", "production times; the pot's part doubles three times", _stalls_says)
def stalls() -> Figures:
    """What a lease that passes costs, and what it costs to fill the table of encoders."""
    assert PRODUCTION.lease * BLOCK_SECONDS == 12 * 3_600  # half a day
    return {
        "fine": DEFAULT_AMOUNTS.stall_fine,
        "most of the pot": DEFAULT_AMOUNTS.stall_fine << DOUBLINGS,
        "received": (MAX_PLAN_BYTES // GIB - 4) * (DEFAULT_AMOUNTS.collateral // DROP_PART),
        "encoders": MAX_ENTRIES,
        "registrations": MAX_ENTRIES * DEFAULT_AMOUNTS.peer_fee,
    }
