"""What the chain refuses from a client that checks nothing: each by the name of its error, and honest calls go on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from service.chain_client import Call, ChainClient, DispatchError, InvalidTransaction, PalletError
from service.chain_client.pallet import calls
from service.chain_client.pallet.types import BlockRange, ChainOpening, Copy, CopyState, OpenedNode, SignedHead, Terms
from service.encoding import Frontier, PrivateKey, SectorEncoder, contract_id, derive_ctx, leaf_hash, node_hash, pad
from service.hypercore import Corestore, default_manifest
from service.roles.common.registration import register
from service.roles.sponsor.checks import check_head
from service.session import Session, chain_session
from service.vault.keyfile import KeyFile
from tests.support.cli_process import RunningChain

UNIT = 10**12
SMALL_ORDER = bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a")
WAIT = 300


def head_of(compat: bool = False) -> SignedHead:
    """A head of three blocks, in order."""
    core = Corestore().create(compat=compat)
    core.append([b"one", b"two" * 700, b"three"])
    return check_head(core.head())


def terms(now: int) -> Terms:
    return Terms(1, UNIT, UNIT, UNIT, UNIT // 1000, now + 2000)


async def refused(session: Session, call: Call, error: PalletError) -> None:
    with pytest.raises(DispatchError) as caught:
        await session.signer.submit(call)
    assert (caught.value.pallet, caught.value.kind) == ("DatDot", error)
    assert error.value in str(caught.value)


@asynccontextmanager
async def parties(chain: RunningChain, *names: str) -> AsyncIterator[list[Session]]:
    """Sessions of development accounts."""
    async with AsyncExitStack() as stack, asyncio.timeout(WAIT):
        yield [await stack.enter_async_context(chain_session(chain.url, name)) for name in names]


HEADS: dict[str, tuple[Callable[[], SignedHead], PalletError]] = {
    "a small-order R": (
        lambda: replace(head_of(), signature=bytes(32) + b"\1" + bytes(31)),
        PalletError.SMALL_ORDER_KEY,
    ),
    "a flipped bit": (lambda: flipped(head_of()), PalletError.BAD_SIGNATURE),
    "a flipped bit, compat": (lambda: flipped(head_of(compat=True)), PalletError.BAD_SIGNATURE),
    "another fork": (lambda: replace(head_of(), fork=1), PalletError.BAD_SIGNATURE),
    "a small-order key": (lambda: replace(head_of(compat=True), key=SMALL_ORDER), PalletError.SMALL_ORDER_KEY),
    "a small-order key in a manifest": (lambda: manifest_of_small_order(), PalletError.SMALL_ORDER_KEY),
    "another feed's key": (lambda: replace(head_of(), key=bytes(range(32))), PalletError.WRONG_FEED_KEY),
    "a manifest that is none": (lambda: replace(head_of(), manifest=bytes(70)), PalletError.BAD_MANIFEST),
    "roots of another length": (lambda: replace(head_of(), length=4), PalletError.BAD_HEAD),
    "no block": (lambda: replace(head_of(), length=0, roots=()), PalletError.BAD_HEAD),
}


def flipped(head: SignedHead) -> SignedHead:
    return replace(head, signature=head.signature[:-1] + bytes([head.signature[-1] ^ 1]))


def manifest_of_small_order() -> SignedHead:
    manifest = default_manifest(SMALL_ORDER)
    return replace(head_of(), key=manifest.key, manifest=manifest.encode())


async def test_plans_that_the_chain_refuses(chain: RunningChain) -> None:
    async with parties(chain, "//Alice") as (alice,):
        best = await alice.client.best()
        issued = await alice.client.storage.next_plan()
        whole, good = (BlockRange(0, 3),), terms(best.number)
        for name, (make, error) in HEADS.items():
            try:
                await refused(alice, calls.publish_plan(make(), whole, (), good, 100 * UNIT), error)
            except AssertionError as wrong:
                raise AssertionError(f"{name}: {wrong}") from wrong
        head = head_of()
        for ranges in ((), (BlockRange(0, 4),), (BlockRange(2, 2),), (BlockRange(0, 2), BlockRange(2, 3))):
            await refused(alice, calls.publish_plan(head, ranges, (), good, 100 * UNIT), PalletError.BAD_RANGES)
        node = OpenedNode(1, 5, bytes(32), bytes(32))
        await refused(alice, calls.publish_plan(head, whole, (node,), good, 100 * UNIT), PalletError.BAD_NODES)
        await refused(alice, calls.publish_plan(head, whole, (), good, 1), PalletError.DONATION_TOO_SMALL)
        await refused(alice, calls.publish_plan(head, whole, (), good, UNIT // 50), PalletError.POT_TOO_SMALL)
        for bad in (replace(good, replicas=0), replace(good, replicas=17), replace(good, until=1)):
            await refused(alice, calls.publish_plan(head, whole, (), bad, 100 * UNIT), PalletError.BAD_TERMS)
        await refused(alice, calls.publish_plan(head, whole, (), good, 10**24), PalletError.INSUFFICIENT_BALANCE)
        await refused(alice, calls.donate(10**9, UNIT), PalletError.NO_SUCH_PLAN)
        assert await alice.client.storage.next_plan() == issued


async def test_who_has_nothing_cannot_even_pay_the_fee(chain: RunningChain, tmp_path: Path) -> None:
    KeyFile.create(tmp_path / "key.json")
    async with parties(chain, str(tmp_path / "key.json")) as (poor,):
        now = (await poor.client.best()).number
        call = calls.publish_plan(head_of(), (BlockRange(0, 3),), (), terms(now), 100 * UNIT)
        with pytest.raises(InvalidTransaction, match="fees"):
            await poor.signer.submit(call)


# ---- a copy's life, by hand


async def until(client: ChainClient, what: Callable[[], Awaitable[Any]]) -> Any:
    """Wait until something that is looked up on the chain is there."""
    while True:
        found = await what()
        if found:
            return found
        await asyncio.sleep(0.2)


async def enrolled(session: Session, call: Call) -> None:
    await register(session.client, session.signer, session.follower, session.keys)
    await session.signer.submit(call)


async def published(alice: Session, head: SignedHead) -> int:
    now, plan = (await alice.client.best()).number, await alice.client.storage.next_plan()
    await alice.signer.submit(calls.publish_plan(head, (BlockRange(0, 3),), (), terms(now), 100 * UNIT))
    return plan


async def assigned(client: ChainClient, plan: int) -> tuple[int, Copy]:
    """The plan's copy, once its encoder is drawn."""

    async def look() -> tuple[int, Copy] | None:
        copies = await client.storage.all_copies()
        ready = (CopyState.ASSIGNED,)
        return next(((n, copy) for n, copy in copies.items() if copy.plan == plan and copy.state in ready), None)

    found: tuple[int, Copy] = await until(client, look)
    return found


