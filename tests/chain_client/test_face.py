"""The typed face of the pallet against the real runtime's metadata: nothing missing, nothing extra, each field of its type."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import random
import types
import typing
from collections.abc import AsyncIterator, Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from service.chain_client import BlockRef, Call, PalletError, Receipt, UnknownRuntime, frame
from service.chain_client.call import PALLET
from service.chain_client.client import ChainClient
from service.chain_client.pallet import calls, constants
from service.chain_client.pallet import types as face
from service.chain_client.pallet.events import EVENTS, HosterPaused
from service.chain_client.pallet.item import Item
from service.chain_client.pallet.items import ITEMS
from service.chain_client.runtime import registry as scale_registry
from service.chain_client.runtime.events import EventRecord
from service.chain_client.runtime.extrinsic import compact
from service.chain_client.runtime.metadata import EXTENSIONS, Runtime
from service.chain_client.storage import Storage

METADATA = Path(__file__).parents[2] / "pallet-spec" / "artifacts" / "metadata.scale"
SAMPLES = 5


@pytest.fixture(scope="module")
def runtime() -> Runtime:
    return Runtime(METADATA.read_bytes(), 1, 1)


class Registry:
    """The metadata's types as plain values."""

    def __init__(self, runtime: Runtime) -> None:
        self.types = [one.value["type"] for one in runtime._metadata.portable_registry["types"]]

    def definition(self, number: int) -> tuple[str, Any]:
        ((kind, detail),) = self.types[number]["def"].items()
        return kind, detail

    def peel(self, number: int) -> tuple[str, Any]:
        """The definition below wrappers of one unnamed field and compact encodings."""
        kind, detail = self.definition(number)
        if kind == "compact":
            return self.peel(detail["type"])
        if kind == "composite" and len(detail["fields"]) == 1 and detail["fields"][0]["name"] is None:
            return self.peel(detail["fields"][0]["type"])
        return kind, detail

    def is_bytes(self, number: int) -> bool:
        kind, detail = self.peel(number)
        return kind in ("array", "sequence") and self.peel(detail["type"]) == ("primitive", "u8")

    def check(self, hint: Any, number: int, where: str) -> None:
        """Hold a Python type against a type of the chain."""
        if hint in (bytes, Call):
            right = self.is_bytes(number) if hint is bytes else self.types[number]["path"][-1] == "RuntimeCall"
            assert right, f"{where}: {self.types[number]}"
            return
        kind, detail = self.peel(number)
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
        if hint is bool:
            assert (kind, detail) == ("primitive", "bool"), where
        elif hint is int:
            assert kind == "primitive", where
            assert detail in {"u8", "u16", "u32", "u64", "u128"}, where
        elif isinstance(hint, type) and issubclass(hint, Enum):
            assert kind == "variant", where
            assert [one["name"] for one in detail["variants"]] == [one.value for one in hint], where
            assert not any(one["fields"] for one in detail["variants"]), where
        elif dataclasses.is_dataclass(hint):
            assert kind == "composite", where
            self.check_fields(typing.cast("type", hint), detail["fields"], where)
        elif origin is tuple:
            assert arguments[1:] == (Ellipsis,), where
            assert kind in ("sequence", "array"), where
            self.check(arguments[0], detail["type"], f"{where}[]")
        elif origin in (typing.Union, types.UnionType) and type(None) in arguments:
            assert arguments[1:] == (type(None),), where
            assert [one["name"] for one in detail["variants"]] == ["None", "Some"], where
            self.check(arguments[0], detail["variants"][1]["fields"][0]["type"], f"{where}?")
        else:
            assert origin in (typing.Union, types.UnionType), f"{where}: {hint}"
            assert [one["name"] for one in detail["variants"]] == [one.__name__ for one in arguments], where
            for one, variant in zip(arguments, detail["variants"], strict=True):
                self.check_fields(one, variant["fields"], f"{where}.{one.__name__}")

    def check_fields(self, kind: type, fields: Any, where: str) -> None:
        assert [one["name"] for one in fields] == [one.name for one in dataclasses.fields(kind)], where
        hints = typing.get_type_hints(kind)
        for one in fields:
            self.check(hints[one["name"]], one["type"], f"{where}.{one['name']}")

    def encoded(self, number: int, draw: random.Random) -> bytes:
        """The SCALE bytes of some value of a type."""
        kind, detail = self.definition(number)
        if kind == "primitive":
            sizes = {"bool": 0, "u8": 1, "u16": 2, "u32": 4, "u64": 8, "u128": 16}
            return bytes([draw.randrange(2)]) if detail == "bool" else draw.randbytes(sizes[detail])
        if kind == "compact":
            return bytes([draw.randrange(64) << 2])
        if kind == "tuple":
            return b"".join(self.encoded(one, draw) for one in detail)
        if kind == "array":
            return b"".join(self.encoded(detail["type"], draw) for _ in range(detail["len"]))
        if kind == "sequence":
            length = draw.randrange(4)
            return bytes([length << 2]) + b"".join(self.encoded(detail["type"], draw) for _ in range(length))
        if kind == "variant":
            variant = draw.choice(detail["variants"])
            return bytes([variant["index"]]) + self.encoded_fields(variant["fields"], draw)
        assert kind == "composite", kind
        return self.encoded_fields(detail["fields"], draw)

    def encoded_fields(self, fields: Any, draw: random.Random) -> bytes:
        return b"".join(self.encoded(one["type"], draw) for one in fields)


