"""Pack a file or a folder into the archive's stream: exactly what was on the disk at one moment, or an error."""

from __future__ import annotations

import hashlib
import os
import stat
import struct
import time
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

from .format import DIRECTORY, END, FILE, HEADER, MAGIC, VERSION, ArchiveError
from .names import shown
from .secrets import SecretScan
from .walk import EVERYTHING, Entry, Selection, check_refused, entries_of, kind_of, open_file, refusal, secret_in

_PIECE = 256 * 1024
COARSE_NS = 2_000_000_000
"""The coarsest step of a file system's times. Within it, two writes may leave the same times."""


def pack(path: Path, selection: Selection = EVERYTHING) -> Iterator[bytes]:
    """Yield the stream of one file or one folder, in pieces of at most 256 KiB.

    Raises ArchiveError for what cannot be packed, and for a file that changes while it is read.
    """
    yield MAGIC + bytes([VERSION, int(stat.S_ISDIR(kind_of(path)))])
    refused: list[str] = []
    for entry in entries_of(path, selection, refused):
        check_refused(refused)
        yield from _pack_entry(entry)
    check_refused(refused)
    yield bytes([END])


def packed_size(path: Path, selection: Selection = EVERYTHING) -> int:
    """Return the number of bytes that `pack` will yield, provided no file changes.

    Every file is looked at: the ArchiveError names all that cannot be packed, not only the first.
    """
    refused: list[str] = []
    size = HEADER + 1
    for entry in entries_of(path, selection, refused):
        size += 4 + len(entry.relative)
        if not entry.folder:
            size += 8 + entry.size
            secret = secret_in(entry)
            if secret is not None:
                refused.append(secret)
    check_refused(refused)
    return size


def _pack_entry(entry: Entry) -> Iterator[bytes]:
    relative, path = entry.relative, entry.path
    if entry.folder:
        yield struct.pack("<BBH", DIRECTORY, 0, len(relative)) + relative
        return
    with open_file(path) as file:
        before = os.fstat(file.fileno())
        if not stat.S_ISREG(before.st_mode):
            raise _changed(path)
        executable = bool(before.st_mode & stat.S_IXUSR)
        yield struct.pack("<BBH", FILE, int(executable), len(relative)) + relative + struct.pack("<Q", before.st_size)
        seen = hashlib.blake2b() if _recent(before) else None
        for piece in _content(path, file, before.st_size):
            if seen is not None:
                seen.update(piece)
            yield piece
        if file.read(1) or _moment(os.fstat(file.fileno())) != _moment(before):
            raise _changed(path)
        if seen is not None and _again(file) != seen.digest():
            raise _changed(path)


def _content(path: Path, file: BufferedReader, size: int) -> Iterator[bytes]:
    """Yield so many bytes of a file. Raises ArchiveError if it has fewer, or secrets of ours."""
    left, scan = size, SecretScan(path.name, size)
    while left:
        piece = file.read(min(left, _PIECE))
        if not piece:
            raise _changed(path)
        scan.feed(piece)
        if scan.found is not None:
            raise ArchiveError(refusal(path, scan.found))
        left -= len(piece)
        yield piece


def _recent(status: os.stat_result) -> bool:
    """Return whether a file was written so lately that another write may have left it the same times."""
    return max(status.st_mtime_ns, status.st_ctime_ns) > time.time_ns() - COARSE_NS


def _again(file: BufferedReader) -> bytes:
    """Return the hash of a file that is read once more."""
    file.seek(0)
    found = hashlib.blake2b()
    while piece := file.read(_PIECE):
        found.update(piece)
    return found.digest()


def _moment(status: os.stat_result) -> tuple[int, int, int]:
    """Return what every write to a file changes."""
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _changed(path: Path) -> ArchiveError:
    return ArchiveError(f"{shown(path)} was changed while it was being packed: import it when nothing writes to it")
