"""The conflicts that a corestore keeps: one for each feed, and what became of telling it."""

from __future__ import annotations

from ..codec import CodecError, Reader, encode_uint
from ..conflict import Conflict
from .storage import CoreStorage, StorageError

PROOF, OUTCOME, COUNT = "conflict/", "conflict outcome/", "conflict count/"
"""Settings of the corestore, each followed by a feed's key in hex: the proof, why it is told no more, how many were kept so far."""
MAX_PROOFS = 16
"""Proofs of one feed that are kept in turn: each may cost a fee to tell, and whoever owns the feed makes as many as it likes."""


class ConflictTable:
    """The conflicts of one storage. What is written is durable after the storage's next commit."""

    def __init__(self, storage: CoreStorage) -> None:
        self._storage = storage

    def of(self, key: bytes) -> Conflict | None:
        """Return the conflict of a feed. Raises StorageError."""
        data = self._storage.setting(PROOF + key.hex())
        return None if data is None else self._decoded(key.hex(), data)

    def keep(self, conflict: Conflict) -> bool:
        """Keep a conflict, if it is of more use than the one that is kept. Return whether it was kept. Raises StorageError.

        One is as good as another for whoever has not heard of any. Only one that was told, perhaps in vain, gives way to one
        of a later fork, and MAX_PROOFS of a feed are kept in all.
        """
        known, count = self.of(conflict.key), self._count(conflict.key)
        if known is not None:
            told = self.outcome(conflict.key) is not None
            if not told or known.fork >= conflict.fork or count >= MAX_PROOFS:
                return False
        self.remove(conflict.key)
        self._storage.put_setting(PROOF + conflict.key.hex(), conflict.encode())
        self._storage.put_setting(COUNT + conflict.key.hex(), encode_uint(count + 1))
        return True

    def _count(self, key: bytes) -> int:
        data = self._storage.setting(COUNT + key.hex())
        try:
            return 0 if data is None else Reader(data).uint("count")
        except CodecError as error:
            raise StorageError(
                f"{self._storage.path}: the count of conflicts of feed {key.hex()} is damaged: {error}"
            ) from error

    def untold(self) -> list[Conflict]:
        """Return the conflicts that have no outcome yet. Raises StorageError."""
        return [
            self._decoded(name, data)
            for name, data in self._storage.settings(PROOF)
            if self._storage.setting(OUTCOME + name) is None
        ]

    def outcome(self, key: bytes) -> str | None:
        """Return what became of telling a feed's conflict, in words. Raises StorageError."""
        data = self._storage.setting(OUTCOME + key.hex())
        return None if data is None else data.decode()

    def settle(self, key: bytes, outcome: str) -> None:
        """Note that a feed's conflict need not be told any more, and why. Raises StorageError."""
        self._storage.put_setting(OUTCOME + key.hex(), outcome.encode())

    def remove(self, key: bytes) -> None:
        """Delete all about a feed's conflicts. Raises StorageError."""
        for kind in (PROOF, OUTCOME, COUNT):
            self._storage.delete_setting(kind + key.hex())

    def _decoded(self, name: str, data: bytes) -> Conflict:
        try:
            return Conflict.decode(data)
        except CodecError as error:
            raise StorageError(f"{self._storage.path}: the conflict of feed {name} is damaged: {error}") from error
