"""What the demo makes of what it sees: each thing that must not happen has its reason."""

from __future__ import annotations

import asyncio
import io
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from service.address import ss58
from service.chain_client import Block, ChainClient, EventRecord
from service.chain_client.pallet import events
from service.chain_client.pallet.types import Payment, Verdict
from service.devnet.demo import INPUT_BYTES, Demo, DemoFailed, _beside, _watch, digest, repository_files, run_demo
from service.devnet.network import Devnet, DevnetError, NetPeer
from service.devnet.view import CopyLife, View
from service.vault import load_keys

ALICE, BOB = load_keys("//Alice"), load_keys("//Bob")


@pytest.fixture
def output() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def demo(tmp_path: Path, output: io.StringIO) -> Demo:
    net = Devnet(tmp_path, "model")
    net.peers.append(NetPeer("hoster", tmp_path, ALICE, 1))
    found = Demo(net, 1, View(Console(file=output, width=100)), plan=7)
    happen(found, events.CopyOffered(3, 7, ALICE.account))
    return found


def happen(demo: Demo, *told: Any) -> None:
    records = tuple(EventRecord("DatDot", type(event).__name__, {}, event, None) for event in told)
    demo.on_block(Block(40, bytes(32), bytes(32), records))


def settled(verdict: Verdict, copy: int = 3) -> events.RetrievalSettled:
    return events.RetrievalSettled(2, copy, verdict, 3, 2, 55, 900)


def test_the_life_of_a_copy_is_told(demo: Demo, output: io.StringIO) -> None:
    happen(demo, events.EncoderDrawn(3, BOB.account), events.CopyActive(3), settled(Verdict.PASSED))
    happen(demo, events.Paid(3, BOB.account, 5, Payment.REPORT), events.Paid(3, BOB.account, 6, Payment.FIRST_HALF))
    happen(demo, events.StorageProved(ALICE.account, 30, 500_000))
    life = demo.life(3)
    assert (life.state, life.verdicts, life.latency_ms, life.kib_per_s) == ("active", 1, 55, 900)
    assert demo.earned == {BOB.account: 11}
    assert demo.proofs == {ALICE.account: 1}
    for part in (
        "offered to",
        "drawn",
        "active",
        "retrieval passed: 3 reports, 55 ms, 900 KiB/s",
        "proved its storage",
    ):
        assert part in output.getvalue()


def test_other_plans_and_peers_are_nobodys_business(demo: Demo) -> None:
    happen(demo, events.CopyOffered(4, 8, BOB.account), events.CopyActive(4), settled(Verdict.FAILED, 4))
    happen(demo, events.StorageMissed(BOB.account, 30, 500_000), events.StorageProved(BOB.account, 31, 500_000))
    happen(demo, events.Paid(4, BOB.account, 5, Payment.REPORT))
    assert set(demo.copies) == {3}
    assert not demo.proofs
    assert not demo.earned


def test_an_unanswered_challenge_fails_it(demo: Demo) -> None:
    with pytest.raises(DemoFailed, match=f"hoster {ss58(ALICE.account)} left the storage challenge of block 30"):
        happen(demo, events.StorageMissed(ALICE.account, 30, 500_000))
    with pytest.raises(DemoFailed, match="copy 3 failed its retrieval challenge of era 2: 2 of 3 attesters"):
        happen(demo, settled(Verdict.FAILED))
    happen(demo, settled(Verdict.VOID))
    assert demo.life(3).verdicts == 0


def test_progress_has_a_rate_and_the_time_left(demo: Demo, output: io.StringIO) -> None:
    line = {
        "event": "encoding",
        "copy": 3,
        "segment": 0,
        "sectors": 512,
        "of": 1024,
        "rate": 400.0,
        "seconds_left": 1.28,
    }
    demo.on_line(demo.net.peers[0], line)
    demo.on_line(demo.net.peers[0], line | {"sectors": 520})
    demo.on_line(demo.net.peers[0], line | {"sectors": 1024, "seconds_left": 0.0})
    demo.on_line(demo.net.peers[0], {"event": "stored", "copy": 3})
    told = [one.split("s  ", 1)[1] for one in output.getvalue().splitlines() if "encoding" in one]
    assert told == ["copy 3  encoding  50 %, 100 KiB/s, 1 s left", "copy 3  encoding 100 %, 100 KiB/s"]


def test_the_tables_fit_eighty_columns() -> None:
    output = io.StringIO()
    address = ss58(ALICE.account)
    segment = {"segment": 12, "encoder": address, "sectors": 16_436, "root": "ab" * 32}
    result = {
        "plan": {"plan": 0, "feed": "cd" * 32, "copies": [{"copy": 10, "hoster": address, "segments": [segment]}]},
        "bytes": 4_207_434, "burned": "4953078000", "minted": "4953078000",
        "peers": [{"role": "author,sponsor", "account": address, "earned": "1606010000"}],
    }  # fmt: skip
    life = CopyLife(latency_ms=124, kib_per_s=12_345, reveals=13)
    View(Console(file=output, width=80)).tables(result, {10: life}, {address: 17})
    told = output.getvalue()
    assert "…" not in told.replace("cdcd…", "")
    for part in (
        address,
        "0.001606010",
        "16436",
        "124 ms",
        "12345",
        "abababab",
        "burned from the pot 0.004953078 UNIT",
    ):
        assert part in told


def test_the_repositorys_own_files_are_the_input(tmp_path: Path) -> None:
    found = repository_files(tmp_path)
    files = [path for path in found.rglob("*") if path.is_file()]
    total = sum(path.stat().st_size for path in files)
    assert INPUT_BYTES // 4 < total <= INPUT_BYTES
    assert (found / "Makefile").read_bytes() == (Path(__file__).parents[2] / "Makefile").read_bytes()


async def test_what_the_peers_store_is_not_imported(tmp_path: Path) -> None:
    result = await run_demo(tmp_path, "model", tmp_path / "net", 3, None)
    assert not result["ok"]
    assert "secret keys" in result["reason"]


@pytest.mark.parametrize(
    ("number", "reason"), [(signal.SIGKILL, "the mock chain ended"), (signal.SIGSTOP, "finalized no block")]
)
async def test_it_does_not_outlast_its_chain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, reason: str
) -> None:
    monkeypatch.setattr("service.devnet.demo.WATCH_SECONDS", 0.1)
    if number is signal.SIGSTOP:
        monkeypatch.setattr("service.devnet.demo.STALL_SECONDS", 4.0)

    async def never() -> None:
        assert net._chain_child is not None
        os.kill(net._chain_child.pid, number)
        await asyncio.Event().wait()

    async with Devnet(tmp_path, kinds=(("hoster", 1, 0),)) as net:
        await net.start_chain()
        async with await ChainClient.connect(net.rpc, request_seconds=1.0) as client, asyncio.timeout(60):
            with pytest.raises((DevnetError, DemoFailed), match=reason):
                await _beside(_watch(net, client), never())
        await net.stop(kill=True)


def test_a_digest_covers_names_and_bytes(tmp_path: Path) -> None:
    for name, content in (("a", "1"), ("b", "1"), ("c", "2")):
        (tmp_path / name / "sub").mkdir(parents=True)
        (tmp_path / name / "sub" / "file").write_text(content)
    assert digest(tmp_path / "a") == digest(tmp_path / "b") != digest(tmp_path / "c")
    (tmp_path / "b" / "sub" / "file").rename(tmp_path / "b" / "file")
    assert digest(tmp_path / "a") != digest(tmp_path / "b")
    assert digest(tmp_path / "a" / "sub" / "file") != digest(tmp_path / "c" / "sub" / "file")
