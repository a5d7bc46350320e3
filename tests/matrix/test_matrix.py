"""The short form of `make matrix`: some cells with each pair of programs, and that namespaces lead nowhere and leave nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.needs import missing
from tests.support.npm_peer import node_command

from .cells import (
    DIAL_SECONDS,
    PAIRINGS,
    START_SECONDS,
    Cell,
    Outcome,
    all_cells,
    command,
    judge,
    program,
    public_segment,
    run_cells,
)
from .topology import Topology, TopologyError, sweep, what_is_missing

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
MOST_SECONDS = 300


def namespaces() -> set[str]:
    told = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    return {line.split()[0] for line in told.splitlines() if line.split()}


def of(pid: int) -> set[str]:
    return {name for name in namespaces() if name.startswith(f"datdot-{pid}-")}


@pytest.fixture
def root() -> Iterator[None]:
    lacking = what_is_missing()
    if lacking is not None:
        missing(lacking)
    yield
    assert of(os.getpid()) == set(), "nothing is left"


async def outcomes(cell: Cell, pairings: tuple[tuple[str, str], ...] = PAIRINGS, **options: float) -> list[Outcome]:
    node_command()
    return [one async for one in run_cells(0, (cell.server, cell.client), [cell], pairings, **options)]  # type: ignore[arg-type]


@pytest.mark.node
@pytest.mark.parametrize("cell", ["pub:pub", "cone:none", "cons:cons", "naive:cons", "lan:lan", "cons:cons:topic"])
async def test_peers_of_each_pair_reach_each_other(root: None, cell: str) -> None:
    found = await outcomes(Cell.parse(cell))
    assert [(one.server, one.client) for one in found] == list(PAIRINGS)
    assert [one.line() for one in found if not one.green] == []
    assert all(one.path in ("direct", "punched") for one in found)


@pytest.mark.node
async def test_a_gateway_with_random_ports_is_passed_by_luck(root: None) -> None:
    found = await outcomes(Cell("cons", "rand"), (("npm", "python"), ("python", "npm")))
    assert [one.line() for one in found if not one.green] == []
    assert [one.path for one in found] == ["punched", "punched"]


@pytest.mark.node
async def test_two_gateways_with_random_ports_are_not_passed_and_that_is_said(root: None) -> None:
    found = await outcomes(Cell("rand", "rand"))
    assert [one.line() for one in found if not one.green] == []
    assert all(one.reason and not one.path for one in found)


@pytest.mark.node
@pytest.mark.parametrize("cell", ["rand:rand:relay", "block:block:relay", "rand:rand:topic+relay"])
async def test_where_there_is_no_way_a_relay_helps(root: None, cell: str) -> None:
    found = await outcomes(Cell.parse(cell))
    assert [one.line() for one in found if not one.green] == []
    assert [one.path for one in found] == ["relayed"] * 4


@pytest.mark.node
async def test_a_delay_is_seen(root: None) -> None:
    (one,) = await outcomes(Cell("cons", "cons"), (("python", "python"),), delay_ms=25)
    assert one.green, one.line()
    assert one.ms is not None
    assert one.ms >= 150, "several round trips of 50 ms, at the least of the wires"


# ---- a peer whose address changes


@pytest.mark.node
@pytest.mark.parametrize("kind", ["npm", "python"])
async def test_a_peer_with_another_address_is_back_before_its_connection_is_dead(root: None, kind: str) -> None:
    """By UDX alone a dead connection is found after 13 s: then it would say so."""
    node_command()
    topic = os.urandom(32).hex()
    with Topology(0, "cons", "cons") as topology:
        (here, _), (there, _) = topology.host(0), topology.host(1)
        async with (
            public_segment(topology),
            program(here, "the server", *command(kind, "server", {"topic": topic, "seconds": 60})) as server,
        ):
            key = (await server.line(START_SECONDS))["ready"]
            async with program(there, "the roamer", *command("python", "roamer", {"topic": topic})) as roamer:
                told = await roamer.line(DIAL_SECONDS)
                topology.run("hb", "ip", "addr", "del", "192.168.2.2/24", "dev", "eth0")
                topology.run("hb", "ip", "addr", "add", "192.168.2.3/24", "dev", "eth0")
                topology.run("hb", "ip", "route", "add", "default", "via", "192.168.2.1")
                again = await roamer.line(DIAL_SECONDS)
    assert told == {"met": key, "before": ""}
    assert again == {"met": key, "before": "the network has changed: another connection was made"}


@pytest.mark.node
async def test_a_peer_that_was_dialled_and_moves_is_dialled_anew_before_its_connection_is_dead(root: None) -> None:
    """Who dialled hears nothing for a second, and dials beside the old connection; who moved has announced itself anew."""
    node_command()
    topic = os.urandom(32).hex()
    with Topology(0, "cons", "cons") as topology:
        (here, _), (there, _) = topology.host(0), topology.host(1)
        async with (
            public_segment(topology),
            program(here, "the server", *command("python", "server", {"topic": topic, "seconds": 60})) as server,
        ):
            key = (await server.line(START_SECONDS))["ready"]
            async with program(there, "the roamer", *command("python", "roamer", {"topic": topic})) as roamer:
                told = await roamer.line(DIAL_SECONDS)
                topology.run("ha", "ip", "addr", "del", "192.168.1.2/24", "dev", "eth0")
                topology.run("ha", "ip", "addr", "add", "192.168.1.3/24", "dev", "eth0")
                topology.run("ha", "ip", "route", "add", "default", "via", "192.168.1.1")
                moved = time.monotonic()
                again = await roamer.line(DIAL_SECONDS)
                print(f"back after {time.monotonic() - moved:.1f} s")
    assert told == {"met": key, "before": ""}
    assert again == {"met": key, "before": "the network has changed: another connection was made"}


# ---- the namespaces


def test_nothing_leads_out_of_the_namespaces(root: None) -> None:
    before = namespaces()
    links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout.count("\n")
    with Topology(0, "cons", "none") as topology:
        ours = namespaces() - before
        assert len(ours) == 5
        ends = []
        for name in ours:
            told = subprocess.run(["ip", "-n", name, "-o", "link"], capture_output=True, text=True, check=True).stdout
            ends += [line.rpartition("link-netns ")[2].split()[0] for line in told.splitlines() if "@" in line]
        assert len(ends) == 8, "two cables on each side"
        assert set(ends) <= ours, "each cable ends in another namespace of ours"
        with pytest.raises(TopologyError, match="unreachable"):
            topology.run("pub", "ip", "route", "get", "8.8.8.8")
        now = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout.count("\n")
        assert now == links, "no cable comes into this machine's own network"
    assert namespaces() == before


def test_what_a_killed_run_left_is_removed_by_the_next(root: None) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    name = f"datdot-{gone.pid}-0xpub"
    subprocess.run(["ip", "netns", "add", name], check=True)
    assert name in sweep(own=False)
    assert name not in namespaces()


def test_a_topology_that_cannot_be_made_leaves_nothing(root: None) -> None:
    topology = Topology(0, "cons", "cons")
    topology.kinds = ("cons", "no kind")
    topology._second_host = lambda: None  # type: ignore[method-assign]
    topology._side = lambda number, *rest: (_ for _ in ()).throw(TopologyError("no"))  # type: ignore[method-assign]
    with pytest.raises(TopologyError), topology:
        pass
    with pytest.raises(TopologyError, match="lan goes with lan alone"):
        Topology(0, "lan", "cons")
    with pytest.raises(TopologyError, match="kinds are"):
        Topology(0, "cons", "other")


# ---- the command


def matrix(*arguments: str) -> subprocess.Popen[str]:
    """Start it as a shell does in the background: with interrupts ignored."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.matrix", *arguments], cwd=ROOT,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.node
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_nothing(root: None, how: signal.Signals) -> None:
    node_command()
    with matrix("pub:pub", "cons:rand", "rand:rand", "--jobs", "1") as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("green pub:pub")
        assert of(process.pid)
        process.send_signal(how)
        _, errors = process.communicate(timeout=MOST_SECONDS)
    assert process.returncode == 130, errors
    assert of(process.pid) == set()


