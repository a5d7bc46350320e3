"""The terms on which each role offers its work, and limits that the chain knows nothing of."""

from __future__ import annotations

from dataclasses import dataclass, field

from service.units import GIB, UNIT


@dataclass(frozen=True, slots=True)
class HosterTerms:
    """What a hoster offers: bytes, and prices in the smallest unit per GiB·era and per GiB received."""

    capacity: int
    ask_disk: int
    ask_receiving: int


@dataclass(frozen=True, slots=True)
class EncoderTerms:
    """What an encoder asks, in the smallest unit per GiB."""

    ask: int


@dataclass(frozen=True, slots=True)
class AttesterTerms:
    """What an attester offers: a price per report in the smallest unit, and how many slots it takes."""

    ask: int
    slots: int


@dataclass(frozen=True, slots=True)
class RolesConfig:
    """The terms of each role, and limits that the chain knows nothing of.

    `confirm_grace`: blocks after which an encoder confirms a segment itself, if its hoster has not. `checkpoint_sectors`:
    an encoder signs a checkpoint whenever so many more are durable.
    """

    hosting: HosterTerms = field(default_factory=lambda: HosterTerms(10 * GIB, UNIT // 1000, UNIT // 1000))
    encoding: EncoderTerms = field(default_factory=lambda: EncoderTerms(UNIT // 100))
    attesting: AttesterTerms = field(default_factory=lambda: AttesterTerms(UNIT // 1000, 3))
    confirm_grace: int = 10
    checkpoint_sectors: int = 1 << 18
