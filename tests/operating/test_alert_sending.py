"""Alerts are sent in order, tried again after ever longer waits, given up in the end, and hold up nobody. Virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from service.operating.alerts.book import Alert, Category, Severity
from service.operating.alerts.outbox import LONGEST_WAIT, MOST_WAITING, TRIES, Outbox
from service.operating.alerts.sending import AlertSender
from service.operating.alerts.targets import message, open_targets


def alert(number: int, closed: int | None = None) -> Alert:
    return Alert(number, f"disk/{number}", Severity.ERROR, Category.DISK, f"no {number}", "why", "do", 4, 5, closed)


class Target:
    """A target that takes nothing until a time, and takes its time."""

    def __init__(self, name: str, takes_from: float = 0.0, seconds: float = 0.0) -> None:
        self.name, self.takes_from, self.seconds = name, takes_from, seconds
        self.tries: list[tuple[float, str]] = []
        self.taken: list[str] = []

    async def send(self, title: str, body: str, kind: str) -> bool:
        now = asyncio.get_running_loop().time()
        self.tries.append((now, body.splitlines()[0]))
        await asyncio.sleep(self.seconds)
        if now < self.takes_from:
            return False
        self.taken.append(body.splitlines()[0])
        return True


@asynccontextmanager
async def sending(*targets: Target) -> AsyncIterator[tuple[AlertSender, list[Alert]]]:
    told: list[Alert] = []
    sender = AlertSender(targets, "5X", told.append)
    task = asyncio.create_task(sender.run())
    try:
        yield sender, told
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_each_target_gets_each_once_in_order() -> None:
    one, slow = Target("one"), Target("slow", seconds=30)
    async with sending(one, slow) as (sender, told):
        sender.tell([alert(1), alert(2)])
        sender.tell([alert(1, closed=9)])
        await asyncio.sleep(10)
        assert one.taken == ["no 1", "no 2", "It is over: no 1"], "a slow one holds up no other"
        assert told == []
        await asyncio.sleep(100)
        assert slow.taken == one.taken
        assert told == [alert(1), alert(2), alert(1, closed=9)]


async def test_one_that_does_not_answer_is_tried_again_after_ever_longer_waits() -> None:
    start = asyncio.get_running_loop().time()
    away = Target("away", takes_from=start + 100)
    with capture_logs() as logs:
        async with sending(away) as (sender, told):
            sender.tell([alert(1), alert(2)])
            await asyncio.sleep(1000)
    assert [round(at - start) for at, _ in away.tries] == [0, 5, 15, 35, 75, 155, 155]
    assert away.taken == ["no 1", "no 2"]
    assert told == [alert(1), alert(2)]
    assert {line["target"] for line in logs} == {"away"}


async def test_a_message_is_given_up_and_the_next_one_is_tried() -> None:
    gone = Target("gone", takes_from=1e12)
    with capture_logs() as logs:
        async with sending(gone) as (sender, told):
            sender.tell([alert(1), alert(2)])
            await asyncio.sleep(7 * LONGEST_WAIT)
            assert told == [alert(1)]
    assert [line["alert"] for line in logs if line["event"] == "an alert was given up"] == [1]
    assert [what for _, what in gone.tries].count("no 1") == TRIES


async def test_targets_can_be_changed_while_it_runs() -> None:
    before, after = Target("before", takes_from=1e12), Target("after")
    async with sending(before) as (sender, told):
        sender.tell([alert(1)])
        await asyncio.sleep(1)
        sender.use([after])
        await asyncio.sleep(1)
        sender.tell([alert(2)])
        await asyncio.sleep(100)
        assert (after.taken, told) == (["no 2"], [alert(2)])
        tries = len(before.tries)
        sender.use([])
        sender.tell([alert(3)])
        assert told == [alert(2), alert(3)], "without a target nobody is to be told"
        await asyncio.sleep(10_000)
        assert len(before.tries) == tries


def test_what_waits_is_bounded() -> None:
    box = Outbox()
    dropped = [done.alert.id for number in range(MOST_WAITING + 3) for done in box.add(alert(number))]
    assert dropped == [0, 1, 2]
    assert box.due(0) == alert(3)
    assert box.wait(0) == 0
    assert Outbox().wait(0) is None


def test_a_message_says_what_it_is_why_and_what_to_do() -> None:
    title, body, kind = message(alert(1), "5X")
    assert (title, kind) == ("datdot: error: disk", "failure")
    assert body.splitlines() == ["no 1", "why it matters: why", "what to do: do", "since block: 4", "account: 5X"]
    assert message(alert(1, closed=9), "5X")[2] == "success"


@pytest.mark.filterwarnings("ignore:.*imghdr")
async def test_a_target_that_breaks_is_told_without_its_secrets_and_ends_nothing() -> None:
    (target,) = open_targets(["json://user:пароль@127.0.0.1:9/x"])
    with capture_logs() as logs:
        assert await target.send("title", "body", "failure") is False
    assert "пароль" not in str(logs)
