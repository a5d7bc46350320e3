# Generated from pallet-spec/artifacts/metadata.scale by `python -m service.codegen`: do not edit.
"""The pallet's types: plans."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from .aliases import AccountId, Bytes
from .feeds import Head, Range


class PlanEnd(Enum):
    """Why a plan ended."""

    UNTIL = "Until"
    """The first tick at or after `until`."""
    UNPAID = "Unpaid"
    """The pot could not pay a tick."""
    CALLED = "Called"
    """`end_plan`."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a plan asks for."""

    replicas: int
    """1 to 16."""
    max_ask_disk: int
    """Caps: per GiB and era, per GiB, per GiB."""
    max_ask_encoding: int
    max_ask_receiving: int
    report_price: int
    """Z: price of one report."""
    until: int
    """The plan ends at its first tick at or after this block."""


class PlanState(Enum):
    """Whether a plan goes on."""

    LIVE = "Live"
    """Its copies are placed and paid."""
    ENDED = "Ended"
    """Its copies have ended; its donors will get the remainder."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A sponsor's order."""

    sponsor: AccountId
    feed: Bytes
    """The feed's key."""
    head: Head
    ranges: tuple[Range, ...]
    bytes: int
    """Bytes of the copy stream."""
    sectors: int
    """ceil(bytes / 256)."""
    terms: Terms
    state: PlanState
    published: int
    """Block of publication."""
    next_tick: int
    """T: block of the next tick."""
    shares: int
    """S: all shares."""
    donors: int
    """Accounts that still hold shares."""
    reserved: int
    """Sum of its copies' reserves."""
    burned: int
    """Burned from its pot so far."""
    live: tuple[int, ...]
    """Copies that have not ended, in the order in which they were offered."""
    records: int
    """Copies whose records are kept, live ones included."""
    former: tuple[AccountId, ...]
    """Former parties, the last `Times::memory`, oldest first."""
    queued: bool
    """It has a need in the queue."""
    ending: bool
    """`end_plan` was called."""
    remainder: int | None
    """What is left for its donors, once fixed."""
