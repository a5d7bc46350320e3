"""A node whose chain is suddenly another one: it says so, says what to do, loses nothing; and `datdot doctor` sees it."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from runtime_mock.chainspec import artifacts
from tests.support.chain_world import BOB, CHARLIE
from tests.support.cli_process import WAIT, Running, datdot, done, environment, running


@contextmanager
def chain_at(port: int, base: Path, *more: object) -> Iterator[str]:
    """A mock chain at a port, which seals a block with each transaction; its URL."""
    command = [sys.executable, "-m", "runtime_mock", "--port", str(port), "--seal", "instant", *map(str, more)]
    with (base / "chain.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=environment())
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline() or b"{}")["rpc"]
    finally:
        process.terminate()
        process.communicate(timeout=60)


@pytest.fixture
def other_spec(tmp_path: Path) -> Path:
    """The project's chain with another genesis."""
    spec = json.loads((artifacts() / "chain-spec.json").read_text())
    spec["genesis"]["raw"]["top"]["0x" + b"another".hex()] = "0x01"
    path = tmp_path / "other.json"
    path.write_text(json.dumps(spec))
    return path


def ended(node: Running) -> tuple[dict[str, str], str]:
    """Wait until a node ends by itself: its error and its log."""
    assert node.process.wait(WAIT) == 1
    found: dict[str, dict[str, str]] = {}
    while "error" not in found:
        found = node.line()
    return found["error"], node.log.read_text()


def found_by_doctor(home: Path, *more: object) -> dict[str, dict[str, str]]:
    """What `datdot doctor` finds, by what it is about."""
    ran = datdot("doctor", "--dir", home, "--json", *more)
    return {one["what"]: one for one in ran.objects[0]["findings"]}


@contextmanager
def node_that_loses_its_chain(tmp_path: Path) -> Iterator[tuple[Running, Path, int]]:
    """A node that has money and a registration on a chain which is gone now: it, its directory, the chain's port."""
    home = tmp_path / "node"
    with ExitStack() as all_of_it:
        first = all_of_it.enter_context(ExitStack())
        url = first.enter_context(chain_at(0, tmp_path))
        where = ("node", "--dir", home, "--roles", "attester", "--chain", url, "--json")
        node = all_of_it.enter_context(running(tmp_path / "log", *where))
        done("faucet", node.line()["account"], "--chain", url)
        while "registered" not in [one["event"] for one in node.logged()]:
            done("faucet", CHARLIE.ss58_address, "--chain", url)
        assert found_by_doctor(home)["chain"]["level"] == "good"
        first.close()
        yield node, home, urlsplit(url).port or 0


def checked(node: Running) -> str:
    """What a node said that ended by itself, and said well."""
    error, logged = ended(node)
    assert error["code"] == "wrong_chain"
    for part in ("nothing is lost", "--chain", "new directory"):
        assert part in error["message"]
    assert "Traceback" not in logged
    assert not [line for line in logged.splitlines() if not line.startswith("{")]
    assert not [line for line in logged.splitlines() if "exception" in json.loads(line)]
    return error["message"]


def test_a_chain_with_another_genesis_ends_the_node_with_what_to_do(tmp_path: Path, other_spec: Path) -> None:
    with node_that_loses_its_chain(tmp_path) as (node, home, port):
        kept = (home / "node.json").read_bytes()
        with chain_at(port, tmp_path, "--chain-spec", other_spec) as url:
            assert f"{url} is on chain " in checked(node)
            assert (home / "node.json").read_bytes() == kept
            seen = found_by_doctor(home)["chain"]
            assert seen["level"] == "bad"
            assert "new directory" in seen["remedy"]
            again = datdot("node", "--dir", home, "--json").failure("wrong_chain")
            assert "nothing is lost" in again["message"]
        with chain_at(port, tmp_path), running(tmp_path / "log", "node", "--dir", home, "--json") as back:
            assert back.line()["role"] == "attester"


def test_a_chain_that_begins_anew_from_the_same_genesis_ends_the_node_too(tmp_path: Path) -> None:
    with node_that_loses_its_chain(tmp_path) as (node, home, port), chain_at(port, tmp_path) as url:
        assert found_by_doctor(home)["chain"]["level"] == "warning"
        done("faucet", BOB.ss58_address, "--chain", url)
        assert "began anew" in checked(node)
        with closing(sqlite3.connect(home / "roles.sqlite")) as database:
            ((reached,),) = database.execute("SELECT number FROM chain_cursor")
        while done("chain", "status", "--chain", url)["finalized"] <= reached:
            done("faucet", BOB.ss58_address, "--chain", url)
        seen = found_by_doctor(home)["chain"]
        assert (seen["level"], "new directory" in seen["remedy"]) == ("bad", True)
