"""The progress of long work: how far it is, how fast it goes, and how long it will take."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

_SPAN = 10.0  # seconds that the rate looks back


@dataclass(frozen=True)
class Progress:
    """Sectors done, total sectors (None if unknown), sectors per second, seconds left (None if unknown)."""

    done: int
    total: int | None
    rate: float
    seconds_left: float | None


class ProgressMeter:
    """A counter of sectors that gives the rate over the last ten seconds. `clock` returns monotonic seconds."""

    def __init__(self, done: int, total: int | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._total = total
        self._samples: deque[tuple[float, int]] = deque([(clock(), done)])

    def add(self, sectors: int) -> None:
        """Count this many more sectors as done."""
        now = self._clock()
        self._samples.append((now, self._samples[-1][1] + sectors))
        while len(self._samples) > 2 and (self._samples[1][0] < now - _SPAN or len(self._samples) > 4096):
            self._samples.popleft()

    @property
    def progress(self) -> Progress:
        """The current state. The rate is 0 until there are two points in time to compare."""
        (start, first), (_, done) = self._samples[0], self._samples[-1]
        elapsed = self._clock() - start
        rate = (done - first) / elapsed if elapsed > 0 else 0.0
        left = None if self._total is None else max(0, self._total - done)
        return Progress(done, self._total, rate, left / rate if left is not None and rate > 0 else None)
