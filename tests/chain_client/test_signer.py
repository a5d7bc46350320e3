"""The signer: every call executed exactly once, whatever breaks between signing and finality; every refusal by name."""

from __future__ import annotations

import asyncio
import copy
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from substrateinterface import Keypair

from service.chain_client import (
    Call,
    ChainClient,
    ChainError,
    DispatchError,
    Follower,
    InvalidTransaction,
    NotIncluded,
    PalletError,
    Receipt,
    Signer,
    UnknownRuntime,
    WrongChain,
    frame,
)
from service.chain_client import signer as signer_module
from service.chain_client.pallet import calls
from service.chain_client.runtime.extrinsic import PERIOD, Mortality, compact, extrinsic_hash, payload, signed
from service.chain_client.sent import SentTable
from service.chain_client.signer import PUSH_AGAIN_BLOCKS
from tests.support.chain_world import ALICE, BOB, CHARLIE, UNIT, Peer, World, bounded, eventually, following_peer

STRANGER = Keypair.create_from_seed("0x" + "42" * 32)
AMOUNT = 3 * UNIT


def pay(amount: int = AMOUNT) -> Call:
    return frame.transfer(BOB.public_key, amount)


async def check_once(world: World, peer: Peer, receipt: Receipt | None) -> None:
    """One execution, of which the receipt tells."""
    assert receipt is not None
    assert world.hashes(peer.signer.account) == [receipt.hash]
    block = world.engine.chain.at(receipt.block.number)
    assert block is not None
    assert block.hash == receipt.block.hash
    assert extrinsic_hash(block.body[receipt.index]) == receipt.hash
    assert [one.name for one in receipt.events if one.pallet == "Balances"].count("Transfer") == 1
    assert receipt.events[-1].name == "ExtrinsicSuccess"
    assert all(one.extrinsic == receipt.index for one in receipt.events)
    assert not peer.signer._sent


# the plain way


async def test_a_call_is_in_a_finalized_block_when_its_receipt_comes(world: World, tmp_path: Path) -> None:
    async with following_peer(world.url, tmp_path / "sent") as peer:
        await check_once(world, peer, await peer.until(peer.signer.submit(pay()), world))


async def test_many_calls_at_once_in_the_order_of_their_nonces(world: World, tmp_path: Path) -> None:
    async with following_peer(world.url, tmp_path / "sent") as peer:
        together = asyncio.gather(*(peer.signer.submit(pay(UNIT + number)) for number in range(20)))
        receipts = await peer.until(together, world)
        order = [receipt.hash for receipt in receipts if receipt is not None]
        assert world.hashes(ALICE.public_key) == order
        assert len(set(order)) == 20


async def test_an_inclusion_that_is_not_final_is_no_receipt(world: World, tmp_path: Path) -> None:
    world.engine.set_finality(None)
    async with following_peer(world.url, tmp_path / "sent") as peer:
        task = asyncio.create_task(peer.signer.submit(pay()))
        await eventually(world.pooled)
        world.seal(3)
        assert world.executions(ALICE.public_key)
        await asyncio.sleep(0.1)
        assert not task.done()
        world.engine.set_finality(0)
        await check_once(world, peer, await bounded(task))


async def test_a_fact_that_holds_already_is_not_made_again(world: World, tmp_path: Path) -> None:
    async with following_peer(world.url, tmp_path / "sent") as peer:
        before = await peer.client.balance(BOB.public_key)

        async def paid() -> bool:
            return await peer.client.balance(BOB.public_key) > before

        assert await peer.until(peer.signer.submit(pay(), paid), world) is not None
        assert await bounded(peer.signer.submit(pay(), paid)) is None
        assert len(world.executions(ALICE.public_key)) == 1


# connections


def submission(world: World, phase: str) -> None:
    hooks = world.server.before if phase == "before" else world.server.after
    hooks["author_submitExtrinsic"] = lambda: _cut(world, phase)


