"""Whether a plan's segments can be encoded within a lease, said before the plan is paid for and not by its stalls."""

from __future__ import annotations

import asyncio

from service.chain_client import ChainClient
from service.chain_client.pallet.types import Times
from service.encoding import sector_count
from service.encoding.profiles import SECTOR
from service.protocols.copy.stream import longest_segment
from service.units import MIB

from ..common.pace import EXPECTED_RATE, SHORTEST_BLOCK
from .checks import PublicationError

MEASURED_BLOCKS = 3
PATIENCE_SECONDS = 60.0
"""A chain on which no block comes for so long has no pace that could be measured."""


class TooLong(PublicationError):
    """A plan of which a segment is not encoded within a lease. The message has the figures."""


def most_bytes(times: Times, block_seconds: float) -> int:
    """Return how many bytes an ordinary encoder encodes within a lease."""
    return int((times.lease - times.seed_delay) * block_seconds * EXPECTED_RATE) * SECTOR


def check_lease(size: int, times: Times, block_seconds: float) -> None:
    """Raise TooLong if a segment of a plan of `size` bytes is more than an ordinary encoder makes within a lease."""
    segment, most = min(size, longest_segment(size, 0, times.checkpoint)), most_bytes(times, block_seconds)
    if sector_count(segment) * SECTOR <= most:
        return
    seconds = times.lease * block_seconds
    raise TooLong(
        f"the plan has a segment of {segment / MIB:.0f} MiB, which an encoder must make within a lease of {times.lease} blocks "
        f"({seconds:.0f} s here): one of {EXPECTED_RATE * SECTOR // 1024} KiB/s makes {most / MIB:.0f} MiB. Else the segment "
        "stalls, and encoder, hoster and pot are fined. Publish plans of fewer blocks (--range START:END), or this one all "
        "the same (--unserved)"
    )


async def check_pace(client: ChainClient, size: int) -> None:
    """Raise TooLong as `check_lease` does, with the pace that the chain has now. A long plan waits for some blocks."""
    times = client.times
    if min(size, longest_segment(size, 0, times.checkpoint)) <= most_bytes(times, SHORTEST_BLOCK):
        return
    seconds = await block_seconds(client)
    if seconds is not None:
        check_lease(size, times, seconds)


async def block_seconds(client: ChainClient) -> float | None:
    """Return the time between two blocks, by the clock of this machine, or None if none come.

    The chain's own clock says nothing about that on a development chain. Raises ChainError.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            first = await _after(client, (await client.best()).number)
            start = loop.time()
            last = first
            while last < first + MEASURED_BLOCKS:
                last = await _after(client, last)
            return (loop.time() - start) / (last - first)
    except TimeoutError:
        return None


async def _after(client: ChainClient, number: int) -> int:
    """Return the number of the first block after this one that is seen."""
    while True:
        best = (await client.best()).number
        if best > number:
            return best
        await asyncio.sleep(0.05)  # a poll: a command follows finalized blocks, which may come in bunches
