"""The pallet's types as Python values (pallet-spec/README.md section 3).

Field names and order are those of the metadata. Accounts, keys and hashes are `bytes`,
amounts are `int` of the smallest unit, sequences are tuples.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

AccountId: TypeAlias = bytes  # 32
Hash: TypeAlias = bytes  # 32
Bytes: TypeAlias = bytes  # a key, a signature, a sector, a manifest


class Role(Enum):
    """A role that can be offered."""

    HOSTING = "Hosting"
    ENCODING = "Encoding"
    ATTESTING = "Attesting"


class PlanEnd(Enum):
    """Why a plan ended."""

    UNTIL = "Until"
    UNPAID = "Unpaid"
    CALLED = "Called"


class CopyEnd(Enum):
    """Why a copy ended."""

    DECLINED = "Declined"
    NO_ENCODER = "NoEncoder"
    STALLED = "Stalled"
    PLAN_ENDED = "PlanEnded"


@dataclass(frozen=True, slots=True)
class Report:
    """What an attester measured."""

    #: 1 or 0.
    served: int
    latency_ms: int
    kib_per_s: int


class Verdict(Enum):
    """What became of a retrieval challenge."""

    VOID = "Void"
    PASSED = "Passed"
    FAILED = "Failed"


class Payment(Enum):
    """What was paid for."""

    STORAGE = "Storage"
    RECEIVING = "Receiving"
    FIRST_HALF = "FirstHalf"
    SECOND_HALF = "SecondHalf"
    REPORT = "Report"


@dataclass(frozen=True, slots=True)
class Amounts:
    """Amounts, in the smallest unit; root may change them."""

    #: Burned by `register_peer`.
    peer_fee: int
    #: Burned by `publish_plan`.
    publish_fee: int
    min_donation: int
    #: Hoster's collateral per GiB offered.
    collateral: int
    encoder_bond: int
    #: Per slot.
    attester_bond: int
    #: Burned from the bond of an encoder that does not begin.
    begin_fine: int
    #: Burned thrice at a stall.
    stall_fine: int


@dataclass(frozen=True, slots=True)
class Root:
    """A root of a hypercore's tree, left to right."""

    hash: Hash
    size: int


@dataclass(frozen=True, slots=True)
class SignedHead:
    """A feed's signed head as `publish_plan` takes it."""

    #: The hypercore's key.
    key: Bytes
    #: Empty for a compat key, else the manifest of one signer (v0: 68 bytes, v1: 70 bytes).
    manifest: Bytes
    fork: int
    #: Blocks.
    length: int
    roots: tuple[Root, ...]
    #: The raw ed25519 signature, without hypercore's container.
    signature: Bytes


@dataclass(frozen=True, slots=True)
class BlockRange:
    """Blocks [start, end) of a feed, as `publish_plan` takes them."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class OpenedNode:
    """An opened node of a hypercore's tree: its hash is H(0x01 | size | left | right)."""

    #: Flat-tree index, odd.
    index: int
    size: int
    left: Hash
    right: Hash


@dataclass(frozen=True, slots=True)
class Terms:
    """What a plan asks for."""

    #: 1 to 16.
    replicas: int
    #: Caps: per GiB and era, per GiB, per GiB.
    max_ask_disk: int
    max_ask_encoding: int
    max_ask_receiving: int
    #: Z: price of one report.
    report_price: int
    #: The plan ends at its first tick at or after this block.
    until: int


@dataclass(frozen=True, slots=True)
class Opening:
    """A sector and its siblings, bottom-up."""

    data: Bytes
    siblings: tuple[Hash, ...]


@dataclass(frozen=True, slots=True)
class Times:
    """Time spans in blocks and counts; from genesis, for ever."""

    era: int
    seed_delay: int
    decline_window: int
    encoder_wait: int
    begin_window: int
    lease: int
    mean_gap: int
    proof_window: int
    probe_blocks: int
    reveal_from: int
    settle_from: int
    settle_to: int
    end_notice: int
    memory: int
    seats: int
    quorum: int
    #: Off chain.
    probe_bytes: int
    #: Longest plan, in eras.
    plan_eras: int


