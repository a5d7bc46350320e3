"""What is shown of a running node, as typed objects: how it stands, its money, its copies, its peers, its journal."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from .alerts.book import Category, Severity
from .shapes import Sum
from .words import Level


@dataclass(frozen=True, slots=True)
class RoleState:
    """Whether a role does its work. `why` is a sentence; it says what to do if it does not."""

    role: str
    ready: bool
    why: str


@dataclass(frozen=True, slots=True)
class DiskState:
    """The disk of a node's directory, in bytes; free is null if nobody can tell."""

    free: int | None
    reserve: int


@dataclass(frozen=True, slots=True)
class HostingState:
    """What a hoster offers and keeps, in bytes, and how it stands."""

    open: bool
    step: int
    capacity: int
    used: int
    passed: int
    missed: int
    challenged: int | None
    """Block of the open storage challenge, if there is one."""


class ReachKind(Enum):
    """What peers from outside find."""

    OPEN = "open"
    """They dial it; nodes of the DHT have tried."""
    ANNOUNCED = "announced"
    """An address of it was announced, and nobody has tried it."""
    CONSISTENT = "consistent"
    """A NAT or firewall that keeps its port: they punch a hole."""
    RANDOM = "random"
    """A NAT that takes another port for each of them."""
    CLOSED = "closed"
    """It is not open; of what kind the NAT or firewall is was not told, by too few nodes of the DHT."""
    SILENT = "silent"
    """No node of the DHT has answered."""
    STATIC = "static"
    """It is in no DHT: they dial its address, over TCP."""
    HIDDEN = "hidden"
    """It is in no DHT, and nobody elsewhere is told an address of it."""


@dataclass(frozen=True, slots=True)
class ReachState:
    """What peers from outside find of a node, in a sentence; what to do stands in `remedy` if it is a warning."""

    kind: ReachKind
    level: Level
    text: str
    remedy: str
    address: str | None
    """Where they dial it, or of a NAT its host; null if that is not known."""


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """How a node stands. `answer` says it in a sentence; `level` is the worst of what it says."""

    answer: str
    level: Level
    account: str
    version: str
    roles: list[RoleState]
    block: int
    block_age_seconds: float
    journal_block: int
    reputation: int | None
    """In millionths; null before the account is registered."""
    free: Sum
    held: Sum
    copies: dict[str, int]
    """Their number by state."""
    hosting: HostingState | None
    disk: DiskState
    connections: int
    alerts: int
    """Alerts that are open."""
    reach: ReachState
    operator: str | None
    """Whose key the node signs with and who pays the fees, or null: the account's own."""
    operator_spendable: Sum
    """What that one can spend; 0 if there is none."""


@dataclass(frozen=True, slots=True)
class MoneyState:
    """What the account has, at a block."""

    account: str
    block: int
    total: Sum
    free: Sum
    spendable: Sum
    held: Sum
    held_for: dict[str, Sum]
    pending: Sum
    pending_halves: int
    given: Sum
    taken: Sum
    ratio: int
    """In millionths."""
    ratio_why: str
    earned: Sum
    """All that the journal's entries gained, but for transfers."""
    lost: Sum
    operator: str | None
    """Whose key the node signs with and who pays the fees, or null: the account's own."""
    operator_spendable: Sum
    """What that one can spend; 0 if there is none ..."""
    operator_paid: Sum
    """... and all the fees that operators paid for this account, as far as the journal knows."""


@dataclass(frozen=True, slots=True)
class HeldCopy:
    """A copy that the account hosts or encodes."""

    copy: int
    plan: int
    hosts: bool
    encodes: bool
    state: str
    bytes: int
    sectors: int
    confirmed_sectors: int
    strikes: int
    leaving: int


@dataclass(frozen=True, slots=True)
class CopyPage:
    """Copies by number; `next` is the number after which the next page begins, or null."""

    block: int
    copies: list[HeldCopy]
    next: int | None


@dataclass(frozen=True, slots=True)
class LinkState:
    """A connection to a peer."""

    key: str
    address: str
    path: str
    dialled: bool
    """Whether this node dialled."""


@dataclass(frozen=True, slots=True)
class PeerPage:
    """Connections that are open, by key."""

    peers: list[LinkState]
    total: int


@dataclass(frozen=True, slots=True)
class JournalPage:
    """Lines of the journal, newest first; `next` is to be given as `before` for the next page, or null."""

    lines: list[ShownLine]
    next: int | None


@dataclass(frozen=True, slots=True)
class ShownLine:
    """A line of the journal: what happened, what it cost, why, and what to do."""

    id: int
    block: int
    event: str
    level: str
    text: str
    cost: str
    why: str
    remedy: str
    change: Sum
    held: Sum
    fields: dict[str, Any]
    by_operator: Sum
    """What its operator paid, which is no change of what the account has."""


@dataclass(frozen=True, slots=True)
class ShownAlert:
    """An alert: what it is, why it matters, what to do; `block` since which, `opened` and `closed` in seconds since 1970."""

    id: int
    severity: Severity
    category: Category
    text: str
    why: str
    remedy: str
    block: int
    opened: int
    closed: int | None


@dataclass(frozen=True, slots=True)
class AlertPage:
    """Alerts, newest first; `next` is to be given as `before` for the next page, or null."""

    alerts: list[ShownAlert]
    next: int | None


@dataclass(frozen=True, slots=True)
class SettingRow:
    """A setting of the node: its name in the file, its flag, its variable, its value now, what it is when unset, what it means.

    `live`: it changes while the node runs; any other one waits for the next start.
    """

    key: str
    flag: str
    variable: str
    value: str
    default: str
    about: str
    live: bool


@dataclass(frozen=True, slots=True)
class SettingPage:
    """All settings of the node."""

    settings: list[SettingRow]


@dataclass(frozen=True, slots=True)
class Health:
    """That the process answers."""

    ok: bool


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the roles do their work."""

    ready: bool
    roles: list[RoleState]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request was refused."""

    code: str
    message: str