@dataclass
class Made:
    """An encoded segment."""

    sectors: list[bytes]
    ctx: bytes
    root: bytes

    def opening(self, sector: int) -> ChainOpening:
        level = [leaf_hash(self.ctx, i, data) for i, data in enumerate(self.sectors)]
        place, siblings = sector, []
        while len(level) > 1:
            if place ^ 1 < len(level):
                siblings.append(level[place ^ 1])
            level = [node_hash(*level[i : i + 2]) if i + 1 < len(level) else level[i] for i in range(0, len(level), 2)]
            place //= 2
        return ChainOpening(self.sectors[sector], tuple(siblings))


async def encoded(encoder: Session, hoster: Session, copy: int, key: PrivateKey) -> Made:
    """Encode the copy of the three blocks and have it confirmed."""
    client = encoder.client
    segment = (await client.storage.copy(copy)).current  # type: ignore[union-attr]
    assert segment is not None

    async def salted() -> Any:
        found = await client.storage.segment(segment)
        return found if found is not None and found.salt is not None else None

    known = await until(client, salted)
    plain = b"one" + b"two" * 700 + b"three"
    data = SectorEncoder(known.salt, key).encode(0, pad(plain))
    contract = contract_id(client.genesis, copy)
    ctx = derive_ctx(
        contract_id=contract, encoder=encoder.signer.account, hoster=hoster.signer.account,
        pk_hash=known.pk_hash, salt=known.salt,
    )  # fmt: skip
    frontier = Frontier(ctx)
    frontier.append(data)
    root, sectors = frontier.root(), len(data) // 256
    statement = b"datdot/v1/segment\0" + client.genesis + copy.to_bytes(8, "little") + segment.to_bytes(8, "little")
    statement += encoder.signer.account + hoster.signer.account + known.pk_hash + known.salt + bytes(8)
    statement += len(plain).to_bytes(8, "little") + sectors.to_bytes(8, "little") + root
    good = encoder.keys.sign_statement(statement)
    wrong = encoder.keys.sign_statement(statement[:-1] + b"\0")
    await refused(hoster, calls.confirm_segment(copy, segment, len(plain), root, wrong), PalletError.BAD_SIGNATURE)
    await refused(
        hoster, calls.confirm_segment(copy, segment, len(plain) + 1, root, good), PalletError.BAD_SEGMENT_BYTES
    )
    await hoster.signer.submit(calls.confirm_segment(copy, segment, len(plain), root, good))
    return Made([data[i : i + 256] for i in range(0, len(data), 256)], ctx, root)


