"""A storage item of the pallet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Item(Generic[T]):
    """A storage item of the pallet and the type of its values."""

    name: str
    kind: Any
