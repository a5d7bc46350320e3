"""The book of alerts, pure: one for each cause, opened when it stood for some blocks, closed by itself when it is over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

MOST_OPEN = 100
"""Alerts that are open at once; more causes wait until one is closed."""
RESTART_CALM = 16
"""Blocks that an alert of an earlier run stays open without its cause: a node that just started has not met it again yet."""


class Severity(Enum):
    """How much an alert wants to be looked at, the worst first."""

    CRITICAL = "critical"
    """The node does not do its work, or is about to lose a copy."""
    ERROR = "error"
    """It costs money, or will."""
    WARNING = "warning"
    """It is to be looked at."""


class Category(Enum):
    """What an alert is about."""

    DISK = "disk"
    FEED = "feed"
    COPY = "copy"
    PROOF = "proof"
    PENALTY = "penalty"
    REPUTATION = "reputation"
    CHAIN = "chain"
    CLOCK = "clock"
    MONEY = "money"
    OPERATOR = "operator"
    PLAN = "plan"
    PROGRAM = "program"
    NETWORK = "network"


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that stands now. `about` tells conditions of one rule apart; `patience` are blocks before it is an alert."""

    about: str
    severity: Severity
    category: Category
    text: str
    why: str
    remedy: str
    patience: int = 0


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert: `block` in which its cause was first seen, when it was `opened` and `closed`, in seconds since 1970."""

    id: int
    cause: str
    severity: Severity
    category: Category
    text: str
    why: str
    remedy: str
    block: int
    opened: int
    closed: int | None = None


Found = Mapping[str, Sequence[Condition] | None]
"""By rule: what stands now, or None if nobody can tell. What nobody can tell opens and closes nothing."""


class AlertBook:
    """The alerts that are open. `next_id` is the number of the next one."""

    def __init__(self, opened: Iterable[Alert] = (), next_id: int = 1) -> None:
        self._open = {one.cause: one for one in opened}
        self._calm = dict.fromkeys(self._open, RESTART_CALM)
        self._next = next_id
        self._seen: dict[str, int] = {}
        """By cause that is no alert yet: the block in which it was first seen."""
        self._gone: dict[str, int] = {}
        """By open alert whose cause is not there: the block since which it is not."""

    @property
    def open(self) -> list[Alert]:
        """Those that are open, the oldest first."""
        return sorted(self._open.values(), key=lambda one: one.id)

    def step(self, found: Found, block: int, now: float) -> list[Alert]:
        """Take what stands at a block, at `now` in seconds since 1970. Return the alerts that opened or closed by it."""
        standing = {f"{rule}/{one.about}": one for rule, many in found.items() for one in many or ()}
        changed = [
            self._opened(cause, one, block, now) for cause, one in standing.items() if self._due(cause, one, block)
        ]
        unknown = {rule for rule, many in found.items() if many is None}
        for cause in [one for one in self._seen if one not in standing and _rule(one) not in unknown]:
            del self._seen[cause]
        for cause in list(self._open):
            if cause in standing:
                self._gone.pop(cause, None)
            elif _rule(cause) not in unknown and self._over(cause, block):
                changed.append(self._closed(cause, now))
        return changed

    def _due(self, cause: str, one: Condition, block: int) -> bool:
        if cause in self._open or len(self._open) >= MOST_OPEN:
            return False
        return block - self._seen.setdefault(cause, block) >= one.patience

    def _opened(self, cause: str, one: Condition, block: int, now: float) -> Alert:
        since = self._seen.pop(cause, block)
        alert = Alert(self._next, cause, one.severity, one.category, one.text, one.why, one.remedy, since, int(now))
        self._open[cause], self._calm[cause] = alert, one.patience
        self._next += 1
        return alert

    def _over(self, cause: str, block: int) -> bool:
        return block - self._gone.setdefault(cause, block) >= self._calm[cause]

    def _closed(self, cause: str, now: float) -> Alert:
        del self._gone[cause], self._calm[cause]
        return replace(self._open.pop(cause), closed=int(now))


def _rule(cause: str) -> str:
    return cause.partition("/")[0]
