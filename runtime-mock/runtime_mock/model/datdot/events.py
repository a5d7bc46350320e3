"""The pallet's events, with those of `peer_events`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..scale import H256, AccountId, u8, u32, u64
from .limits import PALLET
from .peer_events import OperatorSet as OperatorSet
from .peer_events import PeerRegistered as PeerRegistered
from .peer_events import SwarmKeyRotated as SwarmKeyRotated
from .records import CopyEnd, PlanEnd, Report, Terms, Verdict
from .types import Amounts, Balance, Block, CopyId, Era, Key, Payment, PlanId, Role, SegmentId


@dataclass(slots=True)
class HostingOffered:
    """`capacity` is the effective capacity, `collateral` everything that is held."""

    INDEX: ClassVar = (PALLET, 1)
    account: AccountId
    capacity: u64
    ask_disk: Balance
    ask_receiving: Balance
    collateral: Balance


@dataclass(slots=True)
class EncodingOffered:
    INDEX: ClassVar = (PALLET, 2)
    account: AccountId
    ask: Balance
    bond: Balance


@dataclass(slots=True)
class AttestingOffered:
    """`slots` are all slots that the account has now."""

    INDEX: ClassVar = (PALLET, 3)
    account: AccountId
    ask: Balance
    anchor: H256
    slots: u32


@dataclass(slots=True)
class OfferWithdrawn:
    INDEX: ClassVar = (PALLET, 4)
    account: AccountId
    role: Role


@dataclass(slots=True)
class Released:
    INDEX: ClassVar = (PALLET, 5)
    account: AccountId
    role: Role
    amount: Balance


@dataclass(slots=True)
class SlotFreed:
    INDEX: ClassVar = (PALLET, 6)
    account: AccountId
    slot: u32
    amount: Balance


@dataclass(slots=True)
class PlanPublished:
    INDEX: ClassVar = (PALLET, 7)
    plan: PlanId
    sponsor: AccountId
    feed: Key
    bytes: u64
    pot: Balance


@dataclass(slots=True)
class Donated:
    INDEX: ClassVar = (PALLET, 8)
    plan: PlanId
    account: AccountId
    amount: Balance
    shares: Balance


@dataclass(slots=True)
class PlanEnding:
    """`end_plan` was called: the plan ends in `block`."""

    INDEX: ClassVar = (PALLET, 9)
    plan: PlanId
    block: Block


@dataclass(slots=True)
class PotLow:
    """The pot could not pay the tick in `block` in the current state."""

    INDEX: ClassVar = (PALLET, 10)
    plan: PlanId
    block: Block


@dataclass(slots=True)
class PlanEnded:
    INDEX: ClassVar = (PALLET, 11)
    plan: PlanId
    reason: PlanEnd


@dataclass(slots=True)
class PlanClaimable:
    INDEX: ClassVar = (PALLET, 12)
    plan: PlanId
    remainder: Balance


@dataclass(slots=True)
class Refunded:
    INDEX: ClassVar = (PALLET, 13)
    plan: PlanId
    account: AccountId
    amount: Balance


@dataclass(slots=True)
class PlanClosed:
    INDEX: ClassVar = (PALLET, 14)
    plan: PlanId


@dataclass(slots=True)
class CopyOffered:
    INDEX: ClassVar = (PALLET, 15)
    copy: CopyId
    plan: PlanId
    hoster: AccountId


@dataclass(slots=True)
class CopyAccepted:
    INDEX: ClassVar = (PALLET, 16)
    copy: CopyId


@dataclass(slots=True)
class EncoderDrawn:
    INDEX: ClassVar = (PALLET, 17)
    copy: CopyId
    encoder: AccountId


@dataclass(slots=True)
class BeginMissed:
    INDEX: ClassVar = (PALLET, 18)
    copy: CopyId
    encoder: AccountId
    burned: Balance


@dataclass(slots=True)
class SegmentBegun:
    """The salt is drawn in `salt_block`."""

    INDEX: ClassVar = (PALLET, 19)
    copy: CopyId
    segment: SegmentId
    encoder: AccountId
    pk_hash: H256
    salt_block: Block


@dataclass(slots=True)
class SaltDrawn:
    INDEX: ClassVar = (PALLET, 20)
    copy: CopyId
    segment: SegmentId
    chain_rand: H256
    salt: H256


@dataclass(slots=True)
class SegmentConfirmed:
    INDEX: ClassVar = (PALLET, 21)
    copy: CopyId
    segment: SegmentId
    first_byte: u64
    bytes: u64
    sectors: u64
    root: H256


@dataclass(slots=True)
class CopyActive:
    INDEX: ClassVar = (PALLET, 22)
    copy: CopyId


@dataclass(slots=True)
class Stalled:
    """Burned from the hoster's collateral, the encoder's bond and the pot."""

    INDEX: ClassVar = (PALLET, 23)
    copy: CopyId
    hoster: AccountId
    encoder: AccountId
    collateral: Balance
    bond: Balance
    pot: Balance


@dataclass(slots=True)
class CopyEnded:
    INDEX: ClassVar = (PALLET, 24)
    copy: CopyId
    reason: CopyEnd


@dataclass(slots=True)
class CopyStruck:
    INDEX: ClassVar = (PALLET, 25)
    copy: CopyId
    strikes: u32


@dataclass(slots=True)
class CopyRemoved:
    INDEX: ClassVar = (PALLET, 26)
    copy: CopyId


@dataclass(slots=True)
class StorageChallenged:
    INDEX: ClassVar = (PALLET, 27)
    hoster: AccountId
    issued: Block
    samples: u32


@dataclass(slots=True)
class StorageProved:
    INDEX: ClassVar = (PALLET, 28)
    hoster: AccountId
    issued: Block
    reputation: u32


@dataclass(slots=True)
class StorageMissed:
    INDEX: ClassVar = (PALLET, 29)
    hoster: AccountId
    issued: Block
    reputation: u32


@dataclass(slots=True)
class RetrievalCommitted:
    INDEX: ClassVar = (PALLET, 30)
    era: Era
    copy: CopyId
    account: AccountId


@dataclass(slots=True)
class RetrievalRevealed:
    INDEX: ClassVar = (PALLET, 31)
    era: Era
    copy: CopyId
    account: AccountId
    report: Report


@dataclass(slots=True)
class SeatEmptyHanded:
    INDEX: ClassVar = (PALLET, 32)
    era: Era
    copy: CopyId
    account: AccountId
    slot: u32
    burned: Balance


@dataclass(slots=True)
class RetrievalSettled:
    """Medians are 0 unless passed."""

    INDEX: ClassVar = (PALLET, 33)
    era: Era
    copy: CopyId
    verdict: Verdict
    reports: u32
    fails: u32
    latency_ms: u32
    kib_per_s: u32


@dataclass(slots=True)
class Paid:
    """The amount was minted to the account and burned from the copy's reserve."""

    INDEX: ClassVar = (PALLET, 34)
    copy: CopyId
    account: AccountId
    amount: Balance
    what: Payment


