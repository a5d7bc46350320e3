"""The conflicts that a corestore keeps: one for each feed, of its highest fork, and what became of telling it."""

from __future__ import annotations

from ..codec import CodecError
from ..conflict import Conflict
from .storage import CoreStorage, StorageError

PROOF, OUTCOME = "conflict/", "conflict outcome/"
"""Settings of the corestore, each followed by a feed's key in hex: the proof, and why it is told no more."""


class ConflictTable:
    """The conflicts of one storage. What is written is durable after the storage's next commit."""

    def __init__(self, storage: CoreStorage) -> None:
        self._storage = storage

    def of(self, key: bytes) -> Conflict | None:
        """Return the conflict of a feed. Raises StorageError."""
        data = self._storage.setting(PROOF + key.hex())
        return None if data is None else self._decoded(key.hex(), data)

    def keep(self, conflict: Conflict) -> bool:
        """Keep a conflict, unless one of that fork or a later one is kept. Return whether it was. Raises StorageError."""
        known = self.of(conflict.key)
        if known is not None and known.fork >= conflict.fork:
            return False
        self.remove(conflict.key)
        self._storage.put_setting(PROOF + conflict.key.hex(), conflict.encode())
        return True

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
        """Delete a feed's conflict. Raises StorageError."""
        for kind in (PROOF, OUTCOME):
            self._storage.delete_setting(kind + key.hex())

    def _decoded(self, name: str, data: bytes) -> Conflict:
        try:
            return Conflict.decode(data)
        except CodecError as error:
            raise StorageError(f"{self._storage.path}: the conflict of feed {name} is damaged: {error}") from error
