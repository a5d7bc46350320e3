# Generated from pallet-spec/artifacts/metadata.scale by `python -m service.codegen`: do not edit.
"""The pallet's types: queues."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class NeedKind(Enum):
    """What a need is of."""

    #: A plan needs a hoster.
    HOSTER = "Hoster"
    #: A copy needs an encoder.
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
    """Head and tail of a FIFO: entries head .. tail are in it."""

    head: int
    tail: int


class Wait(Enum):
    """Kinds of expiries, in the order in which a block handles them."""

    #: The hoster may decline the copy.
    DECLINE = "Decline"
    #: The copy needs an encoder.
    ENCODER_DRAW = "EncoderDraw"
    #: The encoder must begin a segment.
    BEGIN = "Begin"
    #: The segment's salt is drawn.
    SALT = "Salt"
    #: The segment must be confirmed.
    LEASE = "Lease"
    #: The hoster must prove sectors.
    PROOF = "Proof"
    #: The second half of the segment's fee falls due.
    HALF = "Half"
    #: The plan's next tick.
    TICK = "Tick"
    #: The sponsor ended the plan.
    END_PLAN = "EndPlan"
    #: The retrieval challenge may be settled.
    SETTLE = "Settle"
    #: The copy's records, or the slot, are kept.
    RECORDS = "Records"


@dataclass(frozen=True, slots=True)
class Deadline:
    """An entry of a FIFO of expiries; what `id` and `tag` are depends on the kind."""

    #: Block in whose `on_initialize` it acts.
    due: int
    id: int
    tag: int
