"""A clock that is off against the chain's is told once, with what to do."""

from __future__ import annotations

import asyncio

from structlog.testing import capture_logs

from service.chain_client import BlockRef, ConnectionLost
from service.node.clock import EVERY_BLOCKS, ClockWatch, watch_clock
from service.operating.clocks import OFF_SECONDS, REAL_SINCE, ClockPace, clock_off

SINCE = 1_800_000_000


def test_it_is_told_once_and_again_after_it_was_right() -> None:
    watch = ClockWatch()
    assert watch.look(OFF_SECONDS) is None
    first = watch.look(400 * 86_400)
    assert first is not None
    assert "34560000 s ahead of the chain's" in first
    assert "NTP" in first
    assert watch.look(400 * 86_400) is None
    assert watch.look(0.0) is None
    second = watch.look(-31)
    assert second is not None
    assert "31 s behind the chain's" in second


def test_a_simulated_time_is_no_clock() -> None:
    """A mock's begins at 1970: every newcomer was told that their clock was 56 years ahead."""
    pace, now = ClockPace(), 1_800_000_000.0
    for step in range(3):
        assert pace.off(now + 60 * step, 5_000.0 + 60 * step) is None
        assert pace.off(now + 60 * step, REAL_SINCE - 1 - step) is None
        assert pace.off(now + 60 * step, None) is None
    assert (clock_off(now, None), clock_off(now, 0.0), clock_off(now, now - 1)) == (None, None, 1.0)


def readings(pace: ClockPace, ours: float, chains: float, speed: float, seconds: float) -> list[float | None]:
    """What is known with a block each six seconds of ours."""
    return [pace.off(ours + at, chains + at * speed) for at in range(0, int(seconds), 6)]


def test_a_time_that_passes_at_another_pace_is_no_clock() -> None:
    """A development chain's blocks, and those of a node that catches up, bear times that fly."""
    now = 1_800_000_000.0
    assert set(readings(ClockPace(), now, now - 7_000, 10.0, 300)) == {None}
    assert set(readings(ClockPace(), now, now - 7_000, 0.1, 300)) == {None}
    pace = ClockPace()
    known = readings(pace, now, now - 7_000, 1.0, 90)
    assert known == [None] * 5 + [7_000.0] * 10
    # our clock is set: what was known is so no longer, and is found out again
    assert readings(pace, now - 6_990, now - 6_910, 1.0, 90) == [None] * 5 + [-80.0] * 10
    # the node falls behind, and catches up
    assert readings(pace, now, now, 1.0, 36)[-1] is not None
    assert readings(pace, now + 3_600, now + 60, 20.0, 120)[-1] is None


class Chain:
    """A client and a follower in one: its blocks come when they are asked for, five seconds apart."""

    def __init__(self, *, fails_at: int = -1) -> None:
        self.number, self.asked, self._fails_at = 7, list[int](), fails_at
        self.looked_often = asyncio.Event()

    async def wait_for(self, number: int) -> BlockRef:
        await asyncio.sleep(0)
        if number > 200:
            await asyncio.Event().wait()
        self.number = max(self.number, number)
        return BlockRef(self.number, bytes(32))

    async def best(self) -> BlockRef:
        return BlockRef(self.number, bytes(32))

    async def timestamp(self, _: bytes) -> int:
        self.asked.append(self.number)
        if len(self.asked) == 10:
            self.looked_often.set()
        if self.number == self._fails_at:
            raise ConnectionLost("gone")
        return 1000 * SINCE + 5000 * self.number


async def watched(chain: Chain, wall: float) -> list[str]:
    with capture_logs() as logs:
        task = asyncio.create_task(watch_clock(chain, chain, lambda: SINCE + 5.0 * chain.number + wall))  # type: ignore[arg-type]
        await chain.looked_often.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    return [line["event"] for line in logs if line["log_level"] == "warning"]


async def test_a_node_looks_at_new_blocks_only_and_now_and_then() -> None:
    chain = Chain(fails_at=28)
    (told,) = await watched(chain, 3600)
    assert "3600 s ahead" in told
    assert chain.asked == [8 + EVERY_BLOCKS * step for step in range(10)]


async def test_a_right_clock_is_not_worth_a_word() -> None:
    assert await watched(Chain(), -6) == []
