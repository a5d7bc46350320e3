"""The pallet's events as frozen dataclasses, by their names on the chain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from .types import AccountId, Amounts, Bytes, CopyEnd, Hash, Payment, PlanEnd, Report, Role, Verdict


@dataclass(frozen=True, slots=True)
class PeerRegistered:
    """Event 0 of the pallet."""

    account: AccountId
    swarm_key: Bytes
    statement_key: Bytes


@dataclass(frozen=True, slots=True)
class HostingOffered:
    """`capacity`: as applied; `collateral`: all that is held."""

    account: AccountId
    capacity: int
    ask_disk: int
    ask_receiving: int
    collateral: int


@dataclass(frozen=True, slots=True)
class EncodingOffered:
    """Event 2 of the pallet."""

    account: AccountId
    ask: int
    bond: int


@dataclass(frozen=True, slots=True)
class AttestingOffered:
    """`slots`: all that it has now."""

    account: AccountId
    ask: int
    anchor: Hash
    slots: int


@dataclass(frozen=True, slots=True)
class OfferWithdrawn:
    """Event 4 of the pallet."""

    account: AccountId
    role: Role


@dataclass(frozen=True, slots=True)
class Released:
    """Event 5 of the pallet."""

    account: AccountId
    role: Role
    amount: int


@dataclass(frozen=True, slots=True)
class SlotFreed:
    """Event 6 of the pallet."""

    account: AccountId
    slot: int
    amount: int


@dataclass(frozen=True, slots=True)
class PlanPublished:
    """Event 7 of the pallet."""

    plan: int
    sponsor: AccountId
    feed: Bytes
    bytes: int
    pot: int


@dataclass(frozen=True, slots=True)
class Donated:
    """Event 8 of the pallet."""

    plan: int
    account: AccountId
    amount: int
    shares: int


@dataclass(frozen=True, slots=True)
class PlanEnding:
    """`end_plan`: it ends in `block`."""

    plan: int
    block: int


@dataclass(frozen=True, slots=True)
class PotLow:
    """The pot could not pay the tick in `block` as things are."""

    plan: int
    block: int


@dataclass(frozen=True, slots=True)
class PlanEnded:
    """Event 11 of the pallet."""

    plan: int
    reason: PlanEnd


@dataclass(frozen=True, slots=True)
class PlanClaimable:
    """Event 12 of the pallet."""

    plan: int
    remainder: int


@dataclass(frozen=True, slots=True)
class Refunded:
    """Event 13 of the pallet."""

    plan: int
    account: AccountId
    amount: int


@dataclass(frozen=True, slots=True)
class PlanClosed:
    """The last share was claimed."""

    plan: int


@dataclass(frozen=True, slots=True)
class CopyOffered:
    """Event 15 of the pallet."""

    copy: int
    plan: int
    hoster: AccountId


@dataclass(frozen=True, slots=True)
class CopyAccepted:
    """Event 16 of the pallet."""

    copy: int


@dataclass(frozen=True, slots=True)
class EncoderDrawn:
    """Event 17 of the pallet."""

    copy: int
    encoder: AccountId


@dataclass(frozen=True, slots=True)
class BeginMissed:
    """Event 18 of the pallet."""

    copy: int
    encoder: AccountId
    burned: int


@dataclass(frozen=True, slots=True)
class SegmentBegun:
    """The salt is drawn in `salt_block`."""

    copy: int
    segment: int
    encoder: AccountId
    pk_hash: Hash
    salt_block: int


@dataclass(frozen=True, slots=True)
class SaltDrawn:
    """Event 20 of the pallet."""

    copy: int
    segment: int
    chain_rand: Hash
    salt: Hash


@dataclass(frozen=True, slots=True)
class SegmentConfirmed:
    """Event 21 of the pallet."""

    copy: int
    segment: int
    first_byte: int
    bytes: int
    sectors: int
    root: Hash


@dataclass(frozen=True, slots=True)
class CopyActive:
    """Event 22 of the pallet."""

    copy: int


@dataclass(frozen=True, slots=True)
class Stalled:
    """Burned from the hoster's collateral, the encoder's bond and the pot."""

    copy: int
    hoster: AccountId
    encoder: AccountId
    collateral: int
    bond: int
    pot: int


@dataclass(frozen=True, slots=True)
class CopyEnded:
    """Event 24 of the pallet."""

    copy: int
    reason: CopyEnd


@dataclass(frozen=True, slots=True)
class CopyStruck:
    """Event 25 of the pallet."""

    copy: int
    strikes: int


@dataclass(frozen=True, slots=True)
class CopyRemoved:
    """Its records are gone."""

    copy: int


@dataclass(frozen=True, slots=True)
class StorageChallenged:
    """Event 27 of the pallet."""

    hoster: AccountId
    issued: int
    samples: int


@dataclass(frozen=True, slots=True)
class StorageProved:
    """Event 28 of the pallet."""

    hoster: AccountId
    issued: int
    reputation: int


@dataclass(frozen=True, slots=True)
class StorageMissed:
    """Event 29 of the pallet."""

    hoster: AccountId
    issued: int
    reputation: int


@dataclass(frozen=True, slots=True)
class RetrievalCommitted:
    """Event 30 of the pallet."""

    era: int
    copy: int
    account: AccountId


@dataclass(frozen=True, slots=True)
class RetrievalRevealed:
    """Event 31 of the pallet."""

    era: int
    copy: int
    account: AccountId
    report: Report


@dataclass(frozen=True, slots=True)
class SeatEmptyHanded:
    """Event 32 of the pallet."""

    era: int
    copy: int
    account: AccountId
    slot: int
    burned: int


@dataclass(frozen=True, slots=True)
class RetrievalSettled:
    """Medians are 0 unless passed."""

    era: int
    copy: int
    verdict: Verdict
    reports: int
    fails: int
    latency_ms: int
    kib_per_s: int


@dataclass(frozen=True, slots=True)
class Paid:
    """Minted to the account, and burned from the copy's reserve alike."""

    copy: int
    account: AccountId
    amount: int
    what: Payment


@dataclass(frozen=True, slots=True)
class ParametersSet:
    """Event 35 of the pallet."""

    amounts: Amounts


@dataclass(frozen=True, slots=True)
class SeedSet:
    """Event 36 of the pallet."""

    value: Hash


@dataclass(frozen=True, slots=True)
class SeedUnset:
    """Event 37 of the pallet."""


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
)

EVENTS: dict[str, type[Event]] = {kind.__name__: kind for kind in get_args(Event)}
