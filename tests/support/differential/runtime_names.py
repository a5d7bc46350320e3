"""The runtime's names and types, read from its metadata: calls to bytes, and storage, events and errors to Python values.

Apart from reading the metadata itself it shares no code with the model, so that the model's own codecs are tested too.
Accounts, hashes and byte strings are `bytes`; structs are dicts; a variant is its name, or (name, value).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import xxhash
from scalecodec.base import RuntimeConfigurationObject, ScaleBytes
from scalecodec.type_registry import load_type_registry_preset

from runtime_mock.chainspec import artifacts
from runtime_mock.codec import Reader, compact

Read = Callable[[Reader], Any]
Write = Callable[[Any], bytes]


def twox(data: bytes, bits: int) -> bytes:
    return b"".join(xxhash.xxh64_intdigest(data, seed).to_bytes(8, "little") for seed in range(bits // 64))


# by hasher: how many bytes stand before the key itself, and what makes them
HASHERS: dict[str, tuple[int, Callable[[bytes], bytes]]] = {
    "Twox64Concat": (8, lambda key: twox(key, 64)),
    "Blake2_128Concat": (16, lambda key: hashlib.blake2b(key, digest_size=16).digest()),
    "Identity": (0, lambda key: b""),
}


class Types:
    """Reads and writes every type of the metadata's registry."""

    def __init__(self, registry: list[Any]) -> None:
        self._types = {entry["id"]: entry["type"] for entry in registry}
        self._readers: dict[int, Read] = {}
        self._writers: dict[int, Write] = {}

    def read(self, kind: int, data: bytes) -> Any:
        reader = Reader(data)
        found = self.reader(kind)(reader)
        reader.end()
        return found

    def write(self, kind: int, value: Any) -> bytes:
        return self.writer(kind)(value)

    def reader(self, kind: int) -> Read:
        if kind not in self._readers:
            self._readers[kind] = lambda reader: self._readers[kind](reader)  # a type may hold itself
            self._readers[kind] = self._make(kind)[0]
        return self._readers[kind]

    def writer(self, kind: int) -> Write:
        if kind not in self._writers:
            self._writers[kind] = lambda value: self._writers[kind](value)
            self._writers[kind] = self._make(kind)[1]
        return self._writers[kind]

    def _make(self, kind: int) -> tuple[Read, Write]:
        entry = self._types[kind]
        ((shape, body),) = entry["def"].items()
        made: tuple[Read, Write] = getattr(self, f"_{shape}")(body, entry["path"])
        return made

    def _primitive(self, name: str, _: Any) -> tuple[Read, Write]:
        if name == "bool":
            return (lambda r: bool(r.uint(1))), (lambda v: bytes([bool(v)]))
        if name == "str":
            return (lambda r: r.bytes().decode()), (lambda v: compact(len(v.encode())) + v.encode())
        size = int(name[1:]) // 8
        return (lambda r: r.uint(size)), (lambda v: v.to_bytes(size, "little"))

    def _compact(self, _: Any, __: Any) -> tuple[Read, Write]:
        return (lambda r: r.compact()), compact

    def _is_byte(self, kind: int) -> bool:
        return bool(self._types[kind]["def"] == {"primitive": "u8"})

    def _array(self, body: Any, _: Any) -> tuple[Read, Write]:
        size, inner = body["len"], body["type"]
        if self._is_byte(inner):
            return (lambda r: r.take(size)), lambda v: _sized(v, size)
        read, write = self.reader(inner), self.writer(inner)
        return (lambda r: [read(r) for _ in range(size)]), lambda v: b"".join(map(write, _sized(v, size)))

    def _sequence(self, body: Any, _: Any) -> tuple[Read, Write]:
        inner = body["type"]
        if self._is_byte(inner):
            return (lambda r: r.bytes()), lambda v: compact(len(v)) + bytes(v)
        read, write = self.reader(inner), self.writer(inner)
        return (lambda r: [read(r) for _ in range(r.compact())]), lambda v: compact(len(v)) + b"".join(map(write, v))

    def _tuple(self, inner: Any, _: Any) -> tuple[Read, Write]:
        reads, writes = [self.reader(one) for one in inner], [self.writer(one) for one in inner]
        return (
            lambda r: tuple(read(r) for read in reads),
            lambda v: b"".join(write(one) for write, one in zip(writes, v, strict=True)),
        )

    def _composite(self, body: Any, _: Any) -> tuple[Read, Write]:
        return self._fields(body["fields"])

    def _fields(self, fields: Any) -> tuple[Read, Write]:
        names = [one["name"] for one in fields]
        reads = [self.reader(one["type"]) for one in fields]
        writes = [self.writer(one["type"]) for one in fields]
        if names and names[0] is not None:

            def encode(value: dict[str, Any]) -> bytes:
                assert set(value) == set(names), f"{sorted(value)} are not {names}"
                return b"".join(write(value[name]) for name, write in zip(names, writes, strict=True))

            return (lambda r: {name: read(r) for name, read in zip(names, reads, strict=True)}), encode
        if len(fields) == 1:
            return reads[0], writes[0]
        return (
            lambda r: tuple(read(r) for read in reads),
            lambda v: b"".join(write(one) for write, one in zip(writes, v, strict=True)),
        )

    def _variant(self, body: Any, path: Any) -> tuple[Read, Write]:
        by_index, by_name = {}, {}
        for one in body["variants"]:
            read, write = self._fields(one["fields"])
            by_index[one["index"]] = (one["name"], bool(one["fields"]), read)
            by_name[one["name"]] = (one["index"], bool(one["fields"]), write)
        if path == ["Option"]:
            some = by_index[1][2], by_name["Some"][2]
            return (
                lambda r: some[0](r) if r.uint(1) else None,
                lambda v: b"\0" if v is None else b"\1" + some[1](v),
            )

        def decode(reader: Reader) -> Any:
            name, has_fields, read = by_index[reader.uint(1)]
            return (name, read(reader)) if has_fields else name

        def encode(value: Any) -> bytes:
            name, inner = value if isinstance(value, tuple) else (value, None)
            index, has_fields, write = by_name[name]
            return bytes([index]) + (write(inner) if has_fields else b"")

        return decode, encode


