"""Failures of a disk in plain words: which file, how much room is left there, and what to do."""

from __future__ import annotations

import errno
import os
import re
import shutil
import sqlite3
from pathlib import Path

from service.units import KIB, MIB

FSTAB, MOST_OF_FSTAB = Path("/etc/fstab"), 1 << 20
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


def unmounted_at(path: Path, fstab: Path = FSTAB) -> Path | None:
    """Return the mount point above `path` that the system has in its table of disks and on which nothing is mounted now.

    What is written there goes to another disk than was meant. None if all is as it should be, or there is no such table.
    """
    try:
        with fstab.open(errors="replace") as opened:
            lines = opened.read(MOST_OF_FSTAB).splitlines()
    except OSError:
        return None
    fields = [line.split() for line in lines if not line.lstrip().startswith("#")]
    points = {_unescaped(one[1]) for one in fields if len(one) > 2 and one[1].startswith("/")}
    meant = path.resolve()
    for above in (meant, *meant.parents):
        if str(above) in points:
            return None if os.path.ismount(above) else above
    return None


def _unescaped(text: str) -> str:
    """Return a path of fstab: blanks and the like are written as three octal digits there."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)


def shown_size(size: int) -> str:
    """Return a number of bytes for people: whole MiB, or KiB below one MiB."""
    return f"{size // MIB} MiB" if size >= MIB else f"{size // KIB} KiB"


def _room(path: Path) -> str:
    free = room_at(path)
    return "how much is free there is not known" if free is None else f"{shown_size(free)} are free there"
