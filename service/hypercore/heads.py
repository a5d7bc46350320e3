"""A core's signed head, the events of its changes, and the source of blocks that it does not store itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from .crypto import Node, tree_hash


class BlockSource(Protocol):
    """A source of a core's blocks that are not in its storage."""

    def get(self, index: int) -> bytes | None:
        """Return a block as it was appended (encrypted if the core is), or None if it is not available now."""
        ...

    def is_quick(self, index: int) -> bool:
        """Return whether `get` takes no time that others would have to wait for."""
        ...

    async def fetch(self, index: int) -> bytes | None:
        """Return what `get` does, found beside the event loop."""
        ...


@dataclass(frozen=True, slots=True)
class CoreHead:
    """A head with its signature. `manifest` is None for a compat key, `signature` has the form used on the wire."""

    key: bytes
    manifest: bytes | None
    fork: int
    length: int
    roots: tuple[Node, ...]
    signature: bytes
    raw_signature: bytes

    @property
    def tree_hash(self) -> bytes:
        """Return the hash that is signed."""
        return tree_hash(self.roots)

    @property
    def byte_length(self) -> int:
        """Length of all blocks in bytes."""
        return sum(root.size for root in self.roots)


@dataclass(frozen=True, slots=True)
class Appended:
    """The core grew to `length`."""

    length: int


@dataclass(frozen=True, slots=True)
class Available:
    """Blocks [start, end) became available."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Dropped:
    """Blocks [start, end) were dropped."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Truncated:
    """The core was cut to `length` and is now at `fork`."""

    length: int
    fork: int


Change = Appended | Available | Dropped | Truncated
