"""Blocks: headers, bodies and states, and the tree that they make."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from ..codec import CodecError, Reader, blake2_256, compact
from ..state.trie import Trie


class UnknownBlock(LookupError):
    """No block with that hash is known here, or its state is pruned."""


@dataclass(frozen=True)
class Header:
    """A block's header."""

    parent: bytes
    number: int
    state_root: bytes
    extrinsics_root: bytes
    digest: tuple[bytes, ...]

    @classmethod
    def decode(cls, data: bytes) -> Header:
        """Decode a header from SCALE. Raises CodecError."""
        reader = Reader(data)
        parent, number = reader.take(32), reader.compact()
        state_root, extrinsics_root = reader.take(32), reader.take(32)
        digest = tuple(_digest_item(reader) for _ in range(reader.compact()))
        reader.end()
        return cls(parent, number, state_root, extrinsics_root, digest)

    @cached_property
    def encoded(self) -> bytes:
        """The header in SCALE."""
        head = self.parent + compact(self.number) + self.state_root + self.extrinsics_root
        return head + compact(len(self.digest)) + b"".join(self.digest)

    @cached_property
    def hash(self) -> bytes:
        """The block's hash."""
        return blake2_256(self.encoded)


def _digest_item(reader: Reader) -> bytes:
    start = reader.offset
    kind = reader.uint(1)
    if kind in (4, 5, 6):  # Consensus, Seal, PreRuntime: an engine and its bytes
        reader.take(4)
        reader.bytes()
    elif kind == 0:  # Other
        reader.bytes()
    elif kind != 8:  # RuntimeEnvironmentUpdated
        raise CodecError(f"a digest item of unknown kind {kind} at offset {start}")
    return reader.data[start : reader.offset]


@dataclass
class Block:
    """A block with its body (length-prefixed extrinsics) and the state after it (None: pruned).

    `changes` turn the parent's state into that state. They are kept until the block is imported.
    """

    header: Header
    body: tuple[bytes, ...]
    state: Trie | None
    changes: dict[bytes, bytes | None] = field(default_factory=dict)

    @property
    def hash(self) -> bytes:
        """The block's hash."""
        return self.header.hash

    @property
    def number(self) -> int:
        """The block's number."""
        return self.header.number

    @cached_property
    def extrinsic_index(self) -> dict[bytes, int]:
        """The position of each extrinsic, by its hash."""
        return {blake2_256(extrinsic): index for index, extrinsic in enumerate(self.body)}


class Tree:
    """Blocks by hash and by number, on all forks."""

    def __init__(self, genesis: Block) -> None:
        self.blocks: dict[bytes, Block] = {genesis.hash: genesis}
        self._numbers: dict[int, list[Block]] = {0: [genesis]}

    def at(self, number: int) -> list[Block]:
        """Return the blocks of a number, in the order in which they came."""
        return list(self._numbers.get(number, ()))

    def add(self, block: Block) -> None:
        """Add a block, or put it in the place of itself."""
        self.drop([one for one in self.at(block.number) if one.hash == block.hash])
        self.blocks[block.hash] = block
        self._numbers.setdefault(block.number, []).append(block)

    def drop(self, gone: Iterable[Block]) -> None:
        """Forget blocks."""
        for one in gone:
            del self.blocks[one.hash]
            level = [other for other in self._numbers[one.number] if other.hash != one.hash]
            if level:
                self._numbers[one.number] = level
            else:
                del self._numbers[one.number]
