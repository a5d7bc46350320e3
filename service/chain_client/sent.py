"""The table of extrinsics that were sent and whose fate is unknown. It survives kill -9 and power loss."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import structlog

from service.disk import explained
from service.durable import make_directories, make_private_database

from .block import BlockRef
from .errors import ChainError, SignerBusy, TableError, UnknownRuntime, WrongChain
from .runtime.events import EventRecord

log = structlog.get_logger(__name__)
E = TypeVar("E")

VERSION = 1
SCHEMA = """
CREATE TABLE sent (
    hash BLOB PRIMARY KEY, genesis BLOB NOT NULL, nonce INTEGER NOT NULL,
    birth INTEGER NOT NULL, death INTEGER NOT NULL, call BLOB NOT NULL, extrinsic BLOB NOT NULL, name TEXT NOT NULL
) WITHOUT ROWID
"""
RESERVE = 256 * 1024
"""Bytes that the file and its log have to spare from the start: some dozens of calls."""
CHECKPOINT_PAGES = 16
"""Pages of the log after which it is begun anew, so that it stays within its reserve."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The place of an extrinsic in the finalized chain, and its events."""

    block: BlockRef
    index: int
    hash: bytes
    events: tuple[EventRecord, ...]

    def told(self, kind: type[E]) -> E:
        """Return the extrinsic's event of a kind. Raises UnknownRuntime if a newer runtime has it in another form."""
        for record in self.events:
            if isinstance(record.event, kind):
                return record.event
        raise UnknownRuntime(
            f"the extrinsic took effect in block {self.block.number}, but this runtime tells no {kind.__name__} that this"
            " service can read: update datdot"
        )


@dataclass(slots=True, eq=False)
class Sent:
    """An extrinsic whose fate is unknown. It is valid in the blocks [birth, death)."""

    hash: bytes
    nonce: int
    birth: int
    death: int
    call: bytes
    """The encoded call."""
    extrinsic: bytes
    name: str
    """The call, for people."""
    orphaned: bool = False
    """Nobody waits for it. A caller that submits the same call gets this one."""
    earlier: bool = False
    """An earlier run sent it, and its caller did not learn the outcome."""
    pushed: int = 0
    """Block at which it was last handed to the pool."""
    pushing: bool = False
    """Whether it is being handed to the pool right now."""
    banned: bool = False
    """Whether the pool took it no more when it was last handed to it, without saying what became of it."""
    done: asyncio.Future[Receipt] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def __post_init__(self) -> None:
        self.done.add_done_callback(_retrieve)


class SentTable:
    """One account's table, in a SQLite file that only one process may have open."""

    def __init__(self, path: Path) -> None:
        """Open or create the table.

        Raises SignerBusy if another process has it, and ChainError if it is not readable.
        """
        self._path = path
        self._known: list[bytes] = []
        """Hashes whose fate is known, but whose rows could not be deleted."""
        try:
            make_directories(path.parent)
            make_private_database(path)
        except OSError as error:
            raise ChainError(f"{path}: {error.strerror}") from error
        try:
            self._db = sqlite3.connect(path, isolation_level=None, timeout=0)
        except sqlite3.Error as error:
            raise TableError(explained(path, error)) from error
        try:
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            # Two signers of one account would use each other's nonces. In exclusive mode the first write keeps the lock
            # until the file is closed.
            self._db.execute("BEGIN IMMEDIATE")
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                self._db.execute(SCHEMA)
                self._db.execute(f"PRAGMA user_version = {VERSION}")
            self._db.execute("COMMIT")
        except sqlite3.DatabaseError as error:
            self._db.close()
            if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
                raise SignerBusy(f"{path}: another process is signing for this account with this file") from error
            if isinstance(error, sqlite3.OperationalError):
                raise TableError(explained(path, error)) from error
            raise ChainError(f"{path} is not a table of this service: {error}") from error
        if version not in (0, VERSION):
            self._db.close()
            raise ChainError(f"{path} has version {version}, but this program reads version {VERSION}")
        self._reserve()

    def _reserve(self) -> None:
        """Let the file and its log have room to spare: on a full disk a hoster goes on sending its proofs."""
        try:
            self._db.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
            self._db.execute("CREATE TABLE IF NOT EXISTS reserve (room BLOB)")
            self._db.execute("INSERT INTO reserve VALUES (zeroblob(?))", (RESERVE,))
            # two commits: what is written and removed in one may never have got its place on the disk
            self._db.execute("DROP TABLE reserve")
            self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except sqlite3.Error as error:
            log.warning("no room can be kept for sending calls on a full disk", error=explained(self._path, error))

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def load(self, genesis: bytes) -> list[Sent]:
        """Return what an earlier run left, by nonce. Raises WrongChain if it was sent to another chain, and TableError."""
        try:
            rows = self._db.execute(
                "SELECT genesis, hash, nonce, birth, death, call, extrinsic, name FROM sent ORDER BY nonce, birth"
            ).fetchall()
        except sqlite3.Error as error:
            raise TableError(explained(self._path, error)) from error
        if any(row[0] != genesis for row in rows):
            raise WrongChain(f"{self._path}: its extrinsics were sent to another chain than {genesis.hex()}")
        left = [Sent(*row[1:]) for row in rows]
        for sent in left:
            sent.orphaned = sent.earlier = True
        return left

    def add(self, genesis: bytes, sent: Sent) -> None:
        """Record an extrinsic. It is durable on return. Raises TableError: then it must not be sent."""
        try:
            self._db.execute(
                "INSERT INTO sent VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (sent.hash, genesis, sent.nonce, sent.birth, sent.death, sent.call, sent.extrinsic, sent.name),
            )
        except sqlite3.Error as error:
            raise TableError(explained(self._path, error)) from error

    def forget(self, sent: Sent) -> None:
        """Delete an extrinsic whose fate is known. If that fails, it is tried again with the next one.

        A row too many does no harm: the next start looks up what became of it.
        """
        failed = bool(self._known)
        self._known.append(sent.hash)
        try:
            while self._known:
                self._db.execute("DELETE FROM sent WHERE hash = ?", (self._known[0],))
                del self._known[0]
        except sqlite3.Error as error:
            if not failed:
                log.error("cannot strike out what was sent; trying again", error=explained(self._path, error))


def _retrieve(done: asyncio.Future[Receipt]) -> None:
    """Retrieve the exception of an abandoned receipt, so that the loop does not report it."""
    if not done.cancelled():
        done.exception()
