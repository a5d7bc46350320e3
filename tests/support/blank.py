"""Values of the chain's types for tests that look at a few fields only."""

from __future__ import annotations

from dataclasses import fields
from typing import Any


def blank(kind: Any, **given: Any) -> Any:
    """Return a value of a chain type in which all that is not given is nothing."""
    values: dict[str, Any] = {}
    for one in fields(kind):
        name = str(one.type)
        empty: Any = () if name.startswith("tuple") else {"int": 0, "bool": False}.get(name, b"")
        values[one.name] = None if "None" in name else empty
    return kind(**values | given)
