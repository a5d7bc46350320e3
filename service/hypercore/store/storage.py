"""A corestore on disk: one SQLite file in the shape of hypercore 11's storage. Every commit is durable."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..crypto import Node
from .opening import give_back, only_readable, open_to_read, open_to_write, unused_bytes

VERSION = 1
_SCHEMA = """
CREATE TABLE core (
    id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, discovery BLOB NOT NULL UNIQUE, name TEXT UNIQUE,
    manifest BLOB, seed BLOB, encryption BLOB, fork INTEGER NOT NULL, length INTEGER NOT NULL, signature BLOB NOT NULL
);
CREATE TABLE node (core INTEGER NOT NULL, idx INTEGER NOT NULL, size INTEGER NOT NULL, hash BLOB NOT NULL,
    PRIMARY KEY (core, idx)) WITHOUT ROWID;
CREATE TABLE block (core INTEGER NOT NULL, idx INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (core, idx));
CREATE TABLE page (core INTEGER NOT NULL, page INTEGER NOT NULL, bits BLOB NOT NULL, PRIMARY KEY (core, page));
CREATE TABLE setting (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
"""


class StorageError(Exception):
    """The file is of another version, damaged, or cannot be written. The message names it."""


@dataclass(slots=True)
class CoreRecord:
    """A core's row. `manifest` is None if compat or unknown yet, `seed` is None if we cannot write the core."""

    id: int
    key: bytes
    discovery_key: bytes
    name: str | None
    manifest: bytes | None
    seed: bytes | None
    encryption_key: bytes | None
    fork: int
    length: int
    signature: bytes


_COLUMNS = "id, key, discovery, name, manifest, seed, encryption, fork, length, signature"


class CoreStorage:
    """The SQLite file.

    Writes gather in one transaction until `commit`; reads see them at once. One thread at a time.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.read_only = path is not None and only_readable(path)
        """Whether the file's disk or directory cannot be written."""
        try:
            self._db = open_to_read(path) if path is not None and self.read_only else open_to_write(path)
            self._db.execute("PRAGMA cache_size = -8000")
            self._prepare()
        except (sqlite3.Error, OSError) as error:
            raise StorageError(f"{path}: {error}") from error

    def _prepare(self) -> None:
        self._db.execute("BEGIN" if self.read_only else "BEGIN IMMEDIATE")
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version == 0:
            for statement in _SCHEMA.split(";"):
                self._db.execute(statement)
            self._db.execute(f"PRAGMA user_version = {VERSION}")
        self._db.execute("COMMIT")
        if version not in (0, VERSION):
            raise StorageError(
                f"{self.path}: the storage has version {version}, but this program reads version {VERSION}"
            )

    def _run(self, statement: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
        try:
            return self._db.execute(statement, values)
        except sqlite3.Error as error:
            raise StorageError(f"{self.path or 'memory'}: {error}") from error

    def _many(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        try:
            self._db.executemany(statement, rows)
        except sqlite3.Error as error:
            raise StorageError(f"{self.path or 'memory'}: {error}") from error

    def begin(self) -> None:
        """Open the transaction if none is open."""
        if self.read_only:
            raise StorageError(f"{self.path}: this disk or directory is read-only: nothing can be stored there")
        if not self._db.in_transaction:
            self._run("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Make everything durable."""
        if self._db.in_transaction:
            self._run("COMMIT")

    def rollback(self) -> None:
        """Drop what was not committed."""
        if self._db.in_transaction:
            self._run("ROLLBACK")

    def close(self) -> None:
        """Commit and close."""
        self.commit()
        self._db.close()

    def unused_bytes(self) -> int:
        """Return how many bytes of the file hold nothing and are written first."""
        return unused_bytes(self._db)

    def give_back(self, rewrite: bool = False) -> None:
        """Commit, and give the disk back what holds nothing (see `opening.give_back`)."""
        self.commit()
        if self.path is not None:
            try:
                give_back(self._db, self.path, rewrite)
            except (sqlite3.Error, OSError) as error:
                raise StorageError(f"{self.path}: {error}") from error

    def settle(self) -> None:
        """Move what was committed from the log into the file, so that neither is without room for the other later."""
        self._run("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def data_version(self) -> int:
        """Return a number that changes whenever another process has committed."""
        (version,) = self._run("PRAGMA data_version").fetchone()
        return int(version)

    def setting(self, name: str) -> bytes | None:
        """Return a value of the corestore itself."""
        row = self._run("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
        return None if row is None else bytes(row[0])

    def put_setting(self, name: str, value: bytes) -> None:
        """Set a value of the corestore itself."""
        self.begin()
        self._run("INSERT OR REPLACE INTO setting VALUES (?, ?)", (name, value))

    def cores(self) -> list[CoreRecord]:
        """Return all cores."""
        rows = self._run(f"SELECT {_COLUMNS} FROM core ORDER BY id").fetchall()
        return [CoreRecord(*row) for row in rows]

    def find(self, column: str, value: bytes | str) -> CoreRecord | None:
        """Return the core with this key, discovery key or name."""
        row = self._run(f"SELECT {_COLUMNS} FROM core WHERE {column} = ?", (value,)).fetchone()
        return None if row is None else CoreRecord(*row)

    def add_core(self, record: CoreRecord) -> CoreRecord:
        """Add a core and return it with its new id."""
        self.begin()
        cursor = self._run(
            "INSERT INTO core (key, discovery, name, manifest, seed, encryption, fork, length, signature) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                record.key,
                record.discovery_key,
                record.name,
                record.manifest,
                record.seed,
                record.encryption_key,
                record.fork,
                record.length,
                record.signature,
            ),
        )
        assert cursor.lastrowid is not None
        record.id = cursor.lastrowid
        return record

    def remove_core(self, core: int) -> None:
        """Delete a core and everything that belongs to it."""
        self.begin()
        self._run("DELETE FROM core WHERE id = ?", (core,))
        for table in ("node", "block", "page"):
            self._run(f"DELETE FROM {table} WHERE core = ?", (core,))

    def head(self, core: int) -> tuple[int, int] | None:
        """Return a core's fork and length as they are stored now."""
        row = self._run("SELECT fork, length FROM core WHERE id = ?", (core,)).fetchone()
        return None if row is None else (row[0], row[1])

    def put_head(self, core: int, fork: int, length: int, signature: bytes, manifest: bytes | None) -> None:
        """Set a core's head."""
        self.begin()
        self._run(
            "UPDATE core SET fork = ?, length = ?, signature = ?, manifest = ? WHERE id = ?",
            (fork, length, signature, manifest, core),
        )

    def put_encryption(self, core: int, key: bytes) -> None:
        """Set a core's encryption key."""
        self.begin()
        self._run("UPDATE core SET encryption = ? WHERE id = ?", (key, core))

    def node(self, core: int, index: int) -> Node | None:
        """Return a tree node."""
        row = self._run("SELECT size, hash FROM node WHERE core = ? AND idx = ?", (core, index)).fetchone()
        return None if row is None else Node(index, row[0], row[1])

    def larger_leaf(self, core: int, start: int, end: int, limit: int) -> Node | None:
        """Return a known leaf of blocks [start, end) of more than `limit` bytes."""
        row = self._run(
            "SELECT idx, size, hash FROM node WHERE core = ? AND idx >= ? AND idx < ? AND idx % 2 = 0 AND size > ? LIMIT 1",
            (core, 2 * start, 2 * end, limit),
        ).fetchone()
        return None if row is None else Node(*row)

    def unknown_leaf(self, core: int, start: int, end: int) -> tuple[int, int]:
        """Return the first block of [start, end) whose leaf is not known (or `end`), and how many such blocks there are."""
        known, first = 0, start
        for (index,) in self._run(
            "SELECT idx FROM node WHERE core = ? AND idx >= ? AND idx < ? AND idx % 2 = 0 ORDER BY idx",
            (core, 2 * start, 2 * end),
        ):
            known += 1
            if index == 2 * first:
                first += 1
        return first, end - start - known

    def damage(self) -> str | None:
        """Return what SQLite finds wrong with the file, or None."""
        (found,) = self._run("PRAGMA quick_check(1)").fetchone()
        return None if found == "ok" else str(found)

    def put_nodes(self, core: int, nodes: Iterable[Node]) -> None:
        """Add tree nodes."""
        self.begin()
        self._many(
            "INSERT OR REPLACE INTO node VALUES (?, ?, ?, ?)",
            ((core, node.index, node.size, node.hash) for node in nodes),
        )

    def delete_nodes_beyond(self, core: int, length: int) -> None:
        """Delete nodes that are not wholly within the first `length` blocks."""
        self.begin()
        gone = [
            (core, index)
            for (index,) in self._run("SELECT idx FROM node WHERE core = ?", (core,))
            if _right_span(index) >= 2 * length
        ]
        self._many("DELETE FROM node WHERE core = ? AND idx = ?", gone)

    def block(self, core: int, index: int) -> bytes | None:
        """Return a block's bytes."""
        row = self._run("SELECT data FROM block WHERE core = ? AND idx = ?", (core, index)).fetchone()
        return None if row is None else bytes(row[0])

    def put_blocks(self, core: int, blocks: Iterable[tuple[int, bytes]]) -> None:
        """Add blocks."""
        self.begin()
        self._many("INSERT OR REPLACE INTO block VALUES (?, ?, ?)", ((core, index, data) for index, data in blocks))

    def delete_blocks(self, core: int, start: int, end: int) -> None:
        """Delete blocks [start, end)."""
        self.begin()
        self._run("DELETE FROM block WHERE core = ? AND idx >= ? AND idx < ?", (core, start, end))

    def pages(self, core: int) -> Iterator[tuple[int, bytes]]:
        """Yield the bitfield's pages."""
        yield from self._run("SELECT page, bits FROM page WHERE core = ?", (core,))

    def put_page(self, core: int, page: int, bits: bytes) -> None:
        """Set one page of the bitfield."""
        self.begin()
        self._run("INSERT OR REPLACE INTO page VALUES (?, ?, ?)", (core, page, bits))


def _right_span(index: int) -> int:
    size = (index + 1) & -(index + 1)
    return index + size - 1
