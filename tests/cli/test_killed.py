"""A command that signs is killed before its line is on the screen: typed again, it tells what the first did."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest

from service.hypercore import Corestore
from tests.support.cli_process import WAIT, command, done, environment, full_pipe, running_chain

AMOUNT = 10**13


@pytest.mark.slow
def test_kill_9_before_the_line_is_printed(tmp_path: Path) -> None:
    state = {"XDG_STATE_HOME": str(tmp_path / "state")}
    with closing(Corestore(tmp_path / "store")) as store:
        core = store.create()
        core.append([b"block"] * 4)
        key = core.key.hex()
    (tmp_path / "chain").mkdir()
    with running_chain("model", tmp_path / "chain") as chain:
        signing = ("--key", "//Alice", "--chain", chain.url)
        now = done("chain", "status", "--chain", chain.url)["best"]
        terms = ("--replicas", 1, "--pot", 10**14, "--until", now + 2000, "--unserved")
        plan = done("plan", "publish", key, "--dir", tmp_path / "store", *terms, *signing, **state)["plan"]

        def pot() -> int:
            """All that was ever in it: while nobody keeps the feed, it burns a little."""
            shown = done("plan", "show", plan, "--chain", chain.url)
            return int(shown["pot"]) + int(shown["burned"])

        before, donate = pot(), ("plan", "donate", plan, AMOUNT, *signing)
        source, sink = full_pipe()
        first = subprocess.Popen(command(*donate, "--json"), stdout=sink, env=environment(**state))
        end = time.monotonic() + WAIT
        while pot() < before + AMOUNT:
            assert first.poll() is None
            assert time.monotonic() < end
        first.send_signal(signal.SIGKILL)
        first.wait(WAIT)
        for descriptor in (source, sink):
            os.close(descriptor)
        told = done(*donate, **state)
        assert pot() == before + AMOUNT, "paid once"
        assert told["plan"] == plan
        done(*donate, **state)
        assert pot() == before + 2 * AMOUNT, "its outcome was told, so that this is another one"
