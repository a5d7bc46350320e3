"""The command `datdot ratio`: what an account gave and took, and what that makes of an ask."""

from __future__ import annotations

from service.chain_client import ChainClient
from service.views.ratio import show_ratio

from .options import DEFAULT_CHAIN, Chain, Json, Key
from .signing import Account, Told, show_account


def ratio(account: Account = None, key: Key = None, chain: Chain = DEFAULT_CHAIN, json: Json = False) -> None:
    """Show an account's ratio: what its peers gave, what its plans took, and what an ask of 1 UNIT costs them."""

    async def read(client: ChainClient, wanted: bytes) -> Told:
        return await show_ratio(client, wanted), None

    show_account(account, key, chain, json, read)
