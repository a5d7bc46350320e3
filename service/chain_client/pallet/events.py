# Generated from pallet-spec/artifacts/metadata.scale by `python -m service.codegen`: do not edit.
"""The pallet's events as frozen dataclasses, by their names on the chain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from .types import AccountId, Amounts, Bytes, CopyEnd, Hash, Payment, PlanEnd, Report, Role, Terms, Verdict


@dataclass(frozen=True, slots=True)
class PeerRegistered:
    """An account bound its keys."""

    account: AccountId
    swarm_key: Bytes
    statement_key: Bytes


@dataclass(frozen=True, slots=True)
class HostingOffered:
    """Hosting was offered, or the offer renewed; `capacity`: as applied; `collateral`: all that is held."""

    account: AccountId
    capacity: int
    ask_disk: int
    ask_receiving: int
    collateral: int


@dataclass(frozen=True, slots=True)
class EncodingOffered:
    """Encoding was offered, or the offer renewed; `bond`: all that is held."""

    account: AccountId
    ask: int
    bond: int


@dataclass(frozen=True, slots=True)
class AttestingOffered:
    """Slots were taken, or the anchor changed; `slots`: all that the account has now."""

    account: AccountId
    ask: int
    anchor: Hash
    slots: int


@dataclass(frozen=True, slots=True)
class OfferWithdrawn:
    """A role gets no new draws; attesting: all slots were given back."""

    account: AccountId
    role: Role


@dataclass(frozen=True, slots=True)
class Released:
    """The hold of a role that was left is free."""

    account: AccountId
    role: Role
    amount: int


@dataclass(frozen=True, slots=True)
class SlotFreed:
    """A slot that was given back is a hole; its bond returned."""

    account: AccountId
    slot: int
    amount: int


@dataclass(frozen=True, slots=True)
class PlanPublished:
    """A plan was published; `bytes`: of its copy stream."""

    plan: int
    sponsor: AccountId
    feed: Bytes
    bytes: int
    pot: int


@dataclass(frozen=True, slots=True)
class Donated:
    """A plan's pot was added to, for shares."""

    plan: int
    account: AccountId
    amount: int
    shares: int


@dataclass(frozen=True, slots=True)
class PlanEnding:
    """The sponsor called `end_plan`: the plan ends in `block`."""

    plan: int
    block: int


@dataclass(frozen=True, slots=True)
class PotLow:
    """The pot could not pay the tick in `block` as things are."""

    plan: int
    block: int


@dataclass(frozen=True, slots=True)
class PlanEnded:
    """A plan ended, and with it its copies."""

    plan: int
    reason: PlanEnd


@dataclass(frozen=True, slots=True)
class PlanClaimable:
    """What is left for the donors is fixed."""

    plan: int
    remainder: int


@dataclass(frozen=True, slots=True)
class Refunded:
    """A donor claimed its part of an ended plan's remainder."""

    plan: int
    account: AccountId
    amount: int


@dataclass(frozen=True, slots=True)
class PlanClosed:
    """The last share was claimed: the plan is gone."""

    plan: int


@dataclass(frozen=True, slots=True)
class CopyOffered:
    """A hoster was drawn: it may decline."""

    copy: int
    plan: int
    hoster: AccountId


@dataclass(frozen=True, slots=True)
class CopyAccepted:
    """The hoster did not decline: an encoder is wanted."""

    copy: int


@dataclass(frozen=True, slots=True)
class EncoderDrawn:
    """An encoder was drawn: it must begin a segment."""

    copy: int
    encoder: AccountId


@dataclass(frozen=True, slots=True)
class BeginMissed:
    """The encoder did not begin: it is fined and out, another is drawn."""

    copy: int
    encoder: AccountId
    burned: int


@dataclass(frozen=True, slots=True)
class SegmentBegun:
    """An encoder began a segment; the salt is drawn in `salt_block`."""

    copy: int
    segment: int
    encoder: AccountId
    pk_hash: Hash
    salt_block: int


@dataclass(frozen=True, slots=True)
class SaltDrawn:
    """A segment can be encoded."""

    copy: int
    segment: int
    chain_rand: Hash
    salt: Hash


