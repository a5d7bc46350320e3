"""The place where the runtime's own pallet joins the FRAME pallets."""

from __future__ import annotations

from .datdot import build_genesis, may_call, on_initialize, register_all

__all__ = ["build_genesis", "may_call", "on_initialize", "register_all"]
