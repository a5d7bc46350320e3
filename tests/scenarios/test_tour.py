"""docs/tour.md: the commands that stand in it, typed as they stand, lead from nothing to a hosted feed that is read back."""

from __future__ import annotations

import re
import shlex
import signal
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.cli_process import done, running
from tests.support.whole_network import PATIENCE_SECONDS

pytestmark = pytest.mark.slow

TOUR = Path(__file__).parents[2] / "docs" / "tour.md"


def commands() -> list[list[str]]:
    """The commands, each as its words without `datdot`."""
    return [shlex.split(line)[1:] for line in re.findall(r"^    (datdot .*)$", TOUR.read_text(), re.MULTILINE)]


def test_the_tour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos" / "summer").mkdir(parents=True)
    (tmp_path / "photos" / "summer" / "beach.jpg").write_bytes(bytes(range(256)) * 400)
    devnet, imported, served, published, exported = commands()
    with ExitStack() as stack:
        network = stack.enter_context(running(tmp_path / "devnet.log", *devnet))
        ready = network.line()
        known = {"URL": ready["rpc"], "NODE": ready["bootstrap"][0]}
        known["KEY"] = done(*imported)["key"]

        def typed(words: list[str]) -> list[str]:
            return [known.get(word, word) for word in words]

        with running(tmp_path / "serve.log", *typed(served), "--json") as author:
            author.line()
            plan = done(*typed(published))["plan"]
            assert plan == 0
            deadline = time.monotonic() + PATIENCE_SECONDS
            while [one["state"] for one in done("plan", "show", plan, "--chain", known["URL"])["copies"]] != [
                "Active"
            ] * 2:
                assert time.monotonic() < deadline
                time.sleep(1)
            assert author.stop(signal.SIGINT) == 0
        done(*typed(exported))
        assert network.stop(signal.SIGINT) == 0
    assert (tmp_path / "out" / "summer" / "beach.jpg").read_bytes() == bytes(range(256)) * 400
