"""Child processes: ready lines, what they tell, how they end, and that none outlives its parent."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from service.devnet.processes import Child, ProcessFailed, stop_all, uninterrupted

READY = "import sys, time, signal; print('{\"ready\": 1}', flush=True)\n"


def child(tmp_path: Path, code: str, name: str = "peer", told: list[dict[str, object]] | None = None) -> Child:
    return Child(name, [sys.executable, "-c", code], tmp_path / f"{name}.log", None if told is None else told.append)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 - a process tells no event
            await asyncio.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_it_tells_line_by_line_and_stops_when_asked(tmp_path: Path) -> None:
    told: list[dict[str, object]] = []
    one = child(tmp_path, READY + "print('{\"n\": 2}', flush=True)\ntime.sleep(60)", told=told)
    assert await one.start() == {"ready": 1}
    await until(lambda: bool(told))
    assert told == [{"n": 2}]
    assert one.running
    assert alive(one.pid)
    await one.stop()
    assert not one.running
    assert not one.ended, "it was asked to"
    await one.stop()


async def test_it_is_told_by_its_command_line_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATDOT_KEY", "DATDOT_CHAIN", "DATDOT_LOG"):
        monkeypatch.setenv(name, "the user's")
    code = "import json, os; print(json.dumps({'n': [name for name, value in os.environ.items() if value == 'the user\\'s']}))"
    one = child(tmp_path, code)
    assert await one.start() == {"n": ["DATDOT_LOG"]}
    await one.wait()
    await one.stop()


async def test_one_that_will_not_stop_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.devnet.processes.STOP_SECONDS", 0.2)
    one = child(tmp_path, "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + READY + "time.sleep(60)")
    await one.start()
    await one.stop()
    assert await one.wait() == -signal.SIGKILL


async def test_one_that_is_not_ready_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ProcessFailed, match=r"(?s)peer ended with code 3 before it was ready: .*no such port"):
        await child(tmp_path, "import sys; print('no such port', file=sys.stderr); sys.exit(3)").start()
    error = '{"error": {"code": "key_file", "message": "the key file is open to others", "where": ""}}'
    with pytest.raises(ProcessFailed, match="peer: the key file is open to others"):
        await child(tmp_path, f"print('{error}'); raise SystemExit(1)").start()
    monkeypatch.setattr("service.devnet.processes.READY_SECONDS", 0.5)
    silent = child(tmp_path, "import time; time.sleep(60)", "silent")
    with pytest.raises(ProcessFailed, match="silent was not ready within"):
        await silent.start()
    assert not silent.running


async def test_one_that_ends_by_itself_is_noticed_with_its_error(tmp_path: Path) -> None:
    error = '{"error": {"code": "chain", "message": "the chain is another one", "where": ""}}'
    one = child(tmp_path, READY + f"print('{error}'); sys.exit(1)")
    await one.start()
    await until(lambda: one.ended)
    assert one.log_tail() == "the chain is another one", "its last words are read before it counts as ended"
    other = child(tmp_path, READY + "print('lost power', file=sys.stderr)", "other")
    await other.start()
    await until(lambda: other.ended)
    assert other.log_tail() == "lost power"
    await stop_all([one, other])


async def test_all_are_stopped_at_once(tmp_path: Path) -> None:
    children = [child(tmp_path, READY + "time.sleep(60)", f"peer-{number}") for number in range(3)]
    await asyncio.gather(*(one.start() for one in children))
    await stop_all(children[:2])
    await stop_all(children, kill=True)
    assert not any(one.running for one in children)


@pytest.mark.parametrize("ignoring", ["", "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"])
def test_none_outlives_its_parent(tmp_path: Path, ignoring: str) -> None:
    code = (
        f"{ignoring}import asyncio, sys; from pathlib import Path; from service.devnet.processes import Child\n"
        "async def main():\n"
        f"    one = Child('peer', [sys.executable, '-c', {READY + 'time.sleep(600)'!r}], Path({str(tmp_path / 'log')!r}))\n"
        "    await one.start(); print(one.pid, flush=True); await asyncio.sleep(600)\n"
        "asyncio.run(main())\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent.stdout:
        pid = int(parent.stdout.readline())
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
    while alive(pid):  # a process tells no event; pytest's own limit ends a wait in vain
        time.sleep(0.05)


async def test_what_must_not_be_cut_off_is_not() -> None:
    steps: list[int] = []

    async def work() -> str:
        for step in range(3):
            await asyncio.sleep(0.05)
            steps.append(step)
        return "done"

    assert await uninterrupted(work()) == "done"
    task = asyncio.create_task(uninterrupted(work()))
    for _ in range(3):
        await asyncio.sleep(0.01)
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert steps == [0, 1, 2] * 2

    async def fails() -> None:
        await asyncio.sleep(0.01)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await uninterrupted(fails())
