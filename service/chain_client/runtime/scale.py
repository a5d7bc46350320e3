"""Decode SCALE by the portable registry of a runtime's metadata: each type is compiled once into a function.

The result is a typed value (a dataclass of ours, bytes, a number), or scalecodec's form of it: dicts, lists, `0x` strings.
It reads what scalecodec reads, some ten times faster, and refuses what SCALE does not allow.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from struct import Struct
from struct import error as StructError
from typing import Any

Reader = Callable[[bytes, int], tuple[Any, int]]
"""Reads a value from bytes at an offset: the value, and where the next one begins."""
Skipper = Callable[[bytes, int], int]
"""Passes over a value: where the next one begins."""
NUMBERS = {"u8": "B", "u16": "<H", "u32": "<I", "u64": "<Q", "i8": "b", "i16": "<h", "i32": "<i", "i64": "<q"}
WIDE = {"u128": 16, "u256": 32, "i128": 16, "i256": 32}
COMPACT_FORMS = (0, 1 << 6, 1 << 14, 1 << 30)
"""The least number that may be written in each of the four forms of a compact number."""


class ScaleError(ValueError):
    """Bytes that are not of the type, or a type that does not have the wanted form."""


class _Form:
    """The wish for scalecodec's form of a value."""


FORM: Any = _Form()


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
        return _dict_of(list(kinds), [self.reader(field["type"], kinds[field["name"]]) for field in fields])

    def reader(self, type_id: int, hint: Any = FORM) -> Reader:
        """Return the function that reads a type as `hint`. Raises ScaleError if the type has no such form."""
        found = self._readers.get((type_id, hint))
        if found is None:
            cell: list[Reader] = []
            self._readers[type_id, hint] = lambda data, at: cell[0](data, at)  # for a type that holds itself
            try:
                cell.append(self._compile(type_id, hint))
            except ScaleError:
                del self._readers[type_id, hint]
                raise
            found = self._readers[type_id, hint] = cell[0]
        return found

    def fields(self, fields: Sequence[Mapping[str, Any]], hint: Any = FORM) -> Reader:
        """Return the function that reads the fields of a composite or of a variant: several without names as a tuple."""
        if not fields:
            return _nothing({}, hint)
        if fields[0]["name"] is not None:
            return self._named(fields, hint)
        if len(fields) == 1:
            return self.reader(fields[0]["type"], hint)
        return self._tuple([field["type"] for field in fields], hint)

    # ---- passing over

    def skipper(self, type_id: int) -> Skipper:
        """Return the function that passes over a type."""
        found = self._skippers.get(type_id)
        if found is None:
            cell: list[Skipper] = []
            self._skippers[type_id] = lambda data, at: cell[0](data, at)
            cell.append(self._compile_skip(type_id))
            found = self._skippers[type_id] = cell[0]
        return found

    def skip_fields(self, fields: Sequence[Mapping[str, Any]]) -> Skipper:
        """Return the function that passes over the fields of a composite or of a variant."""
        return self._skip_all([field["type"] for field in fields])

    def _size(self, type_id: int) -> int | None:
        """Return how many bytes each value of a type takes, or None if that differs."""
        if type_id not in self._sizes:
            self._sizes[type_id] = None  # a type that holds itself has no fixed size
            self._sizes[type_id] = self._compute_size(type_id)
        return self._sizes[type_id]

    def _compute_size(self, type_id: int) -> int | None:
        kind, detail = self._definition(type_id)
        if kind == "primitive":
            return _primitive_size(str(detail).lower())
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
            return lambda data, at: _within(data, at + whole)
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
            return lambda data, at: _within(data, at + size)
        if kind == "composite":
            return self.skip_fields(detail["fields"])
        if kind == "tuple":
            return self._skip_all(detail)
        if kind == "array":
            return self._skip_all([detail["type"]] * detail["len"])
        if kind == "compact":
            return lambda data, at: compact(data, at)[1]
        if kind == "variant":
            variants = {variant["index"]: self.skip_fields(variant["fields"]) for variant in detail["variants"]}
            return lambda data, at: _chosen(variants, data, at)(data, at + 1)
        if kind == "sequence":
            return self._skip_sequence(detail["type"])
        if kind == "primitive":  # text, the only one without a size
            return lambda data, at: _taken(data, at)[1]
        raise ScaleError(f"a {kind} cannot be read")

    def _skip_sequence(self, item: int) -> Skipper:
        size = self._size(item)
        one = self.skipper(item)

        def skip(data: bytes, at: int) -> int:
            count, at = _count(data, at)
            if size is not None:
                return _within(data, at + count * size)
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
            return _primitive(str(detail).lower(), hint)
        if kind == "compact":
            inner, _ = self._definition(detail["type"])
            if inner == "composite" and not self._definitions[detail["type"]]["def"]["composite"]["fields"]:
                raise ScaleError("a compact of nothing")
            return _wanted(compact, hint, int)
        if kind == "tuple":
            return self._tuple(detail, hint)
        if kind in ("array", "sequence"):
            length = detail["len"] if kind == "array" else None
            if self._is_byte(detail["type"]):
                return _bytes(length, hint)
            return self._items(detail["type"], length, hint)
        raise ScaleError(f"a {kind} cannot be read")

    def _is_byte(self, type_id: int) -> bool:
        kind, detail = self._definition(type_id)
        return kind == "primitive" and str(detail).lower() == "u8"

    def _tuple(self, parts: Sequence[int], hint: Any) -> Reader:
        if not parts:
            return _nothing((), hint)
        if hint is not FORM and typing.get_origin(hint) is not tuple:
            raise ScaleError(f"a tuple is not {_shown(hint)}")
        item = FORM if hint is FORM else typing.get_args(hint)[0]
        readers = [self.reader(part, item) for part in parts]
        return _sequence_of(readers)

    def _items(self, item: int, length: int | None, hint: Any) -> Reader:
        if hint is not FORM and typing.get_origin(hint) is not tuple:
            raise ScaleError(f"a list is not {_shown(hint)}")
        made: Any = list if hint is FORM else tuple
        read_one = self.reader(item, FORM if hint is FORM else typing.get_args(hint)[0])

        def read(data: bytes, at: int) -> tuple[Any, int]:
            count, at = (length, at) if length is not None else _count(data, at)
            found = []
            for _ in range(count):
                one, at = read_one(data, at)
                found.append(one)
            return made(found), at

        return read

    def _named(self, fields: Sequence[Mapping[str, Any]], hint: Any) -> Reader:
        if hint is FORM:
            return _dict_of([field["name"] for field in fields], [self.reader(field["type"]) for field in fields])
        if not (dataclasses.is_dataclass(hint) and isinstance(hint, type)):
            raise ScaleError(f"a structure is not {_shown(hint)}")
        return self._dataclass(fields, hint)

    def _dataclass(self, fields: Sequence[Mapping[str, Any]], hint: type[Any]) -> Reader:
        """Return the reader of a dataclass: by the names of its fields, and what it does not have is passed over."""
        hints = typing.get_type_hints(hint)
        wanted = [field.name for field in dataclasses.fields(hint)]
        missing = set(wanted) - {field["name"] for field in fields}
        if missing:
            raise ScaleError(f"it has no {', '.join(sorted(missing))}")
        if wanted == [field["name"] for field in fields]:
            readers = [self.reader(field["type"], hints[field["name"]]) for field in fields]

            def in_order(data: bytes, at: int) -> tuple[Any, int]:
                found = []
                for one in readers:
                    value, at = one(data, at)
                    found.append(value)
                return hint(*found), at

            return in_order
        parts = [
            (field["name"], self.reader(field["type"], hints[field["name"]]))
            if field["name"] in hints
            else (None, _skipping(self.skipper(field["type"])))
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

    def _variant(self, definition: Mapping[str, Any], hint: Any) -> Reader:
        variants = definition["def"]["variant"]["variants"]
        if definition["path"] == ["Option"] and {one["name"] for one in variants} == {"None", "Some"}:
            some = next(one for one in variants if one["name"] == "Some")
            return self._option(some["fields"], hint)
        readers = {one["index"]: self._one_variant(one, hint) for one in variants}
        return lambda data, at: _chosen(readers, data, at)(data, at + 1)

    def _option(self, fields: Sequence[Mapping[str, Any]], hint: Any) -> Reader:
        inner = FORM
        if hint is not FORM:
            arguments = typing.get_args(hint)
            if len(arguments) != 2 or arguments[1] is not type(None):
                raise ScaleError(f"an Option is not {_shown(hint)}")
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
                return _constant(name)
            inner = self.fields(fields)

            def read(data: bytes, at: int) -> tuple[Any, int]:
                value, at = inner(data, at)
                return {name: value}, at

            return read
        try:
            if isinstance(hint, type) and issubclass(hint, Enum):
                return _constant(hint(name)) if not fields else _refusing(f"{name} has fields")
            kinds = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else ()
            (kind,) = [one for one in kinds if one.__name__ == name]
            return self.fields(fields, kind)
        except ValueError as error:
            return _refusing(f"variant {name} is not known: {error}")


def compact(data: bytes, at: int) -> tuple[int, int]:
    """Read a compact number. Raises ScaleError if it is not written in the shortest form."""
    first = data[at]
    mode = first & 3
    if mode == 0:
        return first >> 2, at + 1
    if mode == 3:
        size = (first >> 2) + 4
        value, end = int.from_bytes(_slice(data, at + 1, size), "little"), at + 1 + size
        if value < 1 << 30 or (size > 4 and not data[end - 1]):
            raise ScaleError(f"{value} is not in its shortest form")
        return value, end
    size = 1 << mode
    value = int.from_bytes(_slice(data, at, size), "little") >> 2
    if value < COMPACT_FORMS[mode]:
        raise ScaleError(f"{value} is not in its shortest form")
    return value, at + size


def whole(reader: Reader, data: bytes) -> Any:
    """Return the value that `data` is. Raises ScaleError if it is not exactly one."""
    try:
        value, end = reader(data, 0)
    except (StructError, IndexError, UnicodeDecodeError, RecursionError) as error:
        raise ScaleError(f"{len(data)} bytes are too few, too deep or not of the type: {error}") from error
    if end != len(data):
        raise ScaleError(f"{len(data) - end} of {len(data)} bytes are left over")
    return value


def _slice(data: bytes, at: int, size: int) -> bytes:
    found = data[at : at + size]
    if len(found) != size:
        raise ScaleError(f"{size} bytes were to come, {len(found)} are left")
    return found


def _within(data: bytes, end: int) -> int:
    if end > len(data):
        raise ScaleError(f"{end - len(data)} bytes are missing")
    return end


def _count(data: bytes, at: int) -> tuple[int, int]:
    """Read the length of a list. It cannot be longer than the bytes that are left: each item takes one at least."""
    count, at = compact(data, at)
    if count > len(data) - at:
        raise ScaleError(f"{count} items were to come, {len(data) - at} bytes are left")
    return count, at


def _taken(data: bytes, at: int) -> tuple[bytes, int]:
    count, at = _count(data, at)
    return data[at : at + count], at + count


def _chosen(variants: Mapping[int, Any], data: bytes, at: int) -> Any:
    found = variants.get(data[at])
    if found is None:
        raise ScaleError(f"there is no variant {data[at]}")
    return found


def _constant(value: Any) -> Reader:
    return lambda data, at: (value, at)


def _nothing(form: Any, hint: Any) -> Reader:
    """Return the reader of what has no fields: a dataclass without any, or scalecodec's form of it."""
    if hint is FORM:
        return lambda data, at: (form.copy() if isinstance(form, dict) else form, at)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type) and not dataclasses.fields(hint):
        return _constant(hint())
    raise ScaleError(f"nothing is not {_shown(hint)}")