@pytest.fixture(scope="module")
def registry(runtime: Runtime) -> Registry:
    return Registry(runtime)


def own_bytes(value: Any, registry: Registry, number: int) -> bytes:
    """A typed value in SCALE, written down apart from scalecodec."""
    if value == calls.pause():
        return bytes([5, 25])
    kind, detail = registry.peel(number)
    variants = detail["variants"] if kind == "variant" else []
    if [one["name"] for one in variants] == ["None", "Some"]:
        (some,) = variants[1]["fields"]
        return b"\0" if value is None else b"\1" + own_bytes(value, registry, some["type"])
    if isinstance(value, bytes):
        return value if kind == "array" else compact(len(value)) + value
    if isinstance(value, bool):
        return bytes([value])
    if isinstance(value, int):
        return value.to_bytes(int(detail[1:]) // 8, "little")
    if isinstance(value, Enum):
        return bytes([list(type(value)).index(value)])
    if isinstance(value, tuple):
        items = b"".join(own_bytes(one, registry, detail["type"]) for one in value)
        return items if kind == "array" else compact(len(value)) + items
    if variants:
        (variant,) = (one for one in variants if one["name"] == type(value).__name__)
        return bytes([variant["index"]]) + own_fields(value, registry, variant["fields"])
    return own_fields(value, registry, detail["fields"])


def own_fields(value: Any, registry: Registry, fields: Any) -> bytes:
    return b"".join(own_bytes(getattr(value, one["name"]), registry, one["type"]) for one in fields)


# calls


def own_calls() -> dict[str, Any]:
    return {
        name: function
        for name, function in inspect.getmembers(calls, inspect.isfunction)
        if not name.startswith("_") and function.__module__ == calls.__name__
    }


def test_every_call_has_a_function_and_every_function_a_call(runtime: Runtime) -> None:
    assert set(own_calls()) == set(runtime.call_names())


@pytest.mark.parametrize("name", sorted(own_calls()))
def test_a_calls_arguments_have_the_names_and_types_of_the_metadata(
    runtime: Runtime, registry: Registry, name: str
) -> None:
    function = own_calls()[name]
    hints = typing.get_type_hints(function)
    wanted = next(one for one in runtime._pallets[PALLET].calls if one.name == name).value["fields"]
    parameters = list(inspect.signature(function).parameters)
    made = function(*(object() for _ in parameters))
    assert (made.pallet, made.name) == (PALLET, name)
    assert list(made.arguments) == [one["name"] for one in wanted]
    for parameter, field in zip(parameters, wanted, strict=True):
        assert parameter == field["name"] or (parameter, field["name"]) == ("length", "bytes")
        registry.check(hints[parameter], field["type"], f"{name}({parameter})")


def sample(hint: Any, registry: Registry, number: int, draw: random.Random) -> Any:
    """Some value of a typed argument."""
    if hint is Call:
        return calls.pause()
    kind, detail = registry.peel(number)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is bytes:
        return draw.randbytes(detail["len"] if kind == "array" else draw.choice((0, 4, 64, 70)))
    if hint is bool:
        return draw.random() < 0.5
    if hint is int:
        return draw.randrange(1 << (int(detail[1:]) - draw.choice((0, 3))))
    if isinstance(hint, type) and issubclass(hint, Enum):
        return draw.choice(list(hint))
    if origin is tuple:
        return tuple(sample(arguments[0], registry, detail["type"], draw) for _ in range(draw.randrange(4)))
    if origin in (typing.Union, types.UnionType):
        some = detail["variants"][1]["fields"][0]["type"]
        return draw.choice((None, sample(arguments[0], registry, some, draw)))
    hints = typing.get_type_hints(hint)
    return hint(*(sample(hints[one["name"]], registry, one["type"], draw) for one in detail["fields"]))


@pytest.mark.parametrize("name", sorted(own_calls()))
def test_a_call_is_encoded_as_it_reads(runtime: Runtime, registry: Registry, name: str) -> None:
    function, draw = own_calls()[name], random.Random(name)
    hints = typing.get_type_hints(function)
    fields = next(one for one in runtime._pallets[PALLET].calls if one.name == name).value["fields"]
    for _ in range(SAMPLES):
        values = [
            sample(hints[parameter], registry, field["type"], draw)
            for parameter, field in zip(inspect.signature(function).parameters, fields, strict=True)
        ]
        encoded = runtime.encode_call(function(*values))
        assert encoded[0] == runtime._pallets[PALLET].value["index"]
        rest = encoded[2:]
        for value, field in zip(values, fields, strict=True):
            own = own_bytes(value, registry, field["type"])
            assert rest.startswith(own), f"{name}({field['name']})"
            rest = rest[len(own) :]
        assert rest == b""


def test_calls_of_other_pallets(runtime: Runtime) -> None:
    moved = frame.transfer(b"\7" * 32, 10**18)
    assert (moved.pallet, moved.name) == ("Balances", "transfer_keep_alive")
    by_root = frame.sudo(calls.set_seed(b"\5" * 32))
    assert (by_root.pallet, by_root.name) == ("Sudo", "sudo")
    assert runtime.encode_call(by_root)[2:] == runtime.encode_call(calls.set_seed(b"\5" * 32))
    assert runtime.encode_call(moved)[2:] == b"\0" + b"\7" * 32 + compact(10**18)


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (Call(PALLET, "resume", {}), "has no call DatDot.resume"),
        (Call("Vault", "open", {}), "has no call Vault.open"),
        (Call(PALLET, "donate", {"plan": 1}), r"takes \['plan', 'amount', 'fresh'\], not \['plan'\]"),
        (Call(PALLET, "donate", {"amount": 1, "plan": 1, "fresh": 0}), "takes"),
        (Call(PALLET, "donate", {"plan": 1, "amount": 1 << 128, "fresh": 0}), "cannot be encoded"),
        (Call(PALLET, "donate", {"plan": -1, "amount": 1, "fresh": 0}), "cannot be encoded"),
        (Call(PALLET, "set_seed", {"value": b"short"}), "cannot be encoded"),
        (Call(PALLET, "withdraw_offer", {"role": "Nobody"}), "cannot be encoded"),
    ],
)
def test_a_call_that_the_runtime_does_not_have_is_refused_by_name(runtime: Runtime, call: Call, why: str) -> None:
    with pytest.raises(UnknownRuntime, match=why):
        runtime.encode_call(call)


