"""Offers of hosting, encoding and attesting, and the money that the chain holds for them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from service.chain_client import Call, ChainClient, DispatchError, PalletError, Signer

from .runner import submitted


class TooPoor(Exception):
    """The account could not pay what an offer holds, and has no more since; names both."""


class Offers:
    """Sends one role's offers; after one that the account could not pay, none before there is more money.

    A call that is refused is charged all the same: asked for again and again it would eat up the account.
    """

    def __init__(self, client: ChainClient, signer: Signer) -> None:
        self._client, self._signer = client, signer
        self._too_little = -1

    async def send(self, call: Call, held: Callable[[], Awaitable[bool]]) -> int | None:
        """The block in which the offer took effect; None when it stood already. Raises TooPoor, ChainError."""
        free = await self._client.balance(self._signer.account)
        if free <= self._too_little:
            raise TooPoor(f"{call} holds more than the account has to spare: {free}")
        try:
            return await submitted(self._signer, call, held)
        except DispatchError as error:
            if error.kind is PalletError.INSUFFICIENT_BALANCE:
                self._too_little = free
                # another role's offer may have taken of it meanwhile, or somebody paid something in: the less counts
                self._too_little = min(free, await self._client.balance(self._signer.account))
            raise
