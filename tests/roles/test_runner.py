"""The runner: one task per action, back-off after failures, no repetition before the effect is seen."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from structlog.testing import capture_logs

from service.chain_client import Call, DispatchError
from service.chain_client.pallet import calls
from service.roles.common.runner import Runner, submitted


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_an_action_runs_once_while_it_runs_and_waits_for_its_block() -> None:
    runner, calls, gate = Runner("test"), [], asyncio.Event()

    async def perform() -> int:
        calls.append(1)
        await gate.wait()
        return 7

    assert not runner.waits("a", 1)
    for now in (1, 2, 3):
        runner.apply(now, [("a", perform)])
        await settle()
        assert runner.waits("a", 50)
    assert len(calls) == 1
    gate.set()
    await settle()
    runner.apply(6, [("a", perform)])
    await settle()
    assert len(calls) == 1, "its effect is in block 7, which no decision has seen"
    assert (runner.waits("a", 6), runner.waits("a", 7)) == (True, False)
    runner.apply(7, [("a", perform)])
    await settle()
    assert len(calls) == 2


async def test_what_ends_while_facts_are_read_is_not_repeated_by_their_decision() -> None:
    runner, calls, gate = Runner("test"), [], asyncio.Event()

    async def perform() -> None:
        calls.append(1)
        await gate.wait()

    runner.look(1)
    runner.apply(1, [("a", perform)])
    await settle()
    runner.look(2)
    gate.set()
    await settle()
    runner.apply(2, [("a", perform)])
    await settle()
    assert len(calls) == 1, "the facts of block 2 may be older than its end"
    runner.look(3)
    runner.apply(3, [("a", perform)])
    await settle()
    assert len(calls) == 2


async def test_failures_back_off_and_leave_others_alone() -> None:
    runner, calls = Runner("test"), []

    async def fail() -> None:
        calls.append(runner)
        raise RuntimeError("no")

    async def fine() -> None:
        calls.append(None)  # type: ignore[arg-type]

    tried = []
    for now in range(1, 20):
        before = calls.count(runner)
        runner.apply(now, [("bad", fail), ("good", fine)])
        await settle()
        if calls.count(runner) > before:
            tried.append(now)
    assert tried == [1, 2, 4, 8, 16]
    assert calls.count(None) > 10  # type: ignore[arg-type]


async def test_what_is_wanted_no_more_is_cancelled() -> None:
    runner, ended = Runner("test"), []

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(1)

    runner.apply(1, [("a", forever)])
    await settle()
    runner.apply(2, [])
    await settle()
    assert ended == [1]
    runner.apply(3, [("a", forever)])
    await settle()
    await runner.close()
    assert ended == [1, 1]


class Failing:
    """A signer whose call fails in its block."""

    async def submit(self, call: Call, held: Callable[[], Awaitable[bool]]) -> None:
        assert not await held(), "nobody had done it when it was sent"
        raise DispatchError("DatDot", "AlreadySettled")


@pytest.mark.parametrize("lost", [True, False], ids=["another was faster", "it is wrong"])
async def test_a_lost_race_is_no_error(lost: bool) -> None:
    """The fact holds after the failure: somebody made it meanwhile."""
    asked: list[bool] = []
    runner = Runner("test")

    async def held() -> bool:
        asked.append(lost and bool(asked))
        return asked[-1]

    async def perform() -> int | None:
        return await submitted(Failing(), calls.settle_retrieval(3, 4), held)  # type: ignore[arg-type]

    with capture_logs() as logs:
        runner.apply(1, [("settle", perform)])
        await settle()
        await settle()
    levels = [line["log_level"] for line in logs]
    assert levels == (["info"] if lost else ["error"])
    assert "AlreadySettled" in str(logs[0])
