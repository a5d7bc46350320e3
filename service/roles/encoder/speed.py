"""How fast an encoder is beside the chain: whether a segment is made within its lease, before it is begun."""

from __future__ import annotations

from collections import deque

from service.chain_client.pallet.types import Times

from ..common.salvage import CONFIRM_BLOCKS

SLOWEST = 64.0
"""Sectors per second (16 KiB/s) that every machine makes: a segment that they are enough for is not measured against."""
SHORTEST_BLOCK = 0.5
"""Seconds of the shortest block of a chain that carries long segments."""
TRIAL_SECTORS = 256
"""Sectors that are encoded to find out the speed, if no work has shown it yet."""
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


class Speed:
    """The sectors per second that this machine has shown that it makes, all jobs together; None before any work."""

    def __init__(self) -> None:
        self.best: float | None = None

    def note(self, rate: float, jobs: int) -> None:
        """Take the rate of one of so many jobs at a time. A feed that comes slowly makes no machine slow."""
        if rate > 0:
            self.best = max(self.best or 0.0, rate * max(1, jobs))


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
        f"its segment of {sectors} sectors takes {sectors / rate:.0f} s here, at {rate:.0f} sectors per second, "
        f"and the lease is over after {seconds:.0f} s"
    )
