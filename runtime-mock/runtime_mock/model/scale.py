"""SCALE codecs, built once from type annotations: `codec_of(tp)` returns the codec of a field annotated with `tp`."""

from __future__ import annotations

import dataclasses
import enum
import struct
import types
import typing
from collections.abc import Callable
from typing import Annotated, Any, Generic, TypeVar

T = TypeVar("T")


class ScaleError(Exception):
    """Bytes that do not encode a value of the type, or a value that has no encoding."""


class Codec(Generic[T]):
    """A codec of values of T."""

    def encode(self, value: T) -> bytes:
        """Encode a value. Raises ScaleError if it has no encoding."""
        raise NotImplementedError

    def read(self, data: bytes, at: int) -> tuple[T, int]:
        """Decode a value at position `at`. Return it with the position after it. Raises ScaleError."""
        raise NotImplementedError

    def decode(self, data: bytes) -> T:
        """Decode all of `data`. Raises ScaleError if bytes are left over."""
        value, end = self.read(data, 0)
        if end != len(data):
            raise ScaleError(f"{len(data) - end} bytes are left over after {self}")
        return value


def _take(data: bytes, at: int, size: int) -> bytes:
    end = at + size
    if end > len(data):
        raise ScaleError(f"{size} bytes expected at {at} of {len(data)}")
    return data[at:end]


class UInt(Codec[int]):
    """An unsigned little-endian integer of a fixed size."""

    def __init__(self, size: int) -> None:
        self.size = size

    def encode(self, value: int) -> bytes:
        return value.to_bytes(self.size, "little")

    def read(self, data: bytes, at: int) -> tuple[int, int]:
        return int.from_bytes(_take(data, at, self.size), "little"), at + self.size


class Bool(Codec[bool]):
    """One byte, 0 or 1."""

    def encode(self, value: bool) -> bytes:
        return b"\x01" if value else b"\x00"

    def read(self, data: bytes, at: int) -> tuple[bool, int]:
        byte = _take(data, at, 1)[0]
        if byte > 1:
            raise ScaleError(f"{byte} is not a bool")
        return byte == 1, at + 1


class CompactInt(Codec[int]):
    """SCALE's compact integer, at most `bits` wide. Only the shortest form is accepted."""

    def __init__(self, bits: int) -> None:
        self.bits = bits

    def encode(self, value: int) -> bytes:
        if value < 1 << 6:
            return (value << 2).to_bytes(1, "little")
        if value < 1 << 14:
            return (value << 2 | 1).to_bytes(2, "little")
        if value < 1 << 30:
            return (value << 2 | 2).to_bytes(4, "little")
        size = (value.bit_length() + 7) // 8
        return bytes([(size - 4) << 2 | 3]) + value.to_bytes(size, "little")

    def read(self, data: bytes, at: int) -> tuple[int, int]:
        first = _take(data, at, 1)[0]
        mode = first & 3
        if mode == 3:
            size = (first >> 2) + 4
            value = int.from_bytes(_take(data, at + 1, size), "little")
            end, least = at + 1 + size, max(1 << 30, 1 << 8 * (size - 1))
        else:
            size = 1 << mode
            value = int.from_bytes(_take(data, at, size), "little") >> 2
            end, least = at + size, (0, 1 << 6, 1 << 14)[mode]
        if value < least or value >> self.bits:
            raise ScaleError(f"compact integer out of range at {at}")
        return value, end


COMPACT = CompactInt(32)


class FixedBytes(Codec[bytes]):
    """A byte array of a fixed size."""

    def __init__(self, size: int) -> None:
        self.size = size

    def encode(self, value: bytes) -> bytes:
        if len(value) != self.size:
            raise ScaleError(f"{len(value)} bytes instead of {self.size}")
        return bytes(value)

    def read(self, data: bytes, at: int) -> tuple[bytes, int]:
        return bytes(_take(data, at, self.size)), at + self.size


class VarBytes(Codec[bytes]):
    """A byte vector of at most `bound` bytes."""

    def __init__(self, bound: int = 2**32 - 1) -> None:
        self.bound = bound

    def encode(self, value: bytes) -> bytes:
        return COMPACT.encode(len(value)) + value

    def read(self, data: bytes, at: int) -> tuple[bytes, int]:
        size, at = COMPACT.read(data, at)
        if size > self.bound:
            raise ScaleError(f"{size} bytes, at most {self.bound} allowed")
        return bytes(_take(data, at, size)), at + size


class Vec(Codec[list[T]]):
    """A vector of at most `bound` elements."""

    def __init__(self, inner: Codec[T], bound: int = 2**32 - 1) -> None:
        self.inner, self.bound = inner, bound

    def encode(self, value: list[T]) -> bytes:
        if len(value) > self.bound:
            raise ScaleError(f"{len(value)} elements, at most {self.bound} allowed")
        return COMPACT.encode(len(value)) + b"".join(map(self.inner.encode, value))

    def read(self, data: bytes, at: int) -> tuple[list[T], int]:
        count, at = COMPACT.read(data, at)
        if count > self.bound or count > len(data):
            raise ScaleError(f"{count} elements, at most {self.bound} allowed")
        out = []
        for _ in range(count):
            value, at = self.inner.read(data, at)
            out.append(value)
        return out, at


class Option(Codec[T | None]):
    """None, or a value."""

    def __init__(self, inner: Codec[T]) -> None:
        self.inner = inner

    def encode(self, value: T | None) -> bytes:
        return b"\x00" if value is None else b"\x01" + self.inner.encode(value)

    def read(self, data: bytes, at: int) -> tuple[T | None, int]:
        tag = _take(data, at, 1)[0]
        if tag > 1:
            raise ScaleError(f"{tag} is not the tag of an option")
        return self.inner.read(data, at + 1) if tag else (None, at + 1)


