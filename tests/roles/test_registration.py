"""A peer binds its keys once, as soon as it can pay, whatever happens to the chain meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest

from service.chain_client import ConnectionLost, DispatchError, NotIncluded, WrongChain
from service.roles.common.registration import SPARE, RegistrationError, register
from service.vault.keyfile import KeyFile
from tests.support.fake_chain import FakeChain

ALICE = KeyFile.load("//Alice")


@pytest.fixture
async def chain() -> AsyncIterator[FakeChain]:
    made = FakeChain()
    ticking = asyncio.create_task(made.run())
    yield made
    ticking.cancel()
    with suppress(asyncio.CancelledError):
        await ticking


async def registered(chain: FakeChain, signer: Any = None, keys: KeyFile = ALICE) -> None:
    client: Any = chain
    await asyncio.wait_for(register(client, signer or chain.signer(ALICE.account), client, keys), 60)


async def test_keys_are_bound_once(chain: FakeChain) -> None:
    for _ in range(3):
        await registered(chain)
    assert [call.name for call in chain.heard] == ["register_peer"]
    assert chain.state.peers[ALICE.account].swarm_key == ALICE.swarm_key
    assert not chain.refused


async def test_it_waits_for_money(chain: FakeChain) -> None:
    chain.money = 1000 + SPARE - 1  # the fee, but not what must stay and what the transaction costs
    task = asyncio.create_task(registered(chain))
    await chain.until(lambda: chain.number > 5)
    assert not task.done()
    assert not chain.heard
    chain.money += 1
    await task
    assert ALICE.account in chain.state.peers


async def test_another_key_file_is_refused(chain: FakeChain) -> None:
    await registered(chain)
    other = KeyFile(ALICE.account_seed, bytes(32), bytes(31) + b"\1", ALICE.uri)
    with pytest.raises(RegistrationError, match=ALICE.swarm_key.hex()):
        await registered(chain, keys=other)


class Failing:
    """A signer whose first submissions fail."""

    def __init__(self, chain: FakeChain, *errors: Exception) -> None:
        self.account = ALICE.account
        self._inner, self._errors = chain.signer(ALICE.account), list(errors)

    async def submit(self, call: Any, held: Any = None) -> Any:
        if self._errors:
            raise self._errors.pop(0)
        return await self._inner.submit(call, held)


async def test_a_chain_that_is_away_is_outlived(chain: FakeChain) -> None:
    await registered(chain, Failing(chain, ConnectionLost("gone"), NotIncluded("dropped")))
    assert ALICE.account in chain.state.peers


@pytest.mark.parametrize("error", [WrongChain("another"), DispatchError("DatDot", "KeyBound")])
async def test_what_will_not_pass_is_told(chain: FakeChain, error: Exception) -> None:
    with pytest.raises(type(error)):
        await registered(chain, Failing(chain, error))
