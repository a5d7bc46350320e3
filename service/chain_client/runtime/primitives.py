"""The parts of SCALE that stand in no metadata: numbers, text, bytes, and lists of parts that are read one after another."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
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


def compact_of(bits: int) -> Reader:
    """Return the reader of a compact number of a type of so many bits. It raises ScaleError for one that is larger."""

    def read(data: bytes, at: int) -> tuple[int, int]:
        value, at = compact(data, at)
        if value >> bits:
            raise ScaleError(f"a compact number has more than {bits} bits")
        return value, at

    return read


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


def within(data: bytes, end: int) -> int:
    """Return `end` if the bytes reach that far. Raises ScaleError."""
    if end > len(data):
        raise ScaleError(f"{end - len(data)} bytes are missing")
    return end


def read_count(data: bytes, at: int) -> tuple[int, int]:
    """Read the length of a list. It cannot be longer than the bytes that are left: each item takes one at least."""
    count, at = compact(data, at)
    if count > len(data) - at:
        raise ScaleError(f"{count} items were to come, {len(data) - at} bytes are left")
    return count, at


def read_bytes(data: bytes, at: int) -> tuple[bytes, int]:
    """Read a length and as many bytes."""
    count, at = read_count(data, at)
    return data[at : at + count], at + count


def chosen(variants: Mapping[int, Any], data: bytes, at: int) -> Any:
    """Return what stands for the variant whose index comes next. Raises ScaleError."""
    found = variants.get(data[at])
    if found is None:
        raise ScaleError(f"there is no variant {data[at]}")
    return found


def constant(value: Any) -> Reader:
    """Return a reader that takes no bytes and gives always the same."""
    return lambda data, at: (value, at)


def nothing(form: Any, hint: Any) -> Reader:
    """Return the reader of what has no fields: a dataclass without any, or scalecodec's form of it."""
    if hint is FORM:
        return lambda data, at: (form.copy() if isinstance(form, dict) else form, at)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type) and not dataclasses.fields(hint):
        return constant(hint())
    raise ScaleError(f"nothing is not {shown(hint)}")


def refusing(why: str) -> Reader:
    """Return a reader that refuses whatever comes."""

    def read(data: bytes, at: int) -> tuple[Any, int]:
        raise ScaleError(why)

    return read


def skipping(skip: Skipper) -> Reader:
    """Return a reader that passes over a value and gives None."""
    return lambda data, at: (None, skip(data, at))


def tuple_of(readers: Sequence[Reader]) -> Reader:
    """Return the reader of values one after another, as a tuple."""

    def read(data: bytes, at: int) -> tuple[Any, int]:
        found = []
        for one in readers:
            value, at = one(data, at)
            found.append(value)
        return tuple(found), at

    return read


def dict_of(names: Sequence[str], readers: Sequence[Reader]) -> Reader:
    """Return the reader of values one after another, as a dict by these names."""

    def read(data: bytes, at: int) -> tuple[Any, int]:
        found = {}
        for name, one in zip(names, readers, strict=True):
            found[name], at = one(data, at)
        return found, at

    return read


def wanted_as(reader: Reader, hint: Any, kind: type) -> Reader:
    """Return the reader if its kind is the one that is wanted, or scalecodec's form is. Raises ScaleError."""
    if hint is not FORM and hint is not kind:
        raise ScaleError(f"{kind.__name__} is not {shown(hint)}")
    return reader


def size_of(name: str) -> int | None:
    """Return how many bytes a primitive takes, or None for text."""
    if name in NUMBERS:
        return Struct(NUMBERS[name]).size
    return WIDE.get(name, 1 if name == "bool" else None)


def primitive(name: str, hint: Any) -> Reader:
    """Return the reader of a primitive, by its name in the metadata. Raises ScaleError."""
    if name in NUMBERS:
        unpack, size = Struct(NUMBERS[name]).unpack_from, Struct(NUMBERS[name]).size
        return wanted_as(lambda data, at: (unpack(data, at)[0], at + size), hint, int)
    if name in WIDE:
        wide, signed = WIDE[name], name.startswith("i")
        return wanted_as(
            lambda data, at: (int.from_bytes(_slice(data, at, wide), "little", signed=signed), at + wide), hint, int
        )
    if name == "bool":
        return wanted_as(_bool, hint, bool)
    if name == "str":
        return wanted_as(_text, hint, str)
    raise ScaleError(f"a {name} cannot be read")


def _bool(data: bytes, at: int) -> tuple[bool, int]:
    found = data[at]
    if found > 1:
        raise ScaleError(f"a bool is {found}")
    return found == 1, at + 1


def _text(data: bytes, at: int) -> tuple[str, int]:
    found, at = read_bytes(data, at)
    return found.decode(), at


def bytes_of(length: int | None, hint: Any) -> Reader:
    """Return the reader of `length` bytes, or of a length and its bytes: as bytes, or in hex."""
    if hint is not FORM and hint is not bytes:
        raise ScaleError(f"bytes are not {shown(hint)}")

    def read(data: bytes, at: int) -> tuple[bytes, int]:
        if length is None:
            return read_bytes(data, at)
        return _slice(data, at, length), at + length

    if hint is bytes:
        return read

    def as_hex(data: bytes, at: int) -> tuple[str, int]:
        found, at = read(data, at)
        return "0x" + found.hex(), at

    return as_hex


def shown(hint: Any) -> str:
    """Return the name of a wanted form, for an error."""
    return getattr(hint, "__name__", None) or str(hint)
