"""A copy's life by hand: registered peers, a plan of three blocks, and its encoding, on a chain that seals by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from service.chain_client import Call, ChainClient, DispatchError, PalletError
from service.chain_client.pallet import calls
from service.chain_client.pallet.types import BlockRange, Copy, CopyState, SignedHead, StorageProof, Terms
from service.encoding import Frontier, PrivateKey, SectorEncoder, contract_id, derive_ctx, leaf_hash, node_hash, pad
from service.hypercore import Corestore
from service.roles.common.registration import register
from service.roles.sponsor.checks import check_head
from service.roles.sponsor.terms import plan_terms
from service.session import Session, chain_session
from service.vault import load_keys
from tests.support.cli_process import RunningChain

UNIT = 10**12
WAIT = 300


def head_of(compat: bool = False) -> SignedHead:
    """A head of three blocks, in order."""
    core = Corestore().create(compat=compat)
    core.append([b"one", b"two" * 700, b"three"])
    return check_head(core.head())


def terms(now: int) -> Terms:
    return plan_terms(1, UNIT, UNIT, UNIT, UNIT // 1000, now + 2000)


async def refused(session: Session, call: Call, error: PalletError) -> None:
    with pytest.raises(DispatchError) as caught:
        await session.signer.submit(call)
    assert (caught.value.pallet, caught.value.kind) == ("DatDot", error)
    assert error.value in str(caught.value)


@asynccontextmanager
async def parties(chain: RunningChain, *names: str) -> AsyncIterator[list[Session]]:
    """Sessions of development accounts."""
    async with AsyncExitStack() as stack, asyncio.timeout(WAIT):
        yield [await stack.enter_async_context(chain_session(chain.url, load_keys(name))) for name in names]


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

    def proof(self, sectors: list[int]) -> StorageProof:
        """Return what a challenge of these sectors, ascending, is answered with."""
        level = [leaf_hash(self.ctx, i, data) for i, data in enumerate(self.sectors)]
        known, siblings = set(sectors), []
        while len(level) > 1:
            beside = {place ^ 1 for place in known if place ^ 1 < len(level)} - known
            siblings += [level[place] for place in sorted(beside)]
            level = [node_hash(*level[i : i + 2]) if i + 1 < len(level) else level[i] for i in range(0, len(level), 2)]
            known = {place // 2 for place in known}
        return StorageProof(tuple(self.sectors[sector] for sector in sectors), tuple(siblings))


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
    wrong = encoder.keys.sign_statement(statement[:-1] + bytes([statement[-1] ^ 1]))
    await refused(hoster, calls.confirm_segment(copy, segment, len(plain), root, wrong), PalletError.BAD_SIGNATURE)
    await refused(
        hoster, calls.confirm_segment(copy, segment, len(plain) + 1, root, good), PalletError.BAD_SEGMENT_BYTES
    )
    await hoster.signer.submit(calls.confirm_segment(copy, segment, len(plain), root, good))
    return Made([data[i : i + 256] for i in range(0, len(data), 256)], ctx, root)
