# Generated from pallet-spec/artifacts/metadata.scale by `python -m service.codegen`: do not edit.
"""The pallet's types: challenges."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from .aliases import AccountId, Bytes, Hash


@dataclass(frozen=True, slots=True)
class Report:
    """What an attester measured."""

    #: 1 or 0.
    served: int
    latency_ms: int
    kib_per_s: int


class Verdict(Enum):
    """What the reports of a committee come to."""

    #: Fewer reports than the quorum.
    VOID = "Void"
    #: More than a third of the reports say that the copy was served.
    PASSED = "Passed"
    #: At least two thirds of the reports say that it was not served.
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class ChainOpening:
    """A sector and its siblings, bottom-up."""

    data: Bytes
    siblings: tuple[Hash, ...]


@dataclass(frozen=True, slots=True)
class EraInfo:
    """Era(r): stored at its first block."""

    seed: Hash
    #: Length of the list of slots, holes included.
    slots: int


@dataclass(frozen=True, slots=True)
class Sample:
    """A sector that a storage challenge names; index within the segment."""

    copy: int
    segment: int
    sector: int


@dataclass(frozen=True, slots=True)
class StorageChallenge:
    """A storage challenge, due in issued + 1 ..= issued + ProofWindow."""

    issued: int
    #: Different ones, ascending.
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class Seat:
    """A seat of the committee of (era, copy) that is not empty."""

    slot: int
    account: AccountId
    commit: Hash | None
    report: Report | None


@dataclass(frozen=True, slots=True)
class Retrieval:
    """The committee of (era, copy)."""

    #: In seat order.
    seats: tuple[Seat, ...]
    settled: bool