# events


def test_every_event_has_a_class_in_the_order_of_the_metadata(runtime: Runtime) -> None:
    assert list(EVENTS) == [one.name for one in runtime._pallets[PALLET].events]


@pytest.mark.parametrize("name", list(EVENTS))
def test_an_events_fields(runtime: Runtime, registry: Registry, name: str) -> None:
    event = next(one for one in runtime._pallets[PALLET].events if one.name == name).value
    registry.check_fields(EVENTS[name], event["fields"], name)
    draw = random.Random(name)
    for _ in range(SAMPLES):
        fields = registry.encoded_fields(event["fields"], draw)
        header = b"\4" + b"\0" + (3).to_bytes(4, "little")  # one record, in the phase of extrinsic 3
        data = header + bytes([runtime._pallets[PALLET].value["index"], event["index"]]) + fields + b"\0"
        (record,) = runtime.decode_events(data)
        assert type(record.event) is EVENTS[name]
        assert (record.pallet, record.name, record.extrinsic) == (PALLET, name, 3)
        assert own_fields(record.event, registry, event["fields"]) == fields
        runtime.show_event(record)


def test_an_event_in_another_form_is_named() -> None:
    # the same metadata, but one field goes by another name of the same length
    changed = METADATA.read_bytes().replace(b"chain_rand", b"chain_seed")
    other = Runtime(changed, 2, 1)
    event = next(one for one in other._pallets[PALLET].events if one.name == "SaltDrawn").value
    header = b"\4" + b"\2" + bytes([other._pallets[PALLET].value["index"], event["index"]])
    data = header + bytes(8 + 8 + 32 + 32) + b"\0"
    with capture_logs() as logs:
        (record,), (again,) = other.decode_events(data), other.decode_events(data[:5] + b"\0" * 4 + data[9:])
    assert record.event is again.event is None
    assert (record.name, record.fields["copy"]) == ("SaltDrawn", 0)
    assert [(line["event_name"], line["runtime"]) for line in logs] == [("DatDot.SaltDrawn", 2)], "once"
    assert "chain_rand" in logs[0]["reason"]


