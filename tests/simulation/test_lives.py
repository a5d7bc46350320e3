"""Lives of whole networks: they end well, the same seed is the same life, and a fault that is put in is found."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SHORT = ("--hours", "0.05")
KEPT = [
    line.partition("#")[0].split()
    for line in Path(__file__).with_name("seeds.txt").read_text().splitlines()
    if line.partition("#")[0].strip()
]


def life(seed: int | str, *options: str, hash_seed: str = "0") -> str:
    """Live one life in a process of its own; its line, and what failed."""
    command = [sys.executable, "-m", "tests.simulation", "--seeds", "1", "--first", str(seed), *options]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == (0 if "1 of 1 lives ok" in done.stdout else 1), done.stderr
    return done.stdout


def test_the_same_seed_is_the_same_life_in_every_process() -> None:
    one, other = (life(2, *SHORT, hash_seed=hash_seed) for hash_seed in ("0", "1"))
    assert one == other
    assert re.match(r"seed 2 blocks \d+ hash [0-9a-f]{16} ok\n1 of 1 lives ok\n$", one)


@pytest.mark.parametrize("kept", KEPT, ids=" ".join)
def test_seeds_that_failed_once_end_well(kept: list[str]) -> None:
    assert "1 of 1 lives ok" in life(*kept)


@pytest.mark.parametrize("seed", [1, 2])
def test_disks_that_are_full_now_and_then_cost_nothing_for_good(seed: int) -> None:
    """A node that runs goes on; no promise is broken, nobody is paid twice, and all ends well."""
    shown = life(seed, "--hours", "0.15", "--full-disks", "--log")
    assert "1 of 1 lives ok" in shown
    refused = re.search(r"(\d+) writes refused", shown)
    assert refused is not None
    assert int(refused[1]) > 0


def test_peers_that_get_other_swarm_keys_go_on() -> None:
    """Hosters prove and are probed, encoders finish what they began, static peers are found; whoever crashes or is cut off."""
    shown = life(1, "--hours", "0.15", "--rotations", "--log")
    assert "1 of 1 lives ok" in shown
    rotations = re.search(r"(\d+) rotations", shown)
    assert rotations is not None
    assert int(rotations[1]) > 16


def test_nodes_without_the_secret_of_their_account_do_its_work() -> None:
    """All that hosters, encoders and attesters do, an operator signs; another takes its place meanwhile."""
    shown = life(1, "--hours", "0.15", "--operators", "--log")
    assert "1 of 1 lives ok" in shown
    named = re.search(r"(\d+) operators", shown)
    assert named is not None
    assert int(named[1]) > 16


@pytest.mark.parametrize(
    ("mutation", "seed", "options", "found"),
    [
        ("paid-twice", 3, SHORT, r"was paid 2 times for era \d+, copy \d+"),
        ("lost-wakeup", 3, SHORT, r"failed in quiet: .* not to be had from"),
        (
            "forgotten-sync",
            2,
            (*SHORT, "--promises"),
            r"sectors of segment \d+ were promised, a power loss left others",
        ),
        (
            "deaf-to-rotations",
            2,
            ("--hours", "0.1", "--rotations"),
            r"no address of peer [0-9a-f]{64} is known",
        ),
    ],
)
def test_a_fault_that_is_put_in_is_found(mutation: str, seed: int, options: tuple[str, ...], found: str) -> None:
    shown = life(seed, *options, "--mutation", mutation)
    assert "0 of 1 lives ok" in shown
    assert re.search(found, shown)
    replay = re.search(r"replay: make simulate ARGS='(.*)'", shown)
    assert replay is not None
    assert f"--mutation {mutation}" in replay[1]
    assert "1 of 1 lives ok" in life(seed, *options), "without it the same life ends well"
