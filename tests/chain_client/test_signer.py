"""The signer: every call executed exactly once, whatever breaks between signing and finality; every refusal by name."""

from __future__ import annotations

import asyncio
import copy
from pathlib import Path
from typing import Any

import pytest
from substrateinterface import Keypair

from service.chain_client import (
    Call,
    ChainClient,
    DispatchError,
    InvalidTransaction,
    NotIncluded,
    PalletError,
    UnknownRuntime,
    frame,
)
from service.chain_client import signer as signer_module
from service.chain_client.pallet import calls
from service.chain_client.runtime.extrinsic import PERIOD, Mortality, compact, extrinsic_hash, payload, signed
from service.chain_client.signer import PUSH_AGAIN_BLOCKS
from tests.support.chain_world import ALICE, BOB, CHARLIE, UNIT, World, bounded, eventually, following_peer
from tests.support.signing import AMOUNT, check_once, pay

STRANGER = Keypair.create_from_seed("0x" + "42" * 32)


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
        ).replace(mortality.era + compact(nonce) + compact(0), extra, 1)  # once: versions may look like it
        plain = signed(ALICE.public_key, ALICE.sign(message), encoded, mortality, nonce)
        body = plain[2:] if plain[0] & 3 == 1 else plain[1:]
        body = body.replace(mortality.era + compact(nonce) + compact(0), extra, 1)
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


@pytest.mark.parametrize(
    ("code", "data", "why"),
    [(1010, "Custom error: 1", "Custom error"), (1012, "Transaction is temporarily banned", "usurped")],
)
async def test_what_waits_behind_a_call_that_the_pool_dropped_gets_into_a_block(
    world: World, tmp_path: Path, code: int, data: str, why: str
) -> None:
    """A report that another one made first, and a proof after it, which must not wait for the report's mortality."""
    async with following_peer(world.url, tmp_path / "sent") as peer:
        dropped = asyncio.create_task(peer.signer.submit(pay(1)))
        await eventually(world.pooled)
        (lost,) = world.engine.pool.all()
        after = asyncio.create_task(peer.signer.submit(pay(2)))
        await eventually(lambda: world.pooled() == 2)
        world.engine.pool.remove(lost.hash, "invalid")
        _refuse(world, {"code": code, "message": "refused", "data": data})
        receipt = await peer.until(after, world)
        assert receipt is not None
        assert world.hashes(ALICE.public_key)[-1] == receipt.hash
        with pytest.raises((InvalidTransaction, NotIncluded), match=why):
            await peer.until(dropped, world)
        assert await peer.until(peer.signer.submit(pay(3)), world) is not None, "the next call has a nonce as well"


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


@pytest.mark.parametrize(
    ("call", "told", "kind"),
    [
        (frame.transfer(b"\5" * 32, 1), r"^Runtime.Token: BelowMinimum$", None),
        (frame.transfer(b"\5" * 32, 1 << 127), r"^Runtime.Arithmetic: Underflow$", None),
        (calls.donate(77, UNIT, 0), r"^DatDot.NoSuchPlan", PalletError.NO_SUCH_PLAN),
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
            await peer.until(peer.signer.submit(frame.sudo(calls.donate(1, UNIT, 0))), world)
    async with following_peer(world.url, tmp_path / "bob", BOB) as peer:
        with pytest.raises(DispatchError, match=r"^Sudo.RequireSudo: "):
            await peer.until(peer.signer.submit(frame.sudo(calls.unset_seed())), world)


async def test_a_call_that_the_runtime_lacks_is_refused_before_anything_is_signed(world: World, tmp_path: Path) -> None:
    async with following_peer(world.url, tmp_path / "sent") as peer:
        before = list(world.server.asked)
        with pytest.raises(UnknownRuntime, match=r"runtime \d+ has no call DatDot.declare_found"):
            await bounded(peer.signer.submit(Call("DatDot", "declare_found", {"copy": 1})))
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
