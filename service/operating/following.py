"""What an account has to do with, read from the chain's state: for who has not seen every block."""

from __future__ import annotations

from service.chain_client import ChainClient

from .entries import Followed

MOST_PLANS = 10_000
"""Plans whose shares are looked up for an account, the newest first."""


async def read_followed(client: ChainClient, account: bytes, at: bytes) -> Followed:
    """Return the copies that an account hosts or encodes, and the plans of which it has shares, at a block.

    Raises ChainError. A copy of which it encoded a segment and that another encoder makes longer is found by its encoders.
    """
    storage = client.storage
    copies, plans = await storage.all_copies(at), await storage.all_plans(at)
    numbers = sorted(plans, reverse=True)[:MOST_PLANS]
    shares = await storage.shares_of(account, numbers, at)
    return Followed(
        {number for number, copy in copies.items() if copy.hoster == account},
        {number for number, copy in copies.items() if copy.encoder == account or account in copy.encoders},
        {number for number in numbers if plans[number].sponsor == account or shares.get(number)},
    )