def _cut(world: World, phase: str) -> None:
    world.drop()
    if phase == "before":
        raise ConnectionResetError("the extrinsic did not get through")


@pytest.mark.parametrize("phase", ["before", "after"])
async def test_a_cut_before_the_extrinsic_arrives_or_before_the_reply_does(
    world: World, tmp_path: Path, phase: str
) -> None:
    async with following_peer(world.url, tmp_path / "sent") as peer:
        submission(world, phase)
        await check_once(world, peer, await peer.until(peer.signer.submit(pay()), world))


async def test_cuts_one_after_another(world: World, tmp_path: Path) -> None:
    async with following_peer(world.url, tmp_path / "sent") as peer:
        task = asyncio.create_task(peer.signer.submit(pay()))
        for phase in ("before", "after", "before"):
            submission(world, phase)
            hooks = world.server.before if phase == "before" else world.server.after
            await eventually(lambda hooks=hooks: "author_submitExtrinsic" not in hooks)
        await check_once(world, peer, await peer.until(task, world))


@pytest.mark.parametrize(
    "method", ["state_getRuntimeVersion", "chain_getFinalizedHead", "chain_getHeader", "system_accountNextIndex"]
)
async def test_a_cut_while_the_extrinsic_is_made(world: World, tmp_path: Path, method: str) -> None:
    async with following_peer(world.url, tmp_path / "sent") as peer:
        world.server.before[method] = world.drop
        await check_once(world, peer, await peer.until(peer.signer.submit(pay()), world))


async def test_a_cut_between_the_reply_and_inclusion(world: World, tmp_path: Path) -> None:
    async with following_peer(world.url, tmp_path / "sent") as peer:
        task = asyncio.create_task(peer.signer.submit(pay()))
        await eventually(world.pooled)
        world.drop()
        world.seal(2)
        world.drop()
        await check_once(world, peer, await peer.until(task, world))


@pytest.mark.parametrize("method", ["chain_getBlock", "state_getStorage"])
async def test_a_cut_while_the_block_is_looked_into(world: World, tmp_path: Path, method: str) -> None:
    async with following_peer(world.url, tmp_path / "sent") as peer:
        task = asyncio.create_task(peer.signer.submit(pay()))
        await eventually(world.pooled)
        world.server.after[method] = world.drop
        await check_once(world, peer, await peer.until(task, world))


async def test_a_hung_node_that_has_taken_the_extrinsic(world: World, tmp_path: Path) -> None:
    async with following_peer(world.url, tmp_path / "sent", request_seconds=1.0) as peer:
        first = set(world.node.faults.transports)
        world.server.before["author_submitExtrinsic"] = world.hang
        task = asyncio.create_task(peer.signer.submit(pay()))
        await eventually(world.pooled)
        await eventually(lambda: not first & world.node.faults.transports)
        world.go_on()
        await check_once(world, peer, await peer.until(task, world))


async def test_a_node_that_goes_away_for_a_while_with_its_pool(world: World, tmp_path: Path) -> None:
    async with following_peer(world.url, tmp_path / "sent") as peer:
        task = asyncio.create_task(peer.signer.submit(pay()))
        await eventually(world.pooled)
        await world.stop()
        world.seal(3)
        await world.start()
        await check_once(world, peer, await peer.until(task, world))


async def test_a_node_that_comes_back_without_its_pool(world: World, tmp_path: Path) -> None:
    async with following_peer(world.url, tmp_path / "sent") as peer:
        task = asyncio.create_task(peer.signer.submit(pay()))
        await eventually(world.pooled)
        await world.stop()
        for one in list(world.engine.pool.all()):
            world.engine.pool.remove(one.hash, "dropped")
        await world.start()
        receipt = await peer.until(task, world)
        await check_once(world, peer, receipt)
        assert receipt is not None
        assert receipt.block.number > PUSH_AGAIN_BLOCKS


# statuses


