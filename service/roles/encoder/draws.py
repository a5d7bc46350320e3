"""The jobs for which an encoder is drawn: since when, and whether what they need of their feeds is to be had."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from service.chain_client import Block, ChainClient, StateDiscarded
from service.chain_client.pallet.types import Copy, CopyState
from service.protocols.copy.stream import StreamRange

SAMPLES = 8
"""Blocks of a segment that are fetched before it is begun: 8 MiB at most."""


class Drawn:
    """The copies that are assigned to an encoder, block after block.

    Nothing of it is kept on disk: after a restart the chain's own past says since when a copy is assigned.
    """

    def __init__(self, client: ChainClient) -> None:
        self._client = client
        self._since: dict[int, tuple[Copy, int]] = {}
        self._found: dict[int, Copy] = {}

    async def look(self, block: Block, mine: Mapping[int, Copy]) -> None:
        """Take the copies of which we are the encoder at a block."""
        assigned = {number: copy for number, copy in mine.items() if copy.state is CopyState.ASSIGNED}
        for number, copy in assigned.items():
            known = self._since.get(number)
            if known is None or not _same_draw(known[0], copy):
                self._since[number] = copy, await self._first(block, number, copy)
        for number in self._since.keys() - assigned.keys():
            del self._since[number]
        for number in [one for one, copy in self._found.items() if not _same_job(assigned.get(one), copy)]:
            del self._found[number]

    def found(self, number: int, copy: Copy) -> None:
        """Note that what a copy needs of its feed is to be had."""
        self._found[number] = copy

    @property
    def reachable(self) -> frozenset[int]:
        """The copies of which it was."""
        return frozenset(self._found)

    @property
    def blocks(self) -> dict[int, int]:
        """The block in which we were drawn, by copy."""
        return {number: since for number, (_, since) in self._since.items()}

    async def _first(self, block: Block, number: int, copy: Copy) -> int:
        """Return the first block that shows this draw, as far back as the begin of its segment can be due."""
        low, high = max(0, block.number - self._client.times.begin_window), block.number
        while low < high:
            middle = (low + high) // 2
            if await self._shows(middle, number, copy):
                high = middle
            else:
                low = middle + 1
        return high

    async def _shows(self, block: int, number: int, copy: Copy) -> bool:
        at = await self._client.block_hash(block)
        try:
            before = None if at is None else await self._client.storage.copy(number, at)
        except StateDiscarded:
            return False
        return before is not None and _same_draw(before, copy)


def _same_draw(one: Copy, other: Copy) -> bool:
    """Return whether a copy was assigned by the same draw at two blocks."""
    return (one.state, one.generation, one.encoder) == (other.state, other.generation, other.encoder)


def _same_job(one: Copy | None, other: Copy) -> bool:
    return one is not None and _same_draw(one, other) and one.head == other.head


def sample_blocks(ranges: Sequence[StreamRange], start: int, end: int, count: int = SAMPLES) -> list[int]:
    """Return up to `count` blocks that lie about evenly in bytes [start, end) of a copy stream, the ends included.

    Where in its range a byte lies is estimated: sizes of blocks are not known yet.
    """
    wanted = {start + (end - 1 - start) * step // (count - 1) for step in range(count)} if start < end else set()
    found, before = set(), 0
    for blocks in ranges:
        inside = (byte - before for byte in wanted if before <= byte < before + blocks.bytes)
        many = blocks.end - blocks.start
        # the last byte is the last block's, so that the end of a stream that grew is always asked for
        found |= {
            blocks.start + (byte * many // blocks.bytes if byte + 1 < blocks.bytes else many - 1) for byte in inside
        }
        before += blocks.bytes
    return sorted(found)
