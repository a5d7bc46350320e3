# Generated from pallet-spec/artifacts/metadata.scale by `python -m service.codegen`: do not edit.
"""The pallet's types: copies."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from .aliases import AccountId, Hash
from .feeds import Head


class CopyEnd(Enum):
    """Why a copy ended."""

    #: The hoster declined.
    DECLINED = "Declined"
    #: No encoder was found in `Times::encoder_wait`.
    NO_ENCODER = "NoEncoder"
    #: The lease of a segment passed.
    STALLED = "Stalled"
    #: The plan ended.
    PLAN_ENDED = "PlanEnded"


class Payment(Enum):
    """What was paid for."""

    #: Disk, by `collect`.
    STORAGE = "Storage"
    #: Receiving a segment, at its confirmation.
    RECEIVING = "Receiving"
    #: First half of an encoder's fee, at the confirmation.
    FIRST_HALF = "FirstHalf"
    #: Second half of that fee, two eras later.
    SECOND_HALF = "SecondHalf"
    #: An attester's report.
    REPORT = "Report"


class CopyState(Enum):
    """Where a copy is in its life."""

    #: The hoster may decline.
    OFFERED = "Offered"
    #: An encoder is wanted.
    ACCEPTED = "Accepted"
    #: The encoder must begin a segment.
    ASSIGNED = "Assigned"
    #: The salt is awaited.
    BEGUN = "Begun"
    #: The segment is being made.
    ENCODING = "Encoding"
    #: Complete.
    ACTIVE = "Active"
    #: Over; its records are kept for three eras.
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
