"""Processes that were forked ahead: they run what they are told, with files of their own, and end with their parent."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from service.devnet.forked import ORDER_BYTES, Forked, fork_all
from service.devnet.network import PEERS, Devnet, NetPeer, fork_peers
from service.vault import create_key_file

from .test_processes import alive

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="nothing is forked ahead elsewhere")

HEAD = """
import asyncio, json, os, signal, sys, time
from pathlib import Path
from service.devnet.forked import fork_all
from service.devnet.processes import Child, ProcessFailed, module
WHERE = Path(sys.argv[1])

def say(value):
    print(json.dumps(value), flush=True)

def one(forked):
    return Child("peer", module("service.cli", "a", "b c"), WHERE / "peer.log", forked=forked)

"""


def told(tmp_path: Path, code: str) -> list[object]:
    """Run a program that forks: the tests' own process has threads."""
    done = subprocess.run(
        [sys.executable, "-c", HEAD + code, str(tmp_path)],
        capture_output=True, text=True, timeout=120, check=False, env=os.environ | {"DATDOT_KEY": "the user's"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_one_runs_with_its_arguments_and_files_and_without_the_users_defaults(tmp_path: Path) -> None:
    code = """
def run(arguments):
    print("to the log", file=sys.stderr)
    say({"arguments": arguments, "key": os.environ.get("DATDOT_KEY"), "read": sys.stdin.read()})
    if "stay" in arguments:
        time.sleep(600)
    sys.exit(7)

forked = fork_all(2, run)
async def main():
    child = one(forked[0])
    say(await child.start())
    code = await child.wait()
    while not child.ended:
        await asyncio.sleep(0)
    say([code, child.running, child.log_tail()])
    await child.stop()
    other = one(forked[1])
    other.command.append("stay")
    await other.start()
    say([other.pid == forked[1].pid != child.pid, os.getpgid(other.pid) == other.pid])
    await other.stop()
asyncio.run(main())
"""
    first, ended, other = told(tmp_path, code)
    assert first == {"arguments": ["a", "b c"], "key": None, "read": ""}
    assert ended == [7, False, "to the log"]
    assert other == [True, True], "of a group of its own, which Ctrl-C at the terminal does not reach"


def test_one_that_fails_tells_why(tmp_path: Path) -> None:
    code = """
def run(arguments):
    raise ValueError("no such port")

forked = fork_all(1, run)
async def main():
    try:
        await one(forked[0]).start()
    except ProcessFailed as error:
        say(str(error))
asyncio.run(main())
"""
    (failed,) = told(tmp_path, code)
    assert isinstance(failed, str)
    assert failed.startswith("peer ended with code 1 before it was ready: ")
    assert failed.endswith("ValueError: no such port")


def test_one_stops_when_asked_and_is_killed_if_it_will_not(tmp_path: Path) -> None:
    code = """
from service.devnet import processes
processes.STOP_SECONDS = 0.2
def run(arguments):
    if "deaf" in arguments:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    say({"ready": arguments})
    signal.pause()

forked = fork_all(2, run)
async def main():
    gentle, deaf = one(forked[0]), one(forked[1])
    deaf.command.append("deaf")
    await asyncio.gather(gentle.start(), deaf.start())
    await asyncio.gather(gentle.stop(), deaf.stop())
    say([await gentle.wait(), await deaf.wait()])
asyncio.run(main())
"""
    assert told(tmp_path, code) == [[-signal.SIGTERM, -signal.SIGKILL]]


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("ended_by", [signal.SIGKILL, signal.SIGTERM])
def test_none_outlives_its_parent(tmp_path: Path, begun: bool, ended_by: signal.Signals) -> None:
    code = f"""
def run(arguments):
    say({{"ready": 1}})
    time.sleep(600)

forked = fork_all(3, run)
async def main():
    if {begun}:
        await asyncio.gather(*(one(forked).start() for forked in forked))
    say([forked.pid for forked in forked])
    await asyncio.sleep(600)
asyncio.run(main())
"""
    parent = subprocess.Popen([sys.executable, "-c", HEAD + code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent.stdout:
        pids = json.loads(parent.stdout.readline())
        assert all(alive(pid) for pid in pids)
        parent.send_signal(ended_by)
        parent.wait()
    while any(alive(pid) for pid in pids):  # a process tells no event; pytest's own limit ends a wait in vain
        time.sleep(0.05)


def test_those_that_nobody_needs_end_with_the_program(tmp_path: Path) -> None:
    (pids,) = told(tmp_path, "say([forked.pid for forked in fork_all(2, print)])")
    assert isinstance(pids, list)
    while any(alive(pid) for pid in pids):
        time.sleep(0.05)


async def test_an_order_that_is_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="bytes of arguments are too many for a process"):
        await Forked(0, 0, 0).begin(["x" * ORDER_BYTES], tmp_path / "log")


def test_where_none_can_be_forked_peers_are_started_in_the_usual_way(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", refused)
    before = len(os.listdir("/proc/self/fd"))
    assert fork_all(3, print) == []
    assert len(os.listdir("/proc/self/fd")) == before
    monkeypatch.setattr(sys, "platform", "another")
    assert fork_all(3, print) == []


async def test_a_network_forks_for_each_peer_and_takes_them_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts: list[int] = []
    monkeypatch.setattr("service.devnet.network.fork_all", lambda count, run: counts.append(count) or [])
    assert fork_peers(print) == []
    assert counts == [sum(count for _, count, _ in PEERS)]
    used: list[Forked] = []

    async def begin(forked: Forked, arguments: list[str], log: Path) -> None:
        used.append(forked)
        assert arguments[:2] == ["node", "--json"]
        forked.stdout = asyncio.StreamReader()
        forked.stdout.feed_data(b'{"ready": 1}\n')
        forked.stdout.feed_eof()

    monkeypatch.setattr(Forked, "begin", begin)
    waiting = Forked(1, 0, 0)
    net = Devnet(tmp_path, forked=[waiting])
    peer = NetPeer("hoster", tmp_path, create_key_file(tmp_path / "key.json"), 1)
    await net.start_peer(peer)
    assert used == [waiting]
    assert net.forked == []
