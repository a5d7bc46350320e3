"""Types of feeds, plans, copies, segments and challenges. Their SCALE encodings follow from the annotations."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Annotated

from ..scale import H256, AccountId, Bound, VarBytes, u8, u32, u64, u128
from .limits import (
    MAX_BLOCK,
    MAX_MANIFEST,
    MAX_MEMORY,
    MAX_PROOF_SIBLINGS,
    MAX_RANGES,
    MAX_REGIONS,
    MAX_REPLICAS,
    MAX_ROOTS,
    MAX_SAMPLES,
    MAX_SEATS,
    MAX_SEGMENTS,
    MAX_SIBLINGS,
)
from .types import Balance, Block, CopyId, Era, Key, PlanId, Region, Sector, SegmentId, Signature


@dataclass(slots=True)
class Root:
    """A root of a hypercore's tree, left to right."""

    hash: H256
    size: u64


Roots = Annotated[list[Root], Bound(MAX_ROOTS)]


@dataclass(slots=True)
class SignedHead:
    """A feed's signed head as `publish_plan` takes it. The manifest is empty for a compat key, the signature raw."""

    key: Key
    manifest: Annotated[bytes, VarBytes(MAX_MANIFEST)]
    fork: u64
    length: u64
    roots: Roots
    signature: Signature


@dataclass(slots=True)
class Head:
    """The signed parts of a feed's head."""

    fork: u64
    length: u64
    byte_length: u64
    tree_hash: H256


@dataclass(slots=True)
class BlockRange:
    """Blocks [start, end) of a feed."""

    start: u64
    end: u64


@dataclass(slots=True)
class Range:
    """Blocks [start, end) of a feed, and the bytes [first_byte, first_byte + bytes) they hold."""

    start: u64
    end: u64
    first_byte: u64
    bytes: u64


@dataclass(slots=True)
class OpenedNode:
    """An opened node of a hypercore's tree, by its (odd) flat-tree index. Its hash is H(0x01 | size | left | right)."""

    index: u64
    size: u64
    left: H256
    right: H256


@dataclass(slots=True)
class Terms:
    """The terms of a plan: caps per GiB and era, per GiB, per GiB; Z; it ends at its first tick at or after `until`.

    `live` plans follow their feed. `regions` are prefixes, of which a hoster's region must have one, if there is any.
    """

    replicas: u8
    max_ask_disk: Balance
    max_ask_encoding: Balance
    max_ask_receiving: Balance
    report_price: Balance
    until: Block
    live: bool = False
    min_reputation: u32 = 0
    regions: Annotated[list[Region], Bound(MAX_REGIONS)] = field(default_factory=list)
    # Targets of retrieval.
    max_latency_ms: u32 = 2**32 - 1
    min_kib_per_s: u32 = 0


class PlanState(IntEnum):
    LIVE = 0
    ENDED = 1


class PlanEnd(IntEnum):
    """Why a plan ended: a tick at or after `until`, one that the pot could not pay, `end_plan`, its feed frozen or forked."""

    UNTIL = 0
    UNPAID = 1
    CALLED = 2
    FROZEN = 3
    FORKED = 4


@dataclass(slots=True)
class Plan:
    """A sponsor's order."""

    sponsor: AccountId
    feed: Key
    head: Head
    ranges: Annotated[list[Range], Bound(MAX_RANGES)]
    bytes: u64
    sectors: u64
    terms: Terms
    state: PlanState
    published: Block
    next_tick: Block
    # S: all shares; accounts that still hold some.
    shares: Balance
    donors: u32
    # Sum of its copies' reserves; burned from its pot so far.
    reserved: Balance = 0
    burned: Balance = 0
    # Copies that have not ended, in the order of their offers; copies whose records are kept.
    live: Annotated[list[CopyId], Bound(MAX_REPLICAS)] = field(default_factory=list)
    records: u32 = 0
    # The last `Times.memory` former parties, oldest first.
    former: Annotated[list[AccountId], Bound(MAX_MEMORY)] = field(default_factory=list)
    # Whether it has a need in the queue; whether `end_plan` was called.
    queued: bool = True
    ending: bool = False
    # The donors' remainder, once fixed.
    remainder: Balance | None = None
    # Whether a live copy stores something; whether it asks for no hoster until its next tick.
    confirmed: bool = False
    waiting: bool = False
    # Declined jobs and stalls since a confirmed segment.
    declined: u8 = 0
    stalls: u8 = 0
    # Live copies that are to go.
    leaving: u8 = 0
    # What of `burned` had its surcharge, or needs none.
    mark: Balance = 0
    # First block in which its needs may be tried after a change of terms or head.
    fresh: Block = 0
    # Shares that its sponsor bought while nobody else had any.
    founded: Balance = 0


class CopyState(IntEnum):
    """The hoster may decline; an encoder is wanted; it must begin; the salt is awaited; it encodes; complete; ended."""

    OFFERED = 0
    ACCEPTED = 1
    ASSIGNED = 2
    BEGUN = 3
    ENCODING = 4
    ACTIVE = 5
    ENDED = 6


class CopyEnd(IntEnum):
    """Why a copy ended."""

    DECLINED = 0
    NO_ENCODER = 1
    STALLED = 2
    PLAN_ENDED = 3
    LOST = 4
    EVICTED = 5
    UNSERVED = 6
    SLOW = 7
    LEFT = 8
    REPLACED = 9
    INVALID = 10
    NO_DATA = 11


