# Generated from pallet-spec/artifacts/metadata.scale by `python -m service.codegen`: do not edit.
"""The pallet's types: offers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from .aliases import AccountId, Bytes, Hash


class Role(Enum):
    """A role that can be offered."""

    #: Storing copies and proving it.
    HOSTING = "Hosting"
    #: Making copies unique.
    ENCODING = "Encoding"
    #: Fetching as readers do, and reporting.
    ATTESTING = "Attesting"


@dataclass(frozen=True, slots=True)
class RegisteredPeer:
    """A registered account."""

    #: Key of its hypercore connections.
    swarm_key: Bytes
    #: Key with which it signs statements.
    statement_key: Bytes
    #: Block of registration.
    since: int
    #: R, in ppm: one for all roles.
    reputation: int
    #: Lower median of the last verdict `Passed` on a copy that it hosts; 0 before.
    latency_ms: int
    #: The same of throughput.
    kib_per_s: int
    #: Verdicts `Passed`.
    served: int
    #: Verdicts `Failed`.
    failed: int


@dataclass(frozen=True, slots=True)
class Hoster:
    """A hoster's state; every entry that was ever offered stays."""

    #: The offer stands.
    open: bool
    #: Block in which `open` last became false; 0 before.
    out_since: int
    #: Bytes applied: max(offered, used).
    capacity: int
    #: Bytes reserved by its live copies: 256 x their sectors.
    used: int
    #: Sectors confirmed of its live copies.
    stored: int
    #: Live copies.
    copies: int
    #: Copies whose records are kept, live ones included.
    records: int
    #: Price per GiB and era.
    ask_disk: int
    #: Price per GiB received.
    ask_receiving: int
    #: ppm x blocks.
    acc: int
    #: Block up to which `acc` counts.
    last: int
    #: Era of the last decline.
    decline_era: int
    #: Declines in that era.
    declines: int
    #: Place in the list of hosters that store something.
    place: int | None
    #: Passed and missed storage challenges.
    passed: int
    missed: int


@dataclass(frozen=True, slots=True)
class Encoder:
    """An encoder's state; every entry that was ever offered stays."""

    open: bool
    out_since: int
    #: Current jobs.
    jobs: int
    #: Price per GiB.
    ask: int
    #: Unreleased fees: unpaid second halves and the fees of its current jobs.
    unreleased: int
    #: Unpaid second halves, in number.
    halves: int


@dataclass(frozen=True, slots=True)
class Attester:
    """An attester's chain of links and its slots."""

    #: The anchor offered last.
    anchor: Hash
    #: Era of the last link shown; at first that of the offer.
    link_era: int
    #: Last link shown; at first the anchor.
    link: Hash
    #: Its slots that were not given back, ascending in the order in which they were taken.
    slots: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class EraCount:
    """A count in one era."""

    era: int
    count: int


@dataclass(frozen=True, slots=True)
class Slot:
    """An attester's slot; none stands at a hole."""

    account: AccountId
    #: Price per report; never changes.
    ask: int
    #: What is left of its bond.
    bond: int
    #: Era in which it was taken.
    taken: int
    #: Eras in which its account offered anew with another anchor: the last four different ones, ascending.
    renewed: tuple[int, ...]
    #: Block in which it was given back.
    returned: int | None
    #: Empty-handed seats burned: the last four eras in order of their first burn.
    empty: tuple[EraCount, ...]
