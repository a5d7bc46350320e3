"""`datdot alerts` and a node's alerts as its operator has them: told at a webhook, listed, over by themselves, kept."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.cli_process import RunningChain, datdot, done, running, running_chain
from tests.support.webhook import webhook


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningChain]:
    with running_chain("model", tmp_path_factory.mktemp("chain")) as chain:
        yield chain


def test_a_node_without_money_tells_its_webhook_and_tells_when_it_is_over(model: RunningChain, tmp_path: Path) -> None:
    home = tmp_path / "node"
    command = ("node", "--dir", home, "--roles", "attester", "--chain", model.url, "--http", "127.0.0.1:0", "--json")
    with webhook() as hook, running(tmp_path / "log", *command, "--alert-target", hook.url) as node:
        account = node.line()["account"]
        opened = hook.next()
        assert opened["title"] == "datdot: error: money"
        assert f"datdot faucet {account}" in opened["message"]
        assert done("status", "--dir", home)["alerts"] == 1
        assert "1 open: datdot alerts list" in datdot("status", "--dir", home).out
        (listed,) = done("alerts", "list", "--dir", home)["alerts"]
        assert (listed["category"], listed["severity"], listed["closed"]) == ("money", "error", None)
        done("faucet", account, "--chain", model.url)
        over = hook.next()
        assert over["title"] == "datdot: over: money"
        assert done("alerts", "list", "--dir", home) == {"alerts": []}
        assert datdot("alerts", "list", "--dir", home).out == "no alert is open\n"
        (listed,) = done("alerts", "list", "--dir", home, "--all")["alerts"]
        assert listed["closed"] >= listed["opened"]
        assert done("alerts", "test", "--dir", home)["targets"][0]["taken"]
        assert "this is a test" in hook.next()["message"]
        assert hook.came.empty()
        assert node.stop() == 0
        assert "SECRETWORD" not in (tmp_path / "log").read_text()
    assert (home / "node.json").stat().st_mode & 0o777 == 0o600, "a target's URL may hold a password"
    failed = datdot("alerts", "test", "--dir", home, "--json")
    assert failed.objects[0]["targets"][0]["taken"] is False
    assert (failed.code, failed.objects[1]["error"]["code"]) == (1, "alert_target")


def test_a_disk_without_its_reserve_is_told_once_over_a_restart(model: RunningChain, tmp_path: Path) -> None:
    home = tmp_path / "node"
    command = ("node", "--dir", home, "--roles", "author", "--chain", model.url, "--json")
    with webhook() as hook:
        with running(tmp_path / "log", *command, "--reserve", "1000000TiB", "--alert-target", hook.url) as node:
            node.line()
            assert hook.next()["title"] == "datdot: error: disk"
            _until_noted(home)
            assert node.stop() == 0
        (listed,) = done("alerts", "list", "--dir", home)["alerts"]
        with running(tmp_path / "log", *command, "--reserve", "16MiB") as node:
            node.line()
            assert hook.next()["title"] == "datdot: over: disk", "the first thing that is told after the restart"
            assert node.stop() == 0
        assert hook.came.empty()
    (again,) = done("alerts", "list", "--dir", home, "--all")["alerts"]
    assert again | {"closed": None} == listed


def _until_noted(home: Path) -> None:
    """Wait until the node knows that its target has the message: one that is stopped before tells it again."""
    for _ in range(600):
        with closing(sqlite3.connect(home / "roles.sqlite")) as raw:
            if raw.execute("SELECT min(told) FROM alerts").fetchone() == (1,):
                return
        time.sleep(0.1)
    raise AssertionError("not noted within a minute")


def test_what_names_no_target_or_a_wrong_one_is_told(tmp_path: Path) -> None:
    for wrong in ("nonsense", "://x", "json:/x"):
        error = datdot("node", "--dir", tmp_path, "--roles", "author", "--alert-target", wrong, "--json").failure(
            "usage", 2
        )
        assert "is no URL: write json://HOST:PORT/PATH" in error["message"]
    unknown = datdot("node", "--dir", tmp_path, "--roles", "author", "--alert-target", "nosuch://x", "--json")
    assert "none that apprise" in unknown.failure("node")["message"]
    datdot("alerts", "test", "--json").failure("usage", 2)
    assert "there are no targets" in datdot("alerts", "test", "--dir", tmp_path, "--json").failure("node")["message"]
    assert "is of no node" in datdot("alerts", "list", "--dir", tmp_path, "--json").failure("node")["message"]
