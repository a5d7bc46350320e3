"""A peer binds its keys once, as soon as it can pay, whatever happens to the chain meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from service.chain_client import Call, ConnectionLost, DispatchError, NotIncluded, WrongChain
from service.roles.common.registration import SPARE, RegistrationError, register
from service.vault import PeerKeys
from tests.support.small_chain import MONEY, UNIT, Line, SmallChain, account, keys_of, running_chain

ALICE = keys_of("Alice")
FEE = UNIT


@pytest.fixture
async def chain(request: pytest.FixtureRequest) -> AsyncIterator[SmallChain]:
    """A chain on which Alice has the money that the test says, or enough."""
    alice = getattr(request, "param", MONEY)
    async with running_chain({account("Alice"): alice, account("Bank"): MONEY}) as chain:
        yield chain


@pytest.fixture
async def alice(chain: SmallChain, tmp_path: Path) -> AsyncIterator[Line]:
    """Alice's way to the chain."""
    line = await Line.open(chain, ALICE, tmp_path)
    yield line
    await line.close()


async def registered(line: Line, signer: Any = None, keys: PeerKeys = ALICE) -> None:
    async with asyncio.timeout(600):
        await register(line.client, signer or line.signer, line.follower, keys)


async def test_keys_are_bound_once(chain: SmallChain, alice: Line) -> None:
    for _ in range(3):
        await registered(alice)
    assert [call.name for call in chain.heard] == ["register_peer"]
    peer = chain.peer(alice.signer.account)
    assert peer is not None
    assert peer.swarm_key == ALICE.swarm_key
    assert not chain.refused


# the fee, but not what must stay and what the transaction costs
@pytest.mark.parametrize("chain", [FEE + SPARE - 1], indirect=True)
async def test_it_waits_for_money(chain: SmallChain, alice: Line, tmp_path: Path) -> None:
    task = asyncio.create_task(registered(alice))
    await chain.wait_for(6)
    assert not task.done()
    assert not chain.heard
    bank = await Line.open(chain, keys_of("Bank"), tmp_path / "bank")
    await bank.signer.submit(Call("Balances", "transfer_keep_alive", {"dest": alice.signer.account, "value": 1}))
    await bank.close()
    await task
    assert chain.peer(alice.signer.account) is not None


async def test_another_key_file_is_refused(alice: Line) -> None:
    await registered(alice)
    other = PeerKeys(ALICE.account_secret, bytes(32), bytes(31) + b"\1")
    with pytest.raises(RegistrationError, match=ALICE.swarm_key.hex()):
        await registered(alice, keys=other)


class Failing:
    """A signer whose first submissions fail."""

    def __init__(self, line: Line, *errors: Exception) -> None:
        self.account = line.signer.account
        self._inner, self._errors = line.signer, list(errors)

    async def submit(self, call: Any, held: Any = None) -> Any:
        if self._errors:
            raise self._errors.pop(0)
        return await self._inner.submit(call, held)


async def test_a_chain_that_is_away_is_outlived(chain: SmallChain, alice: Line) -> None:
    await registered(alice, Failing(alice, ConnectionLost("gone"), NotIncluded("dropped")))
    assert chain.peer(alice.signer.account) is not None


@pytest.mark.parametrize("error", [WrongChain("another"), DispatchError("DatDot", "KeyBound")])
async def test_what_will_not_pass_is_told(alice: Line, error: Exception) -> None:
    with pytest.raises(type(error)):
        await registered(alice, Failing(alice, error))
