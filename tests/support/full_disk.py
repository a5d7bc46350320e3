"""A disk that is full from the nth write on: SQLite's, with the rollback that it makes by itself, and those of files."""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

WRITES = ("INSERT", "UPDATE", "DELETE", "CREATE", "COMMIT")


class FullDisk:
    """Counts the writes to what is opened below a directory meanwhile, and fails them from one on."""

    def __init__(self, directory: Path | None = None) -> None:
        self.directory = directory
        self.written = self.refused = 0
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

    def holds(self, path: object) -> bool:
        """Whether a file is on this disk."""
        return self.directory is None or str(path).startswith(f"{self.directory}/")

    def refuses(self, path: str) -> bool:
        """Count a write to a file, and return whether there is no room for it."""
        del path
        with self._lock:
            number, self.written = self.written, self.written + 1
        if self.full_from is None or number < self.full_from or (self.full_until or number + 1) <= number:
            return False
        self.refused += 1
        return True

    def check_file(self, descriptor: int) -> None:
        """Raise what the system raises if there is no room for what is written to a file."""
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        if self.holds(path) and self.refuses(path):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def check(self, connection: Connection, statement: str) -> None:
        """Raise what SQLite raises if there is no room for this statement."""
        if not statement.lstrip().upper().startswith(WRITES) or not self.refuses(connection.path):
            return
        if self.rolls_back and connection.in_transaction:
            connection.real("ROLLBACK")
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise error


class Connection(sqlite3.Connection):
    """A connection to a file on such a disk."""

    disk: FullDisk

    def __init__(self, path: Any, *arguments: Any, **options: Any) -> None:
        super().__init__(path, *arguments, **options)
        self.path = str(path)

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
def full_disk(directory: Path | None = None, disk: FullDisk | None = None) -> Iterator[FullDisk]:
    """Put what is opened below a directory (default: every SQLite file) on a disk that may be full."""
    disk = disk or FullDisk(directory)
    kind = type("Watched", (Connection,), {"disk": disk})
    connect, pwrite, fsync = sqlite3.connect, os.pwrite, os.fsync

    def watched(path: Any, *arguments: Any, **options: Any) -> sqlite3.Connection:
        return connect(path, *arguments, **{"factory": kind, **options} if disk.holds(path) else options)

    def write(descriptor: int, data: Any, offset: int) -> int:
        disk.check_file(descriptor)
        return pwrite(descriptor, data, offset)

    def sync(descriptor: int) -> None:
        disk.check_file(descriptor)
        fsync(descriptor)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite3, "connect", watched)
        if directory is not None:
            patch.setattr(os, "pwrite", write)
            patch.setattr(os, "fsync", sync)
        yield disk
