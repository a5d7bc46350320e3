"""The pace of a chain, by the clock of this machine, and what can be encoded within a lease at it."""

from __future__ import annotations

from collections import deque

from service.chain_client.pallet.types import Times

from .salvage import CONFIRM_BLOCKS

EXPECTED_RATE = 1_400
"""Sectors per second (350 KiB/s) of an encoder that nobody knows: half of what two cores of today make, or one of them."""
FASTEST_RATE = 16 * EXPECTED_RATE
"""Sectors per second that hardly any encoder makes."""
SLOWEST = 64.0
"""Sectors per second (16 KiB/s) that every machine makes: a segment that they are enough for is not measured against."""
SHORTEST_BLOCK = 0.5
"""Seconds of the shortest block of a chain that carries long segments."""
LEAST_BLOCKS, SPAN_BLOCKS = 8, 64
"""Blocks over which the time of a block is measured: at least, and at most."""


class Pace:
    """The time between two blocks, by the clock of this machine: a development chain's own clock runs ahead."""

    def __init__(self) -> None:
        self._seen: deque[tuple[int, float]] = deque(maxlen=SPAN_BLOCKS)

    def look(self, number: int, now: float) -> None:
        """Note that a block came at a time, in seconds."""
        if not self._seen or number > self._seen[-1][0]:
            self._seen.append((number, now))

    @property
    def seconds(self) -> float | None:
        """Seconds per block, or None as long as too few came."""
        if not self._seen:
            return None
        (first, start), (last, end) = self._seen[0], self._seen[-1]
        return (end - start) / (last - first) if last >= first + LEAST_BLOCKS else None


def lease_seconds(times: Times, block_seconds: float) -> float:
    """Return how long a segment may be worked on after its salt is drawn, in seconds."""
    return (times.lease - times.seed_delay - CONFIRM_BLOCKS) * block_seconds


def is_long(sectors: int, times: Times) -> bool:
    """Return whether a segment is so long that not every machine makes it within a lease."""
    return sectors > lease_seconds(times, SHORTEST_BLOCK) * SLOWEST


def too_long(sectors: int, times: Times, block_seconds: float, rate: float) -> str | None:
    """Return why a segment is not made within its lease at a rate in sectors per second, or None."""
    seconds = lease_seconds(times, block_seconds)
    if sectors <= rate * seconds:
        return None
    return (
        f"its segment of {sectors} sectors takes {sectors / rate:.0f} s at {rate:.0f} sectors per second, "
        f"and the lease is over after {seconds:.0f} s"
    )
