"""Processes that are killed: the signer between send and inclusion, the follower, and the node, which comes back with its state."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from service.chain_client import Block, BlockRef, ChainClient, ConnectionLost, frame
from tests.support.chain_world import ALICE, BOB, LONGEST, UNIT, World, bounded, eventually, following_peer, take
from tests.support.needs import free_port

HERE = Path(__file__).parent


class Lines:
    """What a process says, line by line."""

    def __init__(self, process: Process) -> None:
        self.process = process

    async def next(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        async with asyncio.timeout(LONGEST):
            line = await self.process.stdout.readline()
        assert line, f"it ended with {await self.process.wait()}"
        found: dict[str, Any] = json.loads(line)
        return found

    async def until(self, event: str) -> dict[str, Any]:
        while True:
            found = await self.next()
            if found.get("event") == event:
                return found

    async def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        await self.process.communicate()


@asynccontextmanager
async def running(*command: str, log: Path) -> AsyncIterator[Lines]:
    """A process that does not outlive the context."""
    with log.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=errors, cwd=HERE.parents[1])
    try:
        yield Lines(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def signing(world: World, tmp_path: Path, *amounts: int) -> Any:
    table, script = str(tmp_path / "sent.sqlite"), "tests.support.signing_child"
    return running(sys.executable, "-m", script, world.url, table, *map(str, amounts), log=tmp_path / "log")


# the signer


@pytest.mark.parametrize("when", ["in the pool", "in a block", "final", "lost by the pool"])
async def test_a_signer_killed_between_send_and_inclusion(world: World, tmp_path: Path, when: str) -> None:
    amounts = (UNIT, 2 * UNIT)
    if when == "in a block":
        world.engine.set_finality(None)
    async with signing(world, tmp_path, *amounts) as child:
        await child.until("ready")
        await eventually(lambda: world.pooled() == 2)
        await child.kill()
    if when == "lost by the pool":
        for one in reversed(list(world.engine.pool.all())):
            world.engine.pool.remove(one.hash, "dropped")
    elif when != "in the pool":
        world.seal(2)
    world.engine.set_finality(0)
    async with signing(world, tmp_path, *amounts) as child:
        await child.until("ready")
        if when == "lost by the pool":
            await eventually(lambda: world.pooled() == 2)
        receipts = []
        for _ in amounts:
            waiting = asyncio.create_task(child.until("receipt"))
            while not waiting.done():
                await asyncio.wait({waiting}, timeout=0.5)
                if not waiting.done() and world.best.number < 40:
                    world.seal()
            receipts.append((await waiting)["hash"])
        assert await bounded(child.process.wait()) == 0
    assert [one.hex() for one in world.hashes(ALICE.public_key)] == receipts


async def test_a_signer_killed_at_any_moment(world: World, tmp_path: Path) -> None:
    """Each run is killed a little later; in the end each amount was paid once."""
    world.engine.set_sealing(100)
    sealing = asyncio.create_task(world.engine.run())
    asked = ("system_accountNextIndex", "author_submitExtrinsic", "chain_getBlock")
    for method in asked:
        async with signing(world, tmp_path, UNIT) as child:
            held = asyncio.Event()
            world.server.before[method] = held.set
            await bounded(held.wait())
            await child.kill()
    async with signing(world, tmp_path, UNIT) as child:
        receipt = await child.until("receipt")
        assert await bounded(child.process.wait()) == 0
    assert [one.hex() for one in world.hashes(ALICE.public_key)] == [receipt["hash"]]
    sealing.cancel()
    await asyncio.gather(sealing, return_exceptions=True)


async def test_two_processes_do_not_sign_with_one_table(world: World, tmp_path: Path) -> None:
    async with signing(world, tmp_path, UNIT) as first:
        await first.until("sent")
        async with signing(world, tmp_path, UNIT) as second:
            assert await bounded(second.process.wait()) == 1
        assert "another process is signing for this account" in (tmp_path / "log").read_text()


# the node


def node(tmp_path: Path, port: int, backend: str) -> Any:
    state = str(tmp_path / "state.sqlite")
    return running(
        *(sys.executable, "-m", "runtime_mock", "--backend", backend, "--port", str(port)),
        *("--seal", "100", "--state", state),
        log=tmp_path / "node.log",
    )


@pytest.mark.parametrize("backend", ["model", "wasm"])
async def test_a_node_that_is_killed_and_comes_back_with_its_state(tmp_path: Path, backend: str) -> None:
    port = free_port()
    seen: list[Block] = []
    async with node(tmp_path, port, backend) as first:
        url = (await first.next())["rpc"]
        async with following_peer(url, tmp_path / "sent") as peer:
            start = BlockRef(0, peer.client.genesis)
            blocks = peer.follower.blocks(start)
            before = await peer.client.balance(BOB.public_key)
            assert await bounded(peer.signer.submit(frame.transfer(BOB.public_key, UNIT))) is not None
            seen += await take(blocks, 5)
            pending = asyncio.create_task(peer.signer.submit(frame.transfer(BOB.public_key, 2 * UNIT)))
            await eventually(lambda: peer.signer._sent or pending.done())
            await first.kill()
            with pytest.raises(ConnectionLost, match="cannot connect"):
                await bounded(ChainClient.connect(url))
            async with node(tmp_path, port, backend) as second:
                await second.next()
                receipt = await bounded(pending)
                assert receipt is not None
                seen += await take(blocks, max(receipt.block.number, seen[-1].number + 20))
                assert await peer.client.balance(BOB.public_key) == before + 3 * UNIT
                assert [block.number for block in seen] == list(range(1, len(seen) + 1))
                paid = [one for block in seen for one in block.events if one.name == "Transfer"]
                assert len(paid) == 2