def test_an_event_that_a_command_waits_for_is_missed_by_name() -> None:
    bare = EventRecord(PALLET, "HosterPaused", {}, None, 1)
    receipt = Receipt(BlockRef(7, bytes(32)), 1, bytes(32), (bare,))
    with pytest.raises(UnknownRuntime, match="took effect in block 7, but this runtime tells no HosterPaused"):
        receipt.told(HosterPaused)


# storage


def test_every_storage_item_has_a_name_in_the_order_of_the_metadata(runtime: Runtime) -> None:
    assert [item.name for item in ITEMS] == runtime.storage_names()


def value_type(runtime: Runtime, item: str) -> int:
    number = runtime._items[PALLET, item].get_value_type_string().removeprefix("scale_info::")
    return int(number)


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.name)
def test_a_storage_items_type(runtime: Runtime, registry: Registry, item: Item[Any]) -> None:
    number = value_type(runtime, item.name)
    registry.check(item.kind, number, item.name)
    draw = random.Random(item.name)
    for _ in range(SAMPLES):
        data = registry.encoded(number, draw)
        value = runtime.decode_storage(PALLET, item.name, data, item.kind)
        assert own_bytes(value, registry, number) == data


def test_a_storage_item_in_another_form_is_named(runtime: Runtime) -> None:
    with pytest.raises(UnknownRuntime, match="runtime 1: cannot decode 3 bytes"):
        runtime.decode_storage(PALLET, "Plans", b"abc", face.Plan)
    with pytest.raises(UnknownRuntime, match=r"DatDot.Peers of runtime 1 has a form that this service does not know"):
        runtime.decode_storage(PALLET, "Peers", bytes(32 + 32 + 4 * 6), face.Plan)
    with pytest.raises(UnknownRuntime, match=r"no storage item DatDot.Tunnels"):
        runtime.storage_key(PALLET, "Tunnels")


