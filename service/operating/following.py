"""What an account has to do with, read from the chain's state: for who has not seen every block."""

from __future__ import annotations

from service.chain_client import ChainClient
from service.chain_client.own_copies import read_hosted
from service.chain_client.storage import PAGE, Storage

from .entries import Followed

MOST_COPIES = 100_000
"""Copies that are looked through for those that an account encoded, the newest first."""
MOST_PLANS = 10_000
"""Plans whose shares are looked up for an account, the newest first."""


async def read_followed(client: ChainClient, account: bytes, at: bytes) -> Followed:
    """Return the copies that an account hosts or encodes, and the plans of which it has shares, at a block.

    Raises ChainError. A copy of which it encoded a segment and that another encoder makes longer is found by its encoders.
    """
    storage = client.storage
    hoster = await storage.hoster(account, at)
    hosted = {} if hoster is None else await read_hosted(storage, account, hoster.records, at, with_ended=True)
    encoded = set() if await storage.encoder(account, at) is None else await _encoded(storage, account, at)
    last, following = await storage.next_plan(at), set[int]()
    for end in range(last, max(0, last - MOST_PLANS), -PAGE):
        plans = await storage.plans_of(range(max(0, end - PAGE), end), at)
        shares = await storage.shares_of(account, plans, at)
        following |= {number for number, plan in plans.items() if plan.sponsor == account or shares.get(number)}
    return Followed(set(hosted), encoded, following)


async def _encoded(storage: Storage, account: bytes, at: bytes) -> set[int]:
    """Return the copies that an account encoded, among the newest: no table of the chain names them by their encoder."""
    last, found = await storage.next_copy(at), set[int]()
    for end in range(last, max(0, last - MOST_COPIES), -PAGE):
        copies = await storage.copies_of(range(max(0, end - PAGE), end), at)
        found |= {number for number, one in copies.items() if one.encoder == account or account in one.encoders}
    return found