@dataclass(slots=True)
class CopySegment:
    """A confirmed segment of a copy."""

    segment: SegmentId
    sectors: u64
    # Block of its confirmation.
    since: Block


@dataclass(slots=True)
class Copy:
    """One replica of a plan on one hoster. Asks are locked when it is placed, the encoder's when one is drawn."""

    plan: PlanId
    hoster: AccountId
    # The drawn encoder; those that confirmed a segment before it was first active, each once, in that order.
    encoder: AccountId | None
    encoders: Annotated[list[AccountId], Bound(MAX_SEGMENTS)]
    state: CopyState
    bytes: u64
    sectors: u64
    # Confirmed bytes and sectors.
    stored_bytes: u64
    stored: u64
    ask_disk: Balance
    ask_receiving: Balance
    ask_encoding: Balance
    # Fee of the current job; unpaid second halves; the part of the pot from which it pays.
    fee: Balance
    halves: Balance
    reserve: Balance
    # Sectors x ppm x blocks that were paid or never due; the hoster's `acc` at its end.
    debt: u128
    frozen: u64 | None
    segments: Annotated[list[CopySegment], Bound(MAX_SEGMENTS)]
    # The segment that was begun and is not confirmed yet.
    current: SegmentId | None
    # Counts draws of encoders and partial confirmations; deadlines name it.
    generation: u32
    offered: Block
    first_confirmed: Block | None
    active_since: Block | None
    ended: Block | None
    # Slot and sectors in the hoster's copies table.
    slot: u32 | None
    tabled: u64
    strikes: u32
    # The head up to which it is, or is to be, whole.
    head: Head
    # 1: let go by the chain or the sponsor, 2: by its hoster's wish; whether its end is under way.
    leaving: u8 = 0
    dropping: bool = False
    # Whether a stall or a salvage is behind it since it was last active.
    stalls: u8 = 0
    # Last era with a verdict; its last eight failed and slow ones, bit 0 the last.
    judged: Era = 0
    fails: u8 = 0
    slow: u8 = 0
    # Whether it was reported as wrongly encoded.
    invalid: bool = False


@dataclass(slots=True)
class Segment:
    """A run of one copy's sectors made by one encoder. Bytes, sectors and root are 0 until it is confirmed."""

    copy: CopyId
    encoder: AccountId
    profile: u8
    pk_hash: H256
    begun: Block
    salt: H256 | None
    first_byte: u64
    bytes: u64
    sectors: u64
    root: H256
    # The feed's head at `begin_segment`.
    head: Head
    # Second half of its fee, while unpaid.
    half: Balance


# ---- challenges


@dataclass(slots=True, frozen=True, order=True)
class Sample:
    """A sector that a storage challenge names. `index` counts within the segment."""

    copy: CopyId
    segment: SegmentId
    sector: u64


@dataclass(slots=True)
class StorageChallenge:
    """A challenge, due in issued + 1 ..= issued + ProofWindow. Its samples are distinct and ascending."""

    issued: Block
    samples: Annotated[list[Sample], Bound(MAX_SAMPLES)]


@dataclass(slots=True)
class Opening:
    """A sector and its siblings, bottom up."""

    data: Sector
    siblings: Annotated[list[H256], Bound(MAX_SIBLINGS)]


@dataclass(slots=True)
class StorageProof:
    """The answer to a storage challenge: a sector for each sample, and once each hash that they need and do not give."""

    sectors: Annotated[list[Sector], Bound(MAX_SAMPLES)]
    siblings: Annotated[list[H256], Bound(MAX_PROOF_SIBLINGS)]


@dataclass(slots=True)
class BlockProof:
    """A block of a feed: `length` and `roots` give the head, `siblings` lead from the block up to a root."""

    length: u64
    roots: Roots
    index: u64
    data: Annotated[bytes, VarBytes(MAX_BLOCK)]
    siblings: Roots


@dataclass(slots=True)
class Evidence:
    """An opened sector that does not decode to the feed, and the block that shows it. Without one, the padding does."""

    segment: SegmentId
    sector: u64
    opening: Opening
    block: BlockProof | None


@dataclass(slots=True)
class Report:
    """An attester's measurement. `served` is 1 or 0."""

    served: u8
    latency_ms: u32
    kib_per_s: u32


@dataclass(slots=True)
class RetrievalCommit:
    """A commit to a report on a copy."""

    copy: CopyId
    commit: H256


@dataclass(slots=True)
class RetrievalReveal:
    """What opens a commit, beside the link: the report and, if served, the encoded sector with its siblings."""

    copy: CopyId
    report: Report
    salt: H256
    opening: Opening | None


@dataclass(slots=True)
class Seat:
    """An occupied seat of the committee of (era, copy)."""

    slot: u32
    account: AccountId
    commit: H256 | None = None
    report: Report | None = None


@dataclass(slots=True)
class Retrieval:
    """The committee of (era, copy), in seat order; without its seats once it is settled."""

    seats: Annotated[list[Seat], Bound(MAX_SEATS)]
    settled: bool = False


class Verdict(IntEnum):
    VOID = 0
    PASSED = 1
    FAILED = 2


@dataclass(slots=True)
class EraInfo:
    """Era(r), stored at its first block. `slots` is the list's length, holes included."""

    seed: H256
    slots: u32
