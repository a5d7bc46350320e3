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
    FROZEN = "Frozen"
    """The feed's owner signed two histories."""
    FORKED = "Forked"
    """The feed was forked."""


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
    live: bool
    """The last range grows with the feed."""
    min_reputation: int
    """Least reputation of a hoster, in ppm."""
    regions: tuple[Bytes, ...]
    """Prefixes of regions, one of which a hoster's must begin with; none: anywhere."""
    max_latency_ms: int
    """Largest median latency of a verdict that is not slow."""
    min_kib_per_s: int
    """Smallest median throughput of a verdict that is not slow."""


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
    confirmed: bool
    """Some live copy stores something."""
    waiting: bool
    """It wants nothing before its next tick."""
    declined: int
    """Declined jobs since the last confirmed segment."""
    stalls: int
    """Stalls since the last confirmed segment."""
    leaving: int
    """Live copies that are leaving."""
    mark: int
    """What of `burned` was surcharged, or is not to be."""
    fresh: int
    """First block in which changed terms or a new head meet a draw."""
    founded: int
    """Shares that its sponsor bought while nobody else had any."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """What an account gave and what its plans took."""

    given: int
    """All that it was paid."""
    taken: int
    """All that its plans burned for payments and surcharges."""
