"""The short form of `make attack`: all attackers at once, and what must hold on a machine of any speed.

Whether a proof comes in time depends on the machine, so that is for `make attack` to say.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from .siege import HONEST_READERS, Siege, Span, besieged, descriptors

MAX_LOG_KIB = 1024
PLACES = 1024 + 256


def all_seen(counts: dict[str, int]) -> bool:
    """Whether every attacker has done what it does."""
    frames = sum(name.startswith("frames of") for name in counts)
    return (
        frames == 5
        and counts.get("idle connections", 0) > 500
        and counts.get("whole feeds read", 0) >= 16
        and len(counts) >= 11
    )


@pytest.mark.slow
@pytest.mark.case("network/idle_flood")
@pytest.mark.case("network/stall_frame")
@pytest.mark.case("network/probe_drain_fast")
@pytest.mark.case("network/reader_load")
@pytest.mark.case("network/slow")
async def test_under_all_attacks_readers_are_served_and_nothing_is_left_behind(tmp_path: Path) -> None:
    async def siege(found: Siege) -> None:
        quiet = await found.span("quiet", lambda: found.eras(1))
        span = Span("attack")

        async def wait() -> None:
            before = span.read
            while span.read < before + 2 * HONEST_READERS or not all_seen(found.counts):
                await found.eras(1)

        await found.span("attack", lambda: found.under_attack(wait), span)
        assert span.read_failed == 0, span.reasons
        assert span.descriptors <= PLACES
        assert span.log_kib < MAX_LOG_KIB
        while descriptors(found.pid) > quiet.descriptors + 16:  # noqa: ASYNC110
            await asyncio.sleep(0.5)
        assert await found.read() == found.published.data

    await besieged(tmp_path, siege)
