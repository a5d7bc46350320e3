"""Decode SCALE by the portable registry of a runtime's metadata: each type is compiled once into a function.

The result is a typed value (a dataclass of ours, bytes, a number), or scalecodec's form of it: dicts, lists, `0x` strings.
It reads what scalecodec reads, some ten times faster, and refuses what SCALE does not allow.
"""

from __future__ import annotations

import dataclasses
import itertools
import types
import typing
from collections.abc import Mapping, Sequence
from enum import Enum
from struct import Struct
from typing import Any

from .primitives import (
    FORM,
    NUMBERS,
    Reader,
    ScaleError,
    Skipper,
    bytes_of,
    chosen,
    compact_of,
    constant,
    dict_of,
    nothing,
    primitive,
    read_bytes,
    read_count,
    refusing,
    shown,
    size_of,
    skipping,
    tuple_of,
    wanted_as,
    whole,
    within,
)

MOST_WRAPPED = 8
"""Structures of one field around a number whose compact form is read."""


def _refusal(type_id: int, error: Exception) -> ScaleError:
    """Return the error of a type that cannot be read."""
    return error if isinstance(error, ScaleError) else ScaleError(f"type {type_id} holds types that nest too deep")


class Types:
    """The types of one portable registry. `definitions` are its types by their ids, as `{"path", "def", …}`."""

    def __init__(self, definitions: Sequence[Mapping[str, Any]]) -> None:
        self._definitions = definitions
        self._readers: dict[tuple[int, Any], Reader] = {}
        self._skippers: dict[int, Skipper] = {}
        self._sizes: dict[int, int | None] = {}

    def read(self, type_id: int, data: bytes, hint: Any = FORM) -> Any:
        """Return the value that `data` is, as `hint`. Raises ScaleError if it is not exactly one value of the type."""
        return whole(self.reader(type_id, hint), data)

    def variants(self, type_id: int) -> Sequence[Mapping[str, Any]]:
        """Return the variants of an enum, as the metadata has them. Raises ScaleError if it is none."""
        kind, detail = self._definition(type_id)
        if kind != "variant":
            raise ScaleError(f"type {type_id} is no enum")
        variants: Sequence[Mapping[str, Any]] = detail["variants"]
        return variants

    def parts(self, type_id: int) -> dict[str, int]:
        """Return the types of a structure's fields by their names; of a list, those of its items."""
        kind, detail = self._definition(type_id)
        if kind == "sequence":
            return self.parts(detail["type"])
        if kind != "composite":
            raise ScaleError(f"type {type_id} is no structure")
        return {field["name"]: field["type"] for field in detail["fields"]}

    def named(self, fields: Sequence[Mapping[str, Any]], kinds: Mapping[str, Any]) -> Reader:
        """Return the function that reads fields as a dict, each as its kind. Raises ScaleError if they are others."""
        if [field["name"] for field in fields] != list(kinds):
            raise ScaleError(f"it has {[field['name'] for field in fields]}, not {list(kinds)}")
        return dict_of(list(kinds), [self.reader(field["type"], kinds[field["name"]]) for field in fields])

    def reader(self, type_id: int, hint: Any = FORM) -> Reader:
        """Return the function that reads a type as `hint`. Raises ScaleError if the type has no such form."""
        found = self._readers.get((type_id, hint))
        if found is None:
            cell: list[Reader] = []
            self._readers[type_id, hint] = lambda data, at: cell[0](data, at)  # for a type that holds itself
            try:
                cell.append(self._compile(type_id, hint))
            except (ScaleError, RecursionError) as error:
                del self._readers[type_id, hint]
                raise _refusal(type_id, error) from error
            found = self._readers[type_id, hint] = cell[0]
        return found

    def fields(self, fields: Sequence[Mapping[str, Any]], hint: Any = FORM) -> Reader:
        """Return the function that reads the fields of a composite or of a variant: several without names as a tuple."""
        if not fields:
            return nothing({}, hint)
        if fields[0]["name"] is not None:
            return self._named(fields, hint)
        if len(fields) == 1:
            return self.reader(fields[0]["type"], hint)
        return self._tuple([field["type"] for field in fields], hint)

    # ---- passing over

    def skipper(self, type_id: int) -> Skipper:
        """Return the function that passes over a type. Raises ScaleError if there is no such type, or it cannot be read."""
        found = self._skippers.get(type_id)
        if found is None:
            cell: list[Skipper] = []
            self._skippers[type_id] = lambda data, at: cell[0](data, at)
            try:
                cell.append(self._compile_skip(type_id))
            except (ScaleError, RecursionError) as error:
                del self._skippers[type_id]
                raise _refusal(type_id, error) from error
            found = self._skippers[type_id] = cell[0]
        return found

    def skip_fields(self, fields: Sequence[Mapping[str, Any]]) -> Skipper:
        """Return the function that passes over the fields of a composite or of a variant."""
        return self._skip_all([field["type"] for field in fields])

    def _size(self, type_id: int) -> int | None:
        """Return how many bytes each value of a type takes, or None if that differs."""
        if type_id not in self._sizes:
            self._sizes[type_id] = None  # a type that holds itself has no fixed size
            try:
                self._sizes[type_id] = self._compute_size(type_id)
            except (ScaleError, RecursionError):
                del self._sizes[type_id]
                raise
        return self._sizes[type_id]

    def _compute_size(self, type_id: int) -> int | None:
        kind, detail = self._definition(type_id)
        if kind == "primitive":
            return size_of(str(detail).lower())
        if kind == "array":
            item = self._size(detail["type"])
            return None if item is None else item * detail["len"]
        parts: list[int] | None = None
        if kind == "composite":
            parts = [field["type"] for field in detail["fields"]]
        elif kind == "tuple":
            parts = list(detail)
        if parts is None:
            return None
        sizes = [self._size(part) for part in parts]
        return None if None in sizes else sum(size for size in sizes if size is not None)

    def _skip_all(self, parts: Sequence[int]) -> Skipper:
        sizes = [self._size(part) for part in parts]
        if None not in sizes:
            whole = sum(size for size in sizes if size is not None)
            return lambda data, at: within(data, at + whole)
        skippers = [self.skipper(part) for part in parts]

        def skip(data: bytes, at: int) -> int:
            for one in skippers:
                at = one(data, at)
            return at

        return skip

    def _compile_skip(self, type_id: int) -> Skipper:
        kind, detail = self._definition(type_id)
        size = self._size(type_id)
        if size is not None:
            return lambda data, at: within(data, at + size)
        if kind == "composite":
            return self.skip_fields(detail["fields"])
        if kind == "tuple":
            return self._skip_all(detail)
        if kind == "array":
            return self._skip_all([detail["type"]] * detail["len"])
        if kind == "compact":
            number = self._compact(detail["type"], FORM)
            return lambda data, at: number(data, at)[1]
        if kind == "variant":
            variants = {variant["index"]: self.skip_fields(variant["fields"]) for variant in detail["variants"]}
            return lambda data, at: chosen(variants, data, at)(data, at + 1)
        if kind == "sequence":
            return self._skip_sequence(detail["type"])
        if kind == "primitive":  # text, the only one without a size
            return lambda data, at: read_bytes(data, at)[1]
        raise ScaleError(f"a {kind} cannot be read")

    def _skip_sequence(self, item: int) -> Skipper:
        size = self._size(item)
        one = self.skipper(item)

        def skip(data: bytes, at: int) -> int:
            count, at = read_count(data, at)
            if size is not None:
                return within(data, at + count * size)
            for _ in range(count):
                at = one(data, at)
            return at

        return skip

    # ---- reading

    def _definition(self, type_id: int) -> tuple[str, Any]:
        try:
            ((kind, detail),) = self._definitions[type_id]["def"].items()
        except IndexError:
            raise ScaleError(f"the metadata has no type {type_id}") from None
        return kind, detail

    def _compile(self, type_id: int, hint: Any) -> Reader:
        kind, detail = self._definition(type_id)
        if kind == "composite":
            return self.fields(detail["fields"], hint)
        if kind == "variant":
            return self._variant(self._definitions[type_id], hint)
        if kind == "primitive":
            return primitive(str(detail).lower(), hint)
        if kind == "compact":
            return self._compact(detail["type"], hint)
        if kind == "tuple":
            return self._tuple(detail, hint)
        if kind in ("array", "sequence"):
            length = detail["len"] if kind == "array" else None
            if self._is_byte(detail["type"]):
                return bytes_of(length, hint)
            return self._items(detail["type"], length, hint)
        raise ScaleError(f"a {kind} cannot be read")

    def _compact(self, type_id: int, hint: Any) -> Reader:
        """Return the reader of a type's compact form. Structures of one field are what that field is, nothing takes no byte."""
        for _ in range(MOST_WRAPPED):
            kind, detail = self._definition(type_id)
            if kind == "tuple" and not detail:
                return nothing((), hint)
            name = str(detail).lower() if kind == "primitive" else ""
            if name.startswith("u"):
                return wanted_as(compact_of(8 * (size_of(name) or 0)), hint, int)
            if kind != "composite" or len(detail["fields"]) != 1:
                break
            type_id = detail["fields"][0]["type"]
        raise ScaleError(f"a compact of type {type_id}, which is no number")

    def _is_byte(self, type_id: int) -> bool:
        kind, detail = self._definition(type_id)
        return kind == "primitive" and str(detail).lower() == "u8"

    def _tuple(self, parts: Sequence[int], hint: Any) -> Reader:
        if not parts:
            return nothing((), hint)
        if hint is not FORM and typing.get_origin(hint) is not tuple:
            raise ScaleError(f"a tuple is not {shown(hint)}")
        item = FORM if hint is FORM else typing.get_args(hint)[0]
        readers = [self.reader(part, item) for part in parts]
        return tuple_of(readers)

    def _items(self, item: int, length: int | None, hint: Any) -> Reader:
        if hint is not FORM and typing.get_origin(hint) is not tuple:
            raise ScaleError(f"a list is not {shown(hint)}")
        made: Any = list if hint is FORM else tuple
        read_one = self.reader(item, FORM if hint is FORM else typing.get_args(hint)[0])

        def read(data: bytes, at: int) -> tuple[Any, int]:
            count, at = (length, at) if length is not None else read_count(data, at)
            found = []
            for _ in range(count):
                one, at = read_one(data, at)
                found.append(one)
            return made(found), at

        return read

    def _named(self, fields: Sequence[Mapping[str, Any]], hint: Any) -> Reader:
        if hint is FORM:
            return dict_of([field["name"] for field in fields], [self.reader(field["type"]) for field in fields])
        if not (dataclasses.is_dataclass(hint) and isinstance(hint, type)):
            raise ScaleError(f"a structure is not {shown(hint)}")
        return self._dataclass(fields, hint)

    def _dataclass(self, fields: Sequence[Mapping[str, Any]], hint: type[Any]) -> Reader:
        """Return the reader of a dataclass: by the names of its fields, and what it does not have is passed over."""
        hints = typing.get_type_hints(hint)
        wanted = [field.name for field in dataclasses.fields(hint)]
        missing = set(wanted) - {field["name"] for field in fields}
        if missing:
            raise ScaleError(f"it has no {', '.join(sorted(missing))}")
        if wanted == [field["name"] for field in fields]:
            return self._in_order([(field["type"], hints[field["name"]]) for field in fields], hint)
        parts = [
            (field["name"], self.reader(field["type"], hints[field["name"]]))
            if field["name"] in hints
            else (None, skipping(self.skipper(field["type"])))
            for field in fields
        ]

        def by_name(data: bytes, at: int) -> tuple[Any, int]:
            found = {}
            for name, one in parts:
                value, at = one(data, at)
                if name is not None:
                    found[name] = value
            return hint(**found), at

        return by_name

    def _in_order(self, parts: Sequence[tuple[int, Any]], made: type[Any]) -> Reader:
        """Return the reader of a dataclass whose fields come in its own order. Numbers in a row are read at once."""
        steps: list[tuple[Any, int, Reader | None]] = []
        for together, group in itertools.groupby(parts, lambda part: self._number(*part) is not None):
            if together:
                layout = Struct("<" + "".join(self._number(*part) or "" for part in group))
                steps.append((layout.unpack_from, layout.size, None))
            else:
                steps += [(None, 0, self.reader(*part)) for part in group]

        def read(data: bytes, at: int) -> tuple[Any, int]:
            found: list[Any] = []
            for unpack, size, one in steps:
                if one is None:
                    found += unpack(data, at)
                    at += size
                else:
                    value, at = one(data, at)
                    found.append(value)
            return made(*found), at

        return read

    def _number(self, type_id: int, hint: Any) -> str | None:
        """Return how struct writes a number of a fixed size, if it is one and wanted as one."""
        kind, detail = self._definition(type_id)
        written = NUMBERS.get(str(detail).lower()) if kind == "primitive" and hint is int else None
        return None if written is None else written[-1]

    def _variant(self, definition: Mapping[str, Any], hint: Any) -> Reader:
        variants = definition["def"]["variant"]["variants"]
        if definition["path"] == ["Option"] and {one["name"] for one in variants} == {"None", "Some"}:
            some = next(one for one in variants if one["name"] == "Some")
            return self._option(some["fields"], hint)
        readers = {one["index"]: self._one_variant(one, hint) for one in variants}
        return lambda data, at: chosen(readers, data, at)(data, at + 1)

    def _option(self, fields: Sequence[Mapping[str, Any]], hint: Any) -> Reader:
        inner = FORM
        if hint is not FORM:
            arguments = typing.get_args(hint)
            if len(arguments) != 2 or arguments[1] is not type(None):
                raise ScaleError(f"an Option is not {shown(hint)}")
            inner = arguments[0]
        some = self.fields(fields, inner)

        def read(data: bytes, at: int) -> tuple[Any, int]:
            flag = data[at]
            if flag == 0:
                return None, at + 1
            if flag != 1:
                raise ScaleError(f"an Option begins with {flag}")
            return some(data, at + 1)

        return read

    def _one_variant(self, variant: Mapping[str, Any], hint: Any) -> Reader:
        """Return the reader of a variant's fields. One that `hint` does not have is refused when it comes."""
        name, fields = variant["name"], variant["fields"]
        if hint is FORM:
            if not fields:
                return constant(name)
            inner = self.fields(fields)

            def read(data: bytes, at: int) -> tuple[Any, int]:
                value, at = inner(data, at)
                return {name: value}, at

            return read
        try:
            if isinstance(hint, type) and issubclass(hint, Enum):
                return constant(hint(name)) if not fields else refusing(f"{name} has fields")
            kinds = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else ()
            (kind,) = [one for one in kinds if one.__name__ == name]
            return self.fields(fields, kind)
        except ValueError as error:
            return refusing(f"variant {name} is not known: {error}")
