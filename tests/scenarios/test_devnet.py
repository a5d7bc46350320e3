"""`datdot devnet` as a user runs it: a ready line, peers that do a plan ordered by command, and an end that leaves nothing."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from service.units import UNIT
from tests.support.cli_process import done, running
from tests.support.whole_network import PATIENCE_SECONDS, check_copy, children_of, wait_until_gone

pytestmark = pytest.mark.slow

ROLES = {"author,sponsor": 1, "hoster": 4, "encoder": 4, "attester": 3}
SIZE = 50_000


@pytest.fixture(scope="module")
def chain() -> str:
    """One backend will do: the peers are what matters here."""
    return "model"


def descendants(pid: int) -> list[int]:
    """All processes below one."""
    found = children_of(pid)
    return found + [below for child in found for below in descendants(child)]


def wait_for_copies(plan: int, chain: str, wanted: int) -> dict[str, Any]:
    """`plan show` until so many copies are active."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        shown = done("plan", "show", plan, "--chain", chain)
        if sum(copy["state"] == "Active" for copy in shown["copies"]) >= wanted:
            return shown
        assert time.monotonic() < deadline, shown
        time.sleep(1)


def test_a_devnet(chain: str, tmp_path: Path) -> None:
    directory = tmp_path / "devnet"
    with running(tmp_path / "devnet.log", "devnet", "--dir", os.path.relpath(directory), "--chain", chain) as devnet:
        ready = devnet.line()
        assert set(ready) == {"rpc", "bootstrap", "peers"}
        counted = {role: sum(peer["role"] == role for peer in ready["peers"]) for role in ROLES}
        assert counted == ROLES
        for peer in ready["peers"]:
            assert set(peer) == {"role", "account", "swarm_key", "address", "dir", "key", "pid"}
            assert Path(f"/proc/{peer['pid']}").exists()
            assert Path(peer["dir"]).is_absolute()
            assert Path(peer["dir"]).resolve().parent == directory.resolve()
            assert Path(peer["key"]).stat().st_mode & 0o777 == 0o600
        status = done("chain", "status", "--chain", ready["rpc"])
        assert set(status) == {"genesis", "spec_version", "best", "finalized"}

        source = tmp_path / "source"
        source.write_bytes(os.urandom(SIZE))
        sponsor = ready["peers"][0]
        feed = done("feed", "import", source, "--dir", sponsor["dir"])
        terms = ("--replicas", 2, "--pot", 20 * UNIT, "--until", status["best"] + 1000)
        account = ("--chain", ready["rpc"], "--key", sponsor["key"])
        published = done("plan", "publish", feed["key"], "--dir", sponsor["dir"], *terms, *account)
        assert set(published) == {"plan", "block"}
        plan = published["plan"]
        assert done("plan", "donate", plan, 3 * UNIT, *account)["plan"] == plan
        shown = wait_for_copies(plan, ready["rpc"], 2)
        assert shown["feed"] == feed["key"]
        assert shown["state"] == "Live"
        assert 22 * UNIT < int(shown["pot"]) < 23 * UNIT, "what was paid in, less what was burned"
        hosters = {peer["account"]: peer for peer in ready["peers"] if peer["role"] == "hoster"}
        for copy in shown["copies"]:
            hoster = hosters[copy["hoster"]]
            check_copy(Path(hoster["dir"]), bytes.fromhex(status["genesis"]), copy, feed["byte_length"])
            where = f"{hoster['swarm_key']}@{hoster['address']}"
            out = tmp_path / f"read-{copy['copy']}"
            done("feed", "export", feed["key"], out, "--dir", tmp_path / f"reader-{copy['copy']}", "--peer", where)
            assert out.read_bytes() == source.read_bytes()

        before = proofs_of(ready["rpc"], hosters)
        started = descendants(devnet.process.pid)
        assert {peer["pid"] for peer in ready["peers"]} < set(started)
        assert devnet.stop(signal.SIGINT) == 0
        wait_until_gone(started)
    log = (tmp_path / "devnet.log").read_text()
    assert "Traceback" not in log, log
    goes_on_unharmed(tmp_path, directory, chain, hosters, before)


def proofs_of(rpc: str, hosters: Iterable[str]) -> tuple[int, int]:
    """How many storage challenges these hosters have answered, and how many they missed."""
    shown = [done("hoster", "status", account, "--chain", rpc) for account in hosters]
    return sum(one["passed"] for one in shown), sum(one["missed"] for one in shown)


def goes_on_unharmed(
    tmp_path: Path, directory: Path, chain: str, hosters: Iterable[str], before: tuple[int, int]
) -> None:
    """Start the network again: no hoster is late for what it was asked meanwhile. One that is killed is told of."""
    log, (passed, missed) = tmp_path / "again.log", before
    with running(log, "devnet", "--dir", directory, "--chain", chain) as devnet:
        ready, now = devnet.line(), before
        deadline = time.monotonic() + PATIENCE_SECONDS
        while now[0] < passed + 2:
            assert time.monotonic() < deadline, log.read_text()
            now = proofs_of(ready["rpc"], hosters)
        assert now[1] == missed
        (victim,) = (peer for peer in ready["peers"] if peer["role"] == "author,sponsor")
        os.kill(victim["pid"], signal.SIGKILL)
        while "the peer author-1 ended" not in log.read_text():
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert devnet.stop(signal.SIGINT) == 0
