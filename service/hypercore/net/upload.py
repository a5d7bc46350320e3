"""A limit on what is served to all peers together, in bytes a second. Turns to serve wait for it: first those who had little."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

Step = Callable[[], None]

EARLY_TURNS = 4
"""Of so many turns one is for those who had much already."""
BURST_SECONDS = 0.25
"""What was not used is saved for so long."""


class UploadLimit:
    """A bucket of bytes, and the turns that wait for it. It knows no clock: `wake_at` says when `due` is to be called.

    One turn at a time is let go: what it serves may be more than there is, and is paid back by those that wait.
    """

    def __init__(self, per_second: float, now: float) -> None:
        if per_second <= 0:
            raise ValueError(
                f"an upload limit of {per_second} bytes a second lets nothing through: leave it out for none"
            )
        self._per_second = per_second
        self._level, self._at = per_second * BURST_SECONDS, now
        self._early: deque[Step] = deque()
        self._late: deque[Step] = deque()
        self._turns = 0
        self._busy = False

    def wait(self, step: Step, late: bool) -> None:
        """Let a turn wait. The `late` ones are let go after all others, but get one turn in EARLY_TURNS at least."""
        (self._late if late else self._early).append(step)

    def spend(self, size: int) -> None:
        """Note that so many bytes were served."""
        self._level -= size

    def served(self) -> None:
        """Note that the turn that was let go is over."""
        self._busy = False

    def due(self, now: float) -> Step | None:
        """Return the turn that may be taken now."""
        self._level = min(self._per_second * BURST_SECONDS, self._level + (now - self._at) * self._per_second)
        self._at = now
        if self._busy or self._level <= -1.0 or not (self._early or self._late):  # less than a byte is rounding
            return None
        self._busy = True
        self._turns += 1
        late = not self._early or (bool(self._late) and self._turns % EARLY_TURNS == 0)
        return (self._late if late else self._early).popleft()

    def wake_at(self) -> float | None:
        """Return when `due` has a turn, or None: none waits, or one is being taken."""
        if self._busy or not (self._early or self._late):
            return None
        return self._at + max(0.0, -self._level) / self._per_second
