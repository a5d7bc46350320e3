"""The hoster as a pure machine: in go the chain's state and what is stored here, out comes what to do now.

    copy:  Offered ─ decline? ─▶ Accepted ─▶ Assigned ─▶ Begun ─▶ Encoding ─ Confirm ─▶ Active ─▶ Ended ─ Forget
                                    ◀──────── Confirm of the last checkpoint, TidyCopy ┘
    challenge:  issued ─ Answer (checked against the chain's roots first) ─▶ proved | overdue ─ Answer ─▶ cleared

Nothing is remembered between two decisions: after a restart the same facts give the same actions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from service.chain_client.pallet.constants import DECLINES
from service.chain_client.pallet.types import (
    Copy,
    CopyState,
    Hoster,
    Plan,
    Sample,
    Segment,
    StorageChallenge,
    Times,
)
from service.encoding.profiles import SECTOR
from service.protocols.copy.messages import Checkpoint
from service.protocols.copy.stream import MAX_BLOCK, too_many_blocks

from ..common.pace import EXPECTED_RATE, FASTEST_RATE, is_long, too_long
from ..common.salvage import Making, salvage_due, segment_sectors
from ..common.terms import HosterTerms
from .losses import may_declare
from .offering import is_stale, within_room

EVICTED = 3
"""The step of a hoster whose copies are being ended: an offer would get it none before that is over."""


@dataclass(frozen=True, slots=True)
class HosterFacts:
    """Everything a decision rests on, at one finalized block.

    Copies from `next_copy` and segments from `next_segment` on do not exist yet. `kept` are the copies of which anything
    is on this disk, `stored` the copy and the sectors of each segment on it, `checkpoints` its encoder's last one, `heard`
    the block in which it last grew. `segments` are those in the making. `damaged` is when a copy was found damaged. `free`
    are the bytes for copies on this disk, `block_seconds` the time between two blocks, each None if nobody can tell.
    """

    now: int
    times: Times
    era: int
    terms: HosterTerms
    offer: Hoster | None
    next_copy: int
    copies: Mapping[int, Copy]
    plans: Mapping[int, Plan]
    challenge: StorageChallenge | None
    next_segment: int = 0
    segments: Mapping[int, Segment] = field(default_factory=dict)
    kept: frozenset[int] = frozenset()
    stored: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    checkpoints: Mapping[int, Checkpoint] = field(default_factory=dict)
    heard: Mapping[int, int] = field(default_factory=dict)
    damaged: Mapping[int, int] = field(default_factory=dict)
    free: int | None = None
    block_seconds: float | None = None
    may_renew: bool = False
    """Whether an open offer may be renewed now: at most once an era, because it costs a fee."""


@dataclass(frozen=True, slots=True)
class OfferHosting:
    """Offer to host, or renew an offer that the rules have ended."""

    terms: HosterTerms


@dataclass(frozen=True, slots=True)
class DeclineCopy:
    """Decline a copy that cannot be hosted."""

    copy: int
    reason: str


@dataclass(frozen=True, slots=True)
class ConfirmSegment:
    """Confirm a segment of `bytes` with the encoder's signature: the whole, or what is signed of one that will not be."""

    copy: int
    segment: int
    checkpoint: Checkpoint
    bytes: int


@dataclass(frozen=True, slots=True)
class AnswerChallenge:
    """Open the samples of a storage challenge."""

    issued: int
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class ForgetCopy:
    """Delete what is kept of a copy that the chain no longer knows."""

    copy: int


@dataclass(frozen=True, slots=True)
class TidyCopy:
    """Cut each segment to the (segment, sectors) that the chain has `confirmed`, and delete all others but the `current`."""

    copy: int
    confirmed: tuple[tuple[int, int], ...]
    current: int | None


@dataclass(frozen=True, slots=True)
class DeclareLost:
    """Look through a copy once more, and tell the chain if it is lost."""

    copy: int


HosterAction = OfferHosting | DeclineCopy | ConfirmSegment | AnswerChallenge | ForgetCopy | TidyCopy | DeclareLost


def decline_reason(plan: Plan) -> str | None:
    """Return why a plan must be declined, or None.

    The chain only shows the bytes of a range: the plan is declined if one of its blocks is certainly over 1 MiB, or if its
    blocks are so small that they cost more than they pay.
    """
    blocks, size = sum(one.end - one.start for one in plan.ranges), sum(one.bytes for one in plan.ranges)
    if too_many_blocks(blocks, size):
        return f"{blocks} blocks have {size} bytes: so many small ones cost more than their bytes pay"
    for one in plan.ranges:
        if one.bytes > (one.end - one.start) * MAX_BLOCK:
            return f"blocks {one.start} to {one.end} have {one.bytes} bytes: one is over the limit of 1 MiB"
    return None


def _no_room(facts: HosterFacts, number: int, copy: Copy) -> str | None:
    """Return why a copy does not fit on the disk beside what is still to come of others, or None."""
    if facts.free is None:
        return None
    promised = sum(
        other.bytes - other.stored_bytes
        for one, other in facts.copies.items()
        if other.state not in (CopyState.OFFERED, CopyState.ENDED)
        or (other.state is CopyState.OFFERED and one < number)
    )
    left = max(0, facts.free - promised)
    return f"it has {copy.bytes} bytes, and there is room for {left} on this disk" if copy.bytes > left else None


