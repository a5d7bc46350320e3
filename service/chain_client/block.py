"""Blocks, as this service uses them."""

from __future__ import annotations

from dataclasses import dataclass

from .runtime.events import EventRecord


@dataclass(frozen=True, slots=True)
class BlockRef:
    """A block's number and hash."""

    number: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Header:
    """The parts of a block's header that are used here."""

    number: int
    hash: bytes
    parent: bytes
    new_runtime: bool = False
    """Whether the block replaced the runtime's code: the next block is the first of the new runtime."""

    @property
    def ref(self) -> BlockRef:
        """The block's number and hash."""
        return BlockRef(self.number, self.hash)


@dataclass(frozen=True, slots=True)
class Block:
    """A finalized block with its events."""

    number: int
    hash: bytes
    parent: bytes
    events: tuple[EventRecord, ...]
    discarded: bool = False
    """Whether the node pruned the block's state before it was read: its events are unknown."""

    @property
    def ref(self) -> BlockRef:
        """The block's number and hash."""
        return BlockRef(self.number, self.hash)
