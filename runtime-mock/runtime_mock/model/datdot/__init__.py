"""The pallet DatDot in Python: the same state, events, errors and weights as pallet-spec's, byte for byte.

Modules stand beside those of the Rust, under their names, but for: lib.rs is `calls`, `items`, `events` and `errors`; types.rs
is `limits`, `types` and `records`; draw.rs is `tables`; try_state.rs is `check_state`. `block` reads what every rule reads.
"""

from __future__ import annotations

from .calls import register_all
from .deadlines import on_initialize
from .params import build_genesis

__all__ = ["build_genesis", "on_initialize", "register_all"]
