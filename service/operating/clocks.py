"""The clock of this machine beside the chain's: by how much they differ, and whether that can be known. Sans-IO."""

from __future__ import annotations

OFF_SECONDS = 30.0
"""A difference that neither the time between two blocks nor their way here explains."""
REAL_SINCE = 1_577_836_800.0
"""Seconds since 1970 of 2020: a mock's time begins at 1970 and is nobody's clock."""


def clock_off(ours: float, chains: float | None) -> float | None:
    """Return the seconds that our clock is ahead of the chain's; both in seconds since 1970.

    None if the chain tells no time, or one that is simulated: there is nothing to compare with then.
    """
    return None if chains is None or chains < REAL_SINCE else ours - chains


PACE_SECONDS = 30.0
"""Of our time, after which it is known whether the chain's passes as fast: blocks come every few seconds."""
ALIKE = (0.5, 2.0)
"""How many seconds may pass on the chain in one of ours: more do where a node catches up, or on a development chain."""


class ClockPace:
    """Compares our clock with the chain's, and knows from two readings whether the chain's is one that can be compared with."""

    def __init__(self) -> None:
        self._since: tuple[float, float] | None = None
        self._alike = False

    def off(self, ours: float, chains: float | None) -> float | None:
        """Return the seconds that our clock is ahead, or None while that cannot be known; both in seconds since 1970."""
        found = clock_off(ours, chains)
        if found is None or chains is None:
            self._since, self._alike = None, False
            return None
        if self._since is None:
            self._since = ours, chains
        passed = ours - self._since[0]
        if not 0 <= passed < PACE_SECONDS:
            self._alike = ALIKE[0] <= (chains - self._since[1]) / passed <= ALIKE[1]
            self._since = ours, chains
        return found if self._alike else None
