"""What a core tells of itself: its signed head, and what changed; and where its blocks may lie when it does not keep them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from .crypto import Node, tree_hash


class BlockSource(Protocol):
    """Where a core's blocks are when they are not in its storage."""

    def get(self, index: int) -> bytes | None:
        """The bytes of a block as they were appended (encrypted if the core is); None when they cannot be had now."""
        ...


@dataclass(frozen=True, slots=True)
class CoreHead:
    """A head with its signature; ``manifest`` None for a compat key, ``signature`` in the form of the wire."""

    key: bytes
    manifest: bytes | None
    fork: int
    length: int
    roots: tuple[Node, ...]
    signature: bytes
    raw_signature: bytes

    @property
    def tree_hash(self) -> bytes:
        """The hash that is signed."""
        return tree_hash(self.roots)

    @property
    def byte_length(self) -> int:
        """Bytes of all blocks."""
        return sum(root.size for root in self.roots)


@dataclass(frozen=True, slots=True)
class Appended:
    """The core grew to ``length``."""

    length: int


@dataclass(frozen=True, slots=True)
class Available:
    """Blocks [start, end) are here."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Dropped:
    """Blocks [start, end) are here no more."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Truncated:
    """The core was cut to ``length`` and is at ``fork`` now."""

    length: int
    fork: int


Change = Appended | Available | Dropped | Truncated