def key_sizes(runtime: Runtime, registry: Registry, item: str) -> list[int]:
    found = []
    for name in runtime._items[PALLET, item].get_params_type_string():
        kind, detail = registry.peel(int(name.removeprefix("scale_info::")))
        found.append(int(detail["len"]) if kind == "array" else 1 if kind == "variant" else int(detail[1:]) // 8)
    return found


def hashed(runtime: Runtime, item: str) -> list[int]:
    """How many bytes stand before each key of an item."""
    before = {"Blake2_128Concat": 16, "Twox64Concat": 8, "Identity": 0}
    return [before[one] for one in runtime._items[PALLET, item].get_param_hashers()]


class Asked:
    """A node that notes which keys are asked for."""

    def __init__(self) -> None:
        self.keys: list[bytes] = []

    async def request(self, method: str, *parameters: Any) -> Any:
        assert method == "state_queryStorageAt"
        self.keys += [bytes.fromhex(key[2:]) for key in parameters[0]]
        return [{"block": "0x", "changes": [[key, None] for key in parameters[0]]}]


class Wholes(Storage):
    """Notes which whole maps are read, and by how many bytes of key."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.wholes: list[tuple[Item[Any], int]] = []
        self.parts: list[tuple[bytes, Item[Any], int]] = []

    async def pages(
        self, item: Item[Any], key_bytes: int, at: bytes | None = None, first: bytes = b""
    ) -> AsyncIterator[dict[bytes, Any]]:
        if first:
            self.parts.append((first, item, key_bytes))
        else:
            self.wholes.append((item, key_bytes))
        yield {}


def suppress_absence() -> Any:
    """Time and Amount are on every chain: their absence is an error."""
    return contextlib.suppress(UnknownRuntime)


READS = sorted(
    name
    for name, function in inspect.getmembers(Storage, inspect.iscoroutinefunction)
    if not name.startswith("_") and name not in ("read", "read_many", "all_of")
)


@pytest.mark.parametrize("name", READS)
async def test_a_typed_read_asks_for_keys_of_the_right_size(runtime: Runtime, registry: Registry, name: str) -> None:
    asked = Asked()

    async def runtime_at(at: bytes | None) -> Runtime:
        return runtime

    storage = Wholes(typing.cast("Any", asked), runtime_at)
    read = getattr(storage, name)
    hints = {**typing.get_type_hints(read)}
    hints.pop("return")
    hints.pop("at")
    values = {bytes: b"\1" * 32, int: 1, tuple[int, int]: (1, 1), face.Wait: face.Wait.RECHECK}
    arguments = [values.get(hint) or [values[typing.get_args(hint)[0]]] for hint in hints.values()]
    with suppress_absence():
        await read(*arguments)
    for key in asked.keys:
        item = next(item.name for item in ITEMS if key.startswith(runtime.storage_key(PALLET, item.name)))
        hashes = [] if len(key) == 32 else hashed(runtime, item)
        assert len(key) == 32 + sum(hashes) + sum(key_sizes(runtime, registry, item))
    for item, size in storage.wholes:
        assert [size] == key_sizes(runtime, registry, item.name)
    for key, item, size in storage.parts:
        assert [len(key), size] == key_sizes(runtime, registry, item.name)
    assert len(asked.keys) + len(storage.wholes) + len(storage.parts) == 1


# errors, constants, extensions


def test_every_error_has_a_name_in_the_order_of_the_metadata(runtime: Runtime) -> None:
    assert [one.value for one in PalletError] == runtime.error_names()


def test_dispatch_errors_by_pallet_and_name_with_their_documentation(runtime: Runtime) -> None:
    pallets = {pallet.name: pallet for pallet in runtime._metadata.pallets}
    for pallet in pallets.values():
        for error in pallet.errors or ():
            raw = {"Module": {"index": pallet.value["index"], "error": f"0x{error.value['index']:02x}000000"}}
            found = runtime.dispatch_error(raw)
            assert found == (pallet.name, error.name, " ".join(error.value["docs"]))
    number = pallets[PALLET].value["index"]
    unknown = runtime.dispatch_error({"Module": {"index": number, "error": "0xff000000"}})
    assert unknown == (f"pallet {number}", "error 255", "")
    assert runtime.dispatch_error({"Token": "FundsUnavailable"}) == ("Runtime", "Token", "FundsUnavailable")
    assert runtime.dispatch_error("BadOrigin") == ("Runtime", "BadOrigin", "")


def raw_constants(runtime: Runtime) -> Iterator[Any]:
    for one in runtime._pallets[PALLET].value_object["constants"]:
        yield {**one.value_object, "name": one.value["name"]}


def test_constants(runtime: Runtime) -> None:
    shown = {one["name"]: bytes(one["value"].value_object) for one in raw_constants(runtime)}
    here = {name.replace("_", "").lower(): value for name, value in vars(constants).items() if name.isupper()}
    assert set(here) == {name.lower() for name in shown}
    for name, raw in shown.items():
        value = here[name.lower()]
        assert value == (raw if isinstance(value, bytes) else int.from_bytes(raw, "little")), name
    assert ChainClient.pot_account(3) == b"modldatdot/1" + (3).to_bytes(8, "little") + bytes(12)


def test_transaction_extensions(runtime: Runtime) -> None:
    assert runtime.cannot_sign is None
    other = Runtime(METADATA.read_bytes().replace(b"CheckWeight", b"CheckHeight"), 2, 1)
    assert other.cannot_sign is not None
    assert "CheckHeight" in other.cannot_sign
    assert "CheckWeight" in EXTENSIONS


# metadata that is none


@pytest.mark.parametrize("cut", [0, 3, 4, 100, 40_000, -1])
def test_damaged_metadata_is_refused_by_name(cut: int) -> None:
    with pytest.raises(UnknownRuntime, match="the metadata of runtime 9 cannot be read"):
        Runtime(METADATA.read_bytes()[:cut], 9, 1)


def test_newer_metadata_is_refused_by_name() -> None:
    with pytest.raises(UnknownRuntime, match="the metadata of runtime 9 cannot be read"):
        Runtime(METADATA.with_name("metadata-v15.scale").read_bytes(), 9, 1)


def test_types_are_made_once(runtime: Runtime) -> None:
    # scalecodec alone makes a class at each use, for ever: a follower would grow with each block
    name = f"scale_info::{value_type(runtime, 'Copies')}"
    assert runtime._config.get_decoder_class("Vec<u8>") is runtime._config.get_decoder_class("Vec<u8>")
    fields = {"block": "u32", "hash": "H256"}
    assert runtime._config.get_decoder_class(fields) is runtime._config.get_decoder_class(dict(fields))
    turned = {"hash": "H256", "block": "u32"}
    assert runtime._config.get_decoder_class(fields) is not runtime._config.get_decoder_class(turned)
    assert runtime._config.get_decoder_class(name) is runtime._config.get_decoder_class(name)


def test_two_runtimes_of_a_process_do_not_resolve_each_others_types(runtime: Runtime) -> None:
    """scalecodec's own classes are shared: after another registry has used them, the first must still encode."""
    call = frame.transfer(bytes(32), 5)
    encoded = runtime.encode_call(call)
    scale_registry.Registry().create_scale_object("Call")
    assert runtime.encode_call(call) == encoded
