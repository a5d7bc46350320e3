"""What an account has to do with, read from the chain's state: for who has not seen every block."""

from __future__ import annotations

from service.chain_client import ChainClient
from service.chain_client.own_copies import read_hosted, unpaid_work
from service.chain_client.storage import PAGE

from .entries import Followed

MOST_PLANS = 10_000
"""Plans whose shares are looked up for an account, the newest first."""


async def read_followed(client: ChainClient, account: bytes, at: bytes) -> Followed:
    """Return the copies that an account hosts, those that it encodes or is not paid for, and the plans of which it has shares.

    Raises ChainError.
    """
    storage = client.storage
    hoster = await storage.hoster(account, at)
    hosted = {} if hoster is None else await read_hosted(storage, account, hoster.records, at, with_ended=True)
    encoded = await unpaid_work(storage, account, at)
    last, following = await storage.next_plan(at), set[int]()
    for end in range(last, max(0, last - MOST_PLANS), -PAGE):
        # a sponsor has shares of its plan, too, until it has claimed all that it can get of it
        following |= (await storage.shares_of(account, range(max(0, end - PAGE), end), at)).keys()
    return Followed(set(hosted), encoded, following)
