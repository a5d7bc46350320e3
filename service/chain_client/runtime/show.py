"""Values of the chain as JSON: accounts in SS58, bytes in hex without 0x, amounts as decimal strings."""

from __future__ import annotations

from typing import Any

from scalecodec.utils.ss58 import ss58_encode

SS58_PREFIX = 42
ACCOUNT = ["sp_core", "crypto", "AccountId32"]


class Shower:
    """A converter of values to JSON, by their types in the portable registry of one metadata."""

    def __init__(self, registry: Any) -> None:
        self._types = registry["types"]

    def show(self, type_id: int, value: Any) -> Any:
        """Return a decoded value as JSON. A u128 is an amount and becomes a decimal string."""
        found = self._types[type_id].value["type"]
        definition = found["def"]
        if found["path"] == ACCOUNT and isinstance(value, str):
            return ss58_encode(value, SS58_PREFIX)
        (kind, detail), *_ = definition.items()
        if kind == "primitive":
            return str(value) if str(detail).lower() == "u128" else _plain(value)
        if kind == "compact":
            return self.show(detail["type"], value)
        if kind in ("array", "sequence") and isinstance(value, list | tuple):
            return [self.show(detail["type"], one) for one in value]
        if kind == "tuple" and isinstance(value, list | tuple) and len(value) == len(detail):
            return [self.show(inner, one) for inner, one in zip(detail, value, strict=True)]
        if kind == "composite":
            return self._fields(detail["fields"], value)
        if kind == "variant":
            return self._variant(detail["variants"], value)
        return _plain(value)

    def fields(self, fields: Any, value: Any) -> Any:
        """Return the fields of an event as JSON."""
        return self._fields(fields, value)

    def _fields(self, fields: Any, value: Any) -> Any:
        if isinstance(value, dict) and all(field["name"] in value for field in fields):
            return {field["name"]: self.show(field["type"], value[field["name"]]) for field in fields}
        if len(fields) == 1:
            return self.show(fields[0]["type"], value)
        if isinstance(value, list | tuple) and len(value) == len(fields):
            return [self.show(field["type"], one) for field, one in zip(fields, value, strict=True)]
        return _plain(value)

    def _variant(self, variants: Any, value: Any) -> Any:
        by_name = {variant["name"]: variant["fields"] for variant in variants}
        if isinstance(value, dict) and len(value) == 1:
            (name, inner), *_ = value.items()
            if name in by_name:
                return {name: self._fields(by_name[name], inner)}
        if set(by_name) == {"None", "Some"} and value is not None:  # an Option is its value
            return self._fields(by_name["Some"], value)
        return _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, str) and value.startswith("0x"):
        return value[2:]
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value
