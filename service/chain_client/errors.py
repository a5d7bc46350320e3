"""What can go wrong between this service and a chain."""

from __future__ import annotations

from typing import Any

from .pallet.errors import PalletError


class ChainError(Exception):
    """Base of all errors of this room."""


class ConnectionLost(ChainError):
    """The connection to the node broke, or the node stopped answering; it is being rebuilt."""


class RpcError(ChainError):
    """The node refused a request."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(f"{message} ({code})" + (f": {data}" if data else ""))
        self.code, self.message, self.data = code, message, data


class SignerBusy(ChainError):
    """Another process signs for this account with the same table."""


class StateDiscarded(RpcError):
    """The node keeps the states of its last blocks only, and that of the block asked for is gone (`--state-pruning`)."""


class WrongChain(ChainError):
    """The node is on another chain than the one that this state belongs to."""


class UnknownRuntime(ChainError):
    """The runtime lacks something that this service needs, or has it in another form; names it."""


class InvalidTransaction(ChainError):
    """The pool refused the extrinsic for good; says why."""


class NotIncluded(ChainError):
    """The extrinsic did not enter a finalized block: usurped, dropped, invalidated, or its mortality passed."""


class OutcomeLost(ChainError):
    """The extrinsic is in a finalized block whose state the node dropped before it was read: it may have failed there."""


class DispatchError(ChainError):
    """The extrinsic is in a finalized block and failed, by pallet and name."""

    def __init__(self, pallet: str, name: str, message: str = "") -> None:
        super().__init__(f"{pallet}.{name}" + (f": {message}" if message else ""))
        self.pallet, self.name, self.message = pallet, name, message

    @property
    def kind(self) -> PalletError | None:
        """The error as DatDot's; None for another pallet's, and for one that a newer runtime added."""
        known = self.pallet == "DatDot" and any(self.name == one.value for one in PalletError)
        return PalletError(self.name) if known else None
