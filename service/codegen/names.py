"""The generator's names: renames, and the modules for the types of the pallet's modules."""

from __future__ import annotations

import re

PALLET = "DatDot"
TYPES = ("pallet_datdot", "types")
"""Path below which the pallet defines its types, in a module per subject."""
RENAMED = {
    "BlockProof": "ChainBlockProof",
    "Node": "SumNode",
    "Opening": "ChainOpening",
    "Peer": "RegisteredPeer",
}
"""Types of the chain whose names other classes of the service have."""
ARGUMENTS = {"bytes": "length"}
"""Arguments whose names are built-ins of Python."""
PLAIN = {
    ("sp_core", "crypto", "AccountId32"): "AccountId",
    ("primitive_types", "H256"): "Hash",
    ("frame_support", "PalletId"): "Bytes",
    ("datdot_runtime", "RuntimeCall"): "Call",
}
"""Types that are bytes or a number here, by their paths."""
ALIASES = ("AccountId", "Bytes", "Hash")


def type_name(name: str) -> str:
    """Return the name of a class for one of the chain's types."""
    return RENAMED.get(name, name)


def upper(name: str) -> str:
    """Return a name in capitals: `MaxAmount` becomes `MAX_AMOUNT`, `NotAPeer` becomes `NOT_A_PEER`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).upper()
