# Generated from pallet-spec/artifacts/metadata.scale by `python -m service.codegen`: do not edit.
"""The pallet's types: challenges."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from .aliases import AccountId, Bytes, Hash
from .feeds import Root


@dataclass(frozen=True, slots=True)
class Report:
    """What an attester measured."""

    served: int
    """1 or 0."""
    latency_ms: int
    kib_per_s: int


class Verdict(Enum):
    """What the reports of a committee come to."""

    VOID = "Void"
    """Fewer reports than the quorum."""
    PASSED = "Passed"
    """More than a third of the reports say that the copy was served."""
    FAILED = "Failed"
    """At least two thirds of the reports say that it was not served."""


@dataclass(frozen=True, slots=True)
class StorageProof:
    """The answer to a storage challenge: all its sectors, and what leads from them to the roots of their segments."""

    sectors: tuple[Bytes, ...]
    """One for each sample, in the challenge's order."""
    siblings: tuple[Hash, ...]
    """Each hash that the sectors need and do not give, once, by segment, then by level from the leaves up, then left to right."""


@dataclass(frozen=True, slots=True)
class RetrievalCommit:
    """What an attester commits to in an era: `commit`, of a report on a copy."""

    copy: int
    commit: Hash


@dataclass(frozen=True, slots=True)
class ChainOpening:
    """A sector and its siblings, bottom-up."""

    data: Bytes
    siblings: tuple[Hash, ...]


@dataclass(frozen=True, slots=True)
class RetrievalReveal:
    """What opens a commit, beside the era's link: the report and, if served, the encoded sector with its siblings."""

    copy: int
    report: Report
    salt: Hash
    opening: ChainOpening | None


@dataclass(frozen=True, slots=True)
class ChainBlockProof:
    """A block of a feed with what proves it:

    `length` and `roots` give the head, `siblings` lead from the block to a root.
    """

    length: int
    roots: tuple[Root, ...]
    index: int
    data: Bytes
    siblings: tuple[Root, ...]
    """Bottom-up."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """An opened sector that does not decode to the feed, and the feed's block that shows it; none: the padding does."""

    segment: int
    sector: int
    opening: ChainOpening
    block: ChainBlockProof | None


@dataclass(frozen=True, slots=True)
class EraInfo:
    """Era(r): stored at its first block."""

    seed: Hash
    slots: int
    """Length of the list of slots, holes included."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A sector that a storage challenge names; index within the segment."""

    copy: int
    segment: int
    sector: int


@dataclass(frozen=True, slots=True)
class StorageChallenge:
    """A storage challenge, due in issued + 1 ..= issued + ProofWindow;

    after that it stays open while its hoster is overdue.
    """

    issued: int
    samples: tuple[Sample, ...]
    """Different ones, ascending."""


@dataclass(frozen=True, slots=True)
class Seat:
    """A seat of the committee of (era, copy) that is not empty."""

    slot: int
    account: AccountId
    commit: Hash | None
    report: Report | None


@dataclass(frozen=True, slots=True)
class Retrieval:
    """The committee of (era, copy); without its seats once it is settled."""

    seats: tuple[Seat, ...]
    """In seat order."""
    settled: bool
