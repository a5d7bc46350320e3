"""`datdot demo`: the main job on each chain, and what is left of it when it is cut off."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support import chains
from tests.support.whole_network import check_copy, children_of, wait_until_gone

slow = pytest.mark.slow

DEMO_SECONDS = 540
SIZE = 150_000


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "service.cli", "demo", *map(str, arguments)]


@contextmanager
def chain_argument(backend: str, base: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The mock is started by the demo, the node is not."""
    if backend != "node":
        yield backend
        return
    monkeypatch.setitem(chains.BLOCK_MS, "node", 500)
    base.mkdir()
    with chains.running_chain("node", base) as running:
        yield running.url


@pytest.mark.parametrize(
    "backend",
    ["model", pytest.param("wasm", marks=slow), pytest.param("node", marks=[slow, pytest.mark.substrate])],
)
def test_the_main_job(backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "source"
    (source / "folder").mkdir(parents=True)
    (source / "folder" / "data").write_bytes(random.Random(7).randbytes(SIZE))
    (source / "empty").touch()
    with chain_argument(backend, tmp_path / "chain", monkeypatch) as chain:
        done = subprocess.run(
            command(source, "--json", "--dir", tmp_path / "net", "--chain", chain),
            capture_output=True, text=True, timeout=DEMO_SECONDS, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    result = json.loads(done.stdout)
    assert (result["ok"], result["reason"], result["chain"]) == (True, "", chain)
    check_result(result, tmp_path / "net")


def check_result(result: dict[str, Any], net: Path) -> None:
    assert result["copies"] == result["active"] == 3
    assert result["bytes"] == result["bytes_read_back"] > SIZE
    assert result["identical"] is True
    assert result["storage_proofs_accepted"] >= 9
    assert result["retrievals_revealed"] >= 6
    assert int(result["burned"]) == int(result["plan"]["burned"])
    assert 0 < int(result["minted"]) < int(result["burned"]), "what was paid, and the surcharge on it"
    assert sum(int(peer["earned"]) for peer in result["peers"]) == int(result["minted"])
    assert [peer["role"] for peer in result["peers"]].count("hoster") >= 4
    by_account = {peer["account"]: peer for peer in result["peers"]}
    assert result["plan"]["feed"] == result["feed"]
    for copy in result["plan"]["copies"]:
        hoster = by_account[copy["hoster"]]
        assert (hoster["role"], by_account[copy["encoder"]]["role"]) == ("hoster", "encoder")
        assert copy["strikes"] == 0
        assert int(hoster["earned"]) > 0
        assert Path(hoster["dir"]).is_relative_to(net)
        check_copy(Path(hoster["dir"]), bytes.fromhex(result["genesis"]), copy, result["bytes"])


def descendants(pid: int) -> list[int]:
    found = children_of(pid)
    return found + [below for one in found for below in descendants(one)]


@slow
@pytest.mark.parametrize(
    ("moment", "signals"),
    [("starting the chain", 1), ("imported", 1), ("peers run", 2), ("encoding", 1)],
)
def test_cut_off_it_leaves_nothing_behind(moment: str, signals: int, tmp_path: Path) -> None:
    source = tmp_path / "data"
    source.write_bytes(random.Random(8).randbytes(4 << 20))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    process = subprocess.Popen(
        command(source, "--chain", "wasm"),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ | {"TMPDIR": str(scratch)},
    )  # fmt: skip
    assert process.stdout is not None
    told = []
    try:
        for line in process.stdout:
            told.append(line)
            if moment in line:
                break
        else:
            pytest.fail("".join(told))
        started = descendants(process.pid)
        for _ in range(signals):
            process.send_signal(signal.SIGINT)
            time.sleep(0.05)
        told += process.stdout.readlines()
        assert process.wait(60) == 1, "".join(told)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    assert "interrupted" in told[-1]
    assert not list(scratch.iterdir())
    wait_until_gone(started)
    assert not [path for path in Path("/proc").glob("[0-9]*/cmdline") if str(scratch).encode() in read(path)]


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it has ended meanwhile
        return b""
