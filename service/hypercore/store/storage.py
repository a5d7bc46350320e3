"""A corestore on disk: one SQLite file in the shape of hypercore 11's storage. Every commit is durable."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.disk import DiskError, explained

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


class StorageError(DiskError):
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

    SQLite undoes a whole transaction by itself when the disk is full or fails. Whoever keeps in memory what was written
    in it must hear of that: `on_lost` is called after each failed write, before the error is raised.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.read_only = path is not None and only_readable(path)
        """Whether the file's disk or directory cannot be written."""
        self.on_lost: Callable[[], None] = lambda: None
        self._begun = False
        try:
            self._db = open_to_read(path) if path is not None and self.read_only else open_to_write(path)
            self._db.execute("PRAGMA cache_size = -8000")
            self._prepare()
        except (sqlite3.Error, OSError) as error:
            if hasattr(self, "_db"):
                self._db.close()
            raise StorageError(explained(path, error)) from error

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

    def _failed(self, error: sqlite3.Error, *, writes: bool) -> StorageError:
        """Return the error to raise, after whoever must hear of lost changes has."""
        lost, self._begun = self._begun and not self._db.in_transaction, self._db.in_transaction
        if writes or lost:
            self.on_lost()
        return StorageError(explained(self.path, error))

    def _rows(self, query: str, values: Sequence[object] = ()) -> list[Any]:
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise self._failed(error, writes=False) from error

    def _row(self, query: str, values: Sequence[object] = ()) -> Any:
        try:
            return self._db.execute(query, values).fetchone()
        except sqlite3.Error as error:
            raise self._failed(error, writes=False) from error

    def _write(self, statement: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
        try:
            return self._db.execute(statement, values)
        except sqlite3.Error as error:
            raise self._failed(error, writes=True) from error

    def _many(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        try:
            self._db.executemany(statement, rows)
        except sqlite3.Error as error:
            raise self._failed(error, writes=True) from error

    def begin(self) -> None:
        """Open the transaction if none is open."""
        if self.read_only:
            self.on_lost()
            raise StorageError(f"{self.path}: this disk or directory is read-only: nothing can be stored there")
        if not self._db.in_transaction:
            self._write("BEGIN IMMEDIATE")
            self._begun = True

    def commit(self) -> None:
        """Make everything durable."""
        if self._db.in_transaction:
            self._write("COMMIT")
        self._begun = False

    def rollback(self) -> None:
        """Drop what was not committed."""
        self._begun = False
        if self._db.in_transaction:
            self._rows("ROLLBACK")

    def close(self) -> None:
        """Commit and close."""
        try:
            self.commit()
        finally:
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
                raise StorageError(explained(self.path, error)) from error

    def settle(self) -> None:
        """Move what was committed from the log into the file, so that neither is without room for the other later."""
        self._rows("PRAGMA wal_checkpoint(PASSIVE)")

    def data_version(self) -> int:
        """Return a number that changes whenever another process has committed."""
        (version,) = self._row("PRAGMA data_version")
        return int(version)

    def setting(self, name: str) -> bytes | None:
        """Return a value of the corestore itself."""
        row = self._row("SELECT value FROM setting WHERE name = ?", (name,))
        return None if row is None else bytes(row[0])

    def put_setting(self, name: str, value: bytes) -> None:
        """Set a value of the corestore itself."""
        self.begin()
        self._write("INSERT OR REPLACE INTO setting VALUES (?, ?)", (name, value))

    def settings(self, prefix: str) -> list[tuple[str, bytes]]:
        """Return the values whose names begin with a prefix, with what follows it, by name."""
        rows = self._rows(
            "SELECT name, value FROM setting WHERE name >= ? AND name < ? ORDER BY name",
            (prefix, prefix[:-1] + chr(ord(prefix[-1]) + 1)),
        )
        return [(name[len(prefix) :], bytes(value)) for name, value in rows]

    def delete_setting(self, name: str) -> None:
        """Remove a value of the corestore itself."""
        self.begin()
        self._write("DELETE FROM setting WHERE name = ?", (name,))

    def cores(self) -> list[CoreRecord]:
        """Return all cores."""
        rows = self._rows(f"SELECT {_COLUMNS} FROM core ORDER BY id")
        return [CoreRecord(*row) for row in rows]

    def keys(self) -> set[bytes]:
        """Return the keys of all cores."""
        return {key for (key,) in self._rows("SELECT key FROM core")}

    def find(self, column: str, value: bytes | str) -> CoreRecord | None:
        """Return the core with this key, discovery key or name."""
        row = self._row(f"SELECT {_COLUMNS} FROM core WHERE {column} = ?", (value,))
        return None if row is None else CoreRecord(*row)

    def add_core(self, record: CoreRecord) -> CoreRecord:
        """Add a core and return it with its new id."""
        self.begin()
        cursor = self._write(
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
        self._write("DELETE FROM core WHERE id = ?", (core,))
        for table in ("node", "block", "page"):
            self._write(f"DELETE FROM {table} WHERE core = ?", (core,))

    def head(self, core: int) -> tuple[int, int] | None:
        """Return a core's fork and length as they are stored now."""
        row = self._row("SELECT fork, length FROM core WHERE id = ?", (core,))
        return None if row is None else (row[0], row[1])

    def put_head(self, core: int, fork: int, length: int, signature: bytes, manifest: bytes | None) -> None:
        """Set a core's head."""
        self.begin()
        self._write(
            "UPDATE core SET fork = ?, length = ?, signature = ?, manifest = ? WHERE id = ?",
            (fork, length, signature, manifest, core),
        )

    def put_encryption(self, core: int, key: bytes) -> None:
        """Set a core's encryption key."""
        self.begin()
        self._write("UPDATE core SET encryption = ? WHERE id = ?", (key, core))

    def node(self, core: int, index: int) -> Node | None:
        """Return a tree node."""
        row = self._row("SELECT size, hash FROM node WHERE core = ? AND idx = ?", (core, index))
        return None if row is None else Node(index, row[0], row[1])

    def nodes(self, core: int, start: int, end: int) -> list[Node]:
        """Return the tree nodes with an index in [start, end)."""
        rows = self._rows(
            "SELECT idx, size, hash FROM node WHERE core = ? AND idx >= ? AND idx < ?", (core, start, end)
        )
        return [Node(*row) for row in rows]

    def larger_leaf(self, core: int, start: int, end: int, limit: int) -> Node | None:
        """Return a known leaf of blocks [start, end) of more than `limit` bytes."""
        row = self._row(
            "SELECT idx, size, hash FROM node WHERE core = ? AND idx >= ? AND idx < ? AND idx % 2 = 0 AND size > ? LIMIT 1",
            (core, 2 * start, 2 * end, limit),
        )
        return None if row is None else Node(*row)

    def unknown_leaf(self, core: int, start: int, end: int) -> tuple[int, int]:
        """Return the first block of [start, end) whose leaf is not known (or `end`), and how many such blocks there are."""
        known, first = 0, start
        for (index,) in self._rows(
            "SELECT idx FROM node WHERE core = ? AND idx >= ? AND idx < ? AND idx % 2 = 0 ORDER BY idx",
            (core, 2 * start, 2 * end),
        ):
            known += 1
            if index == 2 * first:
                first += 1
        return first, end - start - known

    def damage(self) -> str | None:
        """Return what SQLite finds wrong with the file, or None."""
        (found,) = self._row("PRAGMA quick_check(1)")
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
            for (index,) in self._rows("SELECT idx FROM node WHERE core = ?", (core,))
            if _right_span(index) >= 2 * length
        ]
        self._many("DELETE FROM node WHERE core = ? AND idx = ?", gone)

    def block(self, core: int, index: int) -> bytes | None:
        """Return a block's bytes."""
        row = self._row("SELECT data FROM block WHERE core = ? AND idx = ?", (core, index))
        return None if row is None else bytes(row[0])

    def put_block(self, core: int, index: int, data: bytes) -> None:
        """Add one block."""
        self.begin()
        self._write("INSERT OR REPLACE INTO block VALUES (?, ?, ?)", (core, index, data))

    def put_blocks(self, core: int, blocks: Iterable[tuple[int, bytes]]) -> None:
        """Add blocks."""
        self.begin()
        self._many("INSERT OR REPLACE INTO block VALUES (?, ?, ?)", ((core, index, data) for index, data in blocks))

    def delete_blocks(self, core: int, start: int, end: int) -> None:
        """Delete blocks [start, end)."""
        self.begin()
        self._write("DELETE FROM block WHERE core = ? AND idx >= ? AND idx < ?", (core, start, end))

    def without_bytes(self, core: int, start: int, end: int) -> list[tuple[int, int]]:
        """Return the runs of blocks [start, end) whose bytes are not stored."""
        found = "FROM block WHERE core = ? AND idx >= ? AND idx < ?"
        (count,) = self._row(f"SELECT count(*) {found}", (core, start, end))
        if count == end - start:
            return []
        there = [index for (index,) in self._rows(f"SELECT idx {found} ORDER BY idx", (core, start, end))]
        edges = zip([start, *(index + 1 for index in there)], [*there, end], strict=True)
        return [(first, last) for first, last in edges if first < last]

    def pages(self, core: int) -> list[tuple[int, bytes]]:
        """Return the bitfield's pages."""
        return self._rows("SELECT page, bits FROM page WHERE core = ?", (core,))

    def put_page(self, core: int, page: int, bits: bytes) -> None:
        """Set one page of the bitfield."""
        self.begin()
        self._write("INSERT OR REPLACE INTO page VALUES (?, ?, ?)", (core, page, bits))


def _right_span(index: int) -> int:
    size = (index + 1) & -(index + 1)
    return index + size - 1
