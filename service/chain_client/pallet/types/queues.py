# Generated from pallet-spec/artifacts/metadata.scale by `python -m service.codegen`: do not edit.
"""The pallet's types: queues."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class NeedKind(Enum):
    """What a need is of."""

    HOSTER = "Hoster"
    """A plan needs a hoster."""
    ENCODER = "Encoder"
    """A copy needs an encoder."""


@dataclass(frozen=True, slots=True)
class Need:
    """A need of placement."""

    kind: NeedKind
    id: int
    """Plan or copy."""
    ready: int
    """First block in which it may be tried."""
    misses: int
    """Misses in a row."""
    rounds: int
    """Moves to the tail since the last fit."""


@dataclass(frozen=True, slots=True)
class Fifo:
    """Head and tail of a FIFO: entries head .. tail are in it."""

    head: int
    tail: int


class Wait(Enum):
    """Kinds of expiries, in the order in which a block handles them."""

    DECLINE = "Decline"
    """The hoster may decline the copy."""
    ENCODER_DRAW = "EncoderDraw"
    """The copy needs an encoder."""
    BEGIN = "Begin"
    """The encoder must begin a segment."""
    SALT = "Salt"
    """The segment's salt is drawn."""
    LEASE = "Lease"
    """The segment must be confirmed."""
    PROOF = "Proof"
    """The hoster must prove sectors."""
    HALF = "Half"
    """The second half of the segment's fee falls due."""
    TICK = "Tick"
    """The plan's next tick."""
    END_PLAN = "EndPlan"
    """The sponsor ended the plan."""
    SETTLE = "Settle"
    """The retrieval challenge may be settled."""
    RECORDS = "Records"
    """The copy's records, or the slot, are kept."""
    RECHECK = "Recheck"
    """The hoster must still prove them: the second deadline."""
    LAST_CALL = "LastCall"
    """The hoster must still prove them: the last deadline."""
    DROP = "Drop"
    """The copy ends."""
    LEAVE = "Leave"
    """The copy's time to leave is over."""
    SWEEP = "Sweep"
    """The evicted hoster's copies end."""
    REPORT = "Report"
    """The committed report is forgotten."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """An entry of a FIFO of expiries; what `id` and `tag` are depends on the kind."""

    due: int
    """Block in whose `on_initialize` it acts."""
    id: int
    tag: int
