"""When the last checkpoint that both sides of a segment signed is confirmed, because the segment will not be finished.

Whoever confirms it pays a fine, and the copy can be helped in this way once. So neither side does it while the other may
come back; and both do before the lease passes, which would cost more and lose the work.
"""

from __future__ import annotations

from dataclasses import dataclass

from service.chain_client.pallet.constants import MAX_SEGMENTS
from service.chain_client.pallet.types import Copy, Times
from service.encoding import sector_count

from .segment_jobs import segment_end

QUIET_PART = 4
"""A side that was not heard of for this part of the lease is taken to be gone."""
END_PART = 12
"""In this last part of the lease a segment that will not be finished is not waited for."""
TURN_PART = 48
"""By this part of the lease the hoster goes after the encoder, so that they do not both pay for the same call."""
CONFIRM_BLOCKS = 4
"""Blocks that a confirmation is given to get into the chain."""


@dataclass(frozen=True, slots=True)
class Making:
    """A segment in the making: block of its begin, sectors done, sectors signed by both, block of the last that was done."""

    begun: int
    done: int
    signed: int
    heard: int


def segment_sectors(copy: Copy, times: Times) -> int:
    """Return how many sectors the segment has that a copy needs next."""
    return sector_count(segment_end(copy, times) - copy.stored_bytes)


def salvage_due(now: int, times: Times, copy: Copy, making: Making, hoster: bool) -> bool:
    """Return whether one side, the hoster or the encoder, confirms the last checkpoint now."""
    turn = times.lease // TURN_PART if hoster else 0
    last = making.begun + times.lease - CONFIRM_BLOCKS
    if not _allowed(times, copy, making.signed):
        return False
    if now >= last or now - making.heard >= times.lease // QUIET_PART + turn:
        return True
    return now >= last - times.lease // END_PART + turn and not _in_time(
        now, last, segment_sectors(copy, times), making
    )


def _allowed(times: Times, copy: Copy, signed: int) -> bool:
    part = times.checkpoint <= signed < segment_sectors(copy, times)
    return part and not copy.stalls and len(copy.segments) + 1 < MAX_SEGMENTS


def _in_time(now: int, last: int, sectors: int, making: Making) -> bool:
    """Return whether the rest is done before block `last`, if it goes on as it went since the begin."""
    left = sectors - making.done
    return left * (now - making.begun) <= making.done * (last - now)
