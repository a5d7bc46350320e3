"""Alerts on the disk: a table in the node's database, with the newest of those that are closed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from service.roles.common.database import Database

from .book import Alert, Category, Severity

PAGE = 200
"""Alerts of one page at most."""
KEPT = 1_000
"""Closed alerts that are kept."""
_COLUMNS = "id, cause, severity, category, text, why, remedy, block, opened, closed"
LAST = (1 << 63) - 1


class AlertTable:
    """The alerts of one node. Every method raises DatabaseError if the disk fails."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def save(self, changed: Iterable[Alert], told: Iterable[Alert] = ()) -> None:
        """Keep alerts as they are now, and that those in `told` were sent to everybody as they are."""
        with self._db.transaction() as db:
            for one in changed:
                db.execute(
                    f"INSERT INTO alerts ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                    " ON CONFLICT (id) DO UPDATE SET closed = excluded.closed",
                    _row(one),
                )
            for one in told:
                db.execute("UPDATE alerts SET told = max(told, ?) WHERE id = ?", (stage(one), one.id))
            db.execute(
                "DELETE FROM alerts WHERE closed IS NOT NULL AND id <= (SELECT max(id) FROM alerts) - ?", (KEPT,)
            )

    def open(self) -> list[Alert]:
        """Return those that are open, the oldest first."""
        rows = self._db.rows(f"SELECT {_COLUMNS} FROM alerts WHERE closed IS NULL ORDER BY id LIMIT ?", (KEPT,))
        return [_alert(row) for row in rows]

    def untold(self) -> list[Alert]:
        """Return those of which not everybody was told how they are, the oldest first. Closed ones that nobody knew are none."""
        rows = self._db.rows(
            f"SELECT {_COLUMNS} FROM alerts WHERE (closed IS NULL AND told = 0) OR (closed IS NOT NULL AND told = 1)"
            " ORDER BY id LIMIT ?",
            (PAGE,),
        )
        return [_alert(row) for row in rows]

    def page(self, limit: int = PAGE, before: int | None = None, only_open: bool = False) -> list[Alert]:
        """Return the newest, newest first: `limit` at most and never over `PAGE`, those with a smaller number than `before`."""
        older = LAST if before is None else min(max(before, 0), LAST)
        wanted = " AND closed IS NULL" if only_open else ""
        rows = self._db.rows(
            f"SELECT {_COLUMNS} FROM alerts WHERE id < ?{wanted} ORDER BY id DESC LIMIT ?",
            (older, max(0, min(limit, PAGE))),
        )
        return [_alert(row) for row in rows]

    def next_id(self) -> int:
        """Return the number of the next alert."""
        (last,) = self._db.row("SELECT coalesce(max(id), 0) FROM alerts") or (0,)
        return int(last) + 1


def stage(one: Alert) -> int:
    """Return how far an alert is: 1 open, 2 closed."""
    return 1 if one.closed is None else 2


def _row(one: Alert) -> tuple[object, ...]:
    told = (one.text, one.why, one.remedy)
    return one.id, one.cause, one.severity.value, one.category.value, *told, one.block, one.opened, one.closed


def _alert(row: Sequence[Any]) -> Alert:
    number, cause, severity, category, text, why, remedy, block, opened, closed = row
    return Alert(number, cause, Severity(severity), Category(category), text, why, remedy, block, opened, closed)
