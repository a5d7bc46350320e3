"""The encoder as a pure machine: which of its copies needs a key, a begin, sectors, a confirmation, or erasure.

    Assigned ─ FetchHead ─ MakeKey ─ BeginSegment ─▶ Begun ─ (salt) ─▶ Encoding ─ EncodeSegment … receipt ─▶ (the hoster confirms)
         └─ DeclineJob, if the feed is not to be had        └─ ConfirmByEncoder after a grace ─▶ confirmed ─ EraseKey

The order is for security: the plan's head is on the chain before there is a modulus, the modulus before the salt is
drawn, and only then is anything encoded. The key is on the disk before its modulus is on the chain, so that a crash
between any two steps needs no second begin.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from service.chain_client.pallet.constants import DECLINES
from service.chain_client.pallet.types import Copy, CopyState, Encoder, Plan, Segment, Times
from service.protocols.copy.messages import SignedRoot

from ..common.pace import is_long, too_long
from ..common.salvage import Making, salvage_due, segment_sectors
from ..common.terms import EncoderTerms


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A private modulus on this disk: the copy and segment (counted from 0) it belongs to, and the hoster's last receipt."""

    copy: int
    ordinal: int
    modulus: bytes
    receipt: SignedRoot | None = None
    receipt_block: int | None = None


@dataclass(frozen=True, slots=True)
class EncoderFacts:
    """Everything a decision rests on, at one finalized block.

    `reachable` are the copies of which the feed is to be had, `drawn` the blocks in which we were drawn for those that are
    assigned to us. `acked` is how many sectors of a segment its hoster has, and the block in which it last had more. Copies
    from `next_copy` on do not exist yet. Block `seen` was final before this run began.
    """

    now: int
    account: bytes
    times: Times
    terms: EncoderTerms
    offer: Encoder | None
    next_copy: int
    seen: int
    copies: Mapping[int, Copy]
    plans: Mapping[int, Plan]
    keys: tuple[KeyRecord, ...] = ()
    moduli: Mapping[int, bytes] = field(default_factory=dict)
    segments: Mapping[int, Segment] = field(default_factory=dict)
    acked: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    reachable: frozenset[int] = frozenset()
    drawn: Mapping[int, int] = field(default_factory=dict)
    confirm_grace: int = 10
    block_seconds: float | None = None
    rate: float | None = None
    """Sectors per second of all jobs together, as far as it is known."""


@dataclass(frozen=True, slots=True)
class MeasureSpeed:
    """Encode something for nobody, to find out how fast that is."""


@dataclass(frozen=True, slots=True)
class OfferEncoding:
    """Offer to encode, or renew an offer that the rules have ended."""

    terms: EncoderTerms


@dataclass(frozen=True, slots=True)
class FetchHead:
    """Reach peers that serve the feed, and see that they have the copy's head and what is still to be encoded."""

    copy: int


@dataclass(frozen=True, slots=True)
class DeclineJob:
    """Give the job back, because what it needs of the feed is not to be had, or it is not done within its lease."""

    copy: int
    reason: str


@dataclass(frozen=True, slots=True)
class MakeKey:
    """Generate a private modulus and store it on the disk."""

    copy: int
    ordinal: int


@dataclass(frozen=True, slots=True)
class BeginSegment:
    """Commit the modulus on the chain."""

    copy: int
    modulus: bytes


@dataclass(frozen=True, slots=True)
class EncodeSegment:
    """Encode for the hoster until it has signed the whole segment."""

    copy: int
    segment: int
    ordinal: int


@dataclass(frozen=True, slots=True)
class ConfirmByEncoder:
    """Confirm with the hoster's signature, because the hoster has not confirmed in time.

    Either the whole segment, or the last checkpoint of one that will not be finished.
    """

    copy: int
    segment: int
    receipt: SignedRoot


@dataclass(frozen=True, slots=True)
class EraseKey:
    """Erase a private modulus that is of no further use: its segment is confirmed and finalized, or lost."""

    copy: int
    ordinal: int
    last: bool


EncoderAction = (
    MeasureSpeed
    | OfferEncoding
    | FetchHead
    | DeclineJob
    | MakeKey
    | BeginSegment
    | EncodeSegment
    | ConfirmByEncoder
    | EraseKey
)


