"""Words about what happened to an account: the sentence, how much it wants to be looked at, why it was, and what to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from service.units import decimal


class Level(Enum):
    """How much an entry wants to be looked at."""

    NOTE = "note"
    """As it should be."""
    WARNING = "warning"
    """Something is to be done, or will cost."""
    PENALTY = "penalty"
    """It cost money, reputation or a copy."""


@dataclass(frozen=True, slots=True)
class Words:
    """What an entry means. Warnings and penalties have both `why` and `remedy`; a note may say why."""

    text: str
    level: Level = Level.NOTE
    why: str = ""
    remedy: str = ""


Fields = dict[str, Any]
Says = Callable[[Fields, str], Words]
"""Takes an event's fields as JSON and the account in SS58."""


def warning(text: str, why: str, remedy: str) -> Words:
    """Return words of something that is to be done."""
    return Words(text, Level.WARNING, why, remedy)


def penalty(text: str, why: str, remedy: str) -> Words:
    """Return words of something that cost."""
    return Words(text, Level.PENALTY, why, remedy)


def unit(amount: object) -> str:
    """Return a sum of an event in UNIT."""
    return f"{decimal(int(str(amount)))} UNIT"