@dataclass(slots=True)
class ParametersSet:
    INDEX: ClassVar = (PALLET, 35)
    amounts: Amounts


@dataclass(slots=True)
class SeedSet:
    INDEX: ClassVar = (PALLET, 36)
    value: H256


@dataclass(slots=True)
class SeedUnset:
    INDEX: ClassVar = (PALLET, 37)


@dataclass(slots=True)
class HosterOverdue:
    """A deadline of a storage challenge passed; an answer counts until `due`."""

    INDEX: ClassVar = (PALLET, 38)
    hoster: AccountId
    issued: Block
    step: u8
    due: Block


@dataclass(slots=True)
class HosterCleared:
    INDEX: ClassVar = (PALLET, 39)
    hoster: AccountId


@dataclass(slots=True)
class HosterEvicted:
    """A hoster's challenge stayed open to the end: its copies end."""

    INDEX: ClassVar = (PALLET, 40)
    hoster: AccountId


@dataclass(slots=True)
class Forfeited:
    """A part of a copy's collateral was taken; `pot` of it went to the plan's pot."""

    INDEX: ClassVar = (PALLET, 41)
    copy: CopyId
    account: AccountId
    burned: Balance
    pot: Balance


@dataclass(slots=True)
class GrowthBegun:
    """A copy follows its plan's longer feed."""

    INDEX: ClassVar = (PALLET, 42)
    copy: CopyId
    bytes: u64
    sectors: u64


@dataclass(slots=True)
class GrowthLeft:
    INDEX: ClassVar = (PALLET, 43)
    copy: CopyId


@dataclass(slots=True)
class HeadUpdated:
    INDEX: ClassVar = (PALLET, 44)
    plan: PlanId
    length: u64
    bytes: u64


@dataclass(slots=True)
class PlanWaits:
    INDEX: ClassVar = (PALLET, 45)
    plan: PlanId


@dataclass(slots=True)
class CopyLeaving:
    """A copy is to go, in `block` at the latest; 0: when it is replaced."""

    INDEX: ClassVar = (PALLET, 46)
    copy: CopyId
    block: Block


@dataclass(slots=True)
class Surcharged:
    """`amount` was burned on top of the payments `base`."""

    INDEX: ClassVar = (PALLET, 47)
    plan: PlanId
    base: Balance
    amount: Balance


@dataclass(slots=True)
class PlanAmended:
    INDEX: ClassVar = (PALLET, 48)
    plan: PlanId
    terms: Terms


@dataclass(slots=True)
class JobDeclined:
    INDEX: ClassVar = (PALLET, 49)
    copy: CopyId
    encoder: AccountId


@dataclass(slots=True)
class HosterPaused:
    """A hoster may be away after `start`, up to `end`."""

    INDEX: ClassVar = (PALLET, 50)
    account: AccountId
    start: Block
    end: Block


@dataclass(slots=True)
class NeedSleeps:
    """Nobody fits: a plan's need is tried no more until its next tick."""

    INDEX: ClassVar = (PALLET, 51)
    plan: PlanId


@dataclass(slots=True)
class FeedIsFrozen:
    """Two heads of a feed contradict each other."""

    INDEX: ClassVar = (PALLET, 52)
    feed: Key


@dataclass(slots=True)
class ReportCommitted:
    INDEX: ClassVar = (PALLET, 53)
    account: AccountId
    hash: H256


@dataclass(slots=True)
class EncodingReported:
    INDEX: ClassVar = (PALLET, 54)
    copy: CopyId
    segment: SegmentId
    account: AccountId
    taken: Balance
    reward: Balance


@dataclass(slots=True)
class RetrievalRefused:
    """A commit or a reveal was not taken, while others of its call were. `error` is the number of the pallet's error."""

    INDEX: ClassVar = (PALLET, 55)
    era: Era
    copy: CopyId
    account: AccountId
    error: u8


@dataclass(slots=True)
class SlotTakenBack:
    INDEX: ClassVar = (PALLET, 56)
    account: AccountId
    slot: u32
