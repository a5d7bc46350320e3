"""Types of peers, offers, draw tables, queues and parameters. Their SCALE encodings follow from the annotations."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Annotated, ClassVar

from ..scale import H256, AccountId, Bound, FixedBytes, VarBytes, Words, u8, u32, u64, u128
from .limits import MAX_CHANGES, MAX_RECENT, MAX_REGION, MAX_SLOTS

Balance = u128
Block = u32
Era = u32
PlanId = u64
CopyId = u64
SegmentId = u64
# An ed25519 public key, and a signature.
Key = Annotated[bytes, FixedBytes(32)]
Signature = Annotated[bytes, FixedBytes(64)]
# The plaintext or the encoded bytes of one sector.
Sector = Annotated[bytes, FixedBytes(256)]
# A place as the first characters of its geohash; empty: nowhere.
Region = Annotated[bytes, VarBytes(MAX_REGION)]


class Role(IntEnum):
    """A role that can be offered."""

    HOSTING = 0
    ENCODING = 1
    ATTESTING = 2


@dataclass(slots=True)
class Peer:
    """A registered account. `reputation` is R, one for all roles; the medians are those of the last passed verdict."""

    swarm_key: Key
    statement_key: Key
    since: Block
    reputation: u32
    latency_ms: u32 = 0
    kib_per_s: u32 = 0
    served: u32 = 0
    failed: u32 = 0


@dataclass(slots=True)
class Hoster:
    """A hoster's state. Every entry that was ever offered stays."""

    open: bool = False
    # Block in which `open` last became false.
    out_since: Block = 0
    # Effective capacity in bytes: max(offered, used).
    capacity: u64 = 0
    # Bytes reserved by its live copies: 256 x their sectors.
    used: u64 = 0
    # Sectors confirmed of its live copies.
    stored: u64 = 0
    # Live copies, and copies whose records are kept.
    copies: u32 = 0
    records: u32 = 0
    ask_disk: Balance = 0
    ask_receiving: Balance = 0
    # ppm x blocks, and the block up to which they count.
    acc: u64 = 0
    last: Block = 0
    decline_era: Era = 0
    declines: u32 = 0
    # Place in the list of hosters that store something.
    place: u32 | None = None
    passed: u32 = 0
    missed: u32 = 0
    # Where it says that it is.
    region: Region = b""
    # 0 good, 1 warned, 2 suspended, 3 evicted (its copies are being ended).
    step: u8 = 0
    # Block of its last `pause`.
    pause: Block | None = None


@dataclass(slots=True)
class HosterDraw:
    """The draw table's own copies of what a hoster's weight and fit depend on. The slot is kept until the release."""

    slot: u32 | None
    open: bool
    capacity: u64
    used: u64
    collateral: Balance
    reputation: u32
    ask_disk: Balance = 0
    ask_receiving: Balance = 0
    region: Region = b""


@dataclass(slots=True)
class Encoder:
    """An encoder's state. Every entry that was ever offered stays."""

    open: bool = False
    out_since: Block = 0
    jobs: u32 = 0
    ask: Balance = 0
    # Unpaid second halves and the fees of its current jobs; the number of halves.
    unreleased: Balance = 0
    halves: u32 = 0
    decline_era: Era = 0
    declines: u32 = 0
    # Block of its last confirmed segment.
    confirmed: Block = 0


@dataclass(slots=True)
class EncoderDraw:
    """The draw table's own copies of what an encoder's weight and fit depend on."""

    slot: u32 | None
    open: bool
    jobs: u32
    bond: Balance
    reputation: u32
    ask: Balance = 0


@dataclass(slots=True)
class Attester:
    """An attester's chain of links (anchor, era and link shown last) and its slots, in the order in which they were taken."""

    anchor: H256
    link_era: Era
    link: H256
    slots: Annotated[list[u32], Bound(MAX_SLOTS)]


@dataclass(slots=True)
class EraCount:
    """A count in one era."""

    era: Era
    count: u32


@dataclass(slots=True)
class Slot:
    """An attester's slot; a hole has none. `ask` never changes, `bond` is what is left of it."""

    account: AccountId
    ask: Balance
    bond: Balance
    taken: Era
    # Eras in which its account offered again with a new anchor: the last four different ones, ascending.
    renewed: Annotated[list[Era], Bound(MAX_RECENT)] = field(default_factory=list)
    returned: Block | None = None
    # Empty-handed seats burned: the last four eras in order of their first burn.
    empty: Annotated[list[EraCount], Bound(MAX_RECENT)] = field(default_factory=list)


@dataclass(slots=True)
class Node:
    """A node of a sum table. Bit i of the mask says that slot i is taken, or child i is full."""

    mask: u64
    sums: Annotated[list[int], Words(64)]


# ---- changes of the draw tables that wait


