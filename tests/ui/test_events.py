"""The stream of events of a served dashboard: a snapshot first, then blocks; bounded, and rid of who does not read."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest

from service.ui import events
from service.ui.changes import LiveChange, LiveView
from service.ui.site import Site
from tests.support.dashboard import ServedDashboard, served_dashboard

LONGEST = 60


@pytest.fixture
async def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ServedDashboard]:
    monkeypatch.setattr(events, "LEAST_SECONDS", 0.0)
    async with served_dashboard(tmp_path, monkeypatch) as found:
        yield found


async def message(answer: aiohttp.ClientResponse) -> tuple[str, str]:
    """The next message: its event and its data."""
    found: dict[str, str] = {}
    async with asyncio.timeout(LONGEST):
        while line := (await answer.content.readline()).decode().rstrip("\r\n"):
            name, _, value = line.partition(": ")
            found[name] = value
    return found.get("event", ""), found.get("data", "")


async def until(answer: aiohttp.ClientResponse, **figures: str) -> None:
    """Wait until figures that were sent, together or one after the other, are these."""
    seen: dict[str, str] = {}
    while not figures.items() <= seen.items():
        name, data = await message(answer)
        if name == "figures":
            seen |= json.loads(data)


async def test_a_snapshot_comes_first_and_then_each_block(served: ServedDashboard) -> None:
    async with served.http.get(served.url + "/api/events") as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        name, data = await message(answer)
        first = json.loads(data)
        assert name == "figures"
        assert (first["block"], first["era"], first["era.block"], first["stale"]) == ("100", "4", "4", "0")
        assert (first["proved"], first["reputation"], first["copies"]) == ("42", "74.2 %", "2")
        await served.seal()
        await until(answer, block="101", **{"era.block": "5"})
        await served.seal(20)
        await until(answer, block="121", era="5")


async def test_a_chain_that_is_away_is_told_and_never_green(
    served: ServedDashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "LOOK_SECONDS", 0.05)
    async with served.http.get(served.url + "/api/events") as answer:
        await until(answer, stale="0")
        await served.seal()
        await until(answer, block="101")
        monkeypatch.setattr("service.operating.history.STALE_SECONDS", -1.0)
        await until(answer, stale="1")
        while (one := await message(answer))[0] != "say":
            pass
        assert one[1] == events.AWAY
    page = await served.text("/")
    assert 'class="mk good"' not in page
    assert "not live" in page


async def test_there_are_only_so_many_streams(served: ServedDashboard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MOST_STREAMS", 1)
    async with served.http.get(served.url + "/api/events") as one:
        await message(one)
        async with served.http.get(served.url + "/api/events") as two:
            assert two.status == 503
            assert "pages are open already" in await two.text()


async def test_those_who_come_together_are_shown_what_was_read_once(
    served: ServedDashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "LEAST_SECONDS", 3600.0)
    read, readings = events.read_view, []

    async def counted(site: Site) -> LiveView:
        readings.append(site)
        return await read(site)

    monkeypatch.setattr(events, "read_view", counted)
    async with AsyncExitStack() as stack:
        for _ in range(20):
            answer = await stack.enter_async_context(served.http.get(served.url + "/api/events"))
            name, data = await message(answer)
            assert (name, json.loads(data)["block"]) == ("figures", "100")
    assert len(readings) <= 2, "by the first of them, and by the task that tells all"


async def test_all_are_told_though_they_are_told_some_at_a_time(
    served: ServedDashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "TOLD_AT_ONCE", 3)
    async with AsyncExitStack() as stack:
        answers = [await stack.enter_async_context(served.http.get(served.url + "/api/events")) for _ in range(10)]
        for answer in answers:
            await message(answer)
        await served.seal()
        for answer in answers:
            await until(answer, block="101")


async def test_who_leaves_is_forgotten_without_a_word(
    served: ServedDashboard, caplog: pytest.LogCaptureFixture
) -> None:
    live = served.dashboard.events
    async with served.http.get(served.url + "/api/events") as answer:
        await message(answer)
        assert live.clients == 1
    async with asyncio.timeout(LONGEST):
        while live.clients:
            await served.seal()
    assert [one.getMessage() for one in caplog.records if one.levelname == "ERROR"] == []


async def test_who_does_not_read_is_cut_off(
    served: ServedDashboard, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(events, "SEND_SECONDS", 0.2)
    live = served.dashboard.events
    host, port = served.url.removeprefix("http://").split(":")
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect((host, int(port)))
        slow.sendall(f"GET /api/events HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
        async with asyncio.timeout(LONGEST):
            while not live.clients:
                await served.seal()
            while live.clients:
                for client in live._clients:
                    client.tell(LiveChange(say="x" * 1_000_000))
                await served.seal()
    assert [one.getMessage() for one in caplog.records if one.levelname == "ERROR"] == []


def test_messages_are_one_piece_of_bytes_and_made_once() -> None:
    told = (("figures", '{"block": "1"}'), ("say", "one\ntwo"))
    first = events.stream_bytes(told)
    assert first == b'event: figures\r\ndata: {"block": "1"}\r\n\r\nevent: say\r\ndata: one\r\ndata: two\r\n\r\n'
    assert events.stream_bytes(tuple(told)) is first
