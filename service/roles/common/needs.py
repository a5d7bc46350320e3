"""What an account needs money for, by its roles and their terms: told by a node that waits for it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from service.address import ss58
from service.chain_client.pallet.constants import DROP_PART
from service.chain_client.pallet.types import Amounts
from service.units import EXISTENTIAL_DEPOSIT, GIB, decimal, money

from .funding import how_to_get
from .terms import RolesConfig

SPARE = 10 * EXISTENTIAL_DEPOSIT
"""Needed beside the fees: the deposit that must stay on the account, and the transactions' own fees."""


@dataclass(frozen=True, slots=True)
class MoneyNeed:
    """A sum in the smallest unit, and what it is for."""

    what: str
    amount: int


def needs_of(roles: Collection[str], config: RolesConfig, amounts: Amounts) -> list[MoneyNeed]:
    """Return what an account that is not registered needs for its roles, first of all its registration."""
    found = [MoneyNeed("the registration, burned", amounts.peer_fee)]
    if "hoster" in roles:
        due = amounts.collateral * config.hosting.capacity // GIB
        found.append(MoneyNeed(f"the collateral of {config.hosting.capacity} bytes", due))
    if "encoder" in roles:
        found.append(MoneyNeed("an encoder's bond", amounts.encoder_bond))
    if "attester" in roles:
        slots = config.attesting.slots
        found.append(
            MoneyNeed(f"fees and bonds of {slots} attester slots", slots * (amounts.slot_fee + amounts.attester_bond))
        )
    return [*found, MoneyNeed("fees of calls, and what an account keeps", SPARE)]


def dear_receiving(ask: int, amounts: Amounts) -> str | None:
    """Return why the chain takes no offer to host with this ask for receiving (pallet-spec/README.md section 14), or None."""
    return _dear("--ask-receiving", ask, amounts.collateral // DROP_PART, "per GiB received")


def dear_report(ask: int, amounts: Amounts) -> str | None:
    """Return why the chain gives no slot at this ask for a report, or None."""
    return _dear("--ask-report", ask, amounts.report_price, "for a report")


def _dear(flag: str, ask: int, most: int, what: str) -> str | None:
    return (
        f"{flag} {decimal(ask)}UNIT: lower it, this chain takes at most {decimal(most)}UNIT {what}"
        if ask > most
        else None
    )


def waiting_for(account: bytes, url: str, has: int, needs: list[MoneyNeed]) -> dict[str, str]:
    """Return what a node that waits for money on the chain at `url` tells: what it has, needs for what, and how to get it."""
    whole = sum(one.amount for one in needs)
    missing = max(0, whole - has)
    return {
        "account": ss58(account),
        "has": money(has),
        "needed": money(whole),
        "needed_for": "; ".join(f"{one.what}: {decimal(one.amount)} UNIT" for one in needs),
        "remedy": f"send it {money(missing)}: {how_to_get(ss58(account), url, missing)}",
    }
