"""An offer that the account cannot pay is refused by the chain once, not again and again for a fee."""

from __future__ import annotations

from typing import Any

import pytest

from service.chain_client import DispatchError
from service.chain_client.pallet import calls
from service.roles.common.offers import Offers
from service.roles.common.troubles import TooPoor

BOND, FEE = 100, 3


class Account:
    """Client and signer of an account; each call costs, also the refused ones."""

    account, url = bytes(32), "ws://127.0.0.1:9944"

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
        with pytest.raises(TooPoor, match=r"offer_encoding.* \(47\) that .* has free: send it more"):
            await offer(account, offers)
    assert account.money == 50 - FEE
    account.money += 200
    await offer(account, offers)
    assert account.offered


async def test_what_another_role_took_is_no_measure_of_what_is_missing() -> None:
    """Two roles offer at once: what the account had before the other one's offer need not be there again."""
    account: Any = Account(120)
    offers, submit = Offers(account, account), account.submit

    async def after_the_other(call: Any, held: Any) -> None:
        account.money -= 80
        account.submit = submit
        await submit(call, held)

    account.submit = after_the_other
    with pytest.raises(DispatchError):
        await offer(account, offers)
    account.money += 75
    assert BOND + FEE < account.money < 120
    await offer(account, offers)
    assert account.offered


async def test_what_was_paid_in_since_the_refusal_counts() -> None:
    account: Any = Account(50)
    offers, submit = Offers(account, account), account.submit

    async def paid_before_it_is_final(call: Any, held: Any) -> None:
        try:
            await submit(call, held)
        finally:
            account.money += 60

    account.submit = paid_before_it_is_final
    with pytest.raises(DispatchError):
        await offer(account, offers)
    account.submit = submit
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
