"""What an account has to do with, read from the chain's state: for who has not seen every block."""

from __future__ import annotations

from service.chain_client import ChainClient
from service.chain_client.own_copies import read_hosted, unpaid_work
from service.chain_client.storage import PAGE

from .entries import Followed

MOST_COPIES = 100_000
"""Copies that are looked through at most for those that owe an encoder something, the newest first."""
MOST_PLANS = 10_000
"""Plans whose shares are looked up for an account, the newest first."""


async def read_followed(client: ChainClient, account: bytes, at: bytes) -> Followed:
    """Return the copies that an account hosts, those that it encodes or is not paid for, and the plans of which it has shares.

    Raises ChainError.
    """
    storage = client.storage
    hoster = await storage.hoster(account, at)
    hosted = {} if hoster is None else await read_hosted(storage, account, hoster.records, at, with_ended=True)
    encoded = await unpaid_work(storage, account, at, MOST_COPIES)
    last, following = await storage.next_plan(at), set[int]()
    for end in range(last, max(0, last - MOST_PLANS), -PAGE):
        plans = await storage.plans_of(range(max(0, end - PAGE), end), at)
        shares = await storage.shares_of(account, plans, at)
        following |= {number for number, plan in plans.items() if plan.sponsor == account or shares.get(number)}
    return Followed(set(hosted), encoded, following)