@dataclass(frozen=True, slots=True)
class EraInfo:
    """Era(r): stored at its first block."""

    seed: Hash
    #: Length of the list of slots, holes included.
    slots: int


@dataclass(frozen=True, slots=True)
class Peer:
    """A registered account."""

    swarm_key: Bytes
    statement_key: Bytes
    #: Block of registration.
    since: int
    #: R, in ppm: one for all roles.
    reputation: int
    #: Lower median of the last verdict that was not a failure, of the copies that it hosts; 0 before.
    latency_ms: int
    kib_per_s: int
    #: Verdicts that were not failures.
    served: int
    #: Verdicts that were failures.
    failed: int


@dataclass(frozen=True, slots=True)
class Hoster:
    """A hoster's state; every entry that was ever offered stays."""

    #: The offer stands.
    open: bool
    #: Block in which `open` last became false; 0 before.
    out_since: int
    #: Bytes applied: max(offered, used).
    capacity: int
    #: Bytes reserved by its live copies: 256 x their sectors.
    used: int
    #: Sectors confirmed of its live copies.
    stored: int
    #: Live copies.
    copies: int
    #: Copies whose records are kept, live ones included.
    records: int
    #: Price per GiB and era.
    ask_disk: int
    #: Price per GiB received.
    ask_receiving: int
    #: ppm x blocks.
    acc: int
    #: Block up to which `acc` counts.
    last: int
    #: Era of the last decline.
    decline_era: int
    #: Declines in that era.
    declines: int
    #: Place in the list of hosters that store something.
    place: int | None
    #: Passed and missed storage challenges.
    passed: int
    missed: int


@dataclass(frozen=True, slots=True)
class Encoder:
    """An encoder's state; every entry that was ever offered stays."""

    open: bool
    out_since: int
    #: Current jobs.
    jobs: int
    #: Price per GiB.
    ask: int
    #: Unreleased fees: unpaid second halves and the fees of its current jobs.
    unreleased: int
    #: Unpaid second halves, in number.
    halves: int


@dataclass(frozen=True, slots=True)
class Attester:
    """An attester's chain of links and its slots."""

    #: The anchor offered last.
    anchor: Hash
    #: Era of the last link shown; at first that of the offer.
    link_era: int
    #: Last link shown; at first the anchor.
    link: Hash
    #: Its slots that were not given back, ascending in the order in which they were taken.
    slots: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class EraCount:
    """A count in one era."""

    era: int
    count: int


@dataclass(frozen=True, slots=True)
class Slot:
    """An attester's slot; none stands at a hole."""

    account: AccountId
    #: Price per report; never changes.
    ask: int
    #: What is left of its bond.
    bond: int
    #: Era in which it was taken.
    taken: int
    #: Eras in which its account offered anew with another anchor: the last four different ones, ascending.
    renewed: tuple[int, ...]
    #: Block in which it was given back.
    returned: int | None
    #: Empty-handed seats burned: the last four eras in order of their first burn.
    empty: tuple[EraCount, ...]


@dataclass(frozen=True, slots=True)
class Head:
    """A feed's head: what of it is signed."""

    fork: int
    length: int
    byte_length: int
    tree_hash: Hash


@dataclass(frozen=True, slots=True)
class Range:
    """Blocks [start, end) of a feed, and the bytes [first_byte, first_byte + bytes) that they are in it."""

    start: int
    end: int
    first_byte: int
    bytes: int


class PlanState(Enum):
    """Whether a plan goes on."""

    LIVE = "Live"
    ENDED = "Ended"


