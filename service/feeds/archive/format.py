r"""The archive format: a file or a folder as one byte stream, packed and unpacked piece by piece.

Version 1. The stream is cut into the feed's blocks:

    "datdot/files\0" | u8 version = 1 | u8 kind (0 one file, 1 a folder) | entries | u8 0

    file       1 | u8 flags (1 executable) | u16le path length | path | u64le size | bytes
    directory  2 | u8 0                    | u16le path length | path        (only empty ones need it)

Paths are UTF-8, relative to the folder, with "/" between parts; a folder's files come first, by name, then its folders,
by name, so that the same folder gives the same feed. Links and special files are not supported, and `names.py` says
which names are. Nothing follows the final 0.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from .names import MAX_PATH, wrong_name

MAGIC = b"datdot/files\x00"
VERSION = 1
HEADER = len(MAGIC) + 2
BLOCK_SIZE = 64 * 1024

END, FILE, DIRECTORY = 0, 1, 2
"""The tags of entries."""


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
        if tag == END:
            if not self._folder and self._files != 1:
                raise self._error("a single-file archive contains no file")
            self._take(1)
            self._state = "end"
            return True
        if tag not in (FILE, DIRECTORY) or (tag == DIRECTORY and not self._folder):
            raise self._error(f"unknown entry {tag}")
        if len(self._buffer) < 4:
            return False
        flags, length = struct.unpack_from("<BH", self._buffer, 1)
        if length > MAX_PATH or flags > 1:
            raise self._error(f"invalid entry: flags {flags}, path of {length} bytes")
        need = 4 + length + (8 if tag == FILE else 0)
        if len(self._buffer) < need:
            return False
        path = self._path(bytes(self._buffer[4 : 4 + length]))
        size = struct.unpack_from("<Q", self._buffer, 4 + length)[0] if tag == FILE else 0
        self._take(need)
        if tag == DIRECTORY:
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
        reason = wrong_name(path)
        if reason is not None:
            raise self._error(f"the path {path!r} is not allowed: {reason}")
        if not self._folder and "/" in path:
            raise self._error(f"the name {path!r} of the single file contains folders")
        return path
