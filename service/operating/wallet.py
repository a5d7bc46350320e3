"""What an account has: free, held and for what, earned and not paid yet, and what its ratio means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from service.address import ss58
from service.chain_client import BlockRef, ChainClient
from service.chain_client.pallet.types import Ratio
from service.roles.common.ratio import ratio_ppm
from service.units import EXISTENTIAL_DEPOSIT
from service.views.ratio import ratio_view


@dataclass(frozen=True, slots=True)
class Balances:
    """What an account has at a block, in the smallest unit.

    `pending` is what its encoding earned or is to earn and is not paid yet: second halves of fees, of which there are
    `halves`, and the fees of jobs that are being done.
    """

    account: bytes
    block: int
    free: int
    held: int
    reasons: dict[str, int]
    pending: int
    halves: int
    ratio: Ratio
    is_peer: bool

    @property
    def total(self) -> int:
        """All that it has."""
        return self.free + self.held

    @property
    def spendable(self) -> int:
        """What it can give away and still exist."""
        return max(0, self.free - EXISTENTIAL_DEPOSIT)

    @property
    def ratio_ppm(self) -> int:
        """Its ratio in millionths."""
        return ratio_ppm(self.ratio, self.is_peer)

    def shown(self) -> dict[str, Any]:
        """Return it as JSON: sums as decimal strings in the smallest unit."""
        ratio = ratio_view(self.account, self.ratio, self.is_peer)
        return {
            "account": ss58(self.account),
            "block": self.block,
            "total": str(self.total),
            "free": str(self.free),
            "spendable": str(self.spendable),
            "held": str(self.held),
            "held_for": {name: str(amount) for name, amount in sorted(self.reasons.items())},
            "pending": str(self.pending),
            "pending_halves": self.halves,
            "given": ratio["given"],
            "taken": ratio["taken"],
            "ratio": ratio["ratio"],
            "ratio_why": ratio["why"],
        }


async def read_balances(client: ChainClient, account: bytes, at: BlockRef | None = None) -> Balances:
    """Return what an account has at a block (None: the best one). Raises ChainError."""
    block = await client.best() if at is None else at
    storage, here = client.storage, block.hash
    has = await client.holdings(account, here)
    encoder = await storage.encoder(account, here)
    return Balances(
        account,
        block.number,
        has.free,
        has.held,
        has.reasons,
        0 if encoder is None else encoder.unreleased,
        0 if encoder is None else encoder.halves,
        await storage.ratio(account, here),
        await storage.peer(account, here) is not None,
    )
