"""What is to be done later, without a clock: whoever drives the node asks when, and says when it is time."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable

Work = Callable[[float], None]


class Alarm:
    """One thing to be done. `cancel` takes it back."""

    __slots__ = ("work",)

    def __init__(self, work: Work) -> None:
        self.work: Work | None = work

    def cancel(self) -> None:
        """Do it no longer."""
        self.work = None


class Timers:
    """All that is to be done, by time; of one time, in the order in which it was asked for."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Alarm]] = []
        self._order = itertools.count()

    def __len__(self) -> int:
        return sum(timer.work is not None for _, _, timer in self._due)

    def at(self, when: float, work: Work) -> Alarm:
        """Let something be done at a time, or soon after."""
        timer = Alarm(work)
        heapq.heappush(self._due, (when, next(self._order), timer))
        return timer

    def deadline(self) -> float | None:
        """Return when `fire` is to be called, or None."""
        while self._due and self._due[0][2].work is None:
            heapq.heappop(self._due)
        return self._due[0][0] if self._due else None

    def fire(self, now: float) -> None:
        """Do what is due by now. What that asks for is done the next time."""
        due = []
        while self._due and self._due[0][0] <= now:
            due.append(heapq.heappop(self._due)[2])
        for timer in due:
            work, timer.work = timer.work, None
            if work is not None:
                work(now)
