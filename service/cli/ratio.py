"""The command `datdot ratio`: what an account gave and took, and what that makes of an ask."""

from __future__ import annotations

from service.session import client_session
from service.views.ratio import show_ratio

from .failures import failure_of
from .options import DEFAULT_CHAIN, Chain, Json, Key
from .output import Output, configure_logging, run
from .signing import Account, account_or_own


def ratio(account: Account = None, key: Key = None, chain: Chain = DEFAULT_CHAIN, json: Json = False) -> None:
    """Show an account's ratio: what its peers gave, what its plans took, and what an ask of 1 UNIT costs them."""
    out = Output(json)
    configure_logging(json)
    find = account_or_own(account, key)

    async def main() -> None:
        wanted = find()
        async with client_session(chain) as client:
            out.result(await show_ratio(client, wanted))

    run(out, main, lambda error: failure_of(error, chain))
