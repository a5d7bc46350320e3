"""The pallet's queues and draw tables as Python values; roles do not need them, tools and tests do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from .types import AccountId


@dataclass(frozen=True, slots=True)
class HosterDraw:
    """What a hoster's weight in draws is computed from."""

    slot: int | None
    open: bool
    capacity: int
    used: int
    collateral: int
    reputation: int


@dataclass(frozen=True, slots=True)
class EncoderDraw:
    """What an encoder's weight in draws is computed from."""

    slot: int | None
    open: bool
    jobs: int
    bond: int
    reputation: int


@dataclass(frozen=True, slots=True)
class Node:
    """A node of a sum table: fan-out 64."""

    #: Bit i: slot i is taken, or child i is full.
    mask: int
    sums: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class HosterOffered:
    """`offer_hosting`."""

    account: AccountId
    capacity: int
    collateral: int


@dataclass(frozen=True, slots=True)
class HosterWithdrawn:
    """`withdraw_offer(Hosting)`."""

    account: AccountId


@dataclass(frozen=True, slots=True)
class HosterReleased:
    """`release(Hosting)`."""

    account: AccountId


@dataclass(frozen=True, slots=True)
class EncoderOffered:
    """`offer_encoding`."""

    account: AccountId
    bond: int


@dataclass(frozen=True, slots=True)
class EncoderWithdrawn:
    """`withdraw_offer(Encoding)`."""

    account: AccountId


@dataclass(frozen=True, slots=True)
class EncoderReleased:
    """`release(Encoding)`."""

    account: AccountId


@dataclass(frozen=True, slots=True)
class Reputation:
    """An account's reputation changed, in ppm."""

    account: AccountId
    reputation: int


@dataclass(frozen=True, slots=True)
class Declined:
    """A hoster declined a copy."""

    account: AccountId
    bytes: int
    plan: int


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A segment was confirmed; `encoder`: the one whose job that ended."""

    copy: int
    sectors: int
    encoder: AccountId | None


#: A change of the draw tables that waits for the end of a block.
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
)


class NeedKind(Enum):
    """Whether a plan needs a hoster, or a copy an encoder."""

    HOSTER = "Hoster"
    ENCODER = "Encoder"


@dataclass(frozen=True, slots=True)
class Need:
    """A need of placement."""

    kind: NeedKind
    #: Plan or copy.
    id: int
    #: First block in which it may be tried.
    ready: int
    #: Misses in a row.
    misses: int


@dataclass(frozen=True, slots=True)
class Fifo:
    """A queue's ends: entries stand at [head, tail)."""

    head: int
    tail: int


class Wait(Enum):
    """What a deadline waits for."""

    DECLINE = "Decline"
    ENCODER_DRAW = "EncoderDraw"
    BEGIN = "Begin"
    SALT = "Salt"
    LEASE = "Lease"
    PROOF = "Proof"
    HALF = "Half"
    TICK = "Tick"
    END_PLAN = "EndPlan"
    SETTLE = "Settle"
    RECORDS = "Records"

    @property
    def key(self) -> bytes:
        """Its SCALE bytes, as a storage key wants them."""
        return bytes([list(Wait).index(self)])


@dataclass(frozen=True, slots=True)
class Deadline:
    """What is due in a block; `tag` tells whether it is still meant."""

    due: int
    id: int
    tag: int
