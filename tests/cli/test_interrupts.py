"""Ctrl-C and SIGTERM at any moment: one line, the right code, no traceback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from service.hypercore import Corestore
from tests.support.cli_process import WAIT, command, environment, running, running_chain

AT_IMPORT = """
import os, signal, sys
import importlib.abc
class Cut(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == sys.argv[1]:
            os.kill(os.getpid(), int(sys.argv[2]))
sys.meta_path.insert(0, Cut())
from service.cli import main
main(sys.argv[3:])
"""


def cut(at: str, number: int, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a command that gets a signal when it imports a module."""
    return subprocess.run(
        [sys.executable, "-c", AT_IMPORT, at, str(number), *map(str, arguments)],
        capture_output=True, text=True, timeout=WAIT, check=False, env=environment(),
    )  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("at", ["service.cli.commands", "typer", "service.hypercore", "service.cli.feed"])
def test_while_it_starts(tmp_path: Path, at: str, number: int) -> None:
    ran = cut(at, number, "feed", "create", "--dir", tmp_path / "x")
    assert (ran.returncode, ran.stdout, ran.stderr) == (1, "", "error: interrupted\n")
    assert not (tmp_path / "x").exists()


def test_while_it_starts_as_json(tmp_path: Path) -> None:
    ran = cut("typer", signal.SIGINT, "feed", "create", "--dir", tmp_path, "--json")
    assert (ran.returncode, ran.stderr) == (1, "")
    assert json.loads(ran.stdout) == {"error": {"code": "interrupted", "message": "interrupted", "where": ""}}


@pytest.mark.parametrize("words", [("node",), ("devnet",), ("feed", "serve", "ab" * 32)])
def test_what_runs_until_a_signal_ends_well_while_it_starts(tmp_path: Path, words: tuple[str, ...]) -> None:
    ran = cut("service.cli.commands", signal.SIGTERM, *words, "--dir", tmp_path)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


def test_the_command_takes_signals_before_it_imports_anything_heavy() -> None:
    """What is imported before is known, and small."""
    script = "import sys; before = set(sys.modules); import service.cli.interrupts; print(*set(sys.modules) - before)"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=WAIT)
    assert not {"typer", "asyncio", "structlog", "rich", "aiohttp"} & set(ran.stdout.split())
    assert {name for name in ran.stdout.split() if name.startswith("service.")} == {
        "service.cli",
        "service.cli.interrupts",
    }


def test_an_interrupted_import_says_how_to_go_on(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "big").write_bytes(os.urandom(200 << 20))
    process = subprocess.Popen(
        command("feed", "import", tmp_path / "in", "--dir", tmp_path / "store"),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(),
    )  # fmt: skip
    note = tmp_path / "store" / "import.json"
    while process.poll() is None and not (note.exists() and note.stat().st_size):
        pass  # it has begun once it is noted
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=WAIT)
    assert (process.returncode, out) == (1, "")
    assert err.splitlines()[-1] == "error: interrupted: type the same command again to go on"
    assert "Traceback" not in err


def test_an_interrupted_command_that_signs_says_what_was_sent(tmp_path: Path) -> None:
    made = subprocess.run(
        command("feed", "create", "--dir", tmp_path / "store", "--json"), capture_output=True, check=True, timeout=WAIT
    )
    key = json.loads(made.stdout)["key"]
    with closing(Corestore(tmp_path / "store")) as store:
        store.get(bytes.fromhex(key)).append([b"block"] * 4)
    (tmp_path / "chain").mkdir()
    terms = ("--replicas", 1, "--pot", 10**14, "--until", 2000, "--key", "//Alice", "--unserved")
    with running_chain("model", tmp_path / "chain", "manual") as chain:
        publish = ("plan", "publish", key, "--dir", tmp_path / "store", *terms, "--chain", chain.url, "--json")
        with running(tmp_path / "log", *publish, XDG_STATE_HOME=str(tmp_path / "state")) as child:
            wait_until_pooled(chain.url)
            assert child.stop(signal.SIGTERM) == 1
            message = child.line()["error"]["message"]
            assert "publish_plan was sent and may still take effect: type the same command again" in message
        assert (tmp_path / "log").read_text() == ""


def wait_until_pooled(url: str) -> None:
    """Wait until the chain's pool has a transaction."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "author_pendingExtrinsics", "params": []}).encode()
    request = Request(url.replace("ws://", "http://"), body, {"Content-Type": "application/json"})
    while True:
        with urlopen(request, timeout=WAIT) as answer:
            if json.load(answer)["result"]:
                return
