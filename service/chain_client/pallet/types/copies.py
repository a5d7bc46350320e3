# Generated from pallet-spec/artifacts/metadata.scale by `python -m service.codegen`: do not edit.
"""The pallet's types: copies."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from .aliases import AccountId, Hash
from .feeds import Head


class CopyEnd(Enum):
    """Why a copy ended."""

    DECLINED = "Declined"
    """The hoster declined."""
    NO_ENCODER = "NoEncoder"
    """No encoder was found."""
    STALLED = "Stalled"
    """The lease of a segment passed."""
    PLAN_ENDED = "PlanEnded"
    """The plan ended."""
    LOST = "Lost"
    """Its hoster said that it lost it."""
    EVICTED = "Evicted"
    """Its hoster was evicted."""
    UNSERVED = "Unserved"
    """Four of its last eight verdicts failed."""
    SLOW = "Slow"
    """Seven of its last eight verdicts were slow; it forfeits nothing."""
    LEFT = "Left"
    """Its time to leave was over."""
    REPLACED = "Replaced"
    """It was leaving, and another copy became active."""
    INVALID = "Invalid"
    """Its sectors are not what they should decode to."""
    NO_DATA = "NoData"
    """Its encoders could not get the feed."""


class Payment(Enum):
    """What was paid for."""

    STORAGE = "Storage"
    """Disk, by `collect`."""
    RECEIVING = "Receiving"
    """Receiving a segment, at its confirmation."""
    FIRST_HALF = "FirstHalf"
    """First half of an encoder's fee, at the confirmation."""
    SECOND_HALF = "SecondHalf"
    """Second half of that fee, two eras later."""
    REPORT = "Report"
    """An attester's report."""


class CopyState(Enum):
    """Where a copy is in its life."""

    OFFERED = "Offered"
    """The hoster may decline."""
    ACCEPTED = "Accepted"
    """An encoder is wanted."""
    ASSIGNED = "Assigned"
    """The encoder must begin a segment."""
    BEGUN = "Begun"
    """The salt is awaited."""
    ENCODING = "Encoding"
    """The segment is being made."""
    ACTIVE = "Active"
    """Complete."""
    ENDED = "Ended"
    """Over; its records are kept for three eras."""


@dataclass(frozen=True, slots=True)
class CopySegment:
    """A confirmed segment of a copy."""

    segment: int
    sectors: int
    since: int
    """Block of its confirmation."""


@dataclass(frozen=True, slots=True)
class Copy:
    """One replica of a plan on one hoster."""

    plan: int
    hoster: AccountId
    encoder: AccountId | None
    """The encoder that is drawn; none while the copy is active."""
    encoders: tuple[AccountId, ...]
    """Encoders that confirmed a segment before the copy was first active, each once, in that order."""
    state: CopyState
    bytes: int
    sectors: int
    stored_bytes: int
    """Confirmed bytes."""
    stored: int
    """Confirmed sectors."""
    ask_disk: int
    """The hoster's asks, locked when placed."""
    ask_receiving: int
    ask_encoding: int
    """The drawn encoder's ask, locked when drawn."""
    fee: int
    """Fee of the current job, within the encoder's unreleased fees."""
    halves: int
    """Unpaid second halves."""
    reserve: int
    """The part of the pot out of which it pays."""
    debt: int
    """Sectors x ppm x blocks that were paid or never due."""
    frozen: int | None
    """The hoster's `acc` at its end."""
    segments: tuple[CopySegment, ...]
    current: int | None
    """The segment that was begun and is not confirmed."""
    generation: int
    """Counts draws of encoders and partial confirmations; deadlines name it."""
    offered: int
    first_confirmed: int | None
    active_since: int | None
    ended: int | None
    slot: int | None
    """Slot in the hoster's copies table."""
    tabled: int
    """Sectors that are in the hoster's copies table."""
    strikes: int
    head: Head
    """The feed's head that it follows: its plan's when it was offered or last grew."""
    leaving: int
    """1: let go by the chain or the sponsor; 2: its hoster wishes to go."""
    dropping: bool
    """Its end is under way."""
    stalls: int
    """1: an encoder stalled or left a checkpoint since it was last active."""
    judged: int
    """Era of the last verdict in `fails` and `slow`."""
    fails: int
    """Bit i: the verdict of era judged - i was `Failed`."""
    slow: int
    """Bit i: the verdict of era judged - i was slow."""
    invalid: bool
    """It was proven not to decode to the feed."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of one copy's sectors made by one encoder."""

    copy: int
    encoder: AccountId
    profile: int
    pk_hash: Hash
    begun: int
    """Block of `begin_segment`."""
    salt: Hash | None
    """Drawn SeedDelay blocks later."""
    first_byte: int
    bytes: int
    """0 until confirmed; so are sectors and root."""
    sectors: int
    root: Hash
    head: Head
    """The copy's head at `begin_segment`."""
    half: int
    """Second half of its fee, while unpaid."""
