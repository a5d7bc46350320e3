"""What the rules of alerts rest on: everything about a node at one moment, as plain values."""

from __future__ import annotations

from dataclasses import dataclass

from service.chain_client.pallet.types import Times
from service.roles.common.troubles import Trouble

from ..entries import JournalEntry
from ..objects import ReachState


@dataclass(frozen=True, slots=True)
class SegmentWork:
    """A segment that this node makes or receives: `left` sectors, `rate` in sectors per second (None: not known yet)."""

    copy: int
    segment: int
    left: int
    rate: float | None
    blocks_left: int
    """Blocks until its lease is over."""


@dataclass(frozen=True, slots=True)
class ChainFacts:
    """What the chain has of the account. Sums are in the smallest unit."""

    registered: bool
    spendable: int
    fee: int
    """The fee of an ordinary call."""
    reputation: int | None
    best_reputation: int | None
    """The highest of the last day."""
    step: int
    """How far a storage challenge is overdue: 0 not, 1 warned, 2 suspended, 3 evicted."""
    challenged: int | None
    """The block of the open storage challenge."""
    receiving: int
    """Bytes of the largest copy that is being received."""
    signs: bool
    """Whether the node's key signs for the account: it is the account's own, or its operator's."""
    work: tuple[SegmentWork, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertFacts:
    """All of it. What is None is not known now, unless it says otherwise."""

    block: int
    """The newest finalized block."""
    age: float
    """Seconds since it came."""
    block_seconds: float | None
    times: Times
    account: str
    payer: str
    """Who pays the fees: the account, or its operator."""
    url: str
    """The chain's address, for commands that are proposed ..."""
    directory: str
    """... and the node's directory."""
    roles: tuple[str, ...]
    waits_for: int | None = None
    """The block that this node's state has seen and its chain's node has not reached; None: there is none."""
    troubles: tuple[Trouble, ...] = ()
    clock_off: float | None = None
    """Seconds that this machine's clock is ahead of the chain's."""
    disk_free: int | None = None
    reserve: int = 0
    chain: ChainFacts | None = None
    entries: tuple[JournalEntry, ...] | None = ()
    """The journal's entries of the last era, oldest first."""
    silent: float | None = None
    """Seconds since a peer last dialled this node; None: nobody needs to."""
    reach: ReachState | None = None
    """What peers from outside find; None: nobody can tell, or nobody needs to reach it."""
    ways: tuple[str, ...] = ()
    """Options by which a command finds the peers that this node finds: --bootstrap and --peer, each with its value."""
