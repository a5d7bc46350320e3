"""A call of the runtime: pallet, name and arguments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

PALLET = "DatDot"


@dataclass(frozen=True, slots=True)
class Call:
    """A call of the runtime, by names. `arguments` are typed values."""

    pallet: str
    name: str
    arguments: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.pallet}.{self.name}"
