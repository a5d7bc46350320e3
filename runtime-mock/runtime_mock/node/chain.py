"""Blocks and their states: the tree of forks, building, executing foreign blocks, best and finalized heads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import structlog

from ..codec import CodecError, Reader, blake2_256, compact, prefixed
from ..runtime import CODE, NoSuchMethod, Runtime, RuntimeTrap, Version
from ..state.overlay import Overlay
from ..state.trie import Trie, ordered_root

log = structlog.get_logger(__name__)

SLOT_MS = 6_000
NEVER = bytes(32)
INHERENT_TIMESTAMP = b"timstap0"
MAX_BLOCK_BYTES = 5 * 1024 * 1024 * 3 // 4


class UnknownBlock(LookupError):
    """No block with that hash is known here, or its state is pruned."""


class ExecutionError(Exception):
    """A block cannot be built or executed. The message says why."""


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


class Chain:
    """All blocks, by hash, and the best chain. Pure: it neither awaits nor writes to disk."""

    def __init__(self, runtime: Runtime, genesis: Trie, keep_states: int = 8192) -> None:
        self.runtime, self._keep_states = runtime, keep_states
        self.version = Version.decode(runtime.call(Overlay(genesis), "Core_version", b""))
        self._versioned = genesis.get(CODE), self.version
        root = genesis.root(self.version.state_version)
        header = Header(NEVER, 0, root, ordered_root([], self.version.extrinsics_version), ())
        first = Block(header, (), genesis)
        self._blocks: dict[bytes, Block] = {first.hash: first}
        self._best: list[bytes] = [first.hash]
        self.finalized_number = 0

    @property
    def genesis(self) -> Block:
        """Block 0."""
        return self._blocks[self._best[0]]

    @property
    def best(self) -> Block:
        """The newest block of the best chain."""
        return self._blocks[self._best[-1]]

    @property
    def finalized(self) -> Block:
        """The newest finalized block."""
        return self._blocks[self._best[self.finalized_number]]

    def block(self, block_hash: bytes) -> Block:
        """Return a block by its hash. Raises UnknownBlock."""
        try:
            return self._blocks[block_hash]
        except KeyError:
            raise UnknownBlock(f"0x{block_hash.hex()}") from None

    def at(self, number: int) -> Block | None:
        """Return the best chain's block of a number, or None."""
        return self._blocks[self._best[number]] if 0 <= number < len(self._best) else None

    def children(self, block: Block) -> list[Block]:
        """Return the known children of a block."""
        return [one for one in self._blocks.values() if one.header.parent == block.hash]

    def is_best(self, block: Block) -> bool:
        """Return whether a block is on the best chain."""
        return block.number < len(self._best) and self._best[block.number] == block.hash

    def state(self, block: Block) -> Trie:
        """Return the state after a block. Raises UnknownBlock if it was pruned."""
        if block.state is None:
            raise UnknownBlock(f"State already discarded for 0x{block.hash.hex()}")
        return block.state

    def version_at(self, block: Block) -> Version:
        """Return the version of the runtime in a block's state. Raises UnknownBlock if it was pruned."""
        code = self.state(block).get(CODE)
        if code is not self._versioned[0]:
            self._versioned = code, Version.decode(self.call(block, "Core_version", b""))
        return self._versioned[1]

    def call(self, block: Block, method: str, data: bytes) -> bytes:
        """Call a runtime API at a block. Its changes are dropped."""
        return self.runtime.call(Overlay(self.state(block)), method, data)

    def build(
        self, parent: Block, extrinsics: Iterable[bytes], later_ms: int = 0
    ) -> tuple[Block, list[tuple[bytes, bytes]]]:
        """Build a block on `parent`, without adding it. Return it with the extrinsics that the runtime refused and its answers.

        `later_ms` moves its time, so that it differs from another block there.
        """
        overlay = Overlay(self.state(parent))
        number = parent.number + 1
        # roots are zero until the block is finalized, which computes them
        opened = parent.hash + compact(number) + NEVER + NEVER + compact(0)
        self.runtime.call(overlay, "Core_initialize_block", opened)
        body: list[bytes] = []
        refused: list[tuple[bytes, bytes]] = []
        for inherent in self._inherents(overlay, later_ms):
            answer = self._apply(overlay, inherent)
            if answer[:1] != b"\0":
                raise ExecutionError(f"block {number}: its inherent was refused ({answer.hex()})")
            body.append(inherent)
        size = 0
        for extrinsic in extrinsics:
            answer = self._apply(overlay, extrinsic) if size + len(extrinsic) <= MAX_BLOCK_BYTES else b"\1\0\6"
            if answer[:1] == b"\0":
                body.append(extrinsic)
                size += len(extrinsic)
            else:
                refused.append((extrinsic, answer))
        header = Header.decode(self.runtime.call(overlay, "BlockBuilder_finalize_block", b""))
        return self._complete(header, body, overlay), refused

    def _inherents(self, overlay: Overlay, later_ms: int) -> list[bytes]:
        # As with the real node in development, chain time advances 6 s per block, whatever the clock says.
        now = overlay.get(TIMESTAMP_NOW)
        moment = (int.from_bytes(now, "little") if now else 0) + SLOT_MS + later_ms
        data = compact(1) + INHERENT_TIMESTAMP + prefixed(moment.to_bytes(8, "little"))
        answer = Reader(self.runtime.call(overlay, "BlockBuilder_inherent_extrinsics", data))
        return [prefixed(answer.bytes()) for _ in range(answer.compact())]

    def _apply(self, overlay: Overlay, extrinsic: bytes) -> bytes:
        overlay.begin()
        try:
            answer = self.runtime.call(overlay, "BlockBuilder_apply_extrinsic", extrinsic)
        except RuntimeTrap as error:
            log.error("the runtime trapped in an extrinsic; leaving it out", error=str(error))
            overlay.rollback()
            return b"\1\0\0"
        if answer[:1] == b"\0":
            overlay.commit()
        else:
            overlay.rollback()
        return answer

    def execute(self, header: Header, body: Iterable[bytes]) -> Block:
        """Execute a foreign block on its parent, by `Core_execute_block`. Raises ExecutionError if it is invalid."""
        parent = self.block(header.parent)
        overlay = Overlay(self.state(parent))
        extrinsics = list(body)
        data = header.encoded + compact(len(extrinsics)) + b"".join(extrinsics)
        try:
            self.runtime.call(overlay, "Core_execute_block", data)
        except (RuntimeTrap, NoSuchMethod) as error:
            raise ExecutionError(f"block {header.number}: {error}") from error
        return self._complete(header, extrinsics, overlay)

    def _complete(self, header: Header, body: list[bytes], overlay: Overlay) -> Block:
        changes = dict(overlay.changes())
        state = overlay.trie()
        found = state.root(self.version.state_version)
        if found != header.state_root:
            raise ExecutionError(
                f"block {header.number}: its header has the state root {header.state_root.hex()}, but its state has {found.hex()}"
            )
        return Block(header, tuple(body), state, changes)

    def add(self, block: Block) -> bool:
        """Add a block and return whether the best block changed.

        The longest chain that holds all finalized blocks is the best one; of equal ones, the first.
        """
        self._blocks[block.hash] = block
        if block.number < len(self._best) or self._fork_point(block).number < self.finalized_number:
            return False
        self._make_best(block)
        return True

    def make_best(self, block: Block) -> None:
        """Make a block's chain the best one. Raises ValueError if that would undo a finalized block."""
        if not self.is_best(block) and self._fork_point(block).number < self.finalized_number:
            raise ValueError("that would undo a finalized block")
        self._make_best(block)

    def _make_best(self, block: Block) -> None:
        fork = self._fork_point(block)
        line = [block.hash]
        while self._blocks[line[-1]].header.parent != fork.hash and line[-1] != fork.hash:
            line.append(self._blocks[line[-1]].header.parent)
        if line[-1] == fork.hash:
            line.pop()
        self._best[fork.number + 1 :] = reversed(line)
        old = self.at(block.number - self._keep_states)
        if old is not None and old.number:
            old.state = None

    def _fork_point(self, block: Block) -> Block:
        while not self.is_best(block):
            block = self.block(block.header.parent)
        return block

    def finalize(self, number: int) -> Iterator[Block]:
        """Finalize the best chain up to `number`. Yield the newly finalized blocks in order."""
        while self.finalized_number < min(number, len(self._best) - 1):
            self.finalized_number += 1
            yield self.finalized

    def retracted(self, before: Block) -> list[Block]:
        """Return the blocks from `before` down that are no longer on the best chain, newest first."""
        gone = []
        while not self.is_best(before):
            gone.append(before)
            before = self.block(before.header.parent)
        return gone


# twox128("Timestamp") | twox128("Now")
TIMESTAMP_NOW = bytes.fromhex("f0c365c3cf59d671eb72da0e7a4113c49f1f0515f462cdcf84e0f1d6045dfcbb")
