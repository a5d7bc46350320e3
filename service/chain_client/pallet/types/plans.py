# Generated from pallet-spec/artifacts/metadata.scale by `python -m service.codegen`: do not edit.
"""The pallet's types: plans."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from .aliases import AccountId, Bytes
from .feeds import Head, Range


class PlanEnd(Enum):
    """Why a plan ended."""

    #: The first tick at or after `until`.
    UNTIL = "Until"
    #: The pot could not pay a tick.
    UNPAID = "Unpaid"
    #: `end_plan`.
    CALLED = "Called"


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


class PlanState(Enum):
    """Whether a plan goes on."""

    #: Its copies are placed and paid.
    LIVE = "Live"
    #: Its copies have ended; its donors will get the remainder.
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
