"""How fast an encoder is: what its own work has shown."""

from __future__ import annotations

TRIAL_SECTORS = 256
"""Sectors that are encoded to find out the speed, if no work has shown it yet."""


class Speed:
    """The sectors per second that this machine has shown that it makes, all jobs together; None before any work."""

    def __init__(self) -> None:
        self.best: float | None = None

    def note(self, rate: float, jobs: int) -> None:
        """Take the rate of one of so many jobs at a time. A feed that comes slowly makes no machine slow."""
        if rate > 0:
            self.best = max(self.best or 0.0, rate * max(1, jobs))
