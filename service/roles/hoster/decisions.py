"""The hoster as a pure machine: in go the chain's state and what is stored here, out comes what to do now.

    copy:  Offered ─ decline? ─▶ Accepted ─▶ Assigned ─▶ Begun ─▶ Encoding ─ Confirm ─▶ Active ─▶ Ended ─ Forget
    challenge:  issued ─ Answer (checked against the chain's roots first) ─▶ proved | missed

Nothing is remembered between two decisions: after a restart the same facts give the same actions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from service.chain_client.pallet.constants import DECLINES
from service.chain_client.pallet.types import Copy, CopyState, Hoster, Plan, Sample, StorageChallenge
from service.protocols.copy.messages import Checkpoint
from service.protocols.copy.stream import MAX_BLOCK, too_many_blocks

from ..common.terms import HosterTerms


@dataclass(frozen=True, slots=True)
class HosterFacts:
    """Everything a decision rests on, at one finalized block. Copies from `next_copy` on do not exist yet.

    `free` are the bytes for copies on this disk, None if nobody can tell.
    """

    now: int
    era: int
    terms: HosterTerms
    offer: Hoster | None
    next_copy: int
    copies: Mapping[int, Copy]
    plans: Mapping[int, Plan]
    challenge: StorageChallenge | None
    kept: frozenset[int] = frozenset()
    checkpoints: Mapping[int, Checkpoint] = field(default_factory=dict)
    free: int | None = None


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
    """Confirm a finished segment with the encoder's signature."""

    copy: int
    segment: int
    checkpoint: Checkpoint


@dataclass(frozen=True, slots=True)
class AnswerChallenge:
    """Open the samples of a storage challenge."""

    issued: int
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class ForgetCopy:
    """Delete what is kept of a copy that the chain no longer knows."""

    copy: int


HosterAction = OfferHosting | DeclineCopy | ConfirmSegment | AnswerChallenge | ForgetCopy


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
    if facts.offer is None or not facts.offer.open:
        actions.append(OfferHosting(facts.terms))
    # a node that is still synchronising shows states before the kept copies existed: do not delete those
    gone = (number for number in facts.kept - facts.copies.keys() if number < facts.next_copy)
    actions += [ForgetCopy(number) for number in sorted(gone)]
    return actions


def _about(facts: HosterFacts, number: int, copy: Copy) -> HosterAction | None:
    plan = facts.plans.get(copy.plan)
    if copy.state is CopyState.OFFERED and plan is not None and _may_decline(facts):
        reason = decline_reason(plan) or _no_room(facts, number, copy)
        return None if reason is None else DeclineCopy(number, reason)
    if copy.state is CopyState.ENCODING and copy.current is not None:
        checkpoint = facts.checkpoints.get(copy.current)
        if checkpoint is not None:
            return ConfirmSegment(number, copy.current, checkpoint)
    return None


def _may_decline(facts: HosterFacts) -> bool:
    offer = facts.offer
    return offer is not None and (offer.decline_era != facts.era or offer.declines < DECLINES)