@dataclass(frozen=True, slots=True)
class Plan:
    """A sponsor's order."""

    sponsor: AccountId
    #: The feed's key.
    feed: Bytes
    head: Head
    ranges: tuple[Range, ...]
    #: Bytes of the copy stream.
    bytes: int
    #: ceil(bytes / 256).
    sectors: int
    terms: Terms
    state: PlanState
    #: Block of publication.
    published: int
    #: T: block of the next tick.
    next_tick: int
    #: S: all shares.
    shares: int
    #: Accounts that still hold shares.
    donors: int
    #: Sum of its copies' reserves.
    reserved: int
    #: Burned from its pot so far.
    burned: int
    #: Copies that have not ended, in the order in which they were offered.
    live: tuple[int, ...]
    #: Copies whose records are kept, live ones included.
    records: int
    #: Former parties, the last `Times::memory`, oldest first.
    former: tuple[AccountId, ...]
    #: It has a need in the queue.
    queued: bool
    #: `end_plan` was called.
    ending: bool
    #: What is left for its donors, once fixed.
    remainder: int | None


class CopyState(Enum):
    """Where a copy is in its life."""

    OFFERED = "Offered"
    ACCEPTED = "Accepted"
    ASSIGNED = "Assigned"
    BEGUN = "Begun"
    ENCODING = "Encoding"
    ACTIVE = "Active"
    ENDED = "Ended"


@dataclass(frozen=True, slots=True)
class CopySegment:
    """A confirmed segment of a copy."""

    segment: int
    sectors: int


@dataclass(frozen=True, slots=True)
class Copy:
    """One replica of a plan on one hoster."""

    plan: int
    hoster: AccountId
    #: The encoder that is drawn; none once the copy is active.
    encoder: AccountId | None
    #: Encoders that confirmed a segment, each once, in that order.
    encoders: tuple[AccountId, ...]
    state: CopyState
    bytes: int
    sectors: int
    #: Confirmed bytes.
    stored_bytes: int
    #: Confirmed sectors.
    stored: int
    #: The hoster's asks, locked when placed.
    ask_disk: int
    ask_receiving: int
    #: The drawn encoder's ask, locked when drawn.
    ask_encoding: int
    #: Fee of the current job, within the encoder's unreleased fees.
    fee: int
    #: Unpaid second halves.
    halves: int
    #: The part of the pot out of which it pays.
    reserve: int
    #: Sectors x ppm x blocks that were paid or never due.
    debt: int
    #: The hoster's `acc` at its end.
    frozen: int | None
    segments: tuple[CopySegment, ...]
    #: The segment that was begun and is not confirmed.
    current: int | None
    #: Counts draws of encoders and partial confirmations; deadlines name it.
    generation: int
    offered: int
    first_confirmed: int | None
    active_since: int | None
    ended: int | None
    #: Slot in the hoster's copies table.
    slot: int | None
    #: Sectors that are in the hoster's copies table.
    tabled: int
    strikes: int


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of one copy's sectors made by one encoder."""

    copy: int
    encoder: AccountId
    profile: int
    pk_hash: Hash
    #: Block of `begin_segment`.
    begun: int
    #: Drawn SeedDelay blocks later.
    salt: Hash | None
    first_byte: int
    #: 0 until confirmed; so are sectors and root.
    bytes: int
    sectors: int
    root: Hash
    #: The feed's head at `begin_segment`.
    head: Head
    #: Second half of its fee, while unpaid.
    half: int


@dataclass(frozen=True, slots=True)
class Sample:
    """A sector that a storage challenge names; index within the segment."""

    copy: int
    segment: int
    sector: int


@dataclass(frozen=True, slots=True)
class StorageChallenge:
    """A storage challenge, due in issued + 1 ..= issued + ProofWindow."""

    issued: int
    #: Different ones, ascending.
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class Seat:
    """A seat of the committee of (era, copy) that is not empty."""

    slot: int
    account: AccountId
    commit: Hash | None
    report: Report | None


@dataclass(frozen=True, slots=True)
class Retrieval:
    """The committee of (era, copy)."""

    #: In seat order.
    seats: tuple[Seat, ...]
    settled: bool