async def test_a_retracted_block_is_not_the_end(world: World, tmp_path: Path) -> None:
    world.engine.set_finality(None)
    async with following_peer(world.url, tmp_path / "sent") as peer:
        task = asyncio.create_task(peer.signer.submit(pay()))
        await eventually(world.pooled)
        world.seal()
        assert len(world.executions(ALICE.public_key)) == 1
        world.engine.reorganise(1, 1)
        assert not world.executions(ALICE.public_key)
        world.engine.set_finality(0)
        await check_once(world, peer, await peer.until(task, world))


async def test_a_retracted_one_that_the_pool_bans_is_waited_for(world: World, tmp_path: Path) -> None:
    """A pool bans what it saw in a block, and says so although it has it again after a retraction."""
    async with following_peer(world.url, tmp_path / "sent") as peer:
        task = asyncio.create_task(peer.signer.submit(pay()))
        await eventually(world.pooled)
        (waiting,) = world.engine.pool.all()
        extrinsic = waiting.extrinsic
        world.engine.pool.remove(waiting.hash, "retracted")
        world.engine.pool._ban(waiting.hash)
        for _ in range(PUSH_AGAIN_BLOCKS + 2):
            world.seal()
            await peer.caught_up(world)
        await eventually(lambda: world.server.asked.count("author_submitExtrinsic") >= 2)
        await asyncio.sleep(0.05)
        assert not task.done()
        world.engine.pool.unban(waiting.hash)
        world.engine.submit(extrinsic)
        await check_once(world, peer, await peer.until(task, world))


async def sign_elsewhere(world: World, call: Call, nonce: int, tip: int = 0) -> bytes:
    """An extrinsic that another program signs with Alice's key."""
    async with await ChainClient.connect(world.url) as client:
        runtime, anchor = await client.runtime_at(), await client.finalized()
        mortality = Mortality(anchor.number, anchor.hash)
        encoded = runtime.encode_call(call)
        extra = mortality.era + compact(nonce) + compact(tip)
        message = payload(
            encoded, mortality, nonce, runtime.spec_version, runtime.transaction_version, client.genesis
        ).replace(mortality.era + compact(nonce) + compact(0), extra)
        plain = signed(ALICE.public_key, ALICE.sign(message), encoded, mortality, nonce)
        body = plain[2:] if plain[0] & 3 == 1 else plain[1:]
        body = body.replace(mortality.era + compact(nonce) + compact(0), extra)
        return compact(len(body)) + body


async def test_another_user_of_the_account_who_took_the_nonce_first(world: World, tmp_path: Path) -> None:
    async with following_peer(world.url, tmp_path / "sent") as peer:
        foreign = await sign_elsewhere(world, frame.transfer(CHARLIE.public_key, UNIT), 0)
        # between the question for the nonce and the submission
        world.server.after["system_accountNextIndex"] = lambda: world.engine.submit(foreign)
        receipt = await peer.until(peer.signer.submit(pay()), world)
        assert receipt is not None
        assert world.hashes(ALICE.public_key) == [extrinsic_hash(foreign), receipt.hash]


async def test_another_user_of_the_account_whose_block_is_there_already(world: World, tmp_path: Path) -> None:
    async with following_peer(world.url, tmp_path / "sent") as peer:
        foreign = await sign_elsewhere(world, frame.transfer(CHARLIE.public_key, UNIT), 0)

        def take_nonce() -> None:
            world.engine.submit(foreign)
            world.seal()

        world.server.after["system_accountNextIndex"] = take_nonce
        receipt = await peer.until(peer.signer.submit(pay()), world)
        assert receipt is not None
        assert world.hashes(ALICE.public_key) == [extrinsic_hash(foreign), receipt.hash]