class Variant(Codec[enum.IntEnum]):
    """An enum without fields: one byte."""

    def __init__(self, kind: type[enum.IntEnum]) -> None:
        self.kind = kind

    def encode(self, value: enum.IntEnum) -> bytes:
        return bytes([value])

    def read(self, data: bytes, at: int) -> tuple[enum.IntEnum, int]:
        byte = _take(data, at, 1)[0]
        try:
            return self.kind(byte), at + 1
        except ValueError:
            raise ScaleError(f"{byte} is not a {self.kind.__name__}") from None


class Record(Codec[Any]):
    """A dataclass: its fields in order."""

    def __init__(self, kind: type[Any]) -> None:
        hints = typing.get_type_hints(kind, include_extras=True)
        self.kind = kind
        self.fields = [(f.name, codec_of(hints[f.name])) for f in dataclasses.fields(kind)]
        self._readers = [codec.read for _, codec in self.fields]

    def encode(self, value: Any) -> bytes:
        return b"".join([codec.encode(getattr(value, name)) for name, codec in self.fields])

    def read(self, data: bytes, at: int) -> tuple[Any, int]:
        values = []
        for read in self._readers:
            value, at = read(data, at)
            values.append(value)
        return self.kind(*values), at


class TaggedUnion(Codec[Any]):
    """An enum with fields: dataclasses, each with a class attribute `INDEX`."""

    def __init__(self, kinds: tuple[type[Any], ...]) -> None:
        self.codecs: dict[int, Codec[Any]] = {kind.INDEX: Record(kind) for kind in kinds}

    def encode(self, value: Any) -> bytes:
        return bytes([value.INDEX]) + self.codecs[value.INDEX].encode(value)

    def read(self, data: bytes, at: int) -> tuple[Any, int]:
        tag = _take(data, at, 1)[0]
        if tag not in self.codecs:
            raise ScaleError(f"{tag} is not a variant")
        return self.codecs[tag].read(data, at + 1)


class Tuple(Codec[tuple[Any, ...]]):
    """Several values, one after the other."""

    def __init__(self, *inner: Codec[Any]) -> None:
        self.inner = inner

    def encode(self, value: tuple[Any, ...]) -> bytes:
        return b"".join(codec.encode(part) for codec, part in zip(self.inner, value, strict=True))

    def read(self, data: bytes, at: int) -> tuple[tuple[Any, ...], int]:
        out = []
        for codec in self.inner:
            value, at = codec.read(data, at)
            out.append(value)
        return tuple(out), at


class Words(Codec[list[int]]):
    """A fixed number of u64, without a count."""

    def __init__(self, count: int) -> None:
        self._layout = struct.Struct(f"<{count}Q")

    def encode(self, value: list[int]) -> bytes:
        return self._layout.pack(*value)

    def read(self, data: bytes, at: int) -> tuple[list[int], int]:
        size = self._layout.size
        return list(self._layout.unpack(_take(data, at, size))), at + size


U8, U16, U32, U64, U128 = (UInt(size) for size in (1, 2, 4, 8, 16))
BOOL = Bool()
BYTES32 = FixedBytes(32)
BYTES = VarBytes()

u8 = Annotated[int, U8]
u32 = Annotated[int, U32]
u64 = Annotated[int, U64]
u128 = Annotated[int, U128]
H256 = Annotated[bytes, BYTES32]
AccountId = Annotated[bytes, BYTES32]


@dataclasses.dataclass(frozen=True)
class Bound:
    """The largest length of an annotated `list[...]`."""

    most: int


def _of_generic(tp: Any, bound: int) -> Codec[Any]:
    origin, args = typing.get_origin(tp), typing.get_args(tp)
    if origin is list:
        return Vec(codec_of(args[0]), bound)
    if origin in (typing.Union, types.UnionType):
        inner = tuple(arg for arg in args if arg is not type(None))
        if len(inner) < len(args):
            return Option(codec_of(inner[0]))
        return TaggedUnion(inner)
    if origin is tuple:
        return Tuple(*map(codec_of, args))
    raise TypeError(f"no codec for {tp}")


_CACHE: dict[Any, Codec[Any]] = {bool: BOOL}


def codec_of(tp: Any) -> Codec[Any]:
    """Return the codec of an annotation.

    That is an aliased integer or bytes, a dataclass, an IntEnum, `list`, `X | None`, or a union of dataclasses with
    `INDEX`. `Annotated[list[X], Bound(n)]` bounds the length.
    """
    if tp in _CACHE:
        return _CACHE[tp]
    if typing.get_origin(tp) is Annotated:
        base, *notes = typing.get_args(tp)
        codecs = [note for note in notes if isinstance(note, Codec)]
        bounds = [note.most for note in notes if isinstance(note, Bound)]
        made: Codec[Any] = codecs[0] if codecs else _of_generic(base, bounds[0])
    elif isinstance(tp, type) and issubclass(tp, enum.IntEnum):
        made = Variant(tp)
    elif dataclasses.is_dataclass(tp) and isinstance(tp, type):
        made = Record(tp)
    else:
        made = _of_generic(tp, 2**32 - 1)
    _CACHE[tp] = made
    return made


def encoder(tp: Any) -> Callable[[Any], bytes]:
    """Return `codec_of(tp).encode`, looked up at the first use."""
    return lambda value: codec_of(tp).encode(value)
