"""Files of an archive read in place, from a feed that is here: its table without its data, and any part of a file."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass

from service.hypercore import Core

from .archive.format import DIRECTORY, END, FILE, HEADER, MAGIC, VERSION, ArchiveError
from .archive.names import MAX_PATH, wrong_name

MOST_FILES = 10_000
"""Files of an archive that are listed at most."""
HEAD = 4 + MAX_PATH + 8
"""Bytes of an entry before a file's data, at most."""


@dataclass(frozen=True, slots=True)
class ArchivedFile:
    """A file in a feed: its path, where its bytes begin in the feed's stream, and how many they are."""

    path: str
    offset: int
    size: int
    executable: bool


@dataclass(frozen=True, slots=True)
class ArchiveTable:
    """The files of an archive in its order; `more` if there are more than are listed."""

    files: list[ArchivedFile]
    more: bool


class MissingBlock(Exception):
    """A block that is needed is not here. The message names it."""


class FeedStream:
    """The bytes of a feed's blocks, one after the other, decrypted if the feed's key is here."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.size = core.byte_length - core.padding * core.length

    def _start(self, block: int) -> int:
        return self._core.byte_range(block)[0] - self._core.padding * block

    def _block_at(self, offset: int) -> int:
        low, high = 0, self._core.length - 1
        while low < high:
            middle = (low + high + 1) // 2
            if self._start(middle) <= offset:
                low = middle
            else:
                high = middle - 1
        return low

    async def pieces(self, offset: int, size: int) -> AsyncIterator[bytes]:
        """Yield the bytes from an offset on, a block's at a time. Raises MissingBlock and CoreError."""
        if size <= 0 or offset >= self.size:
            return
        block = self._block_at(offset)
        skip, left = offset - self._start(block), size
        while left > 0 and block < self._core.length:
            if not self._core.is_quick(block):
                await self._core.fetch(block)  # it is kept for a while then
            data = self._core.get(block)
            if data is None:
                raise MissingBlock(f"block {block} of feed {self._core.key.hex()} is not here: fetch the feed first")
            piece = data[skip : skip + left]
            yield piece
            left, block, skip = left - len(piece), block + 1, 0
            await asyncio.sleep(0)

    async def read(self, offset: int, size: int) -> bytes:
        """Return the bytes from an offset on, as many as there are up to `size`. Raises MissingBlock and CoreError."""
        return b"".join([piece async for piece in self.pieces(offset, size)])


async def archive_table(core: Core) -> ArchiveTable | None:
    """Return the files of an archive, or None if the feed holds none. Raises ArchiveError, MissingBlock and CoreError."""
    stream = FeedStream(core)
    head = await stream.read(0, HEADER)
    if len(head) < HEADER or head[: len(MAGIC)] != MAGIC:
        return None
    if head[len(MAGIC)] != VERSION:
        raise ArchiveError(f"an archive of version {head[len(MAGIC)]}: this version reads {VERSION}")
    files: list[ArchivedFile] = []
    offset = HEADER
    while len(files) < MOST_FILES:
        entry = await stream.read(offset, HEAD)
        if not entry:
            raise ArchiveError(f"archive, at byte {offset}: the stream ends inside the archive")
        if entry[0] == END:
            return ArchiveTable(files, False)
        found = _entry(entry, offset)
        offset = found.offset + found.size
        if entry[0] == FILE:
            files.append(found)
    return ArchiveTable(files, True)


def _entry(data: bytes, offset: int) -> ArchivedFile:
    """Return the entry that begins with these bytes; a folder has no bytes of its own."""
    if data[0] not in (FILE, DIRECTORY) or len(data) < 4:
        raise ArchiveError(f"archive, at byte {offset}: unknown entry {data[0]}")
    flags, length = struct.unpack_from("<BH", data, 1)
    need = 4 + length + (8 if data[0] == FILE else 0)
    if length > MAX_PATH or flags > 1 or len(data) < need:
        raise ArchiveError(f"archive, at byte {offset}: invalid entry: flags {flags}, path of {length} bytes")
    try:
        path = data[4 : 4 + length].decode()
    except UnicodeDecodeError as error:
        raise ArchiveError(f"archive, at byte {offset}: a path is not UTF-8") from error
    wrong = wrong_name(path)
    if wrong is not None:
        raise ArchiveError(f"archive, at byte {offset}: the path {path!r} is not allowed: {wrong}")
    size = struct.unpack_from("<Q", data, 4 + length)[0] if data[0] == FILE else 0
    return ArchivedFile(path, offset + need, size, bool(flags))
