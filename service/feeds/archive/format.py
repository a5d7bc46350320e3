r"""The archive format: a file or a folder as one byte stream, packed and unpacked piece by piece.

Version 1. The stream is cut into the feed's blocks:

    "datdot/files\0" | u8 version = 1 | u8 kind (0 one file, 1 a folder) | entries | u8 0

    file       1 | u8 flags (1 executable) | u16le path length | path | u64le size | bytes
    directory  2 | u8 0                    | u16le path length | path        (only empty ones need it)

Paths are UTF-8, relative to the folder, with "/" between parts; a folder's files come first, by name, then its folders,
by name, so that the same folder gives the same feed. Links and special files are not supported. Nothing follows the
final 0.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MAGIC = b"datdot/files\x00"
VERSION = 1
HEADER = len(MAGIC) + 2
BLOCK_SIZE = 64 * 1024
MAX_PATH = 4096

_END, _FILE, _DIRECTORY = 0, 1, 2
_PIECE = 256 * 1024


class ArchiveError(Exception):
    """A path that cannot be packed, or a stream that is not an archive of version 1.

    The message names the path or the byte.
    """


@dataclass(frozen=True, slots=True)
class FileStart:
    """The start of a file of `size` bytes, which follow as `FileData`."""

    path: str
    size: int
    executable: bool


@dataclass(frozen=True, slots=True)
class FileData:
    """The next bytes of the file that started last. `last` marks its end."""

    data: bytes
    last: bool


@dataclass(frozen=True, slots=True)
class Directory:
    """An empty directory."""

    path: str


@dataclass(frozen=True, slots=True)
class ArchiveHeader:
    """The stream's first event: one file, or a folder."""

    folder: bool


Event = ArchiveHeader | FileStart | FileData | Directory


def pack(path: Path) -> Iterator[bytes]:
    """Yield the stream of one file or one folder, in pieces of at most 256 KiB.

    Raises ArchiveError for links, special files, names that are not UTF-8, and a file whose size changes while it is
    read.
    """
    mode = _kind(path)
    folder = stat.S_ISDIR(mode)
    yield MAGIC + bytes([VERSION, int(folder)])
    if folder:
        for relative, entry in _walk(path):
            yield from _pack_entry(relative, entry)
    else:
        yield from _pack_entry(_encode_path(path.name, path), path)
    yield bytes([_END])


def packed_size(path: Path) -> int:
    """Return the number of bytes that `pack` will yield, provided no file changes.

    Raises ArchiveError as `pack` does.
    """
    folder = stat.S_ISDIR(_kind(path))
    entries = _walk(path) if folder else iter([(_encode_path(path.name, path), path)])
    size = HEADER + 1
    for relative, entry in entries:
        size += 4 + len(relative)
        if not entry.is_dir():
            size += 8 + entry.stat().st_size
    return size


def _kind(path: Path) -> int:
    try:
        mode = path.lstat().st_mode
    except OSError as error:
        raise ArchiveError(f"{path}: {error.strerror}") from error
    if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
        raise ArchiveError(f"{path}: neither a file nor a folder (links and special files are not packed)")
    return mode


def _encode_path(relative: str, path: Path) -> bytes:
    try:
        encoded = relative.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ArchiveError(f"{path!s:.200}: the name is not UTF-8") from error
    if len(encoded) > MAX_PATH:
        raise ArchiveError(f"{path}: the path is longer than {MAX_PATH} bytes")
    return encoded


def _walk(root: Path) -> Iterator[tuple[bytes, Path]]:
    pending = [root]
    while pending:
        here = pending.pop()
        children = sorted(here.iterdir(), key=lambda child: os.fsencode(child.name))
        if here != root and not children:
            yield _encode_path(here.relative_to(root).as_posix(), here), here
        folders = []
        for child in children:
            if stat.S_ISDIR(_kind(child)):
                folders.append(child)
            else:
                yield _encode_path(child.relative_to(root).as_posix(), child), child
        pending.extend(reversed(folders))


def _pack_entry(relative: bytes, path: Path) -> Iterator[bytes]:
    if path.is_dir():
        yield struct.pack("<BBH", _DIRECTORY, 0, len(relative)) + relative
        return
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        size, executable = status.st_size, bool(status.st_mode & stat.S_IXUSR)
        yield struct.pack("<BBH", _FILE, int(executable), len(relative)) + relative + struct.pack("<Q", size)
        left = size
        while left:
            piece = file.read(min(left, _PIECE))
            if not piece:
                raise ArchiveError(f"{path} became shorter while it was being packed")
            left -= len(piece)
            yield piece
        if file.read(1):
            raise ArchiveError(f"{path} became longer while it was being packed")


