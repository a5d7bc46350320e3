"""What commands show while they work and where they listen: progress, addresses, colours."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from service.cli.output import Failure
from service.cli.progress import EVERY_SECONDS, ByteLines, NodeLines
from service.node.settings import announced, host_port
from tests.support.cli_process import WAIT, command, datdot, done, environment, running, running_chain


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_work_on_bytes_is_logged_now_and_then() -> None:
    clock = Clock()
    lines = ByteLines("import", clock)
    with capture_logs() as logs:
        lines(10, 1000)
        clock.now += EVERY_SECONDS
        lines(250, 1000)
        lines(260, 1000)
        clock.now += EVERY_SECONDS
        lines(500, 1000)
    assert [(line["event"], line["percent"], line["seconds_left"]) for line in logs] == [
        ("import goes on", 25, 30),
        ("import goes on", 50, 20),
    ]


def test_a_nodes_work_is_logged_now_and_then() -> None:
    clock = Clock()
    lines = NodeLines(clock)

    def encoding(sectors: int, segment: int = 1) -> None:
        lines({"role": "encoder", "event": "encoding", "copy": 7, "segment": segment, "sectors": sectors, "of": 400})

    with capture_logs() as logs:
        encoding(0)
        encoding(10)
        encoding(20, segment=2)
        clock.now += EVERY_SECONDS
        encoding(100)
        encoding(400)
        lines({"role": "hoster", "event": "confirmed", "copy": 7, "segment": 1})
    assert [(line["event"], line.get("sectors"), line.get("percent")) for line in logs] == [
        ("encoder: encoding", 0, 0),
        ("encoder: encoding", 20, 5),
        ("encoder: encoding", 100, 25),
        ("encoder: encoding", 400, None),
        ("hoster: confirmed", None, None),
    ]


@pytest.mark.parametrize(
    ("announce", "host", "expected"),
    [
        (None, "127.0.0.1", "127.0.0.1:9"),
        (None, "::1", "[::1]:9"),
        (None, "0.0.0.0", None),
        (None, "::", None),
        (None, "::%eth0", None),
        (None, "a.example", "a.example:9"),
        ("peer.example:77", "0.0.0.0", "peer.example:77"),
    ],
)
def test_only_what_can_be_dialled_is_announced(announce: str | None, host: str, expected: str | None) -> None:
    assert announced(announce, host, 9) == expected
    assert host_port("fe80::1", 4) == "[fe80::1]:4"


def test_where_a_feed_is_served(tmp_path: Path) -> None:
    key = done("feed", "create", "--dir", tmp_path)["key"]
    serve = ("feed", "serve", key, "--dir", tmp_path, "--json", "--listen", "0.0.0.0:0")
    with running(tmp_path / "log", *serve) as server:
        assert server.line()["peer"] == ""
        assert server.stop() == 0
    assert "--announce" in (tmp_path / "log").read_text()
    with running(tmp_path / "log", *serve, "--announce", "[2001:db8::1]:4000") as server:
        assert server.line()["peer"].endswith("@[2001:db8::1]:4000")
        assert server.stop() == 0
    assert (tmp_path / "log").read_text() == ""
    for wrong in ("0.0.0.0:9", "[::]:9", "a.example:0", "a.example"):
        datdot(*serve, "--announce", wrong).failure("usage", 2)
    error = datdot("feed", "serve", key, "--dir", tmp_path, "--listen", "nosuch.invalid:4001", "--json").failure("os")
    assert error["where"] == "nosuch.invalid:4001"


def test_where_a_node_is_reached(tmp_path: Path) -> None:
    (tmp_path / "chain").mkdir()
    with running_chain("model", tmp_path / "chain") as chain:
        node = ("node", "--dir", tmp_path / "a", "--roles", "author", "--chain", chain.url, "--json")
        with running(tmp_path / "log", *node, "--listen", "[::1]:0") as child:
            ready = child.line()
            assert ready["address"].startswith("[::1]:")
            assert ready["peer"] == f"{ready['swarm_key']}@{ready['address']}"
            assert child.stop(signal.SIGTERM) == 0
        with running(tmp_path / "log", *node, "--listen", "0.0.0.0:0") as child:
            assert child.line()["peer"] == ""
            assert child.stop() == 0
        assert any("--announce" in line["event"] for line in child.logged())
        with running(tmp_path / "log", *node, "--announce", "peer.example:77") as child:
            assert child.line()["peer"] == f"{ready['swarm_key']}@peer.example:77"
            assert child.stop() == 0
        with running(tmp_path / "log", "node", "--dir", tmp_path / "a", "--json") as child:
            assert child.line()["peer"] == f"{ready['swarm_key']}@peer.example:77", "as at its last run"
            assert child.stop() == 0
        unknown = datdot(*node, "--listen", "nosuch.invalid:4001").failure("os")
        assert unknown["where"] == "nosuch.invalid:4001", "not the directory"


def test_a_place_is_said_once() -> None:
    assert str(Failure("os", "ws://x: refused", "ws://x")) == "ws://x: refused"
    assert str(Failure("os", "refused", "ws://x")) == "refused (ws://x)"


@pytest.mark.parametrize("wanted", [True, False])
def test_logs_on_a_terminal_have_colours_unless_they_are_unwanted(tmp_path: Path, wanted: bool) -> None:
    key = done("feed", "create", "--dir", tmp_path)["key"]
    outer, inner = pty.openpty()
    try:
        subprocess.run(
            command("feed", "info", key, "--dir", tmp_path),
            stderr=inner, stdout=subprocess.DEVNULL, timeout=WAIT, check=True, env=environment(),
        )  # fmt: skip
        serve = command("feed", "serve", key, "--dir", tmp_path, "--listen", "0.0.0.0:0")
        more = {} if wanted else {"NO_COLOR": "1"}
        child = subprocess.Popen(
            serve, stderr=inner, stdout=subprocess.DEVNULL, env=environment(TERM="xterm", FORCE_COLOR="", **more)
        )
        told = os.read(outer, 4096)
        child.terminate()
        assert child.wait(WAIT) == 0
    finally:
        os.close(outer)
        os.close(inner)
    assert b"--announce" in told
    assert (b"\x1b[" in told) == wanted
