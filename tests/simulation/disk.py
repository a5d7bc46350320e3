"""Disks that lose what was not synced: every fsync is watched, and a loss of power leaves a copy of what must be there."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random

from service.encoding.profiles import SECTOR
from tests.support.full_disk import FullDisk

from .loop import LIFE, Life

PAGE = 4096
DATABASE = ".sqlite"
"""SQLite syncs by itself, below Python: what it committed is durable (`synchronous = FULL`), and it mends itself."""

real_fsync = os.fsync


class Disk:
    """What is durable of one life's directory: contents by inode, names by directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._contents: dict[int, bytes] = {}
        self._names: dict[int, dict[str, int]] = {}
        #: an inode that is held open is not given to another file
        self._held: dict[int, int] = {}
        for folder, _, files in os.walk(directory):
            self._sync_path(Path(folder))
            for name in files:
                if DATABASE not in name:
                    self._sync_path(Path(folder) / name)

    def _sync_path(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            self.sync(descriptor)
        finally:
            os.close(descriptor)

    def sync(self, descriptor: int) -> None:
        """A file or a directory was synced."""
        found = os.fstat(descriptor)
        inode = found.st_ino
        if inode not in self._held:
            self._held[inode] = os.dup(descriptor)
        if found.st_mode & 0o040000:
            with os.scandir(descriptor) as entries:
                self._names[inode] = {entry.name: entry.inode() for entry in entries}
            return
        path = os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY)
        try:
            self._contents[inode] = os.pread(path, found.st_size, 0)
        finally:
            os.close(path)

    def close(self) -> None:
        """Watch no more."""
        for descriptor in self._held.values():
            os.close(descriptor)
        self._held.clear()

    def after_power_loss(self, target: Path, random: Random) -> None:
        """Write to `target` a directory as the next start may find it."""
        self._copy(self.directory, target, random)

    def _copy(self, source: Path, target: Path, random: Random) -> None:
        target.mkdir()
        durable = self._names.get(source.stat().st_ino, {})
        present = {entry.name: entry for entry in os.scandir(source)}
        for name in sorted(durable.keys() | present.keys()):
            entry, known = present.get(name), durable.get(name)
            if DATABASE in name:
                if entry is not None and not name.endswith("-shm"):
                    shutil.copyfile(source / name, target / name)
            elif entry is not None and entry.is_dir():
                if known == entry.inode() or random.random() < 0.5:
                    self._copy(source / name, target / name, random)
            elif entry is not None and (known == entry.inode() or random.random() < 0.5):
                mode = entry.stat().st_mode & 0o777
                _write(target / name, self._content(source / name, entry.inode(), random), mode)
            elif known is not None and known in self._contents:
                _write(target / name, self._contents[known], 0o600)

    def _content(self, path: Path, inode: int, random: Random) -> bytes:
        """What was synced; of what was written since, page by page, all, some or nothing."""
        present, durable = path.read_bytes(), self._contents.get(inode, b"")
        if present == durable:
            return present
        size = len(random.choice((present, durable)))
        pages = []
        for start in range(0, size, PAGE):
            kept = random.choice((present, durable))
            pages.append(kept[start : start + PAGE].ljust(min(PAGE, size - start), b"\0"))
        return b"".join(pages)


class FullDisks(FullDisk):
    """Disks of which some are full."""

    def __init__(self, top: Path) -> None:
        super().__init__(top)
        self.full: set[Path] = set()

    def refuses(self, path: str) -> bool:
        """Refuse what is below a folder that is full."""
        if not any(path.startswith(f"{one}/") for one in self.full):
            return False
        self.refused += 1
        return True


def lost_sectors(before: Path, after: Path) -> list[str]:
    """Compare the sectors that a hoster has promised to keep with those that a power loss left of them."""
    database = after / "roles.sqlite"
    if not database.exists():
        return []
    found = []
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute("SELECT copy, segment, sectors FROM hosted ORDER BY segment").fetchall()
    for copy, segment, sectors in rows:
        name, size = f"copies/{copy}/{segment}.sectors", sectors * SECTOR
        files = [root / name for root in (before, after)]
        there, left = (file.read_bytes()[:size] if file.exists() else b"" for file in files)
        if there != left:
            found.append(f"{sectors} sectors of segment {segment} were promised, a power loss left others")
    return found


def _write(path: Path, data: bytes, mode: int) -> None:
    path.write_bytes(data)
    path.chmod(mode)


class Disks:
    """The disks of all lives. `on_sync` is called at each fsync of a life, before (False) and after it (True)."""

    def __init__(self) -> None:
        self.of: dict[Life, Disk] = {}
        self.on_sync: Callable[[Life, bool], None] = lambda life, after: None

    def install(self) -> None:
        """Watch `os.fsync` from now on; what runs outside of a life is not simulated."""
        os.fsync = self._fsync

    def remove(self) -> None:
        """Watch no more."""
        os.fsync = real_fsync
        for disk in self.of.values():
            disk.close()

    def _fsync(self, descriptor: int) -> None:
        life = LIFE.get(None)
        disk = self.of.get(life) if life is not None else None
        if life is None or disk is None or not life.alive:
            return
        self.on_sync(life, False)
        if life.alive:
            disk.sync(descriptor)
            self.on_sync(life, True)