async def test_a_usurped_extrinsic_is_told_when_the_other_is_final(world: World, tmp_path: Path) -> None:
    async with following_peer(world.url, tmp_path / "sent") as peer:
        task = asyncio.create_task(peer.signer.submit(pay()))
        await eventually(world.pooled)
        world.engine.submit(await sign_elsewhere(world, frame.transfer(CHARLIE.public_key, UNIT), 0, tip=UNIT))
        assert world.pooled() == 1
        with pytest.raises(NotIncluded, match=r"Balances.transfer_keep_alive: another extrinsic took nonce 0"):
            await peer.until(task, world)
        assert len(world.executions(ALICE.public_key)) == 1
        # and the next one goes on after it
        assert await peer.until(peer.signer.submit(pay()), world) is not None


async def test_one_that_never_enters_a_block_ends_with_its_mortality(world: World, tmp_path: Path) -> None:
    async with following_peer(world.url, tmp_path / "sent") as peer:
        task = asyncio.create_task(peer.signer.submit(pay()))
        await eventually(world.pooled)
        build = world.engine.chain.build
        world.engine.chain.build = lambda parent, ready, later_ms=0: build(parent, (), later_ms)  # type: ignore[method-assign]
        with pytest.raises(NotIncluded, match="not in a block before its mortality passed"):
            await peer.until(task, world)
        assert world.best.number >= PERIOD - 1
        del world.engine.chain.build  # type: ignore[method-assign]
        world.seal(3)
        assert not world.executions(ALICE.public_key)


async def test_an_invalidated_extrinsic_is_told_by_the_pools_reason(world: World, tmp_path: Path) -> None:
    async with following_peer(world.url, tmp_path / "sent", STRANGER) as peer:
        async with following_peer(world.url, tmp_path / "alice") as alice:
            await alice.until(alice.signer.submit(frame.transfer(STRANGER.public_key, 2 * UNIT)), world)
        task = asyncio.create_task(peer.signer.submit(frame.transfer(BOB.public_key, 1)))
        await eventually(world.pooled)
        for one in list(world.engine.pool.all()):
            world.engine.pool.remove(one.hash, "invalid")
        reason = {"code": 1010, "message": "Invalid Transaction", "data": "Transaction has a bad signature"}
        _refuse(world, reason)
        with pytest.raises(InvalidTransaction, match="Transaction has a bad signature"):
            await peer.until(task, world)


def _refuse(world: World, error: dict[str, Any], times: int = 1) -> None:
    from runtime_mock.rpc.errors import RpcError as Refusal

    world.node.faults.refuse("author_submitExtrinsic", Refusal(error["code"], error["message"], error["data"]), times)


@pytest.mark.parametrize(
    ("code", "data"),
    [
        (1010, "Transaction is outdated"),
        (1010, "Transaction has a bad signature"),
        (1012, "Transaction is temporarily banned"),
        (1014, "The transaction has too low priority"),
        (1016, "The pool is full"),
    ],
)
async def test_refusals_that_a_later_try_cures(world: World, tmp_path: Path, code: int, data: str) -> None:
    async with following_peer(world.url, tmp_path / "sent") as peer:
        _refuse(world, {"code": code, "message": "refused", "data": data})
        await check_once(world, peer, await peer.until(peer.signer.submit(pay()), world))