def decide(facts: EncoderFacts) -> list[EncoderAction]:
    """Return what an encoder must do now."""
    keys = {(key.copy, key.ordinal): key for key in facts.keys}
    actions: list[EncoderAction] = []
    for number, copy in sorted(facts.copies.items()):
        if copy.encoder == facts.account:
            actions += _about(facts, number, copy, keys.get((number, len(copy.segments))))
    for key in facts.keys:
        if key.copy >= facts.next_copy or facts.now < facts.seen:
            continue  # a node that is still synchronising shows states before the copy, or our part in it, existed
        held = facts.copies.get(key.copy)
        mine = held is not None and held.encoder == facts.account
        if held is None or not mine or key.ordinal < len(held.segments):
            actions.append(EraseKey(key.copy, key.ordinal, not mine))
    if facts.offer is None or not facts.offer.open or facts.offer.ask != facts.terms.ask:
        actions.append(OfferEncoding(facts.terms))
    return actions


def _about(facts: EncoderFacts, number: int, copy: Copy, key: KeyRecord | None) -> list[EncoderAction]:
    ordinal = len(copy.segments)
    if copy.state is CopyState.ASSIGNED:
        if number not in facts.reachable:
            return [_declined(facts, number) or FetchHead(number)]
        if is_long(segment_sectors(copy, facts.times), facts.times):
            found = _before_long(facts, number, copy)
            if found is not None:
                return found
        return [MakeKey(number, ordinal) if key is None else BeginSegment(number, key.modulus)]
    if copy.state is not CopyState.ENCODING or copy.current is None or key is None:
        return []
    if facts.moduli.get(copy.current) != key.modulus:
        return []
    receipt = key.receipt
    if receipt is None or receipt.sectors < segment_sectors(copy, facts.times):
        encode = EncodeSegment(number, copy.current, ordinal)
        salvage = receipt is not None and _salvage(facts, copy, copy.current, receipt)
        return [ConfirmByEncoder(number, copy.current, receipt), encode] if receipt and salvage else [encode]
    if key.receipt_block is not None and facts.now >= key.receipt_block + facts.confirm_grace:
        return [ConfirmByEncoder(number, copy.current, receipt)]
    return []


def _salvage(facts: EncoderFacts, copy: Copy, current: int, receipt: SignedRoot) -> bool:
    segment = facts.segments.get(current)
    if segment is None:
        return False
    done, heard = facts.acked.get(current, (receipt.sectors, facts.now))
    making = Making(segment.begun, max(done, receipt.sectors), receipt.sectors, heard)
    return salvage_due(facts.now, facts.times, copy, making, hoster=False)


def patience(times: Times) -> int:
    """Return how many blocks after its draw an encoder declines a job of which the feed is not to be had.

    It is half of the time for a begin: after it, the call may take as long as the search, and is still in time.
    """
    return max(1, times.begin_window // 2)


def _waited(facts: EncoderFacts, number: int) -> int:
    return facts.now - facts.drawn.get(number, facts.now)


def _may_decline(facts: EncoderFacts) -> bool:
    offer = facts.offer
    return offer is None or offer.declines < DECLINES or offer.decline_era != facts.now // facts.times.era


def _before_long(facts: EncoderFacts, number: int, copy: Copy) -> list[EncoderAction] | None:
    """Return what comes before the begin of a long segment; None: it can be begun.

    What cannot be found out before the begin is due does not hold it up: the last checkpoint can be salvaged.
    """
    if facts.rate is None or facts.block_seconds is None:
        if _waited(facts, number) >= patience(facts.times):
            return None
        return [MeasureSpeed()] if facts.rate is None else []
    at_work = sum(one.state in (CopyState.BEGUN, CopyState.ENCODING) for one in facts.copies.values())
    why = too_long(segment_sectors(copy, facts.times), facts.times, facts.block_seconds, facts.rate / (at_work + 1))
    if why is None:
        return None
    return [DeclineJob(number, f"{why}, as fast as this machine is")] if _may_decline(facts) else []


def _declined(facts: EncoderFacts, number: int) -> DeclineJob | None:
    waited = _waited(facts, number)
    if waited < patience(facts.times) or not _may_decline(facts):
        return None  # a decline beyond the era's last would be an error: the feed may come until the begin is due
    return DeclineJob(number, f"no known peer has what it needs of the feed, {waited} blocks after we were drawn")
