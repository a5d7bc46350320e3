"""Offers of hosting, encoding and attesting, with care for the money that the chain holds for them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from service.address import ss58
from service.chain_client import Call, ChainClient, DispatchError, PalletError, Signer
from service.units import money

from .funding import how_to_get
from .runner import submitted
from .troubles import TooPoor


class Offers:
    """Submits one role's offers. After one the account cannot afford, waits until its balance has grown.

    A refused call is charged all the same: repeating it would use up the account.
    """

    def __init__(self, client: ChainClient, signer: Signer) -> None:
        self._client, self._signer = client, signer
        self._too_little = -1

    async def send(self, call: Call, held: Callable[[], Awaitable[bool]]) -> int | None:
        """Send an offer and return the block in which it took effect, or None if it already stood.

        Raises TooPoor and ChainError.
        """
        free = await self._client.balance(self._signer.account)
        if free <= self._too_little:
            address = ss58(self._signer.account)
            raise TooPoor(
                f"{call} holds more than the {money(free)} that {address} has free: send it more "
                f"({how_to_get(address, self._client.url)})"
            )
        try:
            return await submitted(self._signer, call, held)
        except DispatchError as error:
            if error.kind is PalletError.INSUFFICIENT_BALANCE:
                self._too_little = free
                # The balance may have changed while the call was in flight: another role's offer lowers it, an incoming
                # transfer raises it. Remember the lower one, so that any real growth counts.
                self._too_little = min(free, await self._client.balance(self._signer.account))
            raise
