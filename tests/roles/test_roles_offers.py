"""An offer that the account cannot pay is refused by the chain once, not again and again for a fee."""

from __future__ import annotations

from typing import Any

import pytest

from service.chain_client import DispatchError, calls
from service.roles.offers import Offers, TooPoor

BOND, FEE = 100, 3


class Account:
    """Client and signer of an account; each call costs, also the refused ones."""

    account = bytes(32)

    def __init__(self, money: int) -> None:
        self.money, self.offered, self.error = money, False, "InsufficientBalance"

    async def balance(self, account: bytes) -> int:
        return self.money

    async def submit(self, call: Any, held: Any) -> None:
        if await held():
            return
        self.money -= FEE
        if self.money < BOND:
            raise DispatchError("DatDot", self.error)
        self.offered = True


async def offer(account: Any, offers: Offers) -> None:
    async def held() -> bool:
        return bool(account.offered)

    assert await offers.send(calls.offer_encoding(1), held) is None


async def test_an_offer_waits_for_more_money() -> None:
    account: Any = Account(50)
    offers = Offers(account, account)
    with pytest.raises(DispatchError):
        await offer(account, offers)
    for _ in range(5):
        with pytest.raises(TooPoor, match=r"offer_encoding.*: 47"):
            await offer(account, offers)
    assert account.money == 50 - FEE
    account.money += 200
    await offer(account, offers)
    assert account.offered


async def test_other_refusals_are_tried_again() -> None:
    account: Any = Account(50)
    account.error = "TooManyChanges"
    offers = Offers(account, account)
    for _ in range(2):
        with pytest.raises(DispatchError):
            await offer(account, offers)
    assert account.money == 50 - 2 * FEE
