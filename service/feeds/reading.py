"""Read a feed from one of its bytes on. Who fetches a whole feed begins so, and who probes a hoster does nothing else.

Both take the same steps for the same reasons, so that a hoster cannot tell them apart while it serves them
(docs/protocol/probe.md section 6): the head as the peer shows it, one block at a time to find the one that holds the byte, and
from there on twice as many blocks with each step.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from service.hypercore import Core
from service.hypercore.net import CorePeer, ReplicationError, Replicator

MAX_BLOCKS = 512
"""Blocks read from a byte on, however small they are."""
GUESSES = 6
"""Interpolated guesses before the search for a byte falls back to halving, which bounds it for uneven blocks."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Blocks [start, end) of a feed that a peer has, and the bytes [first_byte, last_byte) that they hold, as far as is known."""

    start: int
    end: int
    first_byte: int
    last_byte: int


@dataclass(frozen=True, slots=True)
class PartRead:
    """What was read: the block that holds the byte, the offset of that block in the feed, and what it took.

    `latency` and `seconds` are seconds, of the first block and of all; `received` are the bytes of all blocks.
    """

    block: int
    offset: int
    latency: float
    seconds: float
    received: int


def announced(core: Core, peer: CorePeer) -> Stretch:
    """Return the blocks that a peer has told to have from the first one on, without a gap."""
    have = min(peer.state.has.gap(0), core.length)
    return Stretch(0, have, 0, core.byte_length * have // max(1, core.length))


async def read_part(
    core: Core, replicator: Replicator, within: Stretch, byte: int, size: int, beyond: Sequence[tuple[int, int]] = ()
) -> PartRead:
    """Read about `size` bytes of a feed from `byte` on, at most MAX_BLOCKS blocks. They are in the core on return.

    The block that holds `byte` is looked for in `within`, and read on from up to its end, and then in the blocks of `beyond`.
    Raises ReplicationError, also if no block of `within` holds that byte.
    """
    return await _PartReader(core, replicator).read(within, byte, size, beyond)


class _PartReader:
    def __init__(self, core: Core, replicator: Replicator) -> None:
        self._core, self._replicator = core, replicator
        self._received = 0
        self._latency = 0.0
        self._begun = asyncio.get_running_loop().time()

    async def read(self, within: Stretch, byte: int, size: int, beyond: Sequence[tuple[int, int]]) -> PartRead:
        block, offset = await self._find(within, byte)
        taken, ahead, left = 0, 1, size + byte - offset
        for start, end in ((block, within.end), *beyond):
            for index in range(start, end):
                if left <= 0 or taken >= MAX_BLOCKS:
                    break
                if not self._core.has(index):
                    await self._get(index, min(index + ahead, end))
                    ahead *= 2
                left -= self._size(index)
                taken += 1
        seconds = max(asyncio.get_running_loop().time() - self._begun, 0.001)
        return PartRead(block, offset, self._latency, seconds, self._received)

    async def _get(self, start: int, end: int) -> None:
        before = asyncio.get_running_loop().time()
        await self._replicator.download(start, end)
        if not self._received:
            self._latency = asyncio.get_running_loop().time() - before
        self._received += sum(self._size(block) for block in range(start, end))

    def _size(self, block: int) -> int:
        data = self._core.raw(block)
        if data is None:
            raise ReplicationError(f"block {block} of core {self._core.key.hex()} was dropped right after its download")
        return len(data)

    async def _find(self, within: Stretch, byte: int) -> tuple[int, int]:
        """Return the block that holds a byte, and its offset: first by interpolation, then by halving."""
        low, high = within.start, within.end
        first, last = within.first_byte, within.last_byte
        tries = 0
        while low < high:
            if tries < GUESSES:
                guess = low + min(high - low - 1, max(0, byte - first) * (high - low) // max(1, last - first))
            else:
                guess = (low + high) // 2
            tries += 1
            if not self._core.has(guess):
                await self._get(guess, guess + 1)
            start, size = self._core.byte_range(guess)
            if start <= byte < start + size:
                return guess, start
            if byte < start:
                high, last = guess, start
            else:
                low, first = guess + 1, start + size
        raise ReplicationError(
            f"core {self._core.key.hex()}: inconsistent block sizes: no block from {within.start} to {within.end} holds byte {byte}"
        )