def _sized(value: Any, size: int) -> Any:
    assert len(value) == size, f"{len(value)} elements, {size} wanted"
    return value


def _raw(text: str) -> bytes:
    """Byte strings as scalecodec gives them: as text where they are, else in hex."""
    return bytes.fromhex(text[2:]) if text.startswith("0x") else text.encode()


@dataclass(frozen=True)
class Item:
    """A storage item."""

    pallet: str
    name: str
    hashers: tuple[str, ...]
    keys: tuple[int, ...]
    value: int
    default: bytes | None

    @property
    def prefix(self) -> bytes:
        return twox(self.pallet.encode(), 128) + twox(self.name.encode(), 128)


class Names:
    """Everything by its name."""

    def __init__(self, metadata: bytes) -> None:
        configuration = RuntimeConfigurationObject(ss58_format=42, implements_scale_info=True)
        configuration.update_type_registry(load_type_registry_preset("core"))
        decoded = configuration.create_scale_object("MetadataVersioned", ScaleBytes(metadata))
        ((_, body),) = decoded.decode()[1].items()
        self.types = Types(body["types"]["types"])
        self._types = {one["id"]: one["type"] for one in body["types"]["types"]}
        self.dispatch_error = next(
            i for i, one in self._types.items() if one["path"] == ["sp_runtime", "DispatchError"]
        )
        self.items: dict[tuple[str, str], Item] = {}
        self.pallets: dict[int, str] = {}
        self.calls: dict[tuple[str, str], tuple[bytes, list[tuple[str, int]]]] = {}
        self.errors: dict[tuple[int, int], str] = {}
        self.events: list[str] = []
        for pallet in body["pallets"]:
            self.pallets[pallet["index"]] = pallet["name"]
            self._add_items(pallet)
            for call in self._variants(pallet["calls"] and pallet["calls"]["ty"]):
                fields = [(one["name"], one["type"]) for one in call["fields"]]
                self.calls[pallet["name"], call["name"]] = bytes([pallet["index"], call["index"]]), fields
            for error in self._variants(pallet["error"] and pallet["error"]["ty"]):
                self.errors[pallet["index"], error["index"]] = f"{pallet['name']}.{error['name']}"
            self.events += [
                f"{pallet['name']}.{one['name']}" for one in self._variants(pallet["event"] and pallet["event"]["ty"])
            ]
        self._by_prefix = {item.prefix: item for item in self.items.values()}

    def _variants(self, kind: int | None) -> Any:
        return [] if kind is None else self._types[kind]["def"]["variant"]["variants"]

    def variants(self, kind: int) -> list[str]:
        """The names of an enum's variants."""
        return [one["name"] for one in self._variants(kind)]

    def _add_items(self, pallet: Any) -> None:
        for entry in (pallet["storage"] or {}).get("entries", []):
            ((shape, kind),) = entry["type"].items()
            default = _raw(entry["default"]) if entry["modifier"] == "Default" else None
            hashers: tuple[str, ...] = ()
            keys: tuple[int, ...] = ()
            value = kind
            if shape == "Map":
                hashers, value = tuple(kind["hashers"]), kind["value"]
                keys = (kind["key"],)
                if len(hashers) > 1:
                    keys = tuple(self._types[kind["key"]]["def"]["tuple"])
            item = Item(pallet["name"], entry["name"], hashers, keys, value, default)
            self.items[item.pallet, item.name] = item

    def key(self, pallet: str, name: str, *keys: Any) -> bytes:
        """The raw key of an item; with fewer keys than it has, the prefix of a map."""
        item = self.items[pallet, name]
        raw = item.prefix
        for hasher, kind, key in zip(item.hashers, item.keys, keys, strict=False):
            encoded = self.types.write(kind, key)
            raw += HASHERS[hasher][1](encoded) + encoded
        return raw

    def value(self, pallet: str, name: str, raw: bytes | None) -> Any:
        """The value of an item, its default where there is none."""
        item = self.items[pallet, name]
        raw = item.default if raw is None else raw
        return None if raw is None else self.types.read(item.value, raw)

    def named(self, key: bytes) -> tuple[Item, tuple[Any, ...]] | None:
        """The item of a raw key, with its keys."""
        item = self._by_prefix.get(key[:32])
        if item is None:
            return None
        reader, keys = Reader(key, 32), []
        for hasher, kind in zip(item.hashers, item.keys, strict=True):
            reader.take(HASHERS[hasher][0])
            keys.append(self.types.reader(kind)(reader))
        return item, tuple(keys)

    def show(self, key: bytes, *values: bytes | None) -> str:
        """A raw entry as people read it, with any number of values."""
        found = self.named(key)
        if found is None:
            shown = [None if one is None else one.hex() for one in values]
            return f"{key.hex()} ({key!r}): {shown}"
        item, keys = found
        texts = []
        for raw in values:
            try:
                texts.append("absent" if raw is None else show(self.types.read(item.value, raw)))
            except Exception as error:  # noqa: BLE001 - a value that does not decode is what is to be shown
                texts.append(f"undecodable ({error!r}): {'' if raw is None else raw.hex()}")
        return f"{item.pallet}.{item.name}({', '.join(map(show, keys))})\n      " + "\n      ".join(texts)

    def call(self, pallet: str, name: str, arguments: dict[str, Any]) -> bytes:
        """A call's bytes."""
        head, fields = self.calls[pallet, name]
        assert set(arguments) == {one for one, _ in fields}, f"{pallet}.{name}: {sorted(arguments)}, wanted {fields}"
        return head + b"".join(self.types.write(kind, arguments[one]) for one, kind in fields)

    def error(self, encoded: bytes) -> str:
        """The name of an encoded DispatchError."""
        if encoded[0] == 3:
            return self.errors.get((encoded[1], encoded[2]), encoded.hex())
        plain = {0: "Other", 1: "CannotLookup", 2: "BadOrigin", 4: "ConsumerRemaining", 5: "NoProviders"}
        tokens = ("FundsUnavailable", "OnlyProvider", "BelowMinimum", "CannotCreate", "UnknownAsset", "Frozen")
        if encoded[0] == 7 and encoded[1] < len(tokens):
            return f"Token.{tokens[encoded[1]]}"
        return plain.get(encoded[0], encoded.hex())


def show(value: Any) -> str:
    """Bytes in hex, the long ones shortened."""
    if isinstance(value, bytes):
        return value.hex() if len(value) <= 32 else f"{value[:8].hex()}…[{len(value)}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {show(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(show, value)) + "]"
    return str(value)


@cache
def names() -> Names:
    """Those of the project's runtime."""
    return Names((artifacts() / "metadata.scale").read_bytes())
