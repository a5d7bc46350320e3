"""Where the runtime's own pallet is joined to the frame."""

from __future__ import annotations

from .datdot import build_genesis, on_initialize, register_all

__all__ = ["build_genesis", "on_initialize", "register_all"]
