"""What a hoster's account can spend against what a storage proof takes of it, told before a proof cannot be paid.

The fee of a proof is taken first and comes back with the proof. A hoster whose money is all on hold can pay none, and is
evicted with every sector in its place.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from service.address import ss58
from service.chain_client import Block, ChainClient
from service.chain_client.call import Call
from service.chain_client.operators import operated
from service.chain_client.pallet import calls
from service.chain_client.pallet.constants import MAX_PLAN_BYTES, MAX_PROOF_SIBLINGS, MAX_SAMPLES
from service.chain_client.pallet.types import Hoster, Role, StorageProof
from service.encoding.profiles import SECTOR
from service.units import EXISTENTIAL_DEPOSIT, GIB

from ..common.needs import dear_receiving
from ..common.terms import HosterTerms
from ..common.troubles import TooDear, TooPoor

log = structlog.get_logger(__name__)

LEAST_PROOFS = 8
"""Proofs that an account should be able to pay: with fewer the node warns, and offers nothing anew."""
LEAST_SAMPLES = 8
GIB_SECTORS = GIB // SECTOR
SIBLINGS = (MAX_PLAN_BYTES // SECTOR - 1).bit_length()
"""Siblings of a sector in the longest segment that the chain lets a copy have, which is the largest copy as a whole."""


@dataclass(frozen=True, slots=True)
class Means:
    """What an account can spend, and the most that its next proof takes of it until it is in a block."""

    spendable: int
    proof: int

    @property
    def proofs(self) -> int:
        """How many proofs it could pay, if none came back."""
        return self.spendable // self.proof

    @property
    def low(self) -> bool:
        """Whether that is too few."""
        return self.proofs < LEAST_PROOFS

    def remedy(self, account: bytes) -> str:
        """Return what to do about it, in words."""
        if not self.low:
            return "nothing is due"
        more = LEAST_PROOFS * self.proof - self.spendable
        return (
            f"send at least {more} to {ss58(account)}: a proof's fee is taken first and comes back with the proof, and a "
            "hoster that cannot pay it is evicted"
        )


def samples(stored: int) -> int:
    """Return how many samples a challenge has of who stores so many sectors (pallet-spec/README.md section 9)."""
    return min(max(4 + 2 * ((1 + stored // GIB_SECTORS).bit_length() - 1), LEAST_SAMPLES), MAX_SAMPLES)


def largest_proof(stored: int) -> Call:
    """Return a call as long as the longest proof of who stores so many sectors. Its bytes mean nothing."""
    count = samples(stored)
    siblings = min(count * SIBLINGS, MAX_PROOF_SIBLINGS)
    return calls.submit_storage_proof(0, StorageProof((bytes(SECTOR),) * count, (bytes(32),) * siblings))


async def read_means(
    client: ChainClient, account: bytes, stored: int, at: bytes | None = None, payer: bytes | None = None
) -> Means:
    """Return the means of a hoster that stores so many sectors, at a block. `payer` is its operator, if it has one.

    Raises ChainError.
    """
    return Means(await spendable(client, payer or account, at), await proof_fee(client, account, stored, at, payer))


async def proof_fee(
    client: ChainClient, account: bytes, stored: int, at: bytes | None = None, payer: bytes | None = None
) -> int:
    """Return the fee of the longest proof, as the account or its operator signs it. Raises ChainError."""
    call = largest_proof(stored)
    return await client.fee(payer or account, call if payer in (None, account) else operated(call, account), at)


async def spendable(client: ChainClient, account: bytes, at: bytes | None = None) -> int:
    """Return what an account can give and still exist."""
    return max(0, await client.balance(account, at) - EXISTENTIAL_DEPOSIT)


class Purse:
    """A hoster's account, looked at block after block: what it lacks is told once, and again when it lacked nothing meanwhile."""

    def __init__(self, client: ChainClient, account: bytes, payer: bytes | None = None) -> None:
        """Watch what `payer`, who pays the fees (default: the account itself, else its operator), has for proofs."""
        self._client, self._account, self._payer = client, account, payer or account
        self._proof: tuple[tuple[int, int], int] | None = None
        self._low = False

    async def look(self, block: Block, stored: int) -> Means:
        """Return the means at a block, and tell if they are low. Raises ChainError."""
        means = Means(await spendable(self._client, self._payer, block.hash), await self._fee(block, stored))
        if means.low and not self._low:
            log.error(
                "this account can hardly pay the fee of a storage proof",
                block=block.number,
                spendable=means.spendable,
                fee=means.proof,
                proofs_left=means.proofs,
                remedy=means.remedy(self._payer),
            )
        elif self._low and not means.low:
            log.info("this account can pay the fees of storage proofs again", spendable=means.spendable)
        self._low = means.low
        return means

    async def _fee(self, block: Block, stored: int) -> int:
        """Return the fee of the longest proof, which is asked for once for each runtime and number of samples."""
        kind = (await self._client.runtime_at(block.hash)).spec_version, samples(stored)
        if self._proof is None or self._proof[0] != kind:
            self._proof = kind, await proof_fee(self._client, self._account, stored, block.hash, self._payer)
        return self._proof[1]

    async def check_offer(self, terms: HosterTerms, before: Hoster | None) -> None:
        """Raise TooPoor if nothing would be left for proofs beside the collateral of an offer, and TooDear for its ask.

        Raises ChainError.
        """
        client, account = self._client, self._account
        used, stored = (0, 0) if before is None else (before.used, before.stored)
        amounts = await client.storage.amounts()
        dear = dear_receiving(terms.ask_receiving, amounts)
        if dear is not None:
            raise TooDear(dear)
        due = amounts.collateral * max(terms.capacity, used) // GIB
        missing = max(0, due - await client.held(account, Role.HOSTING))
        means = await read_means(client, account, stored, payer=self._payer)
        if self._payer != account:
            await self._check_apart(terms, missing, means)
            return
        needed = missing + LEAST_PROOFS * means.proof
        if means.spendable < needed:
            raise TooPoor(
                f"hosting {terms.capacity} bytes takes {needed}: {missing} more of collateral, and the fees of "
                f"{LEAST_PROOFS} storage proofs, which come back; {ss58(account)} can spend {means.spendable}: "
                "add money to the account"
            )

    async def _check_apart(self, terms: HosterTerms, missing: int, means: Means) -> None:
        """Raise TooPoor unless the account has the collateral, and its operator the fees."""
        has = await spendable(self._client, self._account)
        if has < missing:
            raise TooPoor(
                f"hosting {terms.capacity} bytes takes {missing} more of collateral; {ss58(self._account)} can spend {has}: "
                "add money to the account"
            )
        if means.low:
            raise TooPoor(f"its operator can pay {means.proofs} storage proofs: {means.remedy(self._payer)}")