@pytest.mark.node
def test_a_cell_that_is_not_as_it_must_be_makes_it_fail(root: None) -> None:
    """Nothing goes between these gateways, and the matrix thinks that it should."""
    node_command()
    with matrix("block:cons", "--pair", "python:python", "--tries", "1") as process:
        said, errors = process.communicate(timeout=MOST_SECONDS)
    assert process.returncode == 1, errors
    line, last = said.splitlines()
    assert line.startswith("RED   block:cons")
    assert "PUNCH_FAILED" in line
    assert last == "0 of 1 cells green"


def test_nonsense_is_refused() -> None:
    for argument in ("cons", "cons:other", "cons:cons:other", "--pair=npm:other", "--nodes=2"):
        with matrix(argument) as process:
            _, errors = process.communicate(timeout=MOST_SECONDS)
        assert process.returncode == 2, argument
        assert "error: " in errors


def test_without_root_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    told = what_is_missing()
    assert told is not None
    assert "needs root" in told


# ---- the judgement


def test_a_cell_without_a_way_must_fail_and_say_why() -> None:
    cell = Cell("rand", "rand")
    assert judge(cell, ("npm", "python"), {"ok": False, "reason": "BOTH_RANDOM"}) is None
    assert judge(cell, ("python", "npm"), {"ok": False, "reason": "HOLEPUNCH_ABORTED"}) is None
    assert judge(cell, ("npm", "python"), {"ok": False, "reason": "no end within 60 s"})
    assert judge(cell, ("npm", "python"), {"ok": True})
    assert judge(Cell("rand", "cons"), ("npm", "python"), {"ok": False, "reason": "BOTH_RANDOM"})
    assert judge(Cell("rand", "rand", "relay"), ("npm", "npm"), {"ok": True}) is None


def test_the_whole_matrix_has_each_kind_both_ways() -> None:
    found = all_cells()
    assert len(found) == len(set(found)) == 36 + 2 + 4 + 4 + 1
    assert sum(not cell.connects for cell in found) == 2
