"""The errors of the chain client."""

from __future__ import annotations

import asyncio
from typing import Any

from service.disk import DiskError

from .pallet.errors import PalletError


class ChainError(Exception):
    """Base of all errors of the chain client."""


class ConnectionLost(ChainError):
    """The connection to the node broke, or the node stopped answering. It is being rebuilt."""


class RpcError(ChainError):
    """The node refused a request."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(f"{message} ({code})" + (f": {data}" if data else ""))
        self.code, self.message, self.data = code, message, data


class SignerBusy(ChainError):
    """Another process is signing for this account with the same table."""


class StateDiscarded(RpcError):
    """The state asked for is gone: the node keeps those of its last blocks only (`--state-pruning`)."""


class TableError(ChainError, DiskError):
    """The table of what was sent cannot be read or written. The message names it; nothing was sent."""


class WrongChain(ChainError):
    """The node is on a different chain from the one this state belongs to."""


class UnknownRuntime(ChainError):
    """The runtime lacks something this service needs, or has it in another form. The message names it."""


class InvalidTransaction(ChainError):
    """The pool refused the extrinsic for good. The message says why."""


class NotIncluded(ChainError):
    """The extrinsic did not enter a finalized block: it was usurped, dropped or invalidated, or its mortality passed."""


class OutcomeLost(ChainError):
    """The extrinsic is in a finalized block whose state was pruned before it was read: it may have failed there."""


class NotOperable(ChainError):
    """An operator does not make such calls: the key of the peer's account is needed."""


class NotOperator(ChainError):
    """An operator's call that was not sent, or not taken: its peer named another one, or none.

    `again` is set once it is one again.
    """

    def __init__(self, text: str, again: asyncio.Event) -> None:
        super().__init__(text)
        self.again = again


class DispatchError(ChainError):
    """The extrinsic is in a finalized block and failed, with this error of this pallet."""

    def __init__(self, pallet: str, name: str, message: str = "") -> None:
        super().__init__(f"{pallet}.{name}" + (f": {message}" if message else ""))
        self.pallet, self.name, self.message = pallet, name, message

    @property
    def kind(self) -> PalletError | None:
        """The error as DatDot's, or None for another pallet's and for one that a newer runtime added."""
        known = self.pallet == "DatDot" and any(self.name == one.value for one in PalletError)
        return PalletError(self.name) if known else None
