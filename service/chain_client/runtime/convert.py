"""The form of typed values (dataclasses, tuples, bytes) that scalecodec encodes: dicts, lists, `0x` strings."""

from __future__ import annotations

import dataclasses
from enum import Enum
from typing import Any


def to_scale(value: Any) -> Any:
    """Convert a typed value to the form that scalecodec encodes."""
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_scale(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {name: to_scale(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        # a BoundedVec is a composite of one unnamed field, which scalecodec expects as a list of one
        return [[to_scale(item) for item in value]]
    return value
