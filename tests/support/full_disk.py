"""A disk that is full from the nth writing statement of SQLite on, with the rollback that SQLite then makes by itself."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

WRITES = ("INSERT", "UPDATE", "DELETE", "CREATE", "COMMIT")


class FullDisk:
    """Counts the writing statements of all connections that are opened meanwhile, and fails them from one on."""

    def __init__(self) -> None:
        self.written = 0
        self.full_from: int | None = None
        self.full_until: int | None = None
        self.rolls_back = True
        """Whether SQLite ends the transaction by itself, as it mostly does; a COMMIT may leave it open."""
        self._lock = threading.Lock()

    def fill(self, after: int = 0, writes: int | None = None) -> None:
        """Fail all writes after the next `after` ones, or only as many as `writes`."""
        self.full_from = self.written + after
        self.full_until = None if writes is None else self.full_from + writes

    def free(self) -> None:
        """Make room."""
        self.full_from = None

    @property
    def reached(self) -> bool:
        """Whether a write has failed, or would now."""
        return self.full_from is not None and self.written >= self.full_from

    def check(self, connection: Connection, statement: str) -> None:
        """Raise what SQLite raises if there is no room for this statement."""
        if not statement.lstrip().upper().startswith(WRITES):
            return
        with self._lock:
            number, self.written = self.written, self.written + 1
            last = self.full_until
        if self.full_from is None or number < self.full_from or (last is not None and number >= last):
            return
        if self.rolls_back and connection.in_transaction:
            connection.real("ROLLBACK")
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise error


class Connection(sqlite3.Connection):
    """A connection to a file on such a disk."""

    disk: FullDisk

    def real(self, statement: str) -> None:
        """Execute on the real disk."""
        super().execute(statement)

    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        """See sqlite3."""
        self.disk.check(self, statement)
        return super().execute(statement, *values)

    def executemany(self, statement: str, rows: Any) -> sqlite3.Cursor:
        """See sqlite3."""
        self.disk.check(self, statement)
        return super().executemany(statement, rows)

    def executescript(self, script: str) -> sqlite3.Cursor:
        """See sqlite3."""
        for statement in script.split(";"):
            self.disk.check(self, statement)
        return super().executescript(script)


@contextmanager
def full_disk() -> Iterator[FullDisk]:
    """Open every SQLite file on a disk that may be full."""
    disk = FullDisk()
    kind = type("Watched", (Connection,), {"disk": disk})
    connect = sqlite3.connect

    def watched(*arguments: Any, **options: Any) -> sqlite3.Connection:
        return connect(*arguments, **{"factory": kind, **options})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite3, "connect", watched)
        yield disk
