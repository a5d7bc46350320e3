"""Failures of a disk in plain words: which file, how much room is left there, and what to do."""

from __future__ import annotations

import errno
import shutil
import sqlite3
from pathlib import Path

from service.units import KIB, MIB

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


def shown_size(size: int) -> str:
    """Return a number of bytes for people: whole MiB, or KiB below one MiB."""
    return f"{size // MIB} MiB" if size >= MIB else f"{size // KIB} KiB"


def _room(path: Path) -> str:
    free = room_at(path)
    return "how much is free there is not known" if free is None else f"{shown_size(free)} are free there"