async def test_one_that_is_being_sent_is_not_sent_by_the_follower_too(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the second one in, which a pool refuses, is taken for the only one, and signed anew."""
    monkeypatch.setattr(signer_module, "RETRY_SECONDS", 3.0)
    async with following_peer(world.url, tmp_path / "sent") as peer:
        _refuse(world, {"code": 1016, "message": "refused", "data": "The pool is full"})
        task = asyncio.create_task(peer.signer.submit(pay()))
        await eventually(lambda: "author_submitExtrinsic" in world.server.asked)
        for _ in range(2 * PUSH_AGAIN_BLOCKS):
            world.seal()
            await peer.caught_up(world)
        await eventually(world.pooled)
        await check_once(world, peer, await peer.until(task, world))
        assert world.server.asked.count("author_submitExtrinsic") == 2


async def test_a_nonce_that_the_node_refuses_for_a_while(world: World, tmp_path: Path) -> None:
    async with following_peer(world.url, tmp_path / "sent") as peer:
        world.engine.refuse_nonce(ALICE.public_key, 0, 2)
        await check_once(world, peer, await peer.until(peer.signer.submit(pay()), world))


async def test_a_refusal_for_good_is_told_by_its_reason(world: World, tmp_path: Path) -> None:
    async with following_peer(world.url, tmp_path / "sent") as peer:
        world.engine.refuse_nonce(ALICE.public_key, 0, 1000)
        with pytest.raises(
            InvalidTransaction, match=r"Balances.transfer_keep_alive: .*\(1010\): Transaction is outdated"
        ):
            await bounded(peer.signer.submit(pay()))
        assert not peer.signer._sent
        assert not peer.signer._lock.locked()
    async with following_peer(world.url, tmp_path / "poor", STRANGER) as peer:
        with pytest.raises(InvalidTransaction, match="Inability to pay some fees"):
            await bounded(peer.signer.submit(pay()))
        assert not peer.signer._sent


async def test_a_chain_that_does_not_finalize_cannot_be_signed_upon(world: World, tmp_path: Path) -> None:
    world.engine.set_finality(None)
    async with following_peer(world.url, tmp_path / "sent") as peer:
        world.seal(PERIOD - 1)
        with pytest.raises(NotIncluded, match="block 0 is the last finalized one, too far behind 63"):
            await bounded(peer.signer.submit(pay()))
        world.engine.set_finality(0)
        await check_once(world, peer, await peer.until(peer.signer.submit(pay()), world))


async def test_one_that_was_signed_long_before_finality_stalled(world: World, tmp_path: Path) -> None:
    world.engine.set_finality(None)
    async with following_peer(world.url, tmp_path / "sent") as peer:
        world.seal(PERIOD - 2)
        task = asyncio.create_task(peer.signer.submit(pay()))
        await eventually(world.pooled)
        world.seal()
        world.engine.set_finality(0)
        await check_once(world, peer, await bounded(task))


# dispatch errors


@pytest.mark.parametrize(
    ("call", "told", "kind"),
    [
        (frame.transfer(b"\5" * 32, 1), r"^Runtime.Token: BelowMinimum$", None),
        (frame.transfer(b"\5" * 32, 1 << 127), r"^Runtime.Arithmetic: Underflow$", None),
        (calls.donate(77, UNIT), r"^DatDot.NoSuchPlan", PalletError.NO_SUCH_PLAN),
        (calls.offer_encoding(1), r"^DatDot.NotAPeer: The account has not registered", PalletError.NOT_A_PEER),
        (calls.set_seed(bytes(32)), r"^Runtime.BadOrigin$", None),
    ],
)
async def test_dispatch_errors_by_pallet_and_name(
    world: World, tmp_path: Path, call: Call, told: str, kind: PalletError | None
) -> None:
    async with following_peer(world.url, tmp_path / "sent") as peer:
        with pytest.raises(DispatchError, match=told) as caught:
            await peer.until(peer.signer.submit(call), world)
        assert caught.value.kind is kind
        assert not peer.signer._sent
        # a call that failed was made: its nonce is gone, and it is not sent again by itself
        assert len(world.executions(ALICE.public_key)) == 1


async def test_the_failure_of_a_call_that_sudo_made(world: World, tmp_path: Path) -> None:
    async with following_peer(world.url, tmp_path / "sent") as peer:
        amounts = await peer.client.storage.amounts()
        assert await peer.until(peer.signer.submit(frame.sudo(calls.set_parameters(amounts))), world) is not None
        assert await peer.until(peer.signer.submit(frame.sudo(calls.set_seed(b"\7" * 32))), world) is not None
        with pytest.raises(DispatchError, match=r"^Runtime.BadOrigin$"):
            await peer.until(peer.signer.submit(frame.sudo(calls.donate(1, UNIT))), world)
    async with following_peer(world.url, tmp_path / "bob", BOB) as peer:
        with pytest.raises(DispatchError, match=r"^Sudo.RequireSudo: "):
            await peer.until(peer.signer.submit(frame.sudo(calls.unset_seed())), world)


async def test_a_call_that_the_runtime_lacks_is_refused_before_anything_is_signed(world: World, tmp_path: Path) -> None:
    async with following_peer(world.url, tmp_path / "sent") as peer:
        before = list(world.server.asked)
        with pytest.raises(UnknownRuntime, match=r"runtime \d+ has no call DatDot.declare_lost"):
            await bounded(peer.signer.submit(Call("DatDot", "declare_lost", {"copy": 1})))
        with pytest.raises(UnknownRuntime, match="takes"):
            await bounded(peer.signer.submit(Call("DatDot", "collect", {"copy": 1, "to": b""})))
        assert "system_accountNextIndex" not in world.server.asked[len(before) :]
        runtime = await peer.client.runtime_at()
        runtime.cannot_sign = "its transaction extensions are CheckSomething"
        with pytest.raises(UnknownRuntime, match=r"cannot sign for runtime .* CheckSomething"):
            await bounded(peer.signer.submit(pay()))
        runtime.cannot_sign = None
        await check_once(world, peer, await peer.until(peer.signer.submit(pay()), world))


async def test_a_call_is_encoded_anew_for_a_runtime_that_came_meanwhile(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its bytes may be another call there: here those of a payment to another account."""
    async with following_peer(world.url, tmp_path / "sent") as peer:
        now = await peer.client.runtime_at()
        before = copy.copy(now)
        before.spec_version -= 1
        monkeypatch.setattr(
            before, "encode_call", lambda call: now.encode_call(frame.transfer(CHARLIE.public_key, AMOUNT))
        )
        runtime_at = peer.client.runtime_at

        async def upgraded(at: bytes | None = None) -> Any:
            is_before = at is None and "author_submitExtrinsic" not in world.server.asked
            return before if is_before else await runtime_at(at)

        monkeypatch.setattr(peer.client, "runtime_at", upgraded)
        bob, charlie = [await peer.client.balance(one.public_key, world.genesis) for one in (BOB, CHARLIE)]
        await check_once(world, peer, await peer.until(peer.signer.submit(pay()), world))
        at = world.best.hash
        assert await peer.client.balance(CHARLIE.public_key, at) == charlie
        assert await peer.client.balance(BOB.public_key, at) == bob + AMOUNT
        assert world.server.asked.count("author_submitExtrinsic") == 2, "the first one was refused"


# restarts and cancellation


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
        lost = asyncio.create_task(peer.signer.submit(calls.donate(5, UNIT)))
        await eventually(world.pooled)
    await asyncio.gather(lost, return_exceptions=True)
    world.seal()
    async with following_peer(world.url, tmp_path / "sent") as peer:
        with pytest.raises(DispatchError, match="NoSuchPlan"):
            await peer.until(peer.signer.submit(calls.donate(5, UNIT)), world)
        assert len(world.executions(ALICE.public_key)) == 2


async def test_a_table_of_another_chain_or_account_is_refused(world: World, tmp_path: Path) -> None:
    async with following_peer(world.url, tmp_path / "sent") as peer:
        lost = asyncio.create_task(peer.signer.submit(pay()))
        await eventually(world.pooled)
    await asyncio.gather(lost, return_exceptions=True)
    await _refused(world, tmp_path / "sent", BOB, ChainError, "another account's")
    with sqlite3.connect(tmp_path / "sent") as database:
        database.execute("UPDATE sent SET genesis = ?", (b"\1" * 32,))
    database.close()
    await _refused(world, tmp_path / "sent", ALICE, WrongChain, "went to another chain")


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
        (lambda path: path.write_bytes(b"no database" * 100), "no table of this service"),
        (lambda path: path.mkdir(), "unable to open"),
        (lambda path: _set_version(path, 9), "is a table of version 9, not 1"),
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
