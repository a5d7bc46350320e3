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
)
from .packing import pack, packed_size
from .walk import EVERYTHING, Selection, left_out, rules_of
from .writer import TreeWriter

__all__ = [
    "BLOCK_SIZE",
    "EVERYTHING",
    "ArchiveError",
    "ArchiveHeader",
    "Directory",
    "Event",
    "FileData",
    "FileStart",
    "Selection",
    "TreeWriter",
    "Unpacker",
    "cut",
    "is_archive",
    "left_out",
    "pack",
    "packed_size",
    "rules_of",
]
