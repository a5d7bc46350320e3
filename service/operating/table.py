"""The journal on the disk: a table in the node's database, filled together with the cursor, read in bounded pages."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from service.address import account_id
from service.chain_client.pallet.events import OperatorSet
from service.roles.common.database import Database

from .entries import Followed, JournalEntry

PAGE = 500
"""Entries of one page at most."""
KEPT = 200_000
"""Newest entries of which those without money are kept. Entries that moved money stay for ever."""
TRIM_EVERY = 1_000
"""Entries after which older ones are removed."""
LAST = (1 << 63) - 1
"""The largest number that SQLite has."""
MOST_MONEY = 20_000
"""Entries with money that are read at once for sums by era or by copy."""
_MONEY_OF_COPY = "json_extract(fields, '$.copy') = ? AND change != '0'"
_COLUMNS = "id, block, place, pallet, name, fields, change, held, by_operator"
_ENCODED, _PLAN = "encoded", "plan"
_MOVED = "(change != '0' OR held != '0' OR by_operator != '0')"
MOST_OPERATORS = 100
"""Entries of operators that were named, of which those are known whose fees are an account's: the newest."""


@dataclass(frozen=True, slots=True)
class Numbered:
    """An entry and its number, which grows with each entry and is never used again."""

    id: int
    entry: JournalEntry


@dataclass(frozen=True, slots=True)
class EventSum:
    """How often an event was seen, all that the account gained and lost by it, and what its operator paid, in the smallest unit."""

    name: str
    count: int
    gained: int
    lost: int
    by_operator: int = 0


class JournalTable:
    """The entries of one account. Every method raises DatabaseError if the disk fails."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def followed(self) -> Followed:
        """Return what was followed when the last entries were added."""
        others = self._db.rows("SELECT kind, id FROM journal_followed")
        return Followed(
            {row[0] for row in self._db.rows("SELECT copy FROM journal_copies")},
            {number for kind, number in others if kind == _ENCODED},
            {number for kind, number in others if kind == _PLAN},
            {account_id(one) for one in self._operators()},
        )

    def _operators(self) -> list[str]:
        """Return who was named operator, in SS58, also of another account: their calls are told apart by who that was."""
        found = [one.entry.fields for one in self.named([OperatorSet.__name__], MOST_OPERATORS)]
        return [str(one["operator"]) for one in found if one.get("operator")]

    def add(self, db: sqlite3.Connection, entries: Sequence[JournalEntry], followed: Followed) -> None:
        """Add entries within a transaction of the caller, who moves the cursor in it, too."""
        for entry in entries:
            number = db.execute(
                "INSERT INTO journal (block, place, pallet, name, fields, change, held, by_operator)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                _row(entry),
            ).lastrowid
            _count(db, entry)
            if number is not None and number % TRIM_EVERY == 0:
                db.execute(f"DELETE FROM journal WHERE id <= ? AND NOT {_MOVED}", (number - KEPT,))
        db.execute("DELETE FROM journal_copies")
        db.executemany("INSERT INTO journal_copies VALUES (?)", [(copy,) for copy in followed.hosted])
        db.execute("DELETE FROM journal_followed")
        pairs = [(_ENCODED, one) for one in followed.encoded] + [(_PLAN, one) for one in followed.plans]
        db.executemany("INSERT INTO journal_followed VALUES (?, ?)", pairs)

    def page(self, limit: int = PAGE, before: int | None = None, with_money: bool = False) -> list[Numbered]:
        """Return the newest entries, newest first: `limit` at most and never over `PAGE`, those older than number `before`."""
        wanted = f" AND {_MOVED}" if with_money else ""
        older = LAST if before is None else min(max(before, 0), LAST)
        rows = self._db.rows(
            f"SELECT {_COLUMNS} FROM journal WHERE id < ?{wanted} ORDER BY id DESC LIMIT ?",
            (older, max(0, min(limit, PAGE))),
        )
        return [_numbered(row) for row in rows]

    def after(self, number: int, limit: int = PAGE) -> list[Numbered]:
        """Return the entries with a larger number, oldest first: `limit` at most and never over `PAGE`."""
        rows = self._db.rows(
            f"SELECT {_COLUMNS} FROM journal WHERE id > ? ORDER BY id LIMIT ?", (number, max(0, min(limit, PAGE)))
        )
        return [_numbered(row) for row in rows]

    def all(self, with_money: bool = False) -> Iterator[Numbered]:
        """Yield all entries, oldest first, read page after page."""
        wanted, last = f" AND {_MOVED}" if with_money else "", 0
        while rows := self._db.rows(
            f"SELECT {_COLUMNS} FROM journal WHERE id > ?{wanted} ORDER BY id LIMIT ?", (last, PAGE)
        ):
            yield from map(_numbered, rows)
            last = rows[-1][0]

    def of_copy(self, copy: int, limit: int) -> list[Numbered]:
        """Return the newest entries that name a copy, oldest first."""
        return self._newest("json_extract(fields, '$.copy') = ?", (copy,), limit)

    def named(self, names: Sequence[str], limit: int) -> list[Numbered]:
        """Return the newest entries of some names, oldest first."""
        return self._newest(f"name IN ({', '.join('?' * len(names))})", tuple(names), limit)

    def money_since(self, block: int) -> list[Numbered]:
        """Return the newest entries from a block on that changed what the account has, or its operator paid, oldest first.

        `MOST_MONEY` at most.
        """
        return self._newest("block >= ? AND (change != '0' OR by_operator != '0')", (block,), MOST_MONEY)

    def money_of_copy(self, copy: int) -> list[int]:
        """Return by how much each entry that names a copy changed what the account has, oldest first."""
        return [one.entry.change for one in self._newest(_MONEY_OF_COPY, (copy,), MOST_MONEY)]

    def _newest(self, where: str, values: tuple[object, ...], limit: int) -> list[Numbered]:
        rows = self._db.rows(f"SELECT {_COLUMNS} FROM journal WHERE {where} ORDER BY id DESC LIMIT ?", (*values, limit))
        return [_numbered(row) for row in reversed(rows)]

    def sums(self) -> list[EventSum]:
        """Return the sums of each event, by name: over all entries there ever were."""
        rows = self._db.rows("SELECT name, count, gained, lost, by_operator FROM journal_sums ORDER BY name")
        return [EventSum(name, count, int(gained), int(lost), int(paid)) for name, count, gained, lost, paid in rows]


def _row(entry: JournalEntry) -> tuple[object, ...]:
    fields = json.dumps(entry.fields, separators=(",", ":"))
    sums = str(entry.change), str(entry.held), str(entry.by_operator)
    return entry.block, entry.place, entry.pallet, entry.name, fields, *sums


def _numbered(row: Sequence[Any]) -> Numbered:
    number, block, place, pallet, name, fields, change, held, paid = row
    entry = JournalEntry(block, place, pallet, name, json.loads(fields), int(change), int(held), int(paid))
    return Numbered(number, entry)


def _count(db: sqlite3.Connection, entry: JournalEntry) -> None:
    name = f"{entry.pallet}.{entry.name}"
    found = db.execute("SELECT count, gained, lost, by_operator FROM journal_sums WHERE name = ?", (name,)).fetchone()
    count, *before = (0, 0, 0, 0) if found is None else found
    more = max(0, entry.change), max(0, -entry.change), entry.by_operator
    sums = [str(int(one) + added) for one, added in zip(before, more, strict=True)]
    db.execute("INSERT OR REPLACE INTO journal_sums VALUES (?, ?, ?, ?, ?)", (name, count + 1, *sums))
