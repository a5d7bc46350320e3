"""Descriptions of the pallet from a runtime's metadata, with Python types."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from scalecodec.base import RuntimeConfigurationObject, ScaleBytes
from scalecodec.type_registry import load_type_registry_preset

from .names import PALLET, PLAIN, TYPES, type_name


@dataclass(frozen=True, slots=True)
class Member:
    """A field of a struct, an argument of a call, or a variant of a plain enum (without a type)."""

    name: str
    kind: str
    doc: str


@dataclass(frozen=True, slots=True)
class Class:
    """A struct, an event, or a variant that has fields."""

    name: str
    doc: str
    fields: tuple[Member, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """An enum: of names, or of classes if its variants have fields."""

    name: str
    doc: str
    names: tuple[Member, ...]
    classes: tuple[Class, ...]


@dataclass(frozen=True, slots=True)
class StorageItem:
    """A storage item. `keys` are the chain's names of their types."""

    name: str
    kind: str
    keys: tuple[str, ...]
    doc: str


@dataclass(frozen=True, slots=True)
class Constant:
    """A constant with its value."""

    name: str
    value: int | bytes
    doc: str


class Metadata:
    """The pallet's part of a runtime's metadata (V14)."""

    def __init__(self, data: bytes) -> None:
        config = RuntimeConfigurationObject(implements_scale_info=True)
        config.update_type_registry(load_type_registry_preset("core"))
        decoded = config.create_scale_object("MetadataVersioned", data=ScaleBytes(data))
        decoded.decode()
        self._types = [one.value["type"] for one in decoded.portable_registry["types"]]
        (self._pallet,) = (pallet for pallet in decoded.pallets if pallet.name == PALLET)

    def modules(self) -> dict[str, list[Class | Choice]]:
        """Return the pallet's own types by the module of the pallet that defines them, in the order of the metadata."""
        found: dict[str, list[Class | Choice]] = {}
        for one in self._types:
            path = tuple(one["path"])
            if path[: len(TYPES)] == TYPES and len(path) == len(TYPES) + 2:
                found.setdefault(path[-2], []).append(self._class_or_choice(one))
        return found

    def events(self) -> list[Class]:
        """Return the events, by index."""
        return self._variants(self._pallet.value["event"]["ty"])

    def errors(self) -> list[Member]:
        """Return the errors, by index."""
        found = self._ordered(self._pallet.value["error"]["ty"])
        return [Member(one["name"], "", _text(one["docs"])) for one in found]

    def calls(self) -> list[Class]:
        """Return the calls, by index."""
        return self._variants(self._pallet.value["calls"]["ty"])

    def items(self) -> list[StorageItem]:
        """Return the storage items, in the order of the pallet."""
        return [self._stored(one) for one in self._pallet.value["storage"]["entries"]]

    def constants(self) -> list[Constant]:
        """Return the constants, in the order of the pallet.

        Raises ValueError for one that is neither a number nor bytes.
        """
        return [self._constant(one) for one in self._pallet.value_object["constants"]]

    def kind(self, type_id: int) -> str:
        """Return a type in Python. Raises ValueError for one without a counterpart here."""
        found = self._types[type_id]
        path, (form, detail) = tuple(found["path"]), next(iter(found["def"].items()))
        if path in PLAIN:
            return PLAIN[path]
        if path[: len(TYPES)] == TYPES:
            return type_name(path[-1])
        if path == ("Option",):
            return f"{self.kind(found['params'][0]['type'])} | None"
        if form == "primitive":
            return "bool" if detail == "bool" else "int"
        if form in ("sequence", "array"):
            inner = self.kind(detail["type"])
            return "Bytes" if self._is_byte(detail["type"]) else f"tuple[{inner}, ...]"
        if form == "composite" and len(detail["fields"]) == 1:  # a BoundedVec
            return self.kind(detail["fields"][0]["type"])
        raise ValueError(f"the generator has no Python type for {'::'.join(path) or form}")

    def _is_byte(self, type_id: int) -> bool:
        return bool(self._types[type_id]["def"] == {"primitive": "u8"})

    def _scale_name(self, type_id: int) -> str:
        found = self._types[type_id]
        (form, detail) = next(iter(found["def"].items()))
        if found["path"]:
            return str(found["path"][-1])
        if form == "array":
            return f"[{self._scale_name(detail['type'])}; {detail['len']}]"
        return str(detail)

    def _fields(self, fields: list[dict[str, Any]]) -> tuple[Member, ...]:
        return tuple(Member(one["name"], self.kind(one["type"]), _text(one["docs"])) for one in fields)

    def _ordered(self, type_id: int) -> list[dict[str, Any]]:
        return sorted(self._types[type_id]["def"]["variant"]["variants"], key=lambda one: one["index"])

    def _variants(self, type_id: int) -> list[Class]:
        return [Class(one["name"], _text(one["docs"]), self._fields(one["fields"])) for one in self._ordered(type_id)]

    def _class_or_choice(self, found: dict[str, Any]) -> Class | Choice:
        name, doc = type_name(found["path"][-1]), _text(found["docs"])
        if "composite" in found["def"]:
            return Class(name, doc, self._fields(found["def"]["composite"]["fields"]))
        variants = sorted(found["def"]["variant"]["variants"], key=lambda one: one["index"])
        if any(one["fields"] for one in variants):
            classes = (Class(one["name"], _text(one["docs"]), self._fields(one["fields"])) for one in variants)
            return Choice(name, doc, (), tuple(classes))
        return Choice(name, doc, tuple(Member(one["name"], "", _text(one["docs"])) for one in variants), ())

    def _stored(self, entry: dict[str, Any]) -> StorageItem:
        (form, detail) = next(iter(entry["type"].items()))
        if form == "Plain":
            return StorageItem(entry["name"], self.kind(detail), (), _text(entry["documentation"]))
        return StorageItem(
            entry["name"], self.kind(detail["value"]), tuple(self._keys(detail)), _text(entry["documentation"])
        )

    def _keys(self, detail: dict[str, Any]) -> Iterator[str]:
        if len(detail["hashers"]) == 1:
            yield self._scale_name(detail["key"])
            return
        for one in self._types[detail["key"]]["def"]["tuple"]:
            yield self._scale_name(one)

    def _constant(self, entry: Any) -> Constant:
        data = bytes(entry.value_object["value"].value_object)
        name, kind, doc = entry.value["name"], self.kind(entry.value["type"]), _text(entry.value["documentation"])
        if kind == "int":
            return Constant(name, int.from_bytes(data, "little"), doc)
        if kind == "Bytes":
            return Constant(name, data, doc)
        raise ValueError(f"the generator cannot read the value of constant {name}, a {kind}")


def _text(docs: list[str]) -> str:
    return " ".join(line.strip() for line in docs).strip()
