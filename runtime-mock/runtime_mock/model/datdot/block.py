"""Reads that every rule needs: the block's number, era and seed, and the chain's genesis hash."""

from __future__ import annotations

from typing import Any

from ..frame import system
from ..storage import State
from .items import Seeds
from .params import times


def now(s: State) -> int:
    """Return the current block's number."""
    return system.Number.get(s)


def era(s: State) -> int:
    """Return the current era."""
    return now(s) // max(1, times(s).era)


def seed(s: State) -> bytes:
    """Return the seed of the current block."""
    return Seeds.get(s, now(s)) or bytes(32)


def genesis(s: State) -> bytes:
    """Return the hash of block 0, which every statement contains."""
    return system.BlockHash.get(s, 0) or bytes(32)


def deposit(s: State, event: Any) -> None:
    """Deposit an event."""
    system.deposit(s, event)


def less(a: int, b: int) -> int:
    """Return a - b, but at least 0."""
    return max(0, a - b)
