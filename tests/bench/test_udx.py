"""The measurements over UDX: small transfers of ours are whole, and their figures are of one run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest

from bench import connect, udx
from bench._lossy import PROGRAMS, lossy_loopback
from bench._sides import NODE, PYTHON, Feed
from bench.registry import Unavailable
from bench.udx import Transfer, Turns
from tests.matrix.cells import Outcome
from tests.support.needs import missing


def test_a_stream_between_two_processes_of_ours() -> None:
    found = udx.raw(PYTHON, PYTHON, 1_000_000)
    assert found.bytes == 1_000_000
    assert found.seconds > 0
    assert found.cpu > 0


def test_a_feed_is_found_by_its_key_and_comes_whole() -> None:
    found = udx.replicate(PYTHON, PYTHON, Feed(40, 1024))
    assert found.bytes == 40 * 1024
    assert found.cpu > 0


def test_a_lossy_loopback_loses_and_the_stream_is_whole() -> None:
    if os.geteuid() != 0 or any(shutil.which(name) is None for name in PROGRAMS):
        missing("a lossy loopback needs root, iproute2, nftables and ethtool")
    with lossy_loopback(10) as inside:
        assert udx.raw(PYTHON, PYTHON, 2_000_000, inside).bytes == 2_000_000
        rules = subprocess.run([*inside, "nft", "list", "ruleset"], capture_output=True, text=True, check=True).stdout
    lost = re.search(r"counter packets (\d+)", rules)
    assert lost is not None
    assert 1 <= int(lost[1]) < 200


def test_without_root_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(Unavailable, match="root"), lossy_loopback(10):
        pass


def test_speed_and_cost_are_taken_from_the_same_turns_the_best_of_each() -> None:
    made: list[str] = []
    speeds = {PYTHON: iter((1.0, 4.0, 2.0)), NODE: iter((2.0, 8.0, 4.0))}

    def run(server: str, client: str) -> Transfer:
        made.append(server)
        seconds = next(speeds[server])
        return Transfer(8_000_000, seconds, seconds / 2)

    turns = Turns(run, PYTHON, PYTHON, "a made-up transfer")
    speed, cost = turns.speed(lambda said: None), turns.cost(lambda said: None)
    assert made == [NODE, PYTHON] * 3
    assert (speed.ours, speed.peer, speed.ratio) == (8.0, 4.0, 2.0)
    assert (cost.ours, cost.peer, cost.ratio) == (62.5, 125.0, 0.5)


def test_a_time_to_connect_is_the_median_and_a_failure_is_none() -> None:
    found = [Outcome("a:b", "npm", "npm", True, ms) for ms in (5, 900, 7)]
    found += [Outcome("a:b", "python", "python", True, ms) for ms in (0, 0, 3)]
    assert connect.median(found, "npm") == 7
    assert connect.median(found, "python") == 1
    with pytest.raises(RuntimeError, match="npm did not connect: gone"):
        connect.median([*found, Outcome("a:b", "npm", "npm", False, None, reason="gone")], "npm")
