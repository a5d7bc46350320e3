"""The signer's table of what it sent, over restarts, and callers that are cancelled."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from substrateinterface import Keypair

from service.chain_client import ChainClient, ChainError, DispatchError, Follower, Signer, WrongChain
from service.chain_client import signer as signer_module
from service.chain_client.pallet import calls
from service.chain_client.runtime.extrinsic import PERIOD
from service.chain_client.sent import SentTable
from tests.support.chain_world import ALICE, BOB, UNIT, World, bounded, eventually, following_peer
from tests.support.signing import AMOUNT, check_once, pay


async def test_one_process_signs_for_an_account(world: World, tmp_path: Path) -> None:
    async with following_peer(world.url, tmp_path / "sent") as peer:
        with pytest.raises(ChainError, match="another process is signing"):
            Signer(peer.client, ALICE, tmp_path / "sent", peer.follower)
    async with following_peer(world.url, tmp_path / "sent"):
        pass


@pytest.mark.parametrize("settled", [False, True], ids=["still in the pool", "in a block meanwhile"])
async def test_what_an_earlier_run_sent_is_not_sent_again(world: World, tmp_path: Path, settled: bool) -> None:
    async with following_peer(world.url, tmp_path / "sent") as peer:
        first = asyncio.create_task(peer.signer.submit(pay()))
        await eventually(world.pooled)
    await asyncio.gather(first, return_exceptions=True)
    if settled:
        world.seal(3)
    async with following_peer(world.url, tmp_path / "sent") as peer:
        await check_once(world, peer, await peer.until(peer.signer.submit(pay()), world))
        # the next of the same call is another one
        assert await peer.until(peer.signer.submit(pay()), world) is not None
        assert len(world.executions(ALICE.public_key)) == 2


async def test_what_an_earlier_run_sent_is_forgotten_in_time_by_a_run_that_lasts(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signer_module, "FATE_BLOCKS", 8)
    async with following_peer(world.url, tmp_path / "sent") as peer:
        lost = [asyncio.create_task(peer.signer.submit(pay(one))) for one in (AMOUNT, UNIT)]
        await eventually(lambda: world.pooled() == 2)
    await asyncio.gather(*lost, return_exceptions=True)
    world.seal()
    async with following_peer(world.url, tmp_path / "sent") as peer:
        assert await peer.until(peer.signer.submit(pay(UNIT)), world) is not None
        world.seal(PERIOD + 8 - world.best.number)
        await peer.caught_up(world)
        receipt = await peer.until(peer.signer.submit(pay()), world)
        assert receipt is not None
        assert receipt.block.number > PERIOD + 8, "the block of long ago tells nothing of what is asked now"
        assert len(world.executions(ALICE.public_key)) == 3


async def test_two_of_the_same_call_are_two_after_a_restart(world: World, tmp_path: Path) -> None:
    async with following_peer(world.url, tmp_path / "sent") as peer:
        lost = [asyncio.create_task(peer.signer.submit(pay())) for _ in range(2)]
        await eventually(lambda: world.pooled() == 2)
    await asyncio.gather(*lost, return_exceptions=True)
    world.seal()
    async with following_peer(world.url, tmp_path / "sent") as peer:
        receipts = [await peer.until(peer.signer.submit(pay()), world) for _ in range(2)]
        assert world.hashes(ALICE.public_key) == [one.hash for one in receipts if one is not None]


async def test_a_pool_that_lost_what_an_earlier_run_sent_is_told_again(world: World, tmp_path: Path) -> None:
    async with following_peer(world.url, tmp_path / "sent") as peer:
        lost = asyncio.create_task(peer.signer.submit(pay()))
        await eventually(world.pooled)
        (waiting,) = world.engine.pool.all()
    await asyncio.gather(lost, return_exceptions=True)
    world.engine.pool.remove(waiting.hash, "dropped")
    async with following_peer(world.url, tmp_path / "sent") as peer:
        await eventually(world.pooled)
        world.seal()
        await check_once(world, peer, await peer.until(peer.signer.submit(pay()), world))
        assert world.hashes(ALICE.public_key) == [waiting.hash]


async def test_one_that_died_while_the_service_was_away_is_made_anew(world: World, tmp_path: Path) -> None:
    async with following_peer(world.url, tmp_path / "sent") as peer:
        lost = asyncio.create_task(peer.signer.submit(pay()))
        await eventually(world.pooled)
        (waiting,) = world.engine.pool.all()
    await asyncio.gather(lost, return_exceptions=True)
    world.engine.pool.remove(waiting.hash, "dropped")
    world.seal(PERIOD + 1)
    async with following_peer(world.url, tmp_path / "sent") as peer:
        receipt = await peer.until(peer.signer.submit(pay()), world)
        await check_once(world, peer, receipt)
        assert receipt is not None
        assert receipt.hash != waiting.hash


async def test_one_that_failed_while_the_service_was_away_may_be_made_anew(world: World, tmp_path: Path) -> None:
    async with following_peer(world.url, tmp_path / "sent") as peer:
        lost = asyncio.create_task(peer.signer.submit(calls.donate(5, UNIT, 0)))
        await eventually(world.pooled)
    await asyncio.gather(lost, return_exceptions=True)
    world.seal()
    async with following_peer(world.url, tmp_path / "sent") as peer:
        with pytest.raises(DispatchError, match="NoSuchPlan"):
            await peer.until(peer.signer.submit(calls.donate(5, UNIT, 0)), world)
        assert len(world.executions(ALICE.public_key)) == 2


async def test_a_table_of_another_chain_or_account_is_refused(world: World, tmp_path: Path) -> None:
    async with following_peer(world.url, tmp_path / "sent") as peer:
        lost = asyncio.create_task(peer.signer.submit(pay()))
        await eventually(world.pooled)
    await asyncio.gather(lost, return_exceptions=True)
    await _refused(world, tmp_path / "sent", BOB, ChainError, "another account than")
    with sqlite3.connect(tmp_path / "sent") as database:
        database.execute("UPDATE sent SET genesis = ?", (b"\1" * 32,))
    database.close()
    await _refused(world, tmp_path / "sent", ALICE, WrongChain, "were sent to another chain")


async def _refused(world: World, path: Path, pair: Keypair, kind: type[ChainError], why: str) -> None:
    async with await ChainClient.connect(world.url) as client:
        follower = Follower(client)
        signer = Signer(client, pair, path, follower)
        following = asyncio.create_task(follower.run())
        waiting = asyncio.create_task(signer.submit(pay()))
        with pytest.raises(kind, match=why):
            await bounded(signer.run())
        with pytest.raises(kind, match=why):
            await bounded(waiting)
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        signer.close()


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda path: path.write_bytes(b"no database" * 100), "is not a table of this service"),
        (lambda path: path.mkdir(), "unable to open"),
        (lambda path: _set_version(path, 9), "has version 9, but this program reads version 1"),
    ],
    ids=["damaged", "directory", "newer"],
)
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, make: Callable[[Path], object], why: str) -> None:
    make(tmp_path / "sent")
    with pytest.raises(ChainError, match=f"{tmp_path / 'sent'}.*{why}"):
        SentTable(tmp_path / "sent")


def _set_version(path: Path, version: int) -> None:
    database = sqlite3.connect(path)
    database.execute(f"PRAGMA user_version = {version}")
    database.close()


@pytest.mark.parametrize("steps", [*range(0, 60, 4), 80, 120, 200])
async def test_a_caller_that_is_cancelled_anywhere_leaves_the_signer_usable(
    world: World, tmp_path: Path, steps: int
) -> None:
    async with following_peer(world.url, tmp_path / "sent") as peer:
        given_up = asyncio.create_task(peer.signer.submit(pay()))
        for _ in range(steps):
            await asyncio.sleep(0)
        given_up.cancel()
        await asyncio.gather(given_up, return_exceptions=True)
        assert not peer.signer._lock.locked()
        # the same call takes up what the cancelled one may have sent
        receipt = await peer.until(peer.signer.submit(pay()), world)
        await check_once(world, peer, receipt)
        assert await peer.until(peer.signer.submit(pay(UNIT)), world) is not None
        assert len(world.executions(ALICE.public_key)) == 2


async def test_one_who_waits_for_another_caller_may_be_cancelled(world: World, tmp_path: Path) -> None:
    async with following_peer(world.url, tmp_path / "sent") as peer:
        held = asyncio.Event()

        async def slow() -> bool:
            await held.wait()
            return False

        first = asyncio.create_task(peer.signer.submit(pay(UNIT), slow))
        second = asyncio.create_task(peer.signer.submit(pay(2 * UNIT)))
        third = asyncio.create_task(peer.signer.submit(pay(4 * UNIT)))
        for _ in range(5):
            await asyncio.sleep(0)
        second.cancel()
        held.set()
        before = await peer.client.balance(BOB.public_key)
        await peer.until(asyncio.gather(first, third), world)
        assert second.cancelled()
        assert await peer.client.balance(BOB.public_key) == before + 5 * UNIT


async def test_the_end_of_the_signer_ends_those_who_wait(world: World, tmp_path: Path) -> None:
    async with following_peer(world.url, tmp_path / "sent") as peer:
        waiting = asyncio.create_task(peer.signer.submit(pay()))
        await eventually(world.pooled)
        held = asyncio.Event()
        world.server.before["author_submitExtrinsic"] = held.wait
        sending = asyncio.create_task(peer.signer.submit(pay(UNIT)))
        await eventually(lambda: world.server.asked.count("author_submitExtrinsic") == 2)
        peer.tasks[1].cancel()
        await asyncio.gather(peer.tasks[1], return_exceptions=True)
        held.set()
        for task in (waiting, sending, asyncio.create_task(peer.signer.submit(pay(5)))):
            with pytest.raises(ChainError, match="the signer was stopped"):
                await bounded(task)
    # what they sent is not forgotten
    async with following_peer(world.url, tmp_path / "sent") as peer:
        both = asyncio.gather(peer.signer.submit(pay()), peer.signer.submit(pay(UNIT)))
        await peer.until(both, world)
        assert len(world.executions(ALICE.public_key)) == 2
