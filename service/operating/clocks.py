"""The clock of this machine beside the chain's: by how much they differ, and whether that can be known. Pure."""

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
