"""What the pages of a copy and of money show, as typed objects."""

from __future__ import annotations

from dataclasses import dataclass

from .objects import HeldCopy, ShownLine
from .shapes import Sum


@dataclass(frozen=True, slots=True)
class NodeCheck:
    """One thing that was looked at: its name, its state (good, warn, err, bad, half or wait), the state's word, a sentence."""

    name: str
    state: str
    word: str
    text: str


@dataclass(frozen=True, slots=True)
class Pulse:
    """Where the chain is: the last finalized block, its age in seconds, and its place in the era."""

    block: int
    age_seconds: float
    stale: bool
    """Whether it is so old that nothing read from it counts as fresh."""
    era: int
    era_block: int
    era_blocks: int


@dataclass(frozen=True, slots=True)
class CopyChallenge:
    """A storage challenge that named sectors of a copy. `proved` is the block of the proof, or null."""

    issued: int
    sectors: int
    proved: int | None
    missed: bool
    reputation: int | None
    """In millionths, after it."""


@dataclass(frozen=True, slots=True)
class CopyReport:
    """What one attester measured when it fetched a copy. A figure of a copy that was not served means nothing."""

    block: int
    era: int
    served: bool
    latency_ms: int
    kib_per_s: int


@dataclass(frozen=True, slots=True)
class CopyVerdict:
    """What the reports of one era come to."""

    block: int
    era: int
    verdict: str
    reports: int
    fails: int
    latency_ms: int
    kib_per_s: int


@dataclass(frozen=True, slots=True)
class SectorGrid:
    """Which sectors of a copy were opened by proofs: cells of `each` sectors, and how often one of a cell was opened."""

    each: int
    cells: list[int]
    missed: list[int]
    """Cells with a sector of a challenge that was not answered."""
    opened: int
    """Different sectors that were opened."""
    one_percent: int
    """Chance, in millionths, that a loss of 1 % would have shown in the sectors opened so far ..."""
    one_permille: int
    """... and that a loss of 0.1 % would have."""


@dataclass(frozen=True, slots=True)
class CopyDetail:
    """Everything about one copy that this node keeps or makes, by the chain's state and the journal."""

    block: int
    copy: HeldCopy | None
    """Null if the chain has it no more."""
    number: int
    hoster: str | None
    encoder: str | None
    offered: int | None
    active_since: int | None
    roots: list[str]
    grid: SectorGrid | None
    window: int
    """Blocks within which a challenge is to be answered."""
    challenges: list[CopyChallenge]
    """The newest, oldest first."""
    reports: list[CopyReport]
    verdicts: list[CopyVerdict]
    life: list[ShownLine]
    """What happened to it, oldest first, but for challenges and reports."""
    earned: Sum
    lost: Sum


@dataclass(frozen=True, slots=True)
class EraMoney:
    """What the blocks of an era brought and took, in the smallest unit."""

    era: int
    storage: Sum
    work: Sum
    """Pay for all else: receiving, encoding, reports."""
    fees: Sum
    penalties: Sum
    by_operator: Sum
    """Fees that the account's operator paid, beside its own."""


@dataclass(frozen=True, slots=True)
class MoneyReason:
    """All that one kind of event moved."""

    event: str
    text: str
    count: int
    gained: Sum
    lost: Sum
    by_operator: Sum
    """What its operator paid."""


@dataclass(frozen=True, slots=True)
class MoneyTable:
    """Money by era, oldest first, and by reason. `first_block` is the first that the eras stand for."""

    block: int
    era_blocks: int
    first_block: int
    eras: list[EraMoney]
    reasons: list[MoneyReason]
