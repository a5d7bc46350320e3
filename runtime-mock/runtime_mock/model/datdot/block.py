"""What every rule reads of the chain: the block's number, era and seed, and the chain's genesis hash."""

from __future__ import annotations

from typing import Any

from ..frame import system
from ..storage import State
from .items import Seeds
from .params import times


def now(s: State) -> int:
    return system.Number.get(s)


def era(s: State) -> int:
    return now(s) // max(1, times(s).era)


def seed(s: State) -> bytes:
    """seed(now)."""
    return Seeds.get(s, now(s)) or bytes(32)


def genesis(s: State) -> bytes:
    """The hash of block 0, which every statement names."""
    return system.BlockHash.get(s, 0) or bytes(32)


def deposit(s: State, event: Any) -> None:
    system.deposit(s, event)


def less(a: int, b: int) -> int:
    """a - b, at least 0."""
    return max(0, a - b)