@dataclass(slots=True)
class HosterOffered:
    INDEX: ClassVar = 0
    account: AccountId
    capacity: u64
    collateral: Balance
    ask_disk: Balance
    ask_receiving: Balance
    region: Region


@dataclass(slots=True)
class HosterWithdrawn:
    INDEX: ClassVar = 1
    account: AccountId


@dataclass(slots=True)
class HosterReleased:
    INDEX: ClassVar = 2
    account: AccountId


@dataclass(slots=True)
class EncoderOffered:
    INDEX: ClassVar = 3
    account: AccountId
    bond: Balance
    ask: Balance


@dataclass(slots=True)
class EncoderWithdrawn:
    INDEX: ClassVar = 4
    account: AccountId


@dataclass(slots=True)
class EncoderReleased:
    INDEX: ClassVar = 5
    account: AccountId


@dataclass(slots=True)
class Reputation:
    """By a proof or a verdict."""

    INDEX: ClassVar = 6
    account: AccountId
    reputation: u32


@dataclass(slots=True)
class Declined:
    """By `decline_copy`: the hoster's used bytes fall, and the plan needs a hoster."""

    INDEX: ClassVar = 7
    account: AccountId
    bytes: u64
    plan: PlanId


@dataclass(slots=True)
class Confirmed:
    """By `confirm_segment`: sectors enter the copies table. `encoder` is set if its job ended with it."""

    INDEX: ClassVar = 8
    copy: CopyId
    sectors: u64
    encoder: AccountId | None


@dataclass(slots=True)
class JobLeft:
    """By `decline_job`: the encoder has a job less."""

    INDEX: ClassVar = 9
    account: AccountId


Change = (
    HosterOffered
    | HosterWithdrawn
    | HosterReleased
    | EncoderOffered
    | EncoderWithdrawn
    | EncoderReleased
    | Reputation
    | Declined
    | Confirmed
    | JobLeft
)
Changes = Annotated[list[Change], Bound(MAX_CHANGES)]


# ---- queues


class NeedKind(IntEnum):
    """A plan needs a hoster, or a copy an encoder."""

    HOSTER = 0
    ENCODER = 1


@dataclass(slots=True)
class Need:
    """A need of placement of a plan or a copy, and the first block in which it may be tried.

    `misses` counts those in a row, `rounds` the moves to the tail since the last fit.
    """

    kind: NeedKind
    id: u64
    ready: Block
    misses: u8 = 0
    rounds: u8 = 0


@dataclass(slots=True, frozen=True)
class Fifo:
    """A queue whose entries are head .. tail."""

    head: u64 = 0
    tail: u64 = 0


class Wait(IntEnum):
    """Kinds of expiries, in the order in which a block handles them."""

    DECLINE = 0
    ENCODER_DRAW = 1
    BEGIN = 2
    SALT = 3
    LEASE = 4
    PROOF = 5
    HALF = 6
    TICK = 7
    END_PLAN = 8
    SETTLE = 9
    RECORDS = 10
    RECHECK = 11
    LAST_CALL = 12
    DROP = 13
    LEAVE = 14
    SWEEP = 15
    REPORT = 16


@dataclass(slots=True)
class Deadline:
    """The block in whose `on_initialize` it acts. The meaning of `id` and `tag` depends on the kind."""

    due: Block
    id: u64
    tag: u64


class Payment(IntEnum):
    """The purpose of a payment."""

    STORAGE = 0
    RECEIVING = 1
    FIRST_HALF = 2
    SECOND_HALF = 3
    REPORT = 4


@dataclass(slots=True)
class Ratio:
    """What an account earned from pots, and what its own pots burned."""

    given: u128 = 0
    taken: u128 = 0


# ---- parameters


@dataclass(slots=True, frozen=True)
class Times:
    """Time spans in blocks, and counts. They are fixed at genesis. `plan_eras` is the longest plan, `checkpoint` in sectors."""

    era: u32
    seed_delay: u32
    decline_window: u32
    encoder_wait: u32
    begin_window: u32
    lease: u32
    mean_gap: u32
    proof_window: u32
    probe_blocks: u32
    reveal_from: u32
    settle_from: u32
    settle_to: u32
    end_notice: u32
    memory: u32
    seats: u32
    quorum: u32
    probe_bytes: u32
    plan_eras: u32
    pause: u32
    checkpoint: u32
    report_window: u32


@dataclass(slots=True, frozen=True)
class Amounts:
    """Amounts, in the smallest unit, which root may change. Collateral is per GiB, the attester's bond per slot."""

    peer_fee: Balance
    publish_fee: Balance
    min_donation: Balance
    collateral: Balance
    encoder_bond: Balance
    attester_bond: Balance
    begin_fine: Balance
    stall_fine: Balance
    retry_fee: Balance
    slot_fee: Balance
    # Of a new plan at least, of a new slot at most.
    report_price: Balance
    # For each live copy, of the pot.
    tick_fee: Balance