async def test_moduli_and_proofs_that_the_chain_refuses(chain: RunningChain) -> None:
    async with parties(chain, "//Alice", "//Charlie", "//Dave") as (alice, hoster, encoder):
        await asyncio.gather(
            enrolled(hoster, calls.offer_hosting(1 << 30, UNIT // 1000, 0)),
            enrolled(encoder, calls.offer_encoding(UNIT // 1000)),
        )
        client, storage = alice.client, alice.client.storage
        account = hoster.signer.account
        await refused(hoster, calls.submit_storage_proof(1, ()), PalletError.NO_CHALLENGE)

        copy, _ = await assigned(client, await published(alice, head_of()))
        key = PrivateKey.generate()
        for modulus in (key.modulus[:-1] + b"\2", bytes(255) + b"\3", b"\xff" * 255 + b"\xfd"):
            await refused(encoder, calls.begin_segment(copy, modulus, 1), PalletError.BAD_MODULUS)
        await refused(encoder, calls.begin_segment(copy, key.modulus, 2), PalletError.BAD_PROFILE)
        await refused(hoster, calls.begin_segment(copy, key.modulus, 1), PalletError.NOT_PARTY)
        await encoder.signer.submit(calls.begin_segment(copy, key.modulus, 1))
        made = await encoded(encoder, hoster, copy, key)

        challenge = await until(client, lambda: storage.storage_challenge(account))
        good = [made.opening(sample.sector) for sample in challenge.samples]
        other = [made.opening((sample.sector + 1) % len(made.sectors)) for sample in challenge.samples]
        one_bit = [replace(good[0], data=bytes([good[0].data[0] ^ 1]) + good[0].data[1:]), *good[1:]]
        for issued, openings, error in (
            (challenge.issued - 1, good, PalletError.WRONG_CHALLENGE),
            (challenge.issued, other, PalletError.BAD_OPENING),
            (challenge.issued, one_bit, PalletError.BAD_OPENING),
            (challenge.issued, good[1:], PalletError.WRONG_OPENING_COUNT),
        ):
            await refused(hoster, calls.submit_storage_proof(issued, tuple(openings)), error)
        await hoster.signer.submit(calls.submit_storage_proof(challenge.issued, tuple(good)))
        state = await storage.hoster(account)
        assert state is not None
        assert (state.passed, state.missed) == (1, 0)

        again, _ = await assigned(client, await published(alice, head_of(compat=True)))
        await refused(encoder, calls.begin_segment(again, key.modulus, 1), PalletError.MODULUS_USED)
        await encoder.signer.submit(calls.begin_segment(again, PrivateKey.generate().modulus, 1))
