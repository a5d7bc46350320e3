"""Conversions between scalecodec's values (dicts, lists, 0x strings) and typed ones (dataclasses, tuples, bytes)."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable
from enum import Enum
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")
Convert = Callable[[Any], Any]


def _bytes(value: Any) -> bytes:
    if isinstance(value, str) and value.startswith("0x"):
        return bytes.fromhex(value[2:])
    raise TypeError(f"expected bytes in hex, got {value!r:.80}")


@cache
def _converter(hint: Any) -> Convert:
    """Return the function that turns scalecodec's values into values of type `hint`."""
    if hint is bytes:
        return _bytes
    if hint in (int, bool, str):
        return typing.cast("Convert", hint)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _dataclass_converter(hint)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        item = _converter(arguments[0])
        return lambda value: tuple(item(one) for one in value)
    if origin in (typing.Union, types.UnionType):
        if arguments[1] is type(None):
            inner = _converter(arguments[0])
            return lambda value: None if value is None else inner(value)
        return _variant_converter(arguments)
    raise TypeError(f"no conversion to {hint}")


def _dataclass_converter(kind: type[Any]) -> Convert:
    hints = typing.get_type_hints(kind)
    fields = [(field.name, _converter(hints[field.name])) for field in dataclasses.fields(kind)]

    def convert(value: Any) -> Any:
        return kind(*(converter(value[name]) for name, converter in fields))

    return convert


def _variant_converter(kinds: tuple[Any, ...]) -> Convert:
    """Return a converter for enums whose variants have fields, which come as a dict of one entry."""
    converters = {kind.__name__: _converter(kind) for kind in kinds}

    def convert(value: Any) -> Any:
        ((name, fields),) = value.items()
        return converters[name](fields)

    return convert


def from_scale(hint: type[T], value: Any) -> T:
    """Convert a decoded value to the type `hint`."""
    convert: Convert = _converter(hint)  # type: ignore[arg-type]  # a type is hashable
    return typing.cast("T", convert(value))


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
