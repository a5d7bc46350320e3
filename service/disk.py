"""Failures of a disk in plain words: which file, how much room is left there, and what to do."""

from __future__ import annotations

import errno
import os
import re
import shutil
import sqlite3
from pathlib import Path

from service.units import KIB, MIB

FSTAB, MOUNTS = Path("/etc/fstab"), Path("/proc/self/mountinfo")
MOST_OF_TABLE = 1 << 22
"""Bytes that are read of either."""
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class DiskError(Exception):
    """A file cannot be read or written. The message names it, and for a write the room left there and what to do."""


DISK_ERRORS = (OSError, sqlite3.Error, DiskError)
"""Everything that a failing disk raises."""


def explained(path: Path | None, error: Exception) -> str:
    """Return a message for an error at `path` (None: a store in memory)."""
    if path is None:
        return f"memory: {error}"
    reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
    if not _is_failed_write(error):
        return f"{path}: {reason}"
    return f"{path}: cannot be written: {reason}; {_room(path)}: make room on that disk, then try again"


def _is_failed_write(error: Exception) -> bool:
    if isinstance(error, sqlite3.Error):
        # the low byte is the kind; an I/O error may be a limit on the file's size as well as a broken disk
        return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
    return isinstance(error, OSError) and error.errno in _NO_ROOM


def room_at(path: Path) -> int | None:
    """Return the free bytes on the disk of `path`, or None if nobody can tell."""
    try:
        return shutil.disk_usage(_there(path)).free
    except OSError:
        return None


def size_of_disk(path: Path) -> int | None:
    """Return the bytes of the whole disk of `path`, or None if nobody can tell."""
    try:
        return shutil.disk_usage(_there(path)).total
    except OSError:
        return None


def _there(path: Path) -> Path:
    """Return what exists of a path."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def unmounted_at(path: Path, fstab: Path = FSTAB, mounts: Path = MOUNTS) -> Path | None:
    """Return the mount point above `path` that the system has in its table of disks and on which nothing is mounted now.

    What is written there goes to another disk than was meant. None if all is as it should be, or there is no such table.
    `mounts` is what is mounted, as Linux tells it: a folder that is bound to another of the same disk stands there, too.
    """
    points = {os.path.normpath("/" + one.lstrip("/")) for one in _fields(fstab, 1) or () if one.startswith("/")}
    meant = path.resolve()
    for above in (meant, *meant.parents):
        if str(above) in points:
            mounted = _fields(mounts, 4)
            there = os.path.ismount(above) if mounted is None else str(above) in mounted
            return None if there else above
    return None


def _fields(table: Path, number: int) -> set[str] | None:
    """Return a field, counted from 0, of each line of a table of file systems that has more; None without the table."""
    try:
        with table.open(errors="replace") as opened:
            lines = opened.read(MOST_OF_TABLE).splitlines()
    except OSError:
        return None
    found = (line.split() for line in lines if not line.lstrip().startswith("#"))
    return {_unescaped(one[number]) for one in found if len(one) > number + 1}


def _unescaped(text: str) -> str:
    """Return a path of such a table: blanks and the like are written as three octal digits there."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)


def shown_size(size: int) -> str:
    """Return a number of bytes for people: whole MiB, or KiB below one MiB."""
    return f"{size // MIB} MiB" if size >= MIB else f"{size // KIB} KiB"


def _room(path: Path) -> str:
    free = room_at(path)
    return "how much is free there is not known" if free is None else f"{shown_size(free)} are free there"
