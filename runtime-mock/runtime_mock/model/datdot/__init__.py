"""The pallet DatDot in Python: the same state, events, errors and weights as pallet-spec's, byte for byte.

The modules have the names of those in Rust, with these exceptions: lib.rs is `calls`, `items`, `events` with `peer_events`, and
`errors`; types.rs is `limits`, `types` and `records`; draw.rs is `tables`; try_state.rs is `check_state`; live.rs is `live_plans`
and `growth`, terms.rs `amend`, validity.rs `party`, migrations.rs `migration`. `block` holds what every rule reads; `drops`,
`jobs`, `pauses`, `ratio` and `regions` hold what several rules share.
"""

from __future__ import annotations

from .calls import register_all
from .deadlines import on_initialize
from .params import build_genesis
from .party import may_call

__all__ = ["build_genesis", "may_call", "on_initialize", "register_all"]
