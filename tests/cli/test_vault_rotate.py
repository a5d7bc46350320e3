"""`datdot vault rotate` and a node that runs: the chain, the vault and the node end with the same key, whatever is killed."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

from service.vault import unlock
from tests.support.cli_process import WAIT, Running, RunningChain, datdot, done, running
from tests.support.terminal import Terminal

PASSPHRASE = "correct horse"
UNIT = 10**12


@pytest.fixture
def known(tmp_path: Path) -> tuple[str, Path]:
    path = tmp_path / "passphrase"
    path.write_text(PASSPHRASE + "\n")
    path.chmod(0o600)
    return "--passphrase-file", path


@pytest.fixture
def vault(tmp_path: Path, known: tuple[str, Path]) -> Path:
    path = tmp_path / "peer.vault"
    done("vault", "create", path, *known)
    return path


def number(vault: Path) -> int:
    return unlock(vault, lambda path: PASSPHRASE.encode()).swarm_number


def until(node: Running, words: str) -> None:
    """Wait until the node's log has these words."""
    end = time.monotonic() + WAIT
    while words not in node.log.read_text():
        assert node.process.poll() is None, node.log.read_text()
        assert time.monotonic() < end, node.log.read_text()
        time.sleep(0.1)


def test_a_node_begins_anew_with_the_key_that_the_chain_names(
    tmp_path: Path, vault: Path, known: tuple[str, Path], chain: RunningChain
) -> None:
    directory, log = tmp_path / "node", tmp_path / "log"
    first = done("vault", "show", vault)
    rotate = ("vault", "rotate", vault, "--chain", chain.url, *known)
    refused = datdot(*rotate, "--json").failure("rotation_refused")
    assert "is not registered: its first swarm key is bound when its node starts" in refused["message"]
    done("faucet", first["account"], "--amount", "1000UNIT", "--chain", chain.url)
    options = ("node", "--dir", directory, "--chain", chain.url, "--json")
    with running(log, *options, "--roles", "hoster", "--capacity", "1GiB", "--key", vault, *known) as node:
        ready = node.line()
        assert ready["swarm_key"] == first["swarm_key"]
        until(node, "registered")
        before, old_file = datdot(*rotate).code, vault.read_bytes()
        assert before == 2, "nobody sits at a terminal, and --yes was not said"
        rotated = done(*rotate, "--yes")
        assert (rotated["old_key"], rotated["swarm_number"]) == (first["swarm_key"], 1)
        assert done("vault", "show", vault) == {**first, "swarm_key": rotated["swarm_key"]}
        until(node, "this node has another swarm key now")
        until(node, rotated["swarm_key"])
        assert node.stop() == 0
    settings = json.loads((directory / "node.json").read_text())
    assert f"{settings['host']}:{settings['port']}" == ready["address"], "it listens where it did"
    # as if the command had been killed before it could write: the chain names the new key, the vault the old one
    vault.write_bytes(old_file)
    with running(log, *options) as node:
        assert node.line()["swarm_key"] == rotated["swarm_key"]
        assert node.stop() == 0
    assert number(vault) == 0
    again = done(*rotate, "--yes")
    assert {**rotated, "old_key": first["swarm_key"], "block": None} == again, "nothing is sent"
    assert number(vault) == 1
    assert done(*rotate, "--yes")["swarm_number"] == 2


def test_what_it_costs_is_shown_before_it_is_done(
    tmp_path: Path, vault: Path, known: tuple[str, Path], chain: RunningChain
) -> None:
    first = done("vault", "show", vault)
    done("faucet", first["account"], "--amount", "1000UNIT", "--chain", chain.url)
    node_options = ("--roles", "encoder", "--key", vault, *known)
    with running(tmp_path / "log", "node", "--dir", tmp_path / "node", "--chain", chain.url, *node_options) as node:
        until(node, "registered")
        terminal = Terminal("vault", "rotate", vault, "--chain", chain.url, *known)
        terminal.until("Sign and send?")
        assert first["swarm_key"] in "".join(terminal.text.split())
        assert "1 UNIT" in " ".join(terminal.text.split())
        terminal.type("n")
        assert terminal.end() != 0
        assert number(vault) == 0
        assert node.stop() == 0


def test_it_is_found_in_the_dht_under_its_new_key(
    tmp_path: Path, vault: Path, known: tuple[str, Path], chain: RunningChain
) -> None:
    (tmp_path / "file").write_bytes(bytes(range(256)) * 1000)
    feed = done("feed", "import", tmp_path / "file", "--dir", tmp_path / "node")["key"]
    done("faucet", done("vault", "show", vault)["account"], "--amount", "1000UNIT", "--chain", chain.url)
    options = ("--roles", "author,hoster", "--capacity", "1GiB", "--key", vault, *known, "--chain", chain.url)
    with running(tmp_path / "dht.log", "dht", "--listen", "127.0.0.1:0", "--json") as dht:
        by = ("--bootstrap", dht.line()["address"])
        with running(tmp_path / "log", "node", "--dir", tmp_path / "node", *options, *by, "--json") as node:
            node.line()
            until(node, "registered")
            rotated = done("vault", "rotate", vault, "--chain", chain.url, *known, "--yes")
            until(node, "this node has another swarm key now")
            end = time.monotonic() + WAIT
            fetched = None
            while fetched is None:  # the node says that it is there before the DHT knows it
                assert time.monotonic() < end
                ran = datdot("feed", "fetch", feed, "--dir", tmp_path / "reader", *by, "--json")
                fetched = ran.object if ran.code == 0 else None
            assert [one["key"] for one in fetched["peers"]] == [rotated["swarm_key"]]
            assert node.stop() == 0


@pytest.mark.slow
def test_a_command_that_is_killed_loses_no_key_and_pays_once(
    tmp_path: Path, vault: Path, known: tuple[str, Path], chain: RunningChain
) -> None:
    who = done("vault", "show", vault)["account"]
    done("faucet", who, "--amount", "1000UNIT", "--chain", chain.url)
    options = ("--roles", "encoder", "--key", vault, *known, "--chain", chain.url, "--json")
    with running(tmp_path / "log", "node", "--dir", tmp_path / "node", *options) as node:
        node.line()
        until(node, "EncodingOffered")
        assert node.stop() == 0

    def has() -> int:
        found = done("wallet", "balance", who, "--chain", chain.url)
        return int(found["total"])

    rotate = ("vault", "rotate", vault, "--chain", chain.url, *known, "--yes", "--json")
    before, finished = has(), 0
    for tries in range(40):
        if tries >= 8 and finished:
            break
        tenths, kept = 14 + 3 * tries % 27, number(vault)  # from before it signs to after it has written the vault
        with running(tmp_path / "rotate.log", *rotate) as command:
            with suppress(subprocess.TimeoutExpired):
                command.process.wait(tenths / 10)
            command.stop(signal.SIGKILL)
        assert number(vault) in (kept, kept + 1), "it can be read, and has one of the two"
        again = done(*rotate[:-1])
        assert again["swarm_number"] in (number(vault), kept + 1, kept + 2)
        assert again["swarm_key"] == done("vault", "show", vault)["swarm_key"]
        finished += again["block"] is None
    rotations, spent = number(vault), before - has()
    assert rotations * UNIT < spent < rotations * UNIT + UNIT // 2, "each key was paid for once"
    assert finished > 0, "some were cut off between the chain and the vault"
