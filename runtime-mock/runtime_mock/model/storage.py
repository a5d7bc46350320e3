"""Typed storage items over raw keys, as FRAME lays them out: twox128(pallet) | twox128(item) | hashed keys."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any, Generic, Protocol, TypeVar, overload

import xxhash

from .scale import Codec, codec_of

T = TypeVar("T")
D = TypeVar("D")


class State(Protocol):
    """The interface of the state: raw keys and values, and nested transactions."""

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or None."""
        ...

    def put(self, key: bytes, value: bytes) -> None:
        """Set a key's value."""
        ...

    def delete(self, key: bytes) -> None:
        """Delete a key."""
        ...

    def next_key(self, key: bytes) -> bytes | None:
        """Return the first key after `key` that has a value, or None."""
        ...

    def clear_prefix(self, prefix: bytes, limit: int | None) -> tuple[int, bool]:
        """Delete keys below a prefix. Return how many entries below were looked at, and whether any are left."""
        ...

    def begin(self) -> None:
        """Open a transaction within the current one."""
        ...

    def commit(self) -> None:
        """Keep the changes of the innermost transaction."""
        ...

    def rollback(self) -> None:
        """Drop the changes of the innermost transaction."""
        ...

    def root(self, version: int) -> bytes:
        """Return the state root."""
        ...


def twox(data: bytes, bits: int) -> bytes:
    """Return xxHash64 with the seeds 0, 1, … joined, little endian."""
    return b"".join(xxhash.xxh64_intdigest(data, seed).to_bytes(8, "little") for seed in range(bits // 64))


def twox64_concat(key: bytes) -> bytes:
    """Hash a key as Twox64Concat does."""
    return twox(key, 64) + key


def blake2_128_concat(key: bytes) -> bytes:
    """Hash a key as Blake2_128Concat does."""
    return hashlib.blake2b(key, digest_size=16).digest() + key


def identity(key: bytes) -> bytes:
    """Return the key itself."""
    return key


Hasher = Callable[[bytes], bytes]


class Value(Generic[T, D]):
    """A single item. `default` is the value of an absent one."""

    @overload
    def __init__(self: Value[T, None], pallet: str, name: str, tp: Any) -> None: ...
    @overload
    def __init__(self: Value[T, T], pallet: str, name: str, tp: Any, default: T) -> None: ...
    def __init__(self, pallet: str, name: str, tp: Any, default: Any = None) -> None:
        self.key = twox(pallet.encode(), 128) + twox(name.encode(), 128)
        self.codec: Codec[T] = codec_of(tp)
        self._default = default

    def get(self, s: State) -> T | D:
        """Return the value."""
        raw = s.get(self.key)
        return self._default if raw is None else self.codec.decode(raw)

    def put(self, s: State, value: T) -> None:
        """Set the value."""
        s.put(self.key, self.codec.encode(value))

    def kill(self, s: State) -> None:
        """Delete the value."""
        s.delete(self.key)

    def exists(self, s: State) -> bool:
        """Return whether there is a value."""
        return s.get(self.key) is not None


class Map(Generic[T, D]):
    """Items under one or two hashed keys. `default()` makes the value of an absent one."""

    def __init__(
        self,
        pallet: str,
        name: str,
        keys: list[tuple[Hasher, Any]],
        tp: Any,
        default: Callable[[], D] | None = None,
    ) -> None:
        self.prefix = twox(pallet.encode(), 128) + twox(name.encode(), 128)
        self.codec: Codec[T] = codec_of(tp)
        self._keys = [(hasher, codec_of(kind).encode) for hasher, kind in keys]
        last, kind = keys[-1]
        self._last, self._hashed = codec_of(kind), len(last(b""))
        self._default = default
        self._known: dict[Any, bytes] = {}

    def key(self, *parts: Any) -> bytes:
        """Return the raw key of an item."""
        known = self._known.get(parts)
        if known is None:
            known = self.prefix + b"".join(h(e(p)) for (h, e), p in zip(self._keys, parts, strict=True))
            if len(self._known) >= 65_536:
                self._known.clear()
            self._known[parts] = known
        return known

    def get(self, s: State, *parts: Any) -> T | D:
        """Return an item, or the default."""
        raw = s.get(self.key(*parts))
        if raw is None:
            return self._default() if self._default else None  # type: ignore[return-value]
        return self.codec.decode(raw)

    def at(self, s: State, *parts: Any) -> T:
        """Return an item that must exist. Raises KeyError with its key."""
        raw = s.get(self.key(*parts))
        if raw is None:
            raise KeyError(parts)
        return self.codec.decode(raw)

    def entries(self, s: State, *parts: Any) -> Iterator[tuple[Any, T]]:
        """Yield the items under the first keys, each with its last key."""
        prefix = self.prefix + b"".join(h(e(p)) for (h, e), p in zip(self._keys[:-1], parts, strict=True))
        key = s.next_key(prefix)
        while key is not None and key.startswith(prefix):
            raw = s.get(key)
            assert raw is not None
            yield self._last.decode(key[len(prefix) + self._hashed :]), self.codec.decode(raw)
            key = s.next_key(key)

    def put(self, s: State, *parts_and_value: Any) -> None:
        """Set an item. The last argument is its value."""
        *parts, value = parts_and_value
        s.put(self.key(*parts), self.codec.encode(value))

    def remove(self, s: State, *parts: Any) -> None:
        """Delete an item."""
        s.delete(self.key(*parts))

    def contains(self, s: State, *parts: Any) -> bool:
        """Return whether there is an item."""
        return s.get(self.key(*parts)) is not None
