"""Completion in the shell, the format of logs, a list of feeds, and a status that is kept in sight."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli_process import RunningChain, command, datdot, done, environment, running, running_chain


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningChain]:
    with running_chain("model", tmp_path_factory.mktemp("chain")) as chain:
        yield chain


@pytest.mark.parametrize(
    ("typed", "found"), [("datdot pl", "plan"), ("datdot plan do", "donate"), ("datdot feed verify --di", "--dir")]
)
def test_a_shell_is_told_what_could_come_next(typed: str, found: str) -> None:
    more = {"_DATDOT_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(len(typed.split()) - 1)}
    ran = subprocess.run(
        command(), capture_output=True, text=True, check=True, timeout=120, env=environment(**more)
    )  # fmt: skip
    assert ran.stdout.split() == [found]


def test_a_log_is_json_or_text_as_it_is_wanted(tmp_path: Path) -> None:
    done("feed", "create", "--dir", tmp_path)
    plain = logged(tmp_path, "text", "--json")
    as_json = logged(tmp_path, "json")
    assert not plain.startswith("{")
    assert all(json.loads(line)["event"] for line in as_json.splitlines())
    assert datdot("--log-format", "xml", "feed", "list", "--dir", tmp_path).code == 2


def logged(tmp_path: Path, form: str, *more: str) -> str:
    """A line of the log, after a command that was given this form."""
    script = (
        "import sys, structlog; from service.cli.commands import program; "
        f"app = program('feed'); app(['--log-format', '{form}', 'feed', 'list', '--dir', '{tmp_path}', *sys.argv[1:]], "
        "standalone_mode=False); structlog.get_logger().warning('told')"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, *more],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=environment(),
    )
    assert "told" in ran.stderr, ran
    return ran.stderr


def test_all_feeds_are_listed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(100_000))
    made = done("feed", "import", tmp_path / "file", "--dir", tmp_path / "a")
    empty = done("feed", "create", "--dir", tmp_path / "a")
    feeds = done("feed", "list", "--dir", tmp_path / "a")["feeds"]
    assert {one["key"]: (one["length"], one["blocks_here"], one["writable"]) for one in feeds} == {
        made["key"]: (made["length"], made["length"], True),
        empty["key"]: (0, 0, True),
    }
    assert (
        f"{made['key']}  {made['length']} of {made['length']} blocks here"
        in datdot("feed", "list", "--dir", tmp_path / "a").out
    )


def test_a_status_is_kept_in_sight_until_it_is_stopped(model: RunningChain, tmp_path: Path) -> None:
    home = tmp_path / "node"
    node_command = ("node", "--dir", home, "--roles", "author", "--chain", model.url, "--http", "127.0.0.1:0", "--json")
    with running(tmp_path / "log", *node_command) as node:
        node.line()
        with running(tmp_path / "top.log", "top", "--dir", home, "--every", "0.5", "--json") as top:
            first, second = top.line(), top.line()
            assert set(first) == set(second) == {"status", "alerts", "journal"}
            assert first["status"]["answer"] == "All is well"
            assert top.stop() == 0
        main, other = pty.openpty()
        child = subprocess.Popen(
            command("top", "--dir", home, "--every", "0.5"), stdout=other, stderr=other, env=environment(TERM="xterm")
        )
        os.close(other)
        seen = b""
        while b"no alert is open" not in seen:
            seen += os.read(main, 65_536)
        child.terminate()
        assert child.wait(60) == 0
        os.close(main)
        assert node.stop() == 0
    assert datdot("top", "--json").failure("usage", 2)
