"""The chain client: a connection, a follower, a signer, and the pallet's types."""

from .block import Block, BlockRef, Header
from .call import Call
from .client import ChainClient, Holdings
from .errors import (
    ChainError,
    ConnectionLost,
    DispatchError,
    InvalidTransaction,
    NotIncluded,
    NotOperable,
    NotOperator,
    OutcomeLost,
    RpcError,
    SignerBusy,
    StateDiscarded,
    UnknownRuntime,
    WrongChain,
)
from .follower import BlockStream, CursorStore, Follower, following
from .pallet import calls, constants, events, types
from .pallet.errors import PalletError
from .runtime.events import EventRecord
from .runtime.metadata import Runtime
from .sent import Receipt
from .signer import Signer
from .storage import Storage

__all__ = [
    "Block",
    "BlockRef",
    "BlockStream",
    "Call",
    "ChainClient",
    "ChainError",
    "ConnectionLost",
    "CursorStore",
    "DispatchError",
    "EventRecord",
    "Follower",
    "Header",
    "Holdings",
    "InvalidTransaction",
    "NotIncluded",
    "NotOperable",
    "NotOperator",
    "OutcomeLost",
    "PalletError",
    "Receipt",
    "RpcError",
    "Runtime",
    "Signer",
    "SignerBusy",
    "StateDiscarded",
    "Storage",
    "UnknownRuntime",
    "WrongChain",
    "calls",
    "constants",
    "events",
    "following",
    "types",
]
