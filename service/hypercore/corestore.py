"""A corestore: many cores in one place. Named ones are derived from a primary key, others are found by their key."""

from __future__ import annotations

import secrets
from pathlib import Path

import structlog

from .conflict import Conflict
from .core import Core
from .crypto import KeyPair, blake2b, discovery_key, namespace
from .heads import Change
from .manifest import default_manifest
from .store.conflicts import ConflictTable
from .store.storage import CoreRecord, CoreStorage, StorageError
from .stored import CoreError

log = structlog.get_logger(__name__)

PRIMARY_KEY = "primary_key"
FILE = "corestore.sqlite"


class Corestore:
    """The cores of one directory, or in memory if `directory` is None.

    It must not be used from more than one thread at a time. Other processes may use the same directory.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self._storage = CoreStorage(None if directory is None else directory / FILE)
        self._storage.on_lost = self._lost
        self._open: dict[bytes, Core] = {}
        self._ahead: dict[Core, None] = {}
        """Cores that may show what was undone, because the disk could not be read either."""
        self._seen = self._storage.data_version()
        primary = self._storage.setting(PRIMARY_KEY)
        if primary is None:
            primary = secrets.token_bytes(32)
            try:
                self._storage.put_setting(PRIMARY_KEY, primary)
                self._storage.commit()
            except StorageError:
                self._storage.close()
                raise
        self._primary = primary

    def create(self, name: str | None = None, *, compat: bool = False, encryption_key: bytes | None = None) -> Core:
        """Create a core of ours. A `name` gives the same keys every time. Raises CoreError if the core exists."""
        pair = KeyPair(self._seed(name)) if name is not None else KeyPair.generate()
        manifest = default_manifest(pair.public)
        key = pair.public if compat else manifest.key
        if self._storage.find("key", key) is not None:
            raise CoreError(f"core {name or key.hex()} already exists")
        record = CoreRecord(0, key, discovery_key(key), name, manifest.encode(), pair.seed, encryption_key, 0, 0, b"")
        return self._add(record)

    def _seed(self, name: str) -> bytes:
        (root,) = namespace("corestore", 1)
        return blake2b(root + bytes(32) + name.encode(), key=self._primary)

    def named(self, name: str) -> Core:
        """Return the core of a name, created if it does not exist."""
        record = self._storage.find("name", name)
        return self._opened(record) if record is not None else self.create(name)

    def get(self, key: bytes, *, encryption_key: bytes | None = None) -> Core:
        """Return the core of a key, an empty replica if it is not stored yet. An encryption key is kept.

        Raises CoreError if the key is invalid or the core has a different encryption key.
        """
        if len(key) != 32:
            raise CoreError(f"a core's key has 32 bytes, not {len(key)}")
        record = self._storage.find("key", key)
        if record is not None:
            core = self._opened(record)
            if encryption_key is not None:
                core.use_encryption(encryption_key)
            return core
        return self._add(CoreRecord(0, key, discovery_key(key), None, None, None, encryption_key, 0, 0, b""))

    def find(self, discovery: bytes) -> Core | None:
        """Return the core of a discovery key, if it is stored here."""
        record = self._storage.find("discovery", discovery)
        return None if record is None else self._opened(record)

    def known(self, key: bytes) -> Core | None:
        """Return the core of a key, if it is stored here."""
        record = self._storage.find("key", key)
        return None if record is None else self._opened(record)

    def keys(self) -> set[bytes]:
        """Return the keys of all stored cores, without opening these."""
        return self._storage.keys()

    def cores(self) -> list[Core]:
        """Return all stored cores."""
        return [self._opened(record) for record in self._storage.cores()]

    def remove(self, core: Core) -> None:
        """Delete a core, its keys and its blocks, durably. `core` must not be used any longer."""
        record = self._storage.find("key", core.key)
        opened = self._open.pop(core.key, None)
        try:
            if record is not None:
                self._storage.remove_core(record.id)
                ConflictTable(self._storage).remove(core.key)
            self.flush()
        except BaseException:
            if opened is not None:
                self._open[core.key] = opened  # it is still there
                self._ahead[opened] = None
            raise

    def untold_conflicts(self) -> list[Conflict]:
        """Return the proofs of two histories that were found and that `settle_conflict` does not know yet."""
        return ConflictTable(self._storage).untold()

    def settle_conflict(self, key: bytes, outcome: str) -> None:
        """Note, durably, what became of telling that a core's owner signed two histories: it is not told again."""
        ConflictTable(self._storage).settle(key, outcome)
        self.flush()

    def conflict_outcome(self, key: bytes) -> str | None:
        """Return what `settle_conflict` noted."""
        return ConflictTable(self._storage).outcome(key)

    @property
    def read_only(self) -> bool:
        """Whether the store's disk or directory cannot be written."""
        return self._storage.read_only

    def unused_bytes(self) -> int:
        """Return how many bytes of the store's file hold nothing and are written first."""
        return self._storage.unused_bytes()

    def settle(self) -> None:
        """Move what was committed from the file's log into the file. Raises StorageError if that has no room."""
        self._storage.settle()

    def give_back(self, rewrite: bool = False) -> None:
        """Give the disk back the room of what was removed, as far as possible. Raises StorageError.

        With `rewrite`, a file of an older version is written anew for that, if there is room.
        """
        self.flush()
        self._storage.give_back(rewrite)

    def _add(self, record: CoreRecord) -> Core:
        self._storage.add_core(record)
        self.flush()
        return self._opened(record)

    def _opened(self, record: CoreRecord) -> Core:
        self.refresh()
        core = self._open.get(record.key)
        if core is None:
            core = self._open[record.key] = Core(self._storage, record, self.flush, self.undo)
        return core

    def refresh(self) -> None:
        """Take over what other processes have written."""
        version = self._storage.data_version()
        if version == self._seen:
            return
        self._seen = version
        for core in list(self._open.values()):
            record = self._storage.find("key", core.key)
            if record is not None:
                core.reload(record)

    def check_file(self) -> None:
        """Make SQLite check its file. Raises StorageError if it is damaged."""
        found = self._storage.damage()
        if found is not None:
            raise StorageError(f"{self._storage.path}: {found}")

    def undo(self) -> None:
        """Drop uncommitted changes and restore every core to what is stored."""
        self._ahead.update(dict.fromkeys(self._open.values()))
        self._storage.rollback()
        self._restore()

    def _lost(self) -> None:
        """Undo after a failed write. If the disk cannot be read either, that is done before the next commit."""
        try:
            self.undo()
        except StorageError as error:
            log.error("cannot read what is stored after a failed write", error=str(error))

    def _restore(self) -> None:
        told: list[tuple[Core, list[Change]]] = []
        try:
            while self._ahead:
                core = next(iter(self._ahead))
                told.append((core, core.restore()))
                self._ahead.pop(core, None)
        finally:
            for core, changes in told:
                core.tell(changes)

    def flush(self) -> None:
        """Make all cores' changes durable. Raises StorageError, in which case they are dropped."""
        try:
            self._restore()
            for core in self._open.values():
                core.save()
            self._storage.commit()
        except BaseException:
            self.undo()
            raise

    def close(self) -> None:
        """Flush and close the file."""
        try:
            self.flush()
        finally:
            self._storage.close()
