"""A chain on disk survives kill -9: whatever anybody was told of is there after a restart."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from substrateinterface import Keypair

from runtime_mock.node.chain import Block, Chain, UnknownBlock
from runtime_mock.node.engine import MANUAL, Engine
from runtime_mock.node.store import Store, StoreError
from tests.support.differential.driver import UNIT, Account
from tests.support.mock_process import Mock, running_mock
from tests.support.rpc_client import Rpc, account_of

ALICE = Keypair.create_from_uri("//Alice")
KILLS = 3


async def announced(mock: Mock, blocks: int) -> dict[str, Any]:
    """Submit and listen until that many finalized heads came; then kill -9. All that was told of."""
    heads: dict[int, str] = {}
    included: list[str] = []
    rpc = Rpc(mock)
    nonce = rpc.nonce(account_of(ALICE))
    async with aiohttp.ClientSession() as session, session.ws_connect(mock.url.replace("ws", "http")) as socket:

        async def send(name: str, *parameters: Any) -> None:
            await socket.send_json({"jsonrpc": "2.0", "id": 1, "method": name, "params": list(parameters)})

        await send("chain_subscribeFinalizedHeads")
        first: int | None = None
        async for message in socket:
            body = json.loads(message.data)
            result = body.get("params", {}).get("result")
            if body.get("method") == "chain_finalizedHead":
                number = int(result["number"], 16)
                heads[number] = result["stateRoot"]
                first = number if first is None else first
                if number - first >= blocks:
                    mock.process.kill()
                    break
                call = b"\2\3\0" + Account.of("target").id + b"\4"  # transfer_keep_alive of 1: refused, yet included
                await send("author_submitAndWatchExtrinsic", "0x" + rpc.sign(ALICE, call, nonce).hex())
                nonce += 1
            elif isinstance(result, dict) and "finalized" in result:
                included.append(result["finalized"])
    mock.process.wait(60)
    return {"heads": heads, "included": included}


def test_kill_in_the_midst_of_sealing(tmp_path: Path) -> None:
    state = str(tmp_path / "chain.sqlite")
    told: list[dict[str, Any]] = []
    height = -1
    for _ in range(KILLS + 1):
        with running_mock("--seal", "20", "--state", state) as mock:
            rpc = Rpc(mock)
            assert rpc.height() >= height
            for one in told:
                check(rpc, one)
            if len(told) == KILLS:
                return
            told.append(asyncio.run(announced(mock, 15)))
            assert told[-1]["included"]
            height = max(told[-1]["heads"])


def check(rpc: Rpc, told: dict[str, Any]) -> None:
    final = int(rpc("chain_getHeader", rpc("chain_getFinalizedHead"))["number"], 16)
    assert final >= max(told["heads"])
    for number, root in told["heads"].items():
        assert rpc("chain_getHeader", rpc("chain_getBlockHash", number))["stateRoot"] == root
    for name in told["included"]:
        assert len(rpc("chain_getBlock", name)["block"]["extrinsics"]) >= 2


def test_a_restart_goes_on_where_it_was(tmp_path: Path) -> None:
    state = str(tmp_path / "chain.sqlite")
    target = Account.of("target").id
    with running_mock("--seal", "instant", "--state", state) as mock:
        rpc = Rpc(mock)
        genesis = mock.ready["genesis"]
        rpc.submit(ALICE, "Balances", "transfer_keep_alive", {"dest": ("Id", target), "value": UNIT}, 0)
        rpc.until(lambda: rpc.height() == 1, "the transfer")
        rpc("mock_setFinality", None)
        rpc("mock_seal", 3)
        lost = rpc("chain_getBlockHash", 4)
        rpc("mock_reorganise", 2)
        best = rpc("chain_getBlockHash")
        mock.process.kill()
    with running_mock("--seal", "manual", "--state", state) as mock:
        rpc = Rpc(mock)
        assert mock.ready["genesis"] == genesis
        assert rpc("chain_getBlockHash") == best
        assert rpc("chain_getHeader", lost)["number"] == "0x4", "the other branch is there, too"
        assert int(rpc("chain_getHeader", rpc("chain_getFinalizedHead"))["number"], 16) == 1
        assert rpc.nonce(account_of(ALICE)) == 1
        rpc("mock_seal")
        assert rpc.height() == 6


def test_sigterm_ends_it_in_order(tmp_path: Path) -> None:
    with running_mock("--seal", "20", "--state", str(tmp_path / "chain.sqlite")) as mock:
        Rpc(mock)
        mock.process.terminate()
        assert mock.process.wait(60) == 0


def test_clients_that_do_not_move_do_not_hold_up_the_end(tmp_path: Path) -> None:
    with running_mock("--seal", "manual") as mock, contextlib.ExitStack() as stack:
        half, idle = (stack.enter_context(socket.create_connection(("127.0.0.1", mock.port))) for _ in range(2))
        half.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
        idle.sendall(
            b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        assert b"101" in idle.recv(12)
        Rpc(mock)
        mock.process.terminate()
        assert mock.process.wait(30) == 0  # a minute before, and longer for each that did not read


def test_files_that_are_no_chain_are_refused(tmp_path: Path, chain: Chain) -> None:
    rubbish = tmp_path / "rubbish"
    rubbish.write_bytes(b"this is no database" * 100)
    with pytest.raises(StoreError, match="rubbish"):
        Store(rubbish)
    newer = tmp_path / "newer"
    with sqlite3.connect(newer) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StoreError, match="version 99"):
        Store(newer)


def test_another_chains_file_is_refused(tmp_path: Path, chain: Chain) -> None:
    path = tmp_path / "chain"
    store = Store(path)
    Engine(chain, MANUAL, store).seal()
    store.close()
    assert chain.genesis.state is not None
    other = Chain(chain.runtime, chain.genesis.state.set(b"other", b"genesis"))
    store = Store(path)
    with pytest.raises(StoreError, match=rf"{chain.genesis.hash.hex()}.*start in a new directory"):
        Engine(other, MANUAL, store)
    store.close()


def test_a_second_process_on_the_same_file_is_refused(tmp_path: Path) -> None:
    state = str(tmp_path / "chain.sqlite")
    with running_mock("--seal", "manual", "--state", state) as mock:
        found = subprocess.run(
            [sys.executable, "-m", "runtime_mock", "--seal", "manual", "--port", "0", "--state", state],
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert (found.returncode, found.stdout) == (1, "")
        assert "another process has this chain open" in found.stderr
        assert "Traceback" not in found.stderr
        Rpc(mock)("mock_seal", 2)
        mock.process.kill()
    with running_mock("--seal", "manual", "--state", state) as mock:  # the lock ended with its owner
        assert Rpc(mock).height() == 2


DAMAGE = {
    "a block is missing": "DELETE FROM block WHERE number = 3",
    "a header is rubbish": "UPDATE block SET header = x'00' WHERE number = 3",
    "a body is rubbish": "UPDATE block SET body = x'ff' WHERE number = 3",
    "changes are those of another block": (
        "UPDATE block SET changes = (SELECT changes FROM block WHERE number = 4) WHERE number = 5"
    ),
    "changes are rubbish": "UPDATE block SET changes = x'04' WHERE number = 3",
    "a table is missing": "DROP TABLE head",
    "the best block is missing": "DELETE FROM block WHERE number = 5",
    "a header is no bytes": "UPDATE block SET header = 'text' WHERE number = 3",
    "a header is empty": "UPDATE block SET header = x'' WHERE number = 3",
    "a body is a number": "UPDATE block SET body = 7 WHERE number = 3",
    "changes are text": "UPDATE block SET changes = 'abc' WHERE number = 3",
    "the head is no hash": "UPDATE head SET best = 7",
    "what is final is no number": "UPDATE head SET finalized = 'all'",
    "more is final than there is": "UPDATE head SET finalized = 99",
    "what is final is below the first": "UPDATE head SET finalized = -1",
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_file_is_refused(tmp_path: Path, chain: Chain, damage: str) -> None:
    path = tmp_path / "chain"
    store = Store(path)
    engine = Engine(chain, MANUAL, store)
    for _ in range(5):
        engine.seal()
    store.close()
    with sqlite3.connect(path) as db:
        db.execute(damage)
    db.close()
    assert chain.genesis.state is not None
    store = Store(path)
    with pytest.raises(StoreError, match="chain is damaged"):
        Engine(Chain(chain.runtime, chain.genesis.state), MANUAL, store)
    store.close()


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE precious (one INTEGER)")
    db.close()
    with pytest.raises(StoreError, match="another program"):
        Store(path)
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT name FROM sqlite_master").fetchall() == [("precious",)]
    db.close()


async def test_a_full_disk_ends_the_node_and_not_the_chain(tmp_path: Path, chain: Chain) -> None:
    path = tmp_path / "chain"
    store = Store(path)
    engine = Engine(chain, MANUAL, store)
    told: list[bytes] = []
    engine.listen(lambda event: told.append(event.block.hash))
    engine.seal()
    (pages,) = store._db.execute("PRAGMA page_count").fetchone()
    store._db.execute(f"PRAGMA max_page_count = {pages + 1}")
    with pytest.raises(StoreError, match="full"):
        await engine.jump(100)
    store._db.execute("PRAGMA max_page_count = 1000000")  # room again: yet a block on one that is missing were lost
    with pytest.raises(StoreError, match="full"):
        engine.seal()
    async with asyncio.timeout(60):
        with pytest.raises(StoreError, match="full"):
            await engine.run()
    store.close()
    assert chain.genesis.state is not None
    again = Chain(chain.runtime, chain.genesis.state)
    store = Store(path)
    Engine(again, MANUAL, store)
    store.close()
    assert again.best.hash == told[-1], "what was told of is there, and nothing else"


@pytest.mark.parametrize(
    "options", [("--port", "65536"), ("--port", "-1"), ("--keep-states", "0"), ("--keep-states", "x")], ids=" ".join
)
def test_options_out_of_bounds(options: tuple[str, str]) -> None:
    found = subprocess.run(
        [sys.executable, "-m", "runtime_mock", *options], capture_output=True, text=True, timeout=120
    )
    assert found.returncode == 2
    assert f"{options[1]!r} is not a number from" in found.stderr


def test_the_command_says_in_a_line_what_is_wrong(tmp_path: Path) -> None:
    wrong = tmp_path / "spec.json"
    wrong.write_text("{}")
    found = subprocess.run(
        [sys.executable, "-m", "runtime_mock", "--chain-spec", str(wrong)], capture_output=True, text=True, timeout=120
    )
    assert found.returncode == 1
    assert "is not a raw chain spec" in found.stderr
    assert "Traceback" not in found.stderr
    found = subprocess.run(
        [sys.executable, "-m", "runtime_mock", "--seal", "never"], capture_output=True, text=True, timeout=120
    )
    assert found.returncode == 2
    assert "neither instant nor manual" in found.stderr


def test_blocks_out_of_memory_are_had_from_the_file(
    chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime_mock.node.chain.LEAST_BLOCKS", 20)
    path = tmp_path / "chain.sqlite"

    def begin() -> tuple[Engine, Store]:
        store = Store(path)
        return Engine(Chain(chain.runtime, chain.state(chain.genesis), keep_states=10), MANUAL, store), store

    engine, store = begin()
    blocks = [engine.chain.genesis, *(engine.seal() for _ in range(30))]
    engine.set_finality(None)
    ruled_out = [engine.seal() for _ in range(2)]
    engine.reorganise(2)
    engine.set_finality(0)
    blocks += [one for number in range(31, engine.chain.best.number + 1) if (one := engine.chain.at(number))]
    for again in (False, True):
        if again:
            store.close()
            engine, store = begin()
        assert len(engine.chain._best) <= 25
        assert engine.chain.best.hash == blocks[-1].hash
        for number, block in enumerate(blocks):
            found = engine.chain.at(number)
            assert found is not None
            assert (found.header, found.body) == (block.header, block.body)
            assert engine.chain.block(block.hash).header == block.header
            assert engine.chain.is_best(found)
        for block in ruled_out:
            with pytest.raises(UnknownBlock):
                engine.chain.block(block.hash)
        with pytest.raises(UnknownBlock, match="discarded"):
            engine.chain.state(engine.chain.block(blocks[1].hash))
        assert engine.chain.at(len(blocks)) is None
    store.close()
    with contextlib.closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*), count(DISTINCT number) FROM block").fetchone() == (len(blocks) - 1,) * 2


def test_a_long_chain_is_never_in_memory_as_a_whole(
    chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor while it is loaded: a chain of some days would need more memory to start than to run."""
    monkeypatch.setattr("runtime_mock.node.chain.LEAST_BLOCKS", 20)
    monkeypatch.setattr("runtime_mock.node.store.PRUNED_EVERY", 4)
    path = tmp_path / "chain.sqlite"
    store = Store(path)
    engine = Engine(Chain(chain.runtime, chain.state(chain.genesis), keep_states=10), MANUAL, store)
    for _ in range(150):
        engine.seal()
    best, many = engine.chain.best, 0
    store.close()

    class Counted(Chain):
        def add(self, block: Block) -> bool:
            nonlocal many
            many = max(many, len(self._tree.blocks))
            return super().add(block)

    store = Store(path)
    again = Engine(Counted(chain.runtime, chain.state(chain.genesis), keep_states=10), MANUAL, store)
    assert again.chain.best.hash == best.hash
    assert again.chain.finalized_number == best.number
    assert 20 <= many <= 25
    store.close()