def _refusing(why: str) -> Reader:
    def read(data: bytes, at: int) -> tuple[Any, int]:
        raise ScaleError(why)

    return read


def _skipping(skip: Skipper) -> Reader:
    return lambda data, at: (None, skip(data, at))


def _sequence_of(readers: Sequence[Reader]) -> Reader:
    def read(data: bytes, at: int) -> tuple[Any, int]:
        found = []
        for one in readers:
            value, at = one(data, at)
            found.append(value)
        return tuple(found), at

    return read


def _dict_of(names: Sequence[str], readers: Sequence[Reader]) -> Reader:
    def read(data: bytes, at: int) -> tuple[Any, int]:
        found = {}
        for name, one in zip(names, readers, strict=True):
            found[name], at = one(data, at)
        return found, at

    return read


def _wanted(reader: Reader, hint: Any, kind: type) -> Reader:
    if hint is not FORM and hint is not kind:
        raise ScaleError(f"{kind.__name__} is not {_shown(hint)}")
    return reader


def _primitive_size(name: str) -> int | None:
    if name in NUMBERS:
        return Struct(NUMBERS[name]).size
    return WIDE.get(name, 1 if name == "bool" else None)


def _primitive(name: str, hint: Any) -> Reader:
    if name in NUMBERS:
        unpack, size = Struct(NUMBERS[name]).unpack_from, Struct(NUMBERS[name]).size
        return _wanted(lambda data, at: (unpack(data, at)[0], at + size), hint, int)
    if name in WIDE:
        wide, signed = WIDE[name], name.startswith("i")
        return _wanted(
            lambda data, at: (int.from_bytes(_slice(data, at, wide), "little", signed=signed), at + wide), hint, int
        )
    if name == "bool":
        return _wanted(_bool, hint, bool)
    if name == "str":
        return _wanted(_text, hint, str)
    raise ScaleError(f"a {name} cannot be read")


def _bool(data: bytes, at: int) -> tuple[bool, int]:
    found = data[at]
    if found > 1:
        raise ScaleError(f"a bool is {found}")
    return found == 1, at + 1


def _text(data: bytes, at: int) -> tuple[str, int]:
    found, at = _taken(data, at)
    return found.decode(), at


def _bytes(length: int | None, hint: Any) -> Reader:
    if hint is not FORM and hint is not bytes:
        raise ScaleError(f"bytes are not {_shown(hint)}")

    def read(data: bytes, at: int) -> tuple[bytes, int]:
        if length is None:
            return _taken(data, at)
        return _slice(data, at, length), at + length

    if hint is bytes:
        return read

    def as_hex(data: bytes, at: int) -> tuple[str, int]:
        found, at = read(data, at)
        return "0x" + found.hex(), at

    return as_hex


def _shown(hint: Any) -> str:
    return getattr(hint, "__name__", None) or str(hint)
