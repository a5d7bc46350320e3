"""The terms on which each role offers its work, and limits that the chain does not know."""

from __future__ import annotations

from dataclasses import dataclass, field

from service.units import GIB, UNIT


@dataclass(frozen=True, slots=True)
class HosterTerms:
    """A hoster's offer: capacity in bytes, and prices in the smallest unit per GiB·era and per GiB received.

    `region` are up to three characters of a geohash: where it says it is; empty: nowhere.
    """

    capacity: int
    ask_disk: int
    ask_receiving: int
    region: bytes = b""


@dataclass(frozen=True, slots=True)
class EncoderTerms:
    """An encoder's offer: its price in the smallest unit per GiB."""

    ask: int


@dataclass(frozen=True, slots=True)
class AttesterTerms:
    """An attester's offer: a price per report in the smallest unit, and the number of slots it takes."""

    ask: int
    slots: int


@dataclass(frozen=True, slots=True)
class RolesConfig:
    """The terms of each role, and limits that the chain does not know."""

    hosting: HosterTerms = field(default_factory=lambda: HosterTerms(10 * GIB, UNIT // 1000, UNIT // 1000))
    encoding: EncoderTerms = field(default_factory=lambda: EncoderTerms(UNIT // 100))
    attesting: AttesterTerms = field(default_factory=lambda: AttesterTerms(UNIT // 1000, 3))
    reserve: int | None = None
    """Bytes of a hoster's disk that are never offered; None: what is usual for its size."""
    confirm_grace: int = 10
    """Blocks after which an encoder confirms a segment itself.

    The hoster goes first, so that only one of them pays the fee.
    """
    checkpoint_sectors: int | None = None
    """An encoder signs a checkpoint each time this many more sectors are durable; None: as many as the chain says."""
