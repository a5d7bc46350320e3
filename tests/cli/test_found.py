"""Feeds that are found by their key alone: a DHT, peers without addresses, and what is told when there is none."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from service.cli.feed import _found_by
from service.hypercore import Corestore
from service.hypercore.swarm.transport import SwarmTransport
from service.vault import load_keys
from tests.support.cli_process import Running, RunningChain, datdot, done, running
from tests.support.needs import free_port


@pytest.fixture
def node(tmp_path: Path) -> Iterator[str]:
    """The address of a node of the DHT."""
    with running(tmp_path / "dht.log", "dht", "--listen", "127.0.0.1:0", "--json") as dht:
        yield dht.line()["address"]


def imported(tmp_path: Path) -> dict[str, object]:
    (tmp_path / "file").write_bytes(bytes(range(256)) * 1000)
    return done("feed", "import", tmp_path / "file", "--dir", tmp_path / "author")


def logs(peer: Running, event: str) -> None:
    """Wait until it has logged an event."""
    while not any(line["event"] == event for line in peer.logged()):
        assert peer.process.poll() is None
        time.sleep(0.05)  # a poll: a file tells nobody that it has grown


def test_a_feed_is_served_and_fetched_by_its_key(tmp_path: Path, node: str) -> None:
    made = imported(tmp_path)
    key, by = made["key"], ("--bootstrap", node)
    serve = ("feed", "serve", key, "--dir", tmp_path / "author", *by, "--json")
    with running(tmp_path / "log", *serve) as server:
        peer = server.line()["peer"].partition("@")[0]
        fetched = done("feed", "fetch", key, "--dir", tmp_path / "reader", *by)
        assert fetched.pop("peers") == [{"key": peer, "path": "direct", "bytes": made["byte_length"]}]
        assert fetched == made
        done("feed", "export", key, tmp_path / "out", "--dir", tmp_path / "other", *by)
        assert (tmp_path / "out").read_bytes() == (tmp_path / "file").read_bytes()
        assert server.stop() == 0
    # it has left the DHT: who asks now hears so, instead of waiting for it
    error = datdot("feed", "fetch", key, "--dir", tmp_path / "late", *by, "--json").failure("network")
    assert "no peer to fetch it from is known" in error["message"]


async def test_an_announcement_that_nobody_takes_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told = []

    async def nothing(*_: object, **__: object) -> bool:
        return False

    monkeypatch.setattr(SwarmTransport, "join", nothing)
    monkeypatch.setattr(SwarmTransport, "offered", nothing)
    monkeypatch.setattr(SwarmTransport, "offer", lambda _, keys: told.extend(keys))
    core = Corestore().create("feed")
    with capture_logs() as lines:
        await _found_by(object.__new__(SwarmTransport), core, ("127.0.0.1", 1), None)
    assert told == [core.discovery_key]
    assert [line["log_level"] for line in lines if "no node of the DHT takes" in line["event"]] == ["warning"]


def test_a_peer_that_was_killed_keeps_nobody_from_those_that_are_there(tmp_path: Path, node: str) -> None:
    made = imported(tmp_path)
    key, by = made["key"], ("--bootstrap", node)
    with running(tmp_path / "a.log", "feed", "serve", key, "--dir", tmp_path / "author", *by, "--json") as author:
        author.line()
        done("feed", "fetch", key, "--dir", tmp_path / "copy", *by)
        with running(tmp_path / "b.log", "feed", "serve", key, "--dir", tmp_path / "copy", *by, "--json") as copy:
            peer = copy.line()["peer"].partition("@")[0]
            author.stop(signal.SIGKILL)
            fetched = done("feed", "fetch", key, "--dir", tmp_path / "reader", *by)
            assert [one["key"] for one in fetched["peers"]] == [peer]


def test_a_dht_that_is_not_there_is_named(tmp_path: Path) -> None:
    made, away = imported(tmp_path), f"127.0.0.1:{free_port()}"
    for arguments in (
        ("fetch", made["key"], "--dir", tmp_path / "reader"),
        ("serve", made["key"], "--dir", tmp_path / "author"),
    ):
        error = datdot("feed", *arguments, "--bootstrap", away, "--json").failure("dht")
        assert error["message"] == f"none of the nodes {away} answers"


@pytest.mark.parametrize(
    "text", ["", "x", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "[::1]:1", "name:1"]
)
def test_what_is_no_node_is_refused(tmp_path: Path, text: str) -> None:
    ran = datdot("feed", "fetch", "11" * 32, "--dir", tmp_path, "--bootstrap", text, "--json")
    assert "--bootstrap" in ran.failure("usage", 2)["message"]
    assert not list(tmp_path.iterdir())


def test_a_node_is_reached_by_its_key_and_keeps_where_it_began(tmp_path: Path, node: str, chain: RunningChain) -> None:
    made, directory = imported(tmp_path), tmp_path / "author"
    options = ("node", "--dir", directory, "--chain", chain.url, "--json")
    for more in (("--roles", "author", "--bootstrap", node), ()):
        with running(tmp_path / "log", *options, *more) as peer:
            peer.line()
            fetched = None
            while fetched is None:  # the node says that it is there before the DHT knows it
                ran = datdot("feed", "fetch", made["key"], "--dir", tmp_path / "reader", "--bootstrap", node, "--json")
                fetched = ran.object if ran.code == 0 else None
            (source,) = fetched["peers"]
            assert source["key"] == load_keys(directory / "key.json").swarm_key.hex()
            assert peer.stop() == 0
    assert json.loads((directory / "node.json").read_text())["bootstrap"] == [node]


@pytest.mark.slow
def test_a_node_waits_for_a_dht_that_is_away(tmp_path: Path, chain: RunningChain) -> None:
    imported(tmp_path)
    away = f"127.0.0.1:{free_port()}"
    options = (
        "node",
        "--dir",
        tmp_path / "author",
        "--chain",
        chain.url,
        "--roles",
        "author",
        "--bootstrap",
        away,
        "--json",
    )
    with running(tmp_path / "log", *options) as peer:
        peer.line()
        logs(peer, "the DHT is not reached; trying again")
        with running(tmp_path / "dht.log", "dht", "--listen", away, "--json") as dht:
            dht.line()
            logs(peer, "in the DHT")
        assert peer.stop() == 0