@dataclass(frozen=True, slots=True)
class SegmentConfirmed:
    """Hoster and encoder agree on a segment."""

    copy: int
    segment: int
    first_byte: int
    bytes: int
    sectors: int
    root: Hash


@dataclass(frozen=True, slots=True)
class CopyActive:
    """The last segment was confirmed: the copy is whole."""

    copy: int


@dataclass(frozen=True, slots=True)
class Stalled:
    """The lease passed; `collateral`, `bond` and `pot` are what was burned of each."""

    copy: int
    hoster: AccountId
    encoder: AccountId
    collateral: int
    bond: int
    pot: int


@dataclass(frozen=True, slots=True)
class CopyEnded:
    """A copy ended; its records stay for three eras."""

    copy: int
    reason: CopyEnd


@dataclass(frozen=True, slots=True)
class CopyStruck:
    """A copy failed a challenge; `strikes`: all that it has."""

    copy: int
    strikes: int


@dataclass(frozen=True, slots=True)
class CopyRemoved:
    """The records of an ended copy are gone."""

    copy: int


@dataclass(frozen=True, slots=True)
class StorageChallenged:
    """A hoster must prove some of its sectors."""

    hoster: AccountId
    issued: int
    samples: int


@dataclass(frozen=True, slots=True)
class StorageProved:
    """The hoster proved them."""

    hoster: AccountId
    issued: int
    reputation: int


@dataclass(frozen=True, slots=True)
class StorageMissed:
    """The hoster did not prove them in time."""

    hoster: AccountId
    issued: int
    reputation: int


@dataclass(frozen=True, slots=True)
class RetrievalCommitted:
    """An attester fixed its report."""

    era: int
    copy: int
    account: AccountId


@dataclass(frozen=True, slots=True)
class RetrievalRevealed:
    """An attester showed its report."""

    era: int
    copy: int
    account: AccountId
    report: Report


@dataclass(frozen=True, slots=True)
class SeatEmptyHanded:
    """A seat had no valid report; `burned`: of the bond of its slot."""

    era: int
    copy: int
    account: AccountId
    slot: int
    burned: int


@dataclass(frozen=True, slots=True)
class RetrievalSettled:
    """A retrieval challenge has its verdict; the medians are 0 unless it passed."""

    era: int
    copy: int
    verdict: Verdict
    reports: int
    fails: int
    latency_ms: int
    kib_per_s: int


@dataclass(frozen=True, slots=True)
class Paid:
    """Money was minted to the account, and burned from the copy's reserve alike."""

    copy: int
    account: AccountId
    amount: int
    what: Payment


@dataclass(frozen=True, slots=True)
class ParametersSet:
    """Root changed the amounts."""

    amounts: Amounts


@dataclass(frozen=True, slots=True)
class SeedSet:
    """Root set the seed: it is no longer random."""

    value: Hash


@dataclass(frozen=True, slots=True)
class SeedUnset:
    """The seed is random again."""


@dataclass(frozen=True, slots=True)
class HosterOverdue:
    """A hoster did not answer in time; `step`: 1 or 2; `due`: the last block in which it may still."""

    hoster: AccountId
    issued: int
    step: int
    due: int


@dataclass(frozen=True, slots=True)
class HosterCleared:
    """A hoster owes no proof any more, or was swept."""

    hoster: AccountId


@dataclass(frozen=True, slots=True)
class HosterEvicted:
    """A hoster did not answer at all: its copies end."""

    hoster: AccountId


@dataclass(frozen=True, slots=True)
class Forfeited:
    """A copy cost its hoster a part of the collateral: burned, and given to the plan's pot."""

    copy: int
    account: AccountId
    burned: int
    pot: int


@dataclass(frozen=True, slots=True)
class GrowthBegun:
    """A copy follows its plan, which became longer; `sectors`: how many more."""

    copy: int
    bytes: int
    sectors: int


@dataclass(frozen=True, slots=True)
class GrowthLeft:
    """A copy did not become longer: it stays as it was."""

    copy: int


