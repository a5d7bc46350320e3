"""The follower and the signer on the real node: finalized heads, back-fill, receipts, errors, a node that is killed."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from runtime_mock.chainspec import artifacts
from service.chain_client import (
    BlockRef,
    ChainClient,
    ConnectionLost,
    DispatchError,
    Follower,
    OutcomeLost,
    PalletError,
    WrongChain,
    frame,
)
from service.chain_client.pallet import calls, events
from tests.support.chain_world import ALICE, BOB, CHARLIE, LONGEST, UNIT, bounded, following_peer, take
from tests.support.needs import free_port, node_binary

pytestmark = pytest.mark.substrate
BLOCK_MS = 400


class RealNode:
    """A development node that can be killed and started again with its state."""

    def __init__(self, base: Path, pruning: str) -> None:
        self.port, self._base, self._pruning = free_port(), base, pruning
        self._process: Process | None = None

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    async def start(self) -> None:
        with (self._base / "log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(node_binary(), "--chain", str(artifacts() / "chain-spec.json"), "--dev"),
                *("--dev-block-time", str(BLOCK_MS), "--base-path", str(self._base / "node")),
                *("--state-pruning", self._pruning, "--rpc-port", str(self.port), "--port", str(free_port())),
                *("--no-telemetry", "--no-prometheus"),
                stdin=PIPE,
                stdout=log,
                stderr=log,
            )
        async with asyncio.timeout(LONGEST):
            while True:
                assert self._process.returncode is None, (self._base / "log").read_text()[-2000:]
                try:
                    async with await ChainClient.connect(self.url):
                        return
                except ConnectionLost:
                    await asyncio.sleep(0.2)

    async def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
        if self._process is not None:
            await self._process.communicate()


@asynccontextmanager
async def real_node(base: Path, pruning: str = "archive") -> AsyncIterator[RealNode]:
    node = RealNode(base, pruning)
    try:
        await node.start()
        yield node
    finally:
        await node.kill()


@pytest.fixture(scope="module")
def binary() -> str:
    return node_binary()


async def test_the_whole_way_on_the_real_node(binary: str, tmp_path: Path) -> None:
    async with real_node(tmp_path) as node:
        async with following_peer(node.url, tmp_path / "sent") as peer:
            genesis = BlockRef(0, peer.client.genesis)
            every = peer.follower.blocks()
            first = peer.follower.latest
            assert first is not None

            # receipts, in order, of calls made at once
            together = (peer.signer.submit(frame.transfer(CHARLIE.public_key, UNIT + one)) for one in range(10))
            receipts = await bounded(asyncio.gather(*together))
            assert all(one is not None and one.events[-1].name == "ExtrinsicSuccess" for one in receipts)
            assert await peer.client.nonce(ALICE.public_key) == 10

            # a typed event, an error of the pallet by name, a refusal of the pool
            by_root = await bounded(peer.signer.submit(frame.sudo(calls.set_seed(b"\7" * 32))))
            assert by_root is not None
            assert events.SeedSet(b"\7" * 32) in [one.event for one in by_root.events]
            with pytest.raises(DispatchError, match="NoSuchPlan") as caught:
                await bounded(peer.signer.submit(calls.donate(99, UNIT, 0)))
            assert caught.value.kind is PalletError.NO_SUCH_PLAN

            # each block once, also those before the first look
            blocks = await take(every, by_root.block.number)
            assert [one.number for one in blocks] == list(range(first.number + 1, by_root.block.number + 1))
            late = await take(peer.follower.blocks(genesis), by_root.block.number)
            assert [one.number for one in late] == list(range(1, by_root.block.number + 1))
            assert [one.hash for one in late[first.number :]] == [one.hash for one in blocks]
            assert [one.name for one in late[-1].events].count("SeedSet") == 1
            issued = await peer.client.issuance(genesis.hash)
            assert issued > await peer.client.issuance(late[-1].hash) > 0  # fees are burned

        # a follower that was away for those blocks begins where it was
        cursor = late[0].ref
        async with await ChainClient.connect(node.url, genesis.hash) as client:
            follower = Follower(client, cursor)
            running = asyncio.create_task(follower.run())
            again = await take(follower.blocks(cursor), late[-1].number)
            assert [one.hash for one in again] == [one.hash for one in late[1:]]
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            with pytest.raises(WrongChain, match=f"block {cursor.number}"):
                await bounded(Follower(client, BlockRef(cursor.number, b"\5" * 32)).run())
        with pytest.raises(WrongChain):
            await ChainClient.connect(node.url, b"\5" * 32)


async def test_a_real_node_that_is_killed_and_comes_back(binary: str, tmp_path: Path) -> None:
    async with real_node(tmp_path) as node, following_peer(node.url, tmp_path / "sent", BOB) as peer:
        blocks = peer.follower.blocks(BlockRef(0, peer.client.genesis))
        paid = await peer.client.balance(CHARLIE.public_key)
        assert await bounded(peer.signer.submit(frame.transfer(CHARLIE.public_key, UNIT))) is not None
        seen = await take(blocks, 3)
        await node.kill()
        pending = asyncio.create_task(peer.signer.submit(frame.transfer(CHARLIE.public_key, 2 * UNIT)))
        await node.start()
        receipt = await bounded(pending)
        assert receipt is not None
        seen += await take(blocks, receipt.block.number)
        assert [one.number for one in seen] == list(range(1, receipt.block.number + 1))
        assert await peer.client.balance(CHARLIE.public_key) == paid + 3 * UNIT


@pytest.mark.slow
async def test_a_node_that_has_dropped_the_states_of_the_blocks_that_were_missed(
    binary: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with real_node(tmp_path, pruning="16") as node:
        async with following_peer(node.url, tmp_path / "sent", BOB) as peer:
            genesis = BlockRef(0, peer.client.genesis)
            paid = await peer.client.balance(CHARLIE.public_key)
            call = frame.transfer(CHARLIE.public_key, UNIT)
            # it sends, is gone before it looks into a block, and stays away for a while
            monkeypatch.setattr(peer.signer, "_look_into", lambda block: asyncio.sleep(0))
            sending = asyncio.create_task(peer.signer.submit(call))
            blocks = peer.follower.blocks()
            async with asyncio.timeout(LONGEST):
                while await peer.client.balance(CHARLIE.public_key) == paid:
                    await anext(blocks)
            included = (await peer.client.finalized()).number
            await take(blocks, included + 28)
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
        with capture_logs() as logs:
            async with following_peer(node.url, tmp_path / "sent", BOB, start=genesis) as peer:
                with pytest.raises(OutcomeLost, match="sent before, and in block"):
                    await bounded(peer.signer.submit(call))
                assert await peer.client.balance(CHARLIE.public_key) == paid + UNIT, "not twice"
                blocks = await take(peer.follower.blocks(genesis), included)
                assert [one.number for one in blocks] == list(range(1, included + 1)), "each once, whether known or not"
                assert blocks[0].discarded
                assert not blocks[0].events
                await take(peer.follower.blocks(), (await peer.client.finalized()).number + 1)
                assert peer.follower.latest is not None
                assert not peer.follower.latest.discarded
                assert await bounded(peer.signer.submit(call)) is not None, "the signer goes on"
        # on a slow machine it falls behind, and misses some, once more
    assert next(line["first"] for line in logs if "has pruned old states" in line["event"]) == 1
