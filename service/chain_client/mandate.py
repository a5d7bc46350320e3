"""The mandate of an operator: whether what it signs for its peer counts now, and the command that makes it so again.

Its owner revokes it and gives it at any time. What is sent meanwhile is refused, so nothing is: who wants to send is told at once,
and may wait for `NotOperator.again`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from shlex import quote
from typing import TypeVar

from service.address import ss58

from .client import ChainClient
from .errors import ChainError, InvalidTransaction, NotIncluded, NotOperator

Done = TypeVar("Done")


def how_to_operate(account: str, operator: str, url: str) -> str:
    """Return how an account's own key makes another one its operator, both in SS58, on the chain at `url`, in words."""
    return f"where the vault of {account} is: datdot operator set {operator} --key VAULT --chain {quote(url)}"


class Mandate:
    """That of `operator` for `peer`. Until the chain says otherwise it is taken to be there."""

    def __init__(self, client: ChainClient, peer: bytes, operator: bytes) -> None:
        self._client, self._peer, self._operator = client, peer, operator
        self._given = asyncio.Event()
        self._given.set()
        self.was_given = False
        """Whether the chain ever said in this run that it is there."""
        self._since = 0
        """The block in which it was found to be gone, which need not be final: older ones do not count."""

    @property
    def given(self) -> bool:
        """Whether it is there."""
        return self._given.is_set()

    def look(self, number: int, operator: bytes | None) -> None:
        """Take from a finalized block who the peer's operator is."""
        if operator != self._operator:
            self._given.clear()
        elif number >= self._since:
            self.was_given = True
            self._given.set()

    def check(self) -> None:
        """Raise NotOperator if it is known to be gone."""
        if not self.given:
            raise self._gone()

    async def submit(self, call: Callable[[], Awaitable[Done]]) -> Done:
        """Return what `call` returns, which sends an operator's call. Raises NotOperator, and what `call` raises."""
        self.check()
        try:
            return await call()
        except (InvalidTransaction, NotIncluded) as error:
            if await self._is_gone():
                raise self._gone() from error
            raise

    def lacking(self) -> dict[str, str]:
        """Return who is not whose operator, and what to do about it, as fields of a line of the log."""
        peer, operator = ss58(self._peer), ss58(self._operator)
        return {"operator": operator, "account": peer, "remedy": how_to_operate(peer, operator, self._client.url)}

    def _gone(self) -> NotOperator:
        told = self.lacking()
        text = f"{told['operator']} is not the operator of {told['account']}: nothing that it signs counts; {told['remedy']}"
        return NotOperator(text, self._given)

    async def _is_gone(self) -> bool:
        """Ask the best block, which refuses calls before it is final. If nobody answers it is not said to be gone."""
        try:
            best = await self._client.best()
            operator = await self._client.storage.operator(self._peer, best.hash)
        except ChainError:
            return False
        if operator == self._operator:
            return False
        self._since = best.number
        self._given.clear()
        return True