@dataclass(frozen=True, slots=True)
class HeadUpdated:
    """A live plan follows a longer head; `bytes`: of its copy stream."""

    plan: int
    length: int
    bytes: int


@dataclass(frozen=True, slots=True)
class PlanWaits:
    """A plan wants nothing before its next tick."""

    plan: int


@dataclass(frozen=True, slots=True)
class CopyLeaving:
    """A copy is to be replaced, and ends in `block` at the latest; 0: only when it is replaced."""

    copy: int
    block: int


@dataclass(frozen=True, slots=True)
class Surcharged:
    """What the sponsor's ratio added to `base`, which its plan paid."""

    plan: int
    base: int
    amount: int


@dataclass(frozen=True, slots=True)
class PlanAmended:
    """The sponsor changed the terms."""

    plan: int
    terms: Terms


@dataclass(frozen=True, slots=True)
class JobDeclined:
    """A drawn encoder cannot get the feed."""

    copy: int
    encoder: AccountId


@dataclass(frozen=True, slots=True)
class HosterPaused:
    """A hoster may be away in blocks start + 1 ..= end."""

    account: AccountId
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class NeedSleeps:
    """A plan found no hoster; it asks again at its next tick."""

    plan: int


@dataclass(frozen=True, slots=True)
class FeedIsFrozen:
    """A feed's owner signed two histories: no plan of it goes on."""

    feed: Bytes


@dataclass(frozen=True, slots=True)
class ReportCommitted:
    """A report of an invalid encoding was committed to."""

    account: AccountId
    hash: Hash


@dataclass(frozen=True, slots=True)
class EncodingReported:
    """A sector does not decode to the feed; `taken` of hoster and encoder, `reward` of it to the reporter."""

    copy: int
    segment: int
    account: AccountId
    taken: int
    reward: int


@dataclass(frozen=True, slots=True)
class RetrievalRefused:
    """A commit or a reveal was not taken, while others of its call were; `error`: the number of the pallet's error."""

    era: int
    copy: int
    account: AccountId
    error: int


@dataclass(frozen=True, slots=True)
class SlotTakenBack:
    """A slot of which less than half of its bond was left after a silent seat counts as given back."""

    account: AccountId
    slot: int


@dataclass(frozen=True, slots=True)
class SwarmKeyRotated:
    """A peer has another swarm key; `old_key`, which nobody else can bind, is not its own any more."""

    account: AccountId
    old_key: Bytes
    swarm_key: Bytes


@dataclass(frozen=True, slots=True)
class OperatorSet:
    """A peer has another operator, or none."""

    account: AccountId
    operator: AccountId | None


Event = (
    PeerRegistered
    | HostingOffered
    | EncodingOffered
    | AttestingOffered
    | OfferWithdrawn
    | Released
    | SlotFreed
    | PlanPublished
    | Donated
    | PlanEnding
    | PotLow
    | PlanEnded
    | PlanClaimable
    | Refunded
    | PlanClosed
    | CopyOffered
    | CopyAccepted
    | EncoderDrawn
    | BeginMissed
    | SegmentBegun
    | SaltDrawn
    | SegmentConfirmed
    | CopyActive
    | Stalled
    | CopyEnded
    | CopyStruck
    | CopyRemoved
    | StorageChallenged
    | StorageProved
    | StorageMissed
    | RetrievalCommitted
    | RetrievalRevealed
    | SeatEmptyHanded
    | RetrievalSettled
    | Paid
    | ParametersSet
    | SeedSet
    | SeedUnset
    | HosterOverdue
    | HosterCleared
    | HosterEvicted
    | Forfeited
    | GrowthBegun
    | GrowthLeft
    | HeadUpdated
    | PlanWaits
    | CopyLeaving
    | Surcharged
    | PlanAmended
    | JobDeclined
    | HosterPaused
    | NeedSleeps
    | FeedIsFrozen
    | ReportCommitted
    | EncodingReported
    | RetrievalRefused
    | SlotTakenBack
    | SwarmKeyRotated
    | OperatorSet
)


EVENTS: dict[str, type[Event]] = {kind.__name__: kind for kind in get_args(Event)}
