"""What `datdot plan publish` and `donate` show before they sign, and the question to who sits at a terminal."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

from service.chain_client import ChainClient
from service.chain_client.pallet.types import Terms
from service.hypercore import CoreError
from service.operating.plan_costs import donation_lines, publication_lines
from service.roles.sponsor.checks import PublicationError
from service.roles.sponsor.plans import publication_call
from service.session import client_session
from service.vault import public_keys

from .failures import failure_of
from .feed import known, opened
from .output import Output, run
from .sums import agreed_to_spend
from .unlocking import or_fail

Lines = Callable[[ChainClient, bytes], Awaitable[list[str]]]


def shown_first(out: Output, key: str, chain: str, yes: bool, lines: Lines) -> None:
    """Print what a call does, and ask. With --json nothing is shown or asked."""
    if out.json:
        return
    source = or_fail(out, key, lambda: public_keys(key)).account

    async def main() -> None:
        async with client_session(chain) as client:
            try:
                told = await lines(client, source)
            except (PublicationError, CoreError) as error:
                # an earlier run that was cut off may have sent it: the signer knows
                told = [f"as things are now: {error}"]
        for line in told:
            out.console.print(line, markup=False, soft_wrap=True)

    run(out, main, lambda error: failure_of(error, chain))
    agreed_to_spend(out, yes)


class Donation:
    """A donation, and of the plan what was shown of it: `fresh` is None if nothing was."""

    def __init__(self, plan: int, amount: int) -> None:
        self.fresh: int | None = None
        self._plan = plan
        self._amount = amount

    async def lines(self, client: ChainClient, source: bytes) -> list[str]:
        """Return the lines about it, and keep for which terms they were shown."""
        told, self.fresh = await donation_lines(client, source, self._plan, self._amount)
        return told


def publication(directory: Path, feed: bytes, ranges: list[tuple[int, int]] | None, terms: Terms, pot: int) -> Lines:
    """Return what finds the lines about a publication."""

    async def lines(client: ChainClient, source: bytes) -> list[str]:
        with closing(opened(directory)) as store:
            call, size = publication_call(known(store, feed, directory), terms, pot, ranges)
        return await publication_lines(client, source, call, terms, pot, size)

    return lines