@pytest.mark.parametrize(("undo", "lag"), [(1, 0), (3, 0), (3, 3)])
def test_blocks_that_a_killed_process_did_not_forget_are_forgotten_at_the_next_start(
    chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undo: int, lag: int
) -> None:
    """A fork may be as long as the final chain: what is final tells which is which, not what is loaded first."""
    path = tmp_path / "chain.sqlite"
    store = Store(path)
    engine = Engine(Chain(chain.runtime, chain.state(chain.genesis)), MANUAL, store)
    engine.seal()
    engine.set_finality(None)
    for _ in range(undo):
        engine.seal()
    engine.reorganise(undo)
    levels = [engine.chain.level(number) for number in range(2, undo + 2)]
    ruled_out = {one.hash for level in levels for one in level if not engine.chain.is_best(one)}
    assert len(ruled_out) == undo
    monkeypatch.setattr(Store, "forget", lambda self, blocks: None)  # killed between the two
    engine.set_finality(lag)
    store.close()
    monkeypatch.undo()
    store = Store(path)
    again = Engine(Chain(chain.runtime, chain.state(chain.genesis)), MANUAL, store).chain
    assert (again.best.hash, again.finalized.hash) == (engine.chain.best.hash, engine.chain.finalized.hash)
    assert not ruled_out & {one for (one,) in store._db.execute("SELECT hash FROM block")}
    assert not ruled_out & set(again._tree.blocks)
    store.close()
