# Generated from pallet-spec/artifacts/metadata.scale by `python -m service.codegen`: do not edit.
"""The pallet's types: offers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from .aliases import AccountId, Bytes, Hash


class Role(Enum):
    """A role that can be offered."""

    HOSTING = "Hosting"
    """Storing copies and proving it."""
    ENCODING = "Encoding"
    """Making copies unique."""
    ATTESTING = "Attesting"
    """Fetching as readers do, and reporting."""


@dataclass(frozen=True, slots=True)
class RegisteredPeer:
    """A registered account."""

    swarm_key: Bytes
    """Key of its hypercore connections."""
    statement_key: Bytes
    """Key with which it signs statements."""
    since: int
    """Block of registration."""
    reputation: int
    """R, in ppm: one for all roles."""
    latency_ms: int
    """Lower median of the last verdict `Passed` on a copy that it hosts; 0 before."""
    kib_per_s: int
    """The same of throughput."""
    served: int
    """Verdicts `Passed`."""
    failed: int
    """Verdicts `Failed`."""


@dataclass(frozen=True, slots=True)
class Hoster:
    """A hoster's state; every entry that was ever offered stays."""

    open: bool
    """The offer stands."""
    out_since: int
    """Block in which `open` last became false; 0 before."""
    capacity: int
    """Bytes applied: max(offered, used)."""
    used: int
    """Bytes reserved by its live copies: 256 x their sectors."""
    stored: int
    """Sectors confirmed of its live copies."""
    copies: int
    """Live copies."""
    records: int
    """Copies whose records are kept, live ones included."""
    ask_disk: int
    """Price per GiB and era."""
    ask_receiving: int
    """Price per GiB received."""
    acc: int
    """ppm x blocks."""
    last: int
    """Block up to which `acc` counts."""
    decline_era: int
    """Era of the last decline."""
    declines: int
    """Declines in that era."""
    place: int | None
    """Place in the list of hosters that store something."""
    passed: int
    """Passed and missed storage challenges."""
    missed: int
    region: Bytes
    """Where it says it is; empty: nowhere."""
    step: int
    """0 good, 1 warned, 2 suspended, 3 evicted and being swept."""
    pause: int | None
    """Block of its last `pause`."""


@dataclass(frozen=True, slots=True)
class Encoder:
    """An encoder's state; every entry that was ever offered stays."""

    open: bool
    out_since: int
    jobs: int
    """Current jobs."""
    ask: int
    """Price per GiB."""
    unreleased: int
    """Unreleased fees: unpaid second halves and the fees of its current jobs."""
    halves: int
    """Unpaid second halves, in number."""
    decline_era: int
    """Era of the last declined job."""
    declines: int
    """Declined jobs in that era."""
    confirmed: int
    """Block of its last confirmed segment; 0 before."""


@dataclass(frozen=True, slots=True)
class Attester:
    """An attester's chain of links and its slots."""

    anchor: Hash
    """The anchor offered last."""
    link_era: int
    """Era of the last link shown; at first that of the offer."""
    link: Hash
    """Last link shown; at first the anchor."""
    slots: tuple[int, ...]
    """Its slots that were not given back, ascending in the order in which they were taken."""


@dataclass(frozen=True, slots=True)
class EraCount:
    """A count in one era."""

    era: int
    count: int


@dataclass(frozen=True, slots=True)
class Slot:
    """An attester's slot; none stands at a hole."""

    account: AccountId
    ask: int
    """Least price per report for which it takes a seat; never changes."""
    bond: int
    """What is left of its bond."""
    taken: int
    """Era in which it was taken."""
    renewed: tuple[int, ...]
    """Eras in which its account offered anew with another anchor: the last four different ones, ascending."""
    returned: int | None
    """Block in which it was given back."""
    empty: tuple[EraCount, ...]
    """Empty-handed seats burned: the last four eras in order of their first burn."""
