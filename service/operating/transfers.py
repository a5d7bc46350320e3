"""Transfers of money: what one costs and leaves, shown before it is signed, and what it would be refused for."""

from __future__ import annotations

from dataclasses import dataclass

from service.address import ss58
from service.chain_client import BlockRef, ChainClient, Signer, frame
from service.roles.common.funding import how_to_get
from service.roles.common.submit import submit
from service.roles.sponsor.refusals import NoFunds
from service.units import EXISTENTIAL_DEPOSIT, money

DEVELOPMENT = ("Development", "Local")
"""What nodes call chains on which money is worth nothing."""


class TransferRefused(Exception):
    """A transfer that the chain would refuse, or that makes no sense. The message says why and what to do."""


@dataclass(frozen=True, slots=True)
class PlannedTransfer:
    """A transfer before it is signed, in the smallest unit: the most that its fee can be, and what both have then."""

    source: bytes
    to: bytes
    amount: int
    fee: int
    spendable: int
    """What the sender can spend now."""
    had: int
    """What the receiver has now, of free money."""

    @property
    def left(self) -> int:
        """What the sender can spend afterwards."""
        return self.spendable - self.amount - self.fee

    def lines(self) -> list[str]:
        """Return what it does, in words."""
        return [
            f"{money(self.amount)} from {ss58(self.source)}",
            f"to {ss58(self.to)}, which has {money(self.had)} now and {money(self.had + self.amount)} then",
            f"for a fee of up to {money(self.fee)}; {money(self.left)} can be spent afterwards",
        ]


async def plan_transfer(client: ChainClient, source: bytes, to: bytes, amount: int) -> PlannedTransfer:
    """Return what a transfer does. Nothing is signed. Raises TransferRefused, NoFunds and ChainError."""
    if amount < 1:
        raise TransferRefused("the amount must be above 0")
    if source == to:
        raise TransferRefused(f"{ss58(to)} is the sender itself: name another account")
    at = (await client.best()).hash
    fee = await client.fee(source, frame.transfer(to, amount), at)
    spendable = max(0, await client.balance(source, at) - EXISTENTIAL_DEPOSIT)
    has = await client.holdings(to, at)
    planned = PlannedTransfer(source, to, amount, fee, spendable, has.free)
    if planned.left < 0:
        raise NoFunds(
            f"{money(amount)} and a fee of up to {money(fee)} are needed, and {ss58(source)} can spend {money(spendable)}, "
            f"so {money(-planned.left)} are missing: send less, or get more ({how_to_get(ss58(source), client.url, -planned.left)})"
        )
    if has.free + amount < EXISTENTIAL_DEPOSIT:
        raise TransferRefused(
            f"{ss58(to)} has {money(has.free)}: an account with less than {money(EXISTENTIAL_DEPOSIT)} does not exist; send more"
        )
    return planned


@dataclass(frozen=True, slots=True)
class SentTransfer:
    """A transfer on the finalized chain, and what its sender could spend in that block."""

    block: BlockRef
    left: int


async def send(client: ChainClient, signer: Signer, to: bytes, amount: int) -> SentTransfer:
    """Sign and send a transfer, and wait until it is final. Raises what `plan_transfer` raises, and ChainError.

    One that an earlier run sent without telling its outcome is not sent again.
    """

    async def check() -> None:
        await plan_transfer(client, signer.account, to, amount)

    done = await submit(signer, frame.transfer(to, amount), {}, check)
    free = await client.balance(signer.account, done.block.hash)
    return SentTransfer(done.block, max(0, free - EXISTENTIAL_DEPOSIT))


async def check_development(client: ChainClient) -> None:
    """Raise TransferRefused unless the chain is one for development, whose well-known accounts anybody can sign for."""
    kind = await client.chain_type()
    if kind not in DEVELOPMENT:
        raise TransferRefused(
            f"{client.url} is a chain of the type {kind}: there is a faucet on development chains only; "
            "ask somebody who has money there for a transfer"
        )
