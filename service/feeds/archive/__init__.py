"""The archive format, in which a file or a folder is stored in a feed: pack, unpack, write to disk."""

from .format import (
    BLOCK_SIZE,
    ArchiveError,
    ArchiveHeader,
    Directory,
    Event,
    FileData,
    FileStart,
    Unpacker,
    cut,
    is_archive,
    pack,
    packed_size,
)
from .writer import TreeWriter

__all__ = [
    "BLOCK_SIZE",
    "ArchiveError",
    "ArchiveHeader",
    "Directory",
    "Event",
    "FileData",
    "FileStart",
    "TreeWriter",
    "Unpacker",
    "cut",
    "is_archive",
    "pack",
    "packed_size",
]
