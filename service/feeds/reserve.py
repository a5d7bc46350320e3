"""Room on the disk for an import: looked at before it begins, and some of it kept for removing what failed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import TracebackType

from service.hypercore.corestore import Corestore
from service.hypercore.store.storage import StorageError

FILE = "import.reserve"
LEAST = 256 * 1024
PART = 50
"""A removal writes tree nodes, lists of free pages and indices anew: some 1 % of what is removed."""


def check_room(store: Corestore, directory: Path, total: int, there: int) -> None:
    """Raise StorageError if `total` bytes, of which some are there, cannot fit on the directory's disk."""
    needed, free = total - there, shutil.disk_usage(directory).free + store.unused_bytes()
    if needed > free:
        raise StorageError(
            f"{directory}: the import needs {needed} bytes, and {free} are free there: "
            "make room on that disk, or choose a directory on another one"
        )


class Reserve:
    """A file that holds room while an import runs. `release` gives the room to the removal of what failed.

    Raises StorageError if there is no such room.
    """

    def __init__(self, directory: Path, total: int) -> None:
        self._path, self._size = directory / FILE, LEAST + total // PART

    def __enter__(self) -> Reserve:
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, self._size)
            finally:
                os.close(descriptor)
        except OSError as error:
            self.release()
            raise StorageError(
                f"{self._path.parent}: no room for an import: {error.strerror}; make room on that disk"
            ) from error
        return self

    def release(self) -> None:
        """Give the room back to the disk."""
        self._path.unlink(missing_ok=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