def _beyond_lease(facts: HosterFacts, copy: Copy, rate: int) -> str | None:
    """Return why the segment that a copy needs next is not made within its lease at a rate, or None if it may be."""
    sectors = segment_sectors(copy, facts.times)
    if facts.block_seconds is None or not is_long(sectors, facts.times):
        return None
    return too_long(sectors, facts.times, facts.block_seconds, rate)


def doubtful(facts: HosterFacts) -> dict[int, str]:
    """Return the copies of which an ordinary encoder does not make the next segment within its lease, and why.

    They are not declined, since its encoder may be faster, and the last checkpoint is salvaged if it is not. A stall costs
    this hoster as much as the encoder.
    """
    making = (CopyState.OFFERED, CopyState.ACCEPTED, CopyState.ASSIGNED)
    found = {
        number: _beyond_lease(facts, copy, EXPECTED_RATE)
        for number, copy in facts.copies.items()
        if copy.state in making
    }
    return {number: why for number, why in found.items() if why is not None}


def answer(challenge: StorageChallenge | None) -> list[HosterAction]:
    """Return what a hoster must do about its challenge, whatever else is known of the chain."""
    return [] if challenge is None else [AnswerChallenge(challenge.issued, tuple(challenge.samples))]


def decide(facts: HosterFacts) -> list[HosterAction]:
    """Return what a hoster must do now, most urgent first."""
    actions = answer(facts.challenge)
    for number, copy in sorted(facts.copies.items()):
        action = _about(facts, number, copy)
        if action is not None:
            actions.append(action)
    for number, since in sorted(facts.damaged.items()):
        found = facts.copies.get(number)
        if found is not None and may_declare(facts.now, facts.times, found, since):
            actions.append(DeclareLost(number))
    actions += _offer(facts)
    # a node that is still synchronising shows states before the kept copies existed: do not delete those
    gone = (number for number in facts.kept - facts.copies.keys() if number < facts.next_copy)
    actions += [ForgetCopy(number) for number in sorted(gone)]
    actions += [_tidied(number, facts.copies[number]) for number in sorted(_untidy(facts))]
    return actions


def _offer(facts: HosterFacts) -> list[HosterAction]:
    """Offer what there is room for: when no offer stands, or when the one that stands is not what it should be."""
    stored = SECTOR * sum(sectors for _, sectors in facts.stored.values())
    wish, offer = within_room(facts.terms, stored, facts.free), facts.offer
    if offer is not None and offer.open:
        return [OfferHosting(wish)] if facts.may_renew and offer.step == 0 and is_stale(offer, wish) else []
    if wish.capacity == 0 or (offer is not None and offer.step >= EVICTED):
        return []
    return [OfferHosting(wish)]


def _tidied(number: int, copy: Copy) -> TidyCopy:
    return TidyCopy(number, tuple((part.segment, part.sectors) for part in copy.segments), copy.current)


def _untidy(facts: HosterFacts) -> set[int]:
    """Return the copies of which more is on this disk than the chain has, but for what is in the making."""
    found = set()
    for segment, (number, sectors) in facts.stored.items():
        copy = facts.copies.get(number)
        if copy is None or copy.state is CopyState.ENDED or segment >= facts.next_segment or segment == copy.current:
            continue
        confirmed = next((part.sectors for part in copy.segments if part.segment == segment), -1)
        if sectors > confirmed:
            found.add(number)
    return found


def _about(facts: HosterFacts, number: int, copy: Copy) -> HosterAction | None:
    plan = facts.plans.get(copy.plan)
    if copy.state is CopyState.OFFERED and plan is not None and _may_decline(facts):
        reason = decline_reason(plan) or _no_room(facts, number, copy) or _beyond_lease(facts, copy, FASTEST_RATE)
        return None if reason is None else DeclineCopy(number, reason)
    if copy.state is CopyState.ENCODING and copy.current is not None:
        return _confirm(facts, number, copy, copy.current)
    return None


def _confirm(facts: HosterFacts, number: int, copy: Copy, current: int) -> ConfirmSegment | None:
    checkpoint, segment = facts.checkpoints.get(current), facts.segments.get(current)
    if checkpoint is None:
        return None
    if checkpoint.sectors >= segment_sectors(copy, facts.times):  # one that was begun by an older rule may be longer
        return ConfirmSegment(
            number, current, checkpoint, min(copy.bytes - copy.stored_bytes, checkpoint.sectors * SECTOR)
        )
    _, done = facts.stored.get(current, (number, checkpoint.sectors))
    if segment is None:
        return None
    making = Making(segment.begun, done, checkpoint.sectors, facts.heard.get(current, facts.now))
    if salvage_due(facts.now, facts.times, copy, making, hoster=True):
        return ConfirmSegment(number, current, checkpoint, checkpoint.sectors * SECTOR)
    return None


def _may_decline(facts: HosterFacts) -> bool:
    offer = facts.offer
    return offer is not None and (offer.decline_era != facts.era or offer.declines < DECLINES)
