"""The roles' durable state: one SQLite file per node, one table per kind of fact, every commit synced to disk."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from service.disk import DiskError, explained
from service.durable import make_directories, make_private_database, open_log, put_in_place, sync_file

VERSION = 7
"""Version 2 added the table of findings, version 3 that of refused ones, version 4 the journal, version 5 the alerts.

Version 6 added nothing to the tables: each hosted segment's job has `most`, how many bytes the segment has at most. Late
programs of version 5 wrote it, early ones did not. Version 7 added to the journal what an account's operator paid. An
older file gets what it lacks when it is opened.
"""

_FINDINGS = "CREATE TABLE findings (copy INTEGER PRIMARY KEY, evidence TEXT NOT NULL) WITHOUT ROWID;"
_REFUSED = (
    "CREATE TABLE refused (copy INTEGER NOT NULL, segment INTEGER NOT NULL, sector INTEGER NOT NULL, reason TEXT NOT NULL,"
    " PRIMARY KEY (copy, segment, sector)) WITHOUT ROWID;"
)
_JOURNAL = (
    "CREATE TABLE journal (id INTEGER PRIMARY KEY, block INTEGER NOT NULL, place INTEGER NOT NULL, pallet TEXT NOT NULL,"
    " name TEXT NOT NULL, fields TEXT NOT NULL, change TEXT NOT NULL, held TEXT NOT NULL);"
    "CREATE TABLE journal_sums (name TEXT PRIMARY KEY, count INTEGER NOT NULL, gained TEXT NOT NULL, lost TEXT NOT NULL)"
    " WITHOUT ROWID;"
    "CREATE TABLE journal_followed (kind TEXT NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (kind, id)) WITHOUT ROWID;"
)
_ALERTS = (
    "CREATE TABLE alerts (id INTEGER PRIMARY KEY, cause TEXT NOT NULL, severity TEXT NOT NULL, category TEXT NOT NULL,"
    " text TEXT NOT NULL, why TEXT NOT NULL, remedy TEXT NOT NULL, block INTEGER NOT NULL, opened INTEGER NOT NULL,"
    " closed INTEGER, told INTEGER NOT NULL DEFAULT 0);"
    "CREATE INDEX alerts_open ON alerts (id) WHERE closed IS NULL;"
)
# Segments had 4 GiB at most before a job said so. A record that is no JSON stays as it is, and is told where it is read.
_MOST = (
    "UPDATE hosted SET job = json_set(job, '$.most', 4294967296)"
    " WHERE json_valid(job) AND json_extract(job, '$.most') IS NULL;"
)
_BY_OPERATOR = (
    "ALTER TABLE journal ADD COLUMN by_operator TEXT NOT NULL DEFAULT '0';"
    "ALTER TABLE journal_sums ADD COLUMN by_operator TEXT NOT NULL DEFAULT '0';"
)
_SCHEMA = """
CREATE TABLE hosted (
    segment INTEGER PRIMARY KEY, copy INTEGER NOT NULL, plan INTEGER NOT NULL, job TEXT NOT NULL,
    sectors INTEGER NOT NULL, block INTEGER NOT NULL, offset INTEGER NOT NULL,
    checkpoint_sectors INTEGER, checkpoint_root BLOB, checkpoint_signature BLOB
) WITHOUT ROWID;
CREATE INDEX hosted_copy ON hosted (copy);
CREATE TABLE journal_copies (copy INTEGER PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE encoding (
    copy INTEGER NOT NULL, ordinal INTEGER NOT NULL, modulus BLOB NOT NULL,
    sectors INTEGER NOT NULL DEFAULT 0, block INTEGER, offset INTEGER, frontier BLOB,
    receipt_sectors INTEGER, receipt_root BLOB, receipt_signature BLOB, receipt_block INTEGER,
    PRIMARY KEY (copy, ordinal)
) WITHOUT ROWID;
CREATE TABLE anchors (
    anchor BLOB PRIMARY KEY, secret_file TEXT NOT NULL, created INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE probes (
    era INTEGER NOT NULL, copy INTEGER NOT NULL, number INTEGER NOT NULL,
    latency_ms INTEGER NOT NULL, kib_per_s INTEGER NOT NULL, segment INTEGER, sector INTEGER, data BLOB, siblings BLOB,
    PRIMARY KEY (era, copy, number)
) WITHOUT ROWID;
CREATE TABLE reports (
    era INTEGER NOT NULL, copy INTEGER NOT NULL, served INTEGER NOT NULL, latency_ms INTEGER NOT NULL,
    kib_per_s INTEGER NOT NULL, link BLOB NOT NULL, salt BLOB NOT NULL, leaf BLOB NOT NULL,
    segment INTEGER, sector INTEGER, data BLOB, siblings BLOB,
    PRIMARY KEY (era, copy)
) WITHOUT ROWID;
"""


class DatabaseError(DiskError):
    """The database is damaged, of another version of this program, or cannot be written. The message names the file."""


class Database:
    """A SQLite connection that any thread may use, one transaction at a time."""

    def __init__(self, path: Path) -> None:
        make_directories(path.parent)
        make_private_database(path)  # it holds reports that are not revealed yet, and their salts
        self._path = path
        self._lock = threading.RLock()
        try:
            self._db = open_log(lambda: sqlite3.connect(path, check_same_thread=False, isolation_level=None))
        except sqlite3.DatabaseError as error:
            raise DatabaseError(explained(path, error)) from error
        try:
            self._prepare()
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise DatabaseError(explained(path, error)) from error
        except DatabaseError:
            self._db.close()
            raise

    def _prepare(self) -> None:
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if 0 < version < VERSION:
            self._keep_old(version)
        if 0 <= version < VERSION:
            lacking = "".join((_SCHEMA, _FINDINGS, _REFUSED, _JOURNAL, _ALERTS, _MOST, _BY_OPERATOR)[version:])
            self._db.executescript(f"BEGIN; {lacking} PRAGMA user_version = {VERSION}; COMMIT;")
        elif version != VERSION:
            raise DatabaseError(
                f"{self._path}: written by version {version} of the roles' state; this program reads version {VERSION}"
            )

    def _keep_old(self, version: int) -> None:
        """Copy the file as an older version wrote it to one beside it, before it is changed. Raises DatabaseError."""
        kept = self._path.with_name(f"{self._path.name}.version-{version}")
        if kept.exists():
            return
        partial = kept.with_name(f"{kept.name}.partial")
        make_private_database(partial)
        try:
            with closing(sqlite3.connect(partial)) as other:
                self._db.backup(other)
                other.execute("PRAGMA journal_mode = DELETE")
            with partial.open("rb") as written:
                sync_file(written.fileno())
            put_in_place(partial, kept)
        except (sqlite3.Error, OSError) as error:
            partial.unlink(missing_ok=True)
            raise DatabaseError(
                f"version {VERSION} of the roles' state is to be made of version {version}, and there is no room for a copy "
                f"of the old one: {explained(kept, error)}"
            ) from error

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Run the block as one transaction. It is durable once the block ends, and rolled back if the block raises.

        Raises DatabaseError if it cannot be written, in which case nothing of it is stored.
        """
        with self._lock, self._explained():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # on a full disk SQLite has mostly rolled back by itself
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise DatabaseError(explained(self._path, error)) from error

    def rows(self, query: str, arguments: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return all rows of a query. Raises DatabaseError."""
        with self._lock, self._explained():
            return self._db.execute(query, arguments).fetchall()

    def row(self, query: str, arguments: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """Return the first row of a query, or None."""
        found = self.rows(query, arguments)
        return found[0] if found else None

    def execute(self, statement: str, arguments: Sequence[Any] = ()) -> None:
        """Execute one statement in a transaction of its own."""
        with self.transaction() as db:
            db.execute(statement, arguments)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()
