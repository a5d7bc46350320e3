"""Blocks as this service names them."""

from __future__ import annotations

from dataclasses import dataclass

from .runtime.metadata import EventRecord


@dataclass(frozen=True, slots=True)
class BlockRef:
    """A block's number and hash."""

    number: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Header:
    """What of a block's header is used here."""

    number: int
    hash: bytes
    parent: bytes
    #: The block replaced the runtime's code: the next one is the first of another runtime.
    new_runtime: bool = False

    @property
    def ref(self) -> BlockRef:
        """Its number and hash."""
        return BlockRef(self.number, self.hash)


@dataclass(frozen=True, slots=True)
class Block:
    """A finalized block with its events."""

    number: int
    hash: bytes
    parent: bytes
    events: tuple[EventRecord, ...]
    #: The node had dropped the block's state before it was read: what its events were is not known.
    discarded: bool = False

    @property
    def ref(self) -> BlockRef:
        """Its number and hash."""
        return BlockRef(self.number, self.hash)
