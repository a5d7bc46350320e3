"""A segment's encoded sectors on disk: sector i at byte 256·i of `DIR/copies/<copy>/<segment>.sectors`."""

from __future__ import annotations

import os
from pathlib import Path

from service.durable import make_directories, sync_directory, sync_file

SECTOR = 256


class SectorsMissing(Exception):
    """The file is gone or too short; names it and the sectors that were asked for."""


def segment_path(directory: Path, copy: int, segment: int) -> Path:
    """Where a segment's sectors lie below a node's directory."""
    return directory / "copies" / str(copy) / f"{segment}.sectors"


def tree_path(directory: Path, copy: int, segment: int) -> Path:
    """Where the kept nodes of its Merkle tree lie (64 KiB level and up), beside the sectors."""
    return directory / "copies" / str(copy) / f"{segment}.tree"


class SectorFile:
    """Reads and writes whole sectors; nothing is durable before `sync`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def prepare(self, durable: int) -> None:
        """Create the file, or cut what lies beyond the `durable` sectors (written but never acknowledged).

        Raises SectorsMissing when fewer than the durable sectors are there.
        """
        created = not self.path.exists()
        if created and durable:
            raise SectorsMissing(f"{self.path}: gone, {durable} sectors were stored")
        make_directories(self.path.parent)
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            size = os.fstat(fd).st_size
            if size < durable * SECTOR:
                raise SectorsMissing(f"{self.path}: {size // SECTOR} sectors where {durable} were stored")
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
        """Sectors [first, first + count). Raises SectorsMissing when the file does not hold them all."""
        try:
            fd = os.open(self.path, os.O_RDONLY)
        except OSError as error:
            raise SectorsMissing(f"{self.path}: {error.strerror}") from error
        try:
            data = os.pread(fd, count * SECTOR, first * SECTOR)
        except OSError as error:
            raise SectorsMissing(f"{self.path}, sectors {first} to {first + count - 1}: {error.strerror}") from error
        finally:
            os.close(fd)
        if len(data) != count * SECTOR:
            raise SectorsMissing(f"{self.path}: sectors {first} to {first + count - 1} are not all there")
        return data

    def remove(self) -> None:
        """Delete the file if it is there."""
        self.path.unlink(missing_ok=True)
