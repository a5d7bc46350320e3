"""An encoder's store: a private key for each segment in a locked file, and the segment's progress in the database."""

from __future__ import annotations

from pathlib import Path

from service import durable
from service.encoding import PrivateKey
from service.protocols.copy.feeder import TreePoint
from service.protocols.copy.messages import SignedRoot
from service.protocols.copy.stream import Position
from service.vault import Locker
from service.vault.locker import FORMAT

from ..common.database import Database
from .decisions import KeyRecord
from .send import Point


class EncoderStore:
    """The table `encoding` and the folder `keys`. A segment is named by its copy and its ordinal in it."""

    def __init__(self, database: Database, directory: Path, locker: Locker) -> None:
        self._db, self._keys, self._locker = database, directory / "keys", locker

    def copies(self) -> set[int]:
        """Return the copies for which a key is kept."""
        return {row[0] for row in self._db.rows("SELECT DISTINCT copy FROM encoding")}

    def records(self) -> tuple[KeyRecord, ...]:
        """Return the public side of every key, with the hoster's signed root if there is one."""
        rows = self._db.rows(
            "SELECT copy, ordinal, modulus, receipt_sectors, receipt_root, receipt_signature, receipt_block FROM encoding"
        )
        return tuple(
            KeyRecord(copy, ordinal, modulus, None if sectors is None else SignedRoot(sectors, root, signature), block)
            for copy, ordinal, modulus, sectors, root, signature, block in rows
        )

    # ---- keys

    def key_path(self, copy: int, ordinal: int) -> Path:
        """Return the path of a segment's private key."""
        return self._keys / f"{copy}-{ordinal}.key"

    def make_key(self, copy: int, ordinal: int, fresh: PrivateKey | None = None) -> None:
        """Make a key, or take a `fresh` one: the file first, then its record. Both are durable on return.

        A key without a record may be overwritten: its modulus is on no chain. A key with a record stays, even if
        another one is asked for, because its modulus may be on the chain.
        """
        if any((record.copy, record.ordinal) == (copy, ordinal) for record in self.records()):
            return
        key = PrivateKey.generate() if fresh is None else fresh
        durable.make_private(self._keys)
        durable.replace(self.key_path(copy, ordinal), self._locker.lock(key.to_bytes()))
        self._db.execute(
            "INSERT OR REPLACE INTO encoding (copy, ordinal, modulus) VALUES (?, ?, ?)", (copy, ordinal, key.modulus)
        )

    def key(self, copy: int, ordinal: int) -> PrivateKey:
        """Read a segment's private key. Raises OSError, KeyFileError and PrivateKeyError.

        One that an older version left in the open is locked.
        """
        path = self.key_path(copy, ordinal)
        data = path.read_bytes()
        if not data.startswith(FORMAT):
            durable.replace(path, self._locker.lock(data))
            return PrivateKey.from_bytes(data)
        return PrivateKey.from_bytes(self._locker.open(data, path))

    def erase_key(self, copy: int, ordinal: int) -> None:
        """Delete a key, then its record.

        If a crash separates the two, the record makes the erasure run again; the opposite order could leave the private
        key behind for good.
        """
        durable.remove(self.key_path(copy, ordinal))
        self._db.execute("DELETE FROM encoding WHERE copy = ? AND ordinal = ?", (copy, ordinal))

    # ---- progress

    def point(self, copy: int, ordinal: int) -> Point | None:
        """Return where encoding can resume, or None before the first point was kept."""
        row = self._db.row(
            "SELECT sectors, block, offset, frontier FROM encoding WHERE copy = ? AND ordinal = ?", (copy, ordinal)
        )
        if row is None or row[3] is None:
            return None
        return Point(TreePoint(row[0], Position(row[1], row[2])), row[3])

    def keep_point(self, copy: int, ordinal: int, point: Point) -> None:
        """Record where encoding can resume. It is durable on return."""
        tree = point.tree
        self._db.execute(
            "UPDATE encoding SET sectors = ?, block = ?, offset = ?, frontier = ? WHERE copy = ? AND ordinal = ?",
            (tree.sectors, tree.position.block, tree.position.offset, point.frontier, copy, ordinal),
        )

    def keep_signed_root(self, copy: int, ordinal: int, signed: SignedRoot, block: int) -> None:
        """Record the hoster's signature and the number of the block in which it came. It is durable on return."""
        self._db.execute(
            "UPDATE encoding SET receipt_sectors = ?, receipt_root = ?, receipt_signature = ?, receipt_block = ?"
            " WHERE copy = ? AND ordinal = ?",
            (signed.sectors, signed.root, signed.signature, block, copy, ordinal),
        )
