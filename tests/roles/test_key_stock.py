"""Private keys made ahead of need: each is given out once, there are as many as are wanted, and none outlives its role."""

from __future__ import annotations

import asyncio

import pytest

from service.encoding import KeyErased, PrivateKey
from service.roles.encoder import stock
from service.roles.encoder.stock import AHEAD, KeyStock


async def filled(keys: KeyStock) -> None:
    assert keys._making is not None
    await keys._making


async def test_no_key_is_given_out_twice() -> None:
    keys, taken = KeyStock(), []
    for _ in range(2 * AHEAD + 1):
        taken.append(await keys.take())
        await filled(keys)
        assert len(keys._keys) == AHEAD
    ahead = list(keys._keys)
    assert await keys.take() is ahead[-1]
    taken += ahead
    assert len({key.modulus for key in taken}) == len(taken) == 3 * AHEAD + 1
    await keys.close()


async def test_more_are_taken_at_once_than_there_are() -> None:
    keys = KeyStock()
    taken = await asyncio.gather(*(keys.take() for _ in range(AHEAD + 2)))
    assert len({key.modulus for key in taken}) == AHEAD + 2
    await filled(keys)
    assert len(keys._keys) == AHEAD
    await keys.close()


async def test_keys_in_stock_are_erased_at_the_end() -> None:
    keys = KeyStock()
    mine = await keys.take()
    await filled(keys)
    ahead = list(keys._keys)
    await keys.close()
    await keys.close()
    for key in ahead:
        with pytest.raises(KeyErased):
            key.to_bytes()
    assert PrivateKey.from_bytes(mine.to_bytes()).modulus == mine.modulus


async def test_a_role_that_ends_while_a_key_is_made_waits_for_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[PrivateKey] = []

    class Counted:
        @staticmethod
        def generate() -> PrivateKey:
            made.append(PrivateKey.generate())
            return made[-1]

    monkeypatch.setattr(stock, "PrivateKey", Counted)
    keys = KeyStock()
    await keys.take()
    await keys.close()
    assert keys._making is not None
    assert keys._making.done()
    assert len(made) <= 2