def cut(pieces: Iterator[bytes], size: int = BLOCK_SIZE) -> Iterator[bytes]:
    """Yield the same bytes in blocks of `size`; the last one may be shorter."""
    buffer = bytearray()
    for piece in pieces:
        buffer += piece
        while len(buffer) >= size:
            yield bytes(buffer[:size])
            del buffer[:size]
    if buffer:
        yield bytes(buffer)


def is_archive(start: bytes) -> bool:
    """Return whether a stream that begins with these bytes claims to be an archive (of any version)."""
    return start.startswith(MAGIC)


class Unpacker:
    """A parser of the stream. It takes pieces, returns events, and keeps at most one entry's head in memory."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._offset = 0
        self._state = "header"
        self._left = 0
        self._folder = False
        self._files = 0

    def feed(self, data: bytes) -> list[Event]:
        """Return the events that these bytes complete. Raises ArchiveError at the first byte that breaks the format."""
        self._buffer += data
        events: list[Event] = []
        while self._step(events):
            pass
        return events

    def finish(self) -> None:
        """Raise ArchiveError unless the archive is complete. Call it at the end of the stream."""
        if self._state != "end":
            raise self._error("the stream ends inside the archive")

    def _error(self, message: str) -> ArchiveError:
        return ArchiveError(f"archive, at byte {self._offset}: {message}")

    def _take(self, count: int) -> bytes:
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        self._offset += count
        return taken

    def _step(self, events: list[Event]) -> bool:
        if self._state == "header":
            return self._header(events)
        if self._state == "data":
            return self._data(events)
        if self._state == "end":
            if self._buffer:
                raise self._error("data follows the end of the archive")
            return False
        return self._entry(events)

    def _header(self, events: list[Event]) -> bool:
        if len(self._buffer) < HEADER:
            return False
        head = self._take(HEADER)
        if head[:-2] != MAGIC:
            raise self._error("this is not an archive of files")
        if head[-2] != VERSION:
            raise self._error(f"unsupported version {head[-2]}, expected {VERSION}")
        if head[-1] > 1:
            raise self._error(f"unknown kind {head[-1]}")
        self._folder = head[-1] == 1
        self._state = "entry"
        events.append(ArchiveHeader(self._folder))
        return True

    def _data(self, events: list[Event]) -> bool:
        if not self._buffer:
            return False
        data = self._take(min(len(self._buffer), self._left))
        self._left -= len(data)
        if not self._left:
            self._state = "entry"
        events.append(FileData(data, not self._left))
        return True

    def _entry(self, events: list[Event]) -> bool:
        if not self._buffer:
            return False
        tag = self._buffer[0]
        if tag == _END:
            if not self._folder and self._files != 1:
                raise self._error("a single-file archive contains no file")
            self._take(1)
            self._state = "end"
            return True
        if tag not in (_FILE, _DIRECTORY) or (tag == _DIRECTORY and not self._folder):
            raise self._error(f"unknown entry {tag}")
        if len(self._buffer) < 4:
            return False
        flags, length = struct.unpack_from("<BH", self._buffer, 1)
        if length > MAX_PATH or flags > 1:
            raise self._error(f"invalid entry: flags {flags}, path of {length} bytes")
        need = 4 + length + (8 if tag == _FILE else 0)
        if len(self._buffer) < need:
            return False
        path = self._path(bytes(self._buffer[4 : 4 + length]))
        size = struct.unpack_from("<Q", self._buffer, 4 + length)[0] if tag == _FILE else 0
        self._take(need)
        if tag == _DIRECTORY:
            events.append(Directory(path))
        else:
            self._begin_file(events, FileStart(path, size, bool(flags)))
        return True

    def _begin_file(self, events: list[Event], start: FileStart) -> None:
        self._files += 1
        if not self._folder and self._files > 1:
            raise self._error("a single-file archive contains a second file")
        events.append(start)
        self._left = start.size
        if start.size:
            self._state = "data"
        else:
            events.append(FileData(b"", True))

    def _path(self, raw: bytes) -> str:
        try:
            path = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise self._error("a path is not UTF-8") from error
        parts = path.split("/")
        if any(part in ("", ".", "..") for part in parts) or any(c in path for c in "\x00\\"):
            raise self._error(f"the path {path!r} is not allowed: it could lead out of the folder")
        if not self._folder and len(parts) > 1:
            raise self._error(f"the name {path!r} of the single file contains folders")
        return path
