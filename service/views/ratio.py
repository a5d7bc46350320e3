"""The view of an account's ratio: what it gave, what it took, and what that makes of an ask."""

from __future__ import annotations

from typing import Any

from service.address import ss58
from service.chain_client import ChainClient
from service.chain_client.pallet.constants import ALLOWANCE, MARGIN, MIN_RATIO, PPM
from service.chain_client.pallet.types import Ratio
from service.roles.common.ratio import cost, ratio_ppm
from service.units import UNIT


async def show_ratio(client: ChainClient, account: bytes, at: bytes | None = None) -> dict[str, Any]:
    """Return the object of `datdot ratio`, at a block (None: the best one)."""
    if at is None:
        at = (await client.best()).hash
    is_peer = await client.storage.peer(account, at) is not None
    return ratio_view(account, await client.storage.ratio(account, at), is_peer)


def ratio_view(account: bytes, ratio: Ratio, is_peer: bool) -> dict[str, Any]:
    """Return what an account gave and took, its ratio in ppm, what an ask of 1 UNIT costs its plans, and why."""
    ppm = ratio_ppm(ratio, is_peer)
    return {
        "account": ss58(account),
        "peer": is_peer,
        "given": str(ratio.given),
        "taken": str(ratio.taken),
        "ratio": ppm,
        "cost": str(cost(UNIT, ppm)),
        "why": _sentence(ratio, is_peer, ppm),
    }


def _sentence(ratio: Ratio, is_peer: bool, ppm: int) -> str:
    least, margin = _decimal(MIN_RATIO, PPM), _decimal(MARGIN, PPM)
    ends = (
        f"so an ask of 1 UNIT costs this account's plans {margin} / {_decimal(ppm, PPM)} = "
        f"{_decimal(cost(UNIT, ppm), UNIT)} UNIT, and it is that which must be within a plan's caps"
    )
    if not is_peer:
        return f"this account is no registered peer, so its ratio is the least, {least}; {ends}"
    given, taken, more = (_decimal(amount, UNIT) for amount in (ratio.given, ratio.taken, ALLOWANCE))
    return (
        f"the ratio is (given {given} + {more} UNIT) / (taken {taken} + {more} UNIT), at least {least} and at most 1: "
        f"{_decimal(ppm, PPM)}; {ends}"
    )


def _decimal(amount: int, unit: int) -> str:
    """Return amount / unit, cut after six digits."""
    whole, rest = divmod(amount, unit)
    digits = f"{rest * 10**6 // unit:06}".rstrip("0")
    return f"{whole}.{digits}" if digits else str(whole)
