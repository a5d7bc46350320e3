"""A segment's encoded sectors on disk: sector i is at byte 256·i of `DIR/copies/<copy>/<segment>.sectors`."""

from __future__ import annotations

import os
from pathlib import Path

from service.durable import make_directories, remove, sync_directory, sync_file
from service.encoding.profiles import SECTOR


class SectorsMissing(Exception):
    """The file is missing or too short. The message names it and the sectors asked for."""


def segment_path(directory: Path, copy: int, segment: int) -> Path:
    """Return the path of a segment's sectors below a node's directory."""
    return directory / "copies" / str(copy) / f"{segment}.sectors"


def tree_path(directory: Path, copy: int, segment: int) -> Path:
    """Return the path of a segment's Merkle tree, of which the 64 KiB level and up is kept, beside its sectors."""
    return directory / "copies" / str(copy) / f"{segment}.tree"


class SectorFile:
    """A file of whole sectors. `prepare` and `write` are durable on return."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def prepare(self, durable: int) -> None:
        """Create the file, or cut what lies beyond the `durable` sectors (written but never acknowledged).

        Raises SectorsMissing if the file holds fewer than the durable sectors.
        """
        created = not self.path.exists()
        if created and durable:
            raise SectorsMissing(f"{self.path} is missing: it held {durable} sectors")
        make_directories(self.path.parent)
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            size = os.fstat(fd).st_size
            if size < durable * SECTOR:
                raise SectorsMissing(f"{self.path} has {size // SECTOR} sectors, but {durable} were stored")
            os.ftruncate(fd, durable * SECTOR)
            sync_file(fd)
        finally:
            os.close(fd)
        if created:
            sync_directory(self.path.parent)

    def write(self, first: int, data: bytes) -> None:
        """Write sectors from `first` on and make them durable."""
        fd = os.open(self.path, os.O_WRONLY)
        try:
            view, offset = memoryview(data), first * SECTOR
            while view:
                written = os.pwrite(fd, view, offset)
                view, offset = view[written:], offset + written
            sync_file(fd)
        finally:
            os.close(fd)

    def read(self, first: int, count: int) -> bytes:
        """Return sectors [first, first + count).

        Raises SectorsMissing if the file does not hold all of them, and OSError if it cannot be read now: they may be
        there all the same.
        """
        try:
            fd = os.open(self.path, os.O_RDONLY)
        except FileNotFoundError as error:
            raise SectorsMissing(f"{self.path}: {error.strerror}") from error
        try:
            data = os.pread(fd, count * SECTOR, first * SECTOR)
        except OSError as error:
            raise OSError(
                error.errno, f"sectors {first} to {first + count - 1}: {error.strerror}", str(self.path)
            ) from error
        finally:
            os.close(fd)
        if len(data) != count * SECTOR:
            raise SectorsMissing(f"{self.path}: some of the sectors {first} to {first + count - 1} are missing")
        return data

    def remove(self) -> None:
        """Delete the file if it is there. It is gone for good on return."""
        remove(self.path)
