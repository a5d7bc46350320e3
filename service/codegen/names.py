"""What the generator calls things: renames, and where the types of the pallet's modules go."""

from __future__ import annotations

import re

PALLET = "DatDot"
#: Types of the pallet stand below this path, in a module of their subject.
TYPES = ("pallet_datdot", "types")
#: The chain's types whose names other classes of the service have.
RENAMED = {
    "Node": "SumNode",
    "Opening": "ChainOpening",
    "Peer": "RegisteredPeer",
}
#: Arguments whose names are Python's own.
ARGUMENTS = {"bytes": "length"}
#: Types that are bytes or a number here, by their paths.
PLAIN = {
    ("sp_core", "crypto", "AccountId32"): "AccountId",
    ("primitive_types", "H256"): "Hash",
    ("frame_support", "PalletId"): "Bytes",
}
ALIASES = ("AccountId", "Bytes", "Hash")


def type_name(name: str) -> str:
    """Return the name of a class for one of the chain's types."""
    return RENAMED.get(name, name)


def upper(name: str) -> str:
    """Return a name in capitals: ``MaxAmount`` is ``MAX_AMOUNT``, ``NotAPeer`` is ``NOT_A_PEER``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).upper()
