"""Typed objects as JSON, and the JSON schemas of their types: one source for the API, its document, pages and commands."""

from __future__ import annotations

import types
import typing
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Annotated, Any

SUM = "a sum in the smallest unit, as a decimal string"
Sum = Annotated[int, SUM]
"""Money: JSON's numbers are not exact beyond 2^53."""

Schema = dict[str, Any]


def as_json(value: Any, kind: Any = None) -> Any:
    """Return a typed object as JSON values. `kind` is its type, by default that of the object."""
    kind = type(value) if kind is None else kind
    if typing.get_origin(kind) is Annotated:
        return str(value) if SUM in kind.__metadata__ else as_json(value, typing.get_args(kind)[0])
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value) and not isinstance(value, type):
        hints = typing.get_type_hints(type(value), include_extras=True)
        return {one.name: as_json(getattr(value, one.name), hints[one.name]) for one in fields(value)}
    inner = _inner(kind)
    if isinstance(value, dict):
        return {str(key): as_json(one, inner) for key, one in value.items()}
    return [as_json(one, inner) for one in value]


def _inner(kind: Any) -> Any:
    """Return the type of what a list or a dict holds; None: whatever it is."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        kind = next(one for one in typing.get_args(kind) if one is not type(None))
    found = typing.get_args(kind)
    return (
        None
        if not found or (found[-1] in (Any, Ellipsis) and len(found) < 2) or found[-1] is Any
        else (found[0] if found[-1] is Ellipsis else found[-1])
    )


def schema(kind: Any, parts: dict[str, Schema]) -> Schema:
    """Return a type's JSON schema. Those of dataclasses are put into `parts`, by name, and referred to."""
    origin, inside = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        return (
            {"type": "string", "pattern": "^-?[0-9]+$", "description": SUM}
            if SUM in kind.__metadata__
            else schema(inside[0], parts)
        )
    if kind is Any:
        return {}
    simple = {bool: "boolean", int: "integer", float: "number", str: "string"}
    if kind in simple:
        return {"type": simple[kind]}
    if isinstance(kind, type) and issubclass(kind, Enum):
        return {"type": "string", "enum": [one.value for one in kind]}
    if is_dataclass(kind):
        return _reference(kind, parts)
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [schema(one, parts) for one in inside if one is not type(None)] + [{"type": "null"}]}
    if origin is dict:
        return {"type": "object", "additionalProperties": schema(inside[1], parts)}
    if origin in (list, tuple):
        return {"type": "array", "items": schema(inside[0], parts)}
    raise TypeError(f"{kind} has no form in JSON")


def _reference(kind: Any, parts: dict[str, Schema]) -> Schema:
    name = kind.__name__
    if name not in parts:
        parts[name] = {}
        hints = typing.get_type_hints(kind, include_extras=True)
        parts[name] = {
            "type": "object",
            "description": (kind.__doc__ or "").strip().split("\n")[0],
            "properties": {one.name: schema(hints[one.name], parts) for one in fields(kind)},
            "required": [one.name for one in fields(kind)],
            "additionalProperties": False,
        }
    return {"$ref": f"#/components/schemas/{name}"}
