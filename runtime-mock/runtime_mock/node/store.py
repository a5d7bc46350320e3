"""The chain on disk: every block with its changes of the state, in one SQLite file that survives kill -9."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..codec import CodecError, Reader, compact, prefixed
from .chain import Block, Chain, Header, UnknownBlock

VERSION = 1
PRUNED_EVERY = 256
"""Blocks that are loaded before the oldest leave the memory."""


class StoreError(Exception):
    """The file belongs to another chain, version or process, or is damaged or full. The message names it."""


class Store:
    """The blocks on disk, durable once `save` returns. Only one process may have the file open."""

    def __init__(self, path: Path) -> None:
        """Open the file. Raises StoreError."""
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._db = sqlite3.connect(path, isolation_level=None, timeout=0)
        except sqlite3.DatabaseError as error:
            raise StoreError(f"{path}: {error}") from error
        try:
            self._open()
        except sqlite3.DatabaseError as error:
            self._db.close()
            if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
                raise StoreError(f"{path}: another process has this chain open") from error
            raise StoreError(f"{path}: {error}") from error
        except StoreError:
            self._db.close()
            raise

    def _open(self) -> None:
        # Two chains growing in one file would undo each other's finalized blocks, so the first process keeps the lock.
        self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        (tables,) = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if version not in (0, VERSION):
            raise StoreError(f"{self._path}: version {version}, but this program reads version {VERSION}")
        if version == 0 and tables:
            raise StoreError(f"{self._path} is another program's database")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.executescript("BEGIN IMMEDIATE; COMMIT;")
        if version == 0:
            self._db.executescript(
                "BEGIN; CREATE TABLE block (hash BLOB PRIMARY KEY, number INTEGER NOT NULL, header BLOB NOT NULL, "
                "body BLOB NOT NULL, changes BLOB NOT NULL) WITHOUT ROWID; "
                "CREATE INDEX block_number ON block (number); "
                "CREATE TABLE head (one INTEGER PRIMARY KEY CHECK (one = 1), genesis BLOB NOT NULL, best BLOB NOT NULL, "
                f"finalized INTEGER NOT NULL); PRAGMA user_version = {VERSION}; COMMIT;"
            )

    def load(self, chain: Chain) -> None:
        """Load all stored blocks into `chain`. Raises StoreError if they have another genesis or are damaged."""
        try:
            self._load(chain)
        except (sqlite3.DatabaseError, CodecError, UnknownBlock) as error:
            raise StoreError(f"{self._path} is damaged: {error!r}") from error

    def _load(self, chain: Chain) -> None:
        head = self._db.execute("SELECT genesis, best, finalized FROM head").fetchone()
        if head is None:
            return
        genesis, wanted, finalized = _typed(head, (bytes, bytes, int))
        if genesis != chain.genesis.hash:
            raise StoreError(
                f"{self._path} holds chain {genesis.hex()}, but the chain spec has genesis {chain.genesis.hash.hex()}: "
                "it was begun with another runtime; start in a new directory, or name its spec by --chain-spec"
            )
        ruled_out = self._ruled_out(genesis, wanted, finalized)
        for row in self._db.execute("SELECT hash, header, body, changes FROM block ORDER BY number"):
            name, header, body, changes = _typed(row, (bytes, bytes, bytes, bytes))
            decoded = Header.decode(header)
            if name in ruled_out or decoded.parent in ruled_out:
                ruled_out.add(name)
                continue
            parent = chain.block(decoded.parent)
            if parent.state is None:
                continue
            state = parent.state.changed(_decode_changes(changes).items())
            chain.add(Block(decoded, _decode_body(body), state))
            if decoded.number <= finalized:
                self._finalize(chain, decoded.number)
        chain.make_best(chain.block(wanted))
        best = chain.best
        if chain.state(best).root(chain.version.state_version) != best.header.state_root:
            raise StoreError(f"{self._path} is damaged: its blocks do not lead to the state of block {best.number}")
        if chain.finalized_number != finalized:
            raise StoreError(
                f"{self._path} is damaged: block {finalized} is final, and block {best.number} the best one"
            )
        chain.prune(max(1, finalized))
        self._db.executemany("DELETE FROM block WHERE hash = ?", [(name,) for name in ruled_out])

    def _ruled_out(self, genesis: bytes, wanted: bytes, finalized: int) -> set[bytes]:
        """Return what a process was killed before it forgot: up to the final block only the best chain's blocks stay."""
        found = set()
        for row in self._db.execute("SELECT hash, number, substr(header, 1, 32) FROM block ORDER BY number DESC"):
            name, number, parent = _typed(row, (bytes, int, bytes))
            if name == wanted:
                wanted = parent
            elif number <= finalized:
                found.add(name)
        if wanted != genesis:
            raise UnknownBlock(f"0x{wanted.hex()}")
        return found

    def _finalize(self, chain: Chain, number: int) -> None:
        """Finalize a block as it is loaded: what is old is then in the file alone, and not all of the chain in memory."""
        for _ in chain.finalize(number):
            pass
        if number % PRUNED_EVERY == 0:
            chain.prune(number)

    def save(self, chain: Chain, block: Block | None = None) -> None:
        """Store `block`, if given, and the chain's heads, all or nothing. Raises StoreError."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            if block is not None:
                self._db.execute(
                    "INSERT OR REPLACE INTO block VALUES (?, ?, ?, ?, ?)",
                    (
                        block.hash,
                        block.number,
                        block.header.encoded,
                        compact(len(block.body)) + b"".join(block.body),
                        _encode_changes(block.changes),
                    ),
                )
            self._db.execute(
                "INSERT INTO head VALUES (1, ?, ?, ?)"
                " ON CONFLICT (one) DO UPDATE SET best = excluded.best, finalized = excluded.finalized",
                (chain.genesis.hash, chain.best.hash, chain.finalized_number),
            )
            self._db.execute("COMMIT")
        except sqlite3.DatabaseError as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise StoreError(self._unwritten(error)) from error

    def forget(self, blocks: Iterable[Block]) -> None:
        """Delete blocks that a finalized one rules out. Raises StoreError."""
        try:
            self._db.executemany("DELETE FROM block WHERE hash = ?", [(one.hash,) for one in blocks])
        except sqlite3.DatabaseError as error:
            raise StoreError(self._unwritten(error)) from error

    def _unwritten(self, error: Exception) -> str:
        free = shutil.disk_usage(self._path.parent).free
        return f"{self._path}: cannot be written: {error}; {free} bytes are free there: make room, then start the chain again"

    def block(self, block_hash: bytes) -> Block | None:
        """Return a block by its hash, without its state, or None. Raises StoreError."""
        found = self._read("SELECT header, body FROM block WHERE hash = ?", block_hash)
        return None if found is None else Block(Header.decode(found[0]), _decode_body(found[1]), None)

    def hash_at(self, number: int) -> bytes | None:
        """Return the hash of the finalized block of a number, or None. Raises StoreError."""
        found = self._read("SELECT hash FROM block WHERE number = ?", number)
        return None if found is None else found[0]

    def _read(self, query: str, key: bytes | int) -> tuple[bytes, ...] | None:
        try:
            found: tuple[bytes, ...] | None = self._db.execute(query, (key,)).fetchone()
        except sqlite3.DatabaseError as error:
            raise StoreError(f"{self._path}: {error}") from error
        return found

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def _typed(row: tuple[Any, ...], kinds: tuple[type, ...]) -> tuple[Any, ...]:
    """Return a row whose values are of these types: SQLite keeps in any column what it is given. Raises CodecError."""
    if not all(isinstance(value, kind) for value, kind in zip(row, kinds, strict=True)):
        raise CodecError(f"a row holds {', '.join(type(value).__name__ for value in row)}")
    return row


def _encode_changes(changes: dict[bytes, bytes | None]) -> bytes:
    parts = [compact(len(changes))]
    for key, value in changes.items():
        parts.append(prefixed(key) + (b"\0" if value is None else b"\1" + prefixed(value)))
    return b"".join(parts)


def _decode_changes(data: bytes) -> dict[bytes, bytes | None]:
    reader = Reader(data)
    changes: dict[bytes, bytes | None] = {}
    for _ in range(reader.compact()):
        key = reader.bytes()
        changes[key] = reader.bytes() if reader.uint(1) else None
    reader.end()
    return changes


def _decode_body(data: bytes) -> tuple[bytes, ...]:
    reader = Reader(data)
    body = tuple(prefixed(reader.bytes()) for _ in range(reader.compact()))
    reader.end()
    return body
