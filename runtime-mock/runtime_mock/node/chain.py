"""Blocks and their states: the tree of forks, building, executing foreign blocks, best and finalized heads."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Protocol

import structlog

from ..codec import Reader, compact, prefixed
from ..runtime import CODE, NoSuchMethod, Runtime, RuntimeTrap, Version
from ..state.overlay import Overlay
from ..state.trie import Trie, ordered_root
from .blocks import Block, Header, Tree, UnknownBlock

__all__ = ["Archive", "Block", "Chain", "ExecutionError", "Header", "UnknownBlock"]

log = structlog.get_logger(__name__)

SLOT_MS = 6_000
NEVER = bytes(32)
INHERENT_TIMESTAMP = b"timstap0"
LEAST_BLOCKS = 1024
"""Blocks that are in memory however few states are kept: those whose extrinsics may still be watched, and some more."""
MAX_BLOCK_BYTES = 5 * 1024 * 1024 * 3 // 4


class ExecutionError(Exception):
    """A block cannot be built or executed. The message says why."""


class Archive(Protocol):
    """Where blocks can be had that are no longer in memory. They come without their states."""

    def block(self, block_hash: bytes) -> Block | None:
        """Return a block by its hash, or None."""
        ...

    def hash_at(self, number: int) -> bytes | None:
        """Return the hash of the finalized block of a number, or None."""
        ...


class Chain:
    """The tree of blocks from the window's oldest on, and the best chain. Pure: it neither awaits nor writes to disk.

    The states of the last `keep_states` blocks are kept, and at least `LEAST_BLOCKS` blocks, as many as are not final, and
    block 0. What is older and final is had from `archive`, if there is one. A fork that a finalized block rules out is dropped.
    """

    archive: Archive | None = None

    def __init__(self, runtime: Runtime, genesis: Trie, keep_states: int = 8192) -> None:
        self.runtime, self._keep_states = runtime, keep_states
        self.version = Version.decode(runtime.call(Overlay(genesis), "Core_version", b""))
        self._versioned = genesis.get(CODE), self.version
        root = genesis.root(self.version.state_version)
        header = Header(NEVER, 0, root, ordered_root([], self.version.extrinsics_version), ())
        self.genesis = Block(header, (), genesis)
        self._tree = Tree(self.genesis)
        self._best: dict[int, bytes] = {0: self.genesis.hash}
        self._top = self._oldest = self.finalized_number = 0

    @property
    def best(self) -> Block:
        """The newest block of the best chain."""
        return self._tree.blocks[self._best[self._top]]

    @property
    def finalized(self) -> Block:
        """The newest finalized block."""
        return self._tree.blocks[self._best[self.finalized_number]]

    def block(self, block_hash: bytes) -> Block:
        """Return a block by its hash. Raises UnknownBlock."""
        found = self._tree.blocks.get(block_hash)
        if found is None and self.archive is not None:
            found = self.archive.block(block_hash)
        if found is None:
            raise UnknownBlock(f"0x{block_hash.hex()}")
        return found

    def at(self, number: int) -> Block | None:
        """Return the best chain's block of a number, or None."""
        found = self._hash_at(number)
        return None if found is None else self.block(found)

    def _hash_at(self, number: int) -> bytes | None:
        found = self._best.get(number)
        if found is None and self.archive is not None and 0 < number < self._oldest:
            found = self.archive.hash_at(number)
        return found

    def level(self, number: int) -> list[Block]:
        """Return the blocks of a number on all forks; of those that are no longer in memory, the best chain's."""
        found = self.at(number)
        return self._tree.at(number) or ([] if found is None else [found])

    def children(self, block: Block) -> list[Block]:
        """Return the known children of a block."""
        return [one for one in self._tree.at(block.number + 1) if one.header.parent == block.hash]

    def is_best(self, block: Block) -> bool:
        """Return whether a block is on the best chain."""
        return self._hash_at(block.number) == block.hash

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
        self._tree.add(block)
        if block.number <= self._top or self._fork_number(block) < self.finalized_number:
            return False
        self._make_best(block)
        return True

    def withdraw(self, block: Block, before: Block) -> None:
        """Take back a block that was just added, when `before` was the best one."""
        self._make_best(before)
        self._tree.drop([block])

    def make_best(self, block: Block) -> None:
        """Make a block's chain the best one. Raises ValueError if that would undo a finalized block."""
        if not self.is_best(block) and self._fork_number(block) < self.finalized_number:
            raise ValueError("that would undo a finalized block")
        self._make_best(block)

    def _make_best(self, block: Block) -> None:
        line = []
        fork = block
        while not self.is_best(fork):
            line.append(fork.hash)
            fork = self.block(fork.header.parent)
        for number in range(fork.number + 1, self._top + 1):
            del self._best[number]
        self._best.update(enumerate(reversed(line), fork.number + 1))
        self._top = block.number
        for one in self._tree.at(block.number - self._keep_states):
            if one.number:
                one.state = None

    def _fork_number(self, block: Block) -> int:
        """Return the number of a block's newest ancestor on the best chain; 0 if it is no longer known."""
        try:
            while not self.is_best(block):
                block = self.block(block.header.parent)
        except UnknownBlock:
            return 0
        return block.number

    def finalize(self, number: int) -> Iterator[Block]:
        """Finalize the best chain up to `number`. Yield the newly finalized blocks in order."""
        while self.finalized_number < min(number, self._top):
            self.finalized_number += 1
            yield self.finalized

    def prune(self, since: int) -> list[Block]:
        """Drop what is out of reach, after blocks from the number `since` on were finalized.

        Return the blocks that are on no chain any longer. Those of the best chain may be had from the archive.
        """
        gone = self._ruled_out(since)
        oldest = min(self._top - max(self._keep_states, LEAST_BLOCKS), self.finalized_number)
        for number in range(max(self._oldest, 1), oldest):
            gone.update({one.hash: one for one in self._tree.at(number) if not self.is_best(one)})
            self._tree.drop(one for one in self._tree.at(number) if one.hash not in gone)
            del self._best[number]
        self._oldest = max(self._oldest, oldest)
        self._tree.drop(gone.values())
        return list(gone.values())

    def _ruled_out(self, since: int) -> dict[bytes, Block]:
        """Return the blocks that a finalized one rules out, and those on them."""
        gone: dict[bytes, Block] = {}
        for number in itertools.count(since):
            level = self._tree.at(number)
            final = number <= self.finalized_number
            fresh = [one for one in level if one.header.parent in gone or (final and not self.is_best(one))]
            gone.update({one.hash: one for one in fresh})
            if not final and not fresh:
                return gone
        raise AssertionError

    def retracted(self, before: Block) -> list[Block]:
        """Return the blocks from `before` down that are no longer on the best chain, newest first."""
        gone = []
        while not self.is_best(before):
            gone.append(before)
            before = self.block(before.header.parent)
        return gone


# twox128("Timestamp") | twox128("Now")
TIMESTAMP_NOW = bytes.fromhex("f0c365c3cf59d671eb72da0e7a4113c49f1f0515f462cdcf84e0f1d6045dfcbb")
