"""Our own reader of SCALE beside scalecodec: random values of each type of the runtime, in the same form; and what is refused."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from scalecodec.base import ScaleBytes

from service.chain_client.errors import UnknownRuntime
from service.chain_client.runtime.events import Events
from service.chain_client.runtime.metadata import Runtime
from service.chain_client.runtime.primitives import ScaleError, compact
from service.chain_client.runtime.scale import Types

METADATA = Path(__file__).parents[2] / "pallet-spec/artifacts/metadata.scale"
SAMPLES = 8
DEEP = 8
OWN_FORM = {"RuntimeCall", "RuntimeEvent", "EventRecord", "MultiAddress", "Era"}
"""Types that scalecodec shows in a form of its own: a call by its module, an event with its index, an address as its bytes."""


@pytest.fixture(scope="module")
def runtime() -> Runtime:
    return Runtime(METADATA.read_bytes(), 1, 1)


@pytest.fixture(scope="module")
def definitions(runtime: Runtime) -> list[Any]:
    return [one.value["type"] for one in runtime._metadata.portable_registry["types"]]


def compact_bytes(value: int) -> bytes:
    if value < 1 << 6:
        return bytes([value << 2])
    if value < 1 << 14:
        return (value << 2 | 1).to_bytes(2, "little")
    if value < 1 << 30:
        return (value << 2 | 2).to_bytes(4, "little")
    data = value.to_bytes(max(4, -(-value.bit_length() // 8)), "little")
    return bytes([len(data) - 4 << 2 | 3]) + data


def drawn(definitions: list[Any], number: int, draw: random.Random, depth: int = 0) -> bytes:
    """The bytes of a random value of a type."""
    ((kind, detail),) = definitions[number]["def"].items()

    def all_of(parts: list[int]) -> bytes:
        return b"".join(drawn(definitions, part, draw, depth + 1) for part in parts)

    if kind == "primitive":
        name = str(detail).lower()
        if name == "str":
            return compact_bytes(5) + "näh".encode() + b"!"
        return bytes([draw.randrange(2)]) if name == "bool" else draw.randbytes(int(name[1:]) // 8)
    if kind == "compact":
        if definitions[detail["type"]]["def"] == {"tuple": []}:
            return b""  # of the address by an index, where a runtime has no indices
        return compact_bytes(draw.randrange(1 << draw.choice([6, 14, 30, 32])))
    if kind == "composite":
        return all_of([field["type"] for field in detail["fields"]])
    if kind == "tuple":
        return all_of(detail)
    if kind == "array":
        return all_of([detail["type"]] * detail["len"])
    if kind == "sequence":
        count = draw.randrange(4) if depth < DEEP and possible(definitions, detail["type"]) else 0
        return compact_bytes(count) + all_of([detail["type"]] * count)
    assert kind == "variant"
    variants = detail["variants"]
    chosen = draw.choice(variants) if depth < DEEP else min(variants, key=lambda one: len(one["fields"]))
    return bytes([chosen["index"]]) + all_of([field["type"] for field in chosen["fields"]])


def possible(definitions: list[Any], number: int) -> bool:
    """Whether a type has a value: an enum without variants has none, nor has what holds one."""
    ((kind, detail),) = definitions[number]["def"].items()
    if kind == "variant":
        return bool(detail["variants"])
    return kind != "composite" or all(possible(definitions, field["type"]) for field in detail["fields"])


def holds(definitions: list[Any], number: int, names: set[str], seen: set[int]) -> bool:
    """Whether a type is, or has in it, one of these."""
    if number in seen:
        return False
    seen.add(number)
    if definitions[number]["path"][-1:] and definitions[number]["path"][-1] in names:
        return True
    ((kind, detail),) = definitions[number]["def"].items()
    inner: list[int] = []
    if kind in ("composite", "variant"):
        groups = [detail["fields"]] if kind == "composite" else [one["fields"] for one in detail["variants"]]
        inner = [field["type"] for fields in groups for field in fields]
    elif kind == "tuple":
        inner = list(detail)
    elif kind in ("array", "sequence", "compact"):
        inner = [detail["type"]]
    return any(holds(definitions, one, names, seen) for one in inner)


def test_all_types_are_read_as_scalecodec_reads_them(runtime: Runtime, definitions: list[Any]) -> None:
    types, compared = Types(definitions), 0
    for number in range(len(definitions)):
        if not possible(definitions, number):
            continue
        draw = random.Random(number)
        for _ in range(SAMPLES):
            data = drawn(definitions, number, draw)
            ours = types.read(number, data)
            assert types.skipper(number)(data, 0) == len(data)
            # scalecodec reads a number where a compact nothing stands
            if holds(definitions, number, OWN_FORM, set()) or (not data and "compact" in definitions[number]["def"]):
                continue
            theirs = runtime._config.create_scale_object(
                f"scale_info::{number}", data=ScaleBytes(data), metadata=runtime._metadata
            ).decode()
            assert same(ours, theirs), (number, definitions[number]["path"], ours, theirs)
            compared += 1
    assert compared > 1000


def same(ours: Any, theirs: Any) -> bool:
    """Whether both are one value. scalecodec shows bytes as text where they happen to be UTF-8."""
    if isinstance(ours, dict):
        return isinstance(theirs, dict) and ours.keys() == theirs.keys() and all(same(ours[k], theirs[k]) for k in ours)
    if isinstance(ours, list | tuple):
        return type(ours) is type(theirs) and len(ours) == len(theirs) and all(map(same, ours, theirs))
    if isinstance(ours, str) and ours.startswith("0x") and isinstance(theirs, str) and not theirs.startswith("0x"):
        return bytes.fromhex(ours[2:]) == theirs.encode()
    return bool(ours == theirs)


def test_a_value_that_is_cut_off_or_followed_by_more_is_refused(definitions: list[Any]) -> None:
    types = Types(definitions)
    for number in range(len(definitions)):
        if not possible(definitions, number):
            continue
        data = drawn(definitions, number, random.Random(number))
        with pytest.raises(ScaleError):
            types.read(number, data + b"\0")
        for cut in {0, len(data) // 2, len(data) - 1} if data else ():
            with pytest.raises(ScaleError):
                types.read(number, data[:cut])
            with pytest.raises((ScaleError, IndexError)):
                types.skipper(number)(data[:cut], 0)


@pytest.mark.parametrize(
    "value", [0, 63, 64, 2**14 - 1, 2**14, 2**30 - 1, 2**30, 2**32 - 1, 2**32, 2**64 - 1, 2**128, 2**536 - 1]
)
def test_compact_numbers(value: int) -> None:
    data = compact_bytes(value)
    assert compact(data + b"x", 0) == (value, len(data))


@pytest.mark.parametrize(
    "data",
    [
        b"\x01\0", b"\xfd\0", b"\x02\0\0\0", b"\xfe\xff\0\0", b"\x03\0\0\0\0", b"\x03\xff\xff\xff\x3f",
        b"\x07\xff\xff\xff\xff\0", b"\x01", b"\x03\0\0\0",
    ],
)  # fmt: skip
def test_a_compact_number_has_one_form(data: bytes) -> None:
    with pytest.raises(ScaleError):
        compact(data, 0)


def test_what_a_list_says_of_its_length_costs_nothing(definitions: list[Any]) -> None:
    types = Types(definitions)
    lists = [number for number, one in enumerate(definitions) if "sequence" in one["def"]]
    for number in lists:
        for count in (2**16, 2**29, 2**60):
            with pytest.raises(ScaleError, match="items were to come"):
                types.read(number, compact_bytes(count) + bytes(100))


def one_type(definition: dict[str, Any], *more: dict[str, Any]) -> Types:
    return Types([{"path": [], "def": one} for one in (definition, *more)])


@pytest.mark.parametrize("bits", [8, 16, 32, 64, 128])
def test_a_compact_number_is_one_of_its_type(bits: int) -> None:
    """The chain refuses one that is too large; whoever reads it has read something else than the chain."""
    plain = one_type({"compact": {"type": 1}}, {"primitive": f"u{bits}"})
    wrapped = one_type(  # as Perbill is
        {"compact": {"type": 1}},
        {"composite": {"fields": [{"name": None, "type": 2}]}},
        {"primitive": f"u{bits}"},
    )
    for types in (plain, wrapped):
        most, over = compact_bytes(2**bits - 1), compact_bytes(2**bits)
        assert types.read(0, most) == types.read(0, most, int) == 2**bits - 1
        assert types.skipper(0)(most, 0) == len(most)
        with pytest.raises(ScaleError, match=f"more than {bits} bits"):
            types.read(0, over)
        with pytest.raises(ScaleError, match=f"more than {bits} bits"):
            types.skipper(0)(over, 0)


@pytest.mark.parametrize(
    "definition", [{"primitive": "str"}, {"composite": {"fields": []}}, {"sequence": {"type": 0}}, {"tuple": [0, 0]}]
)
def test_a_compact_of_what_is_no_number_is_refused(definition: dict[str, Any]) -> None:
    types = one_type({"compact": {"type": 1}}, definition)
    with pytest.raises(ScaleError, match="a compact of type"):
        types.reader(0)
    with pytest.raises(ScaleError, match="a compact of type"):
        types.skipper(0)


def test_a_compact_nothing_takes_no_byte() -> None:
    """So does the chain write it; the address by an index of a runtime without indices is one."""
    types = one_type({"tuple": [1, 2]}, {"compact": {"type": 3}}, {"primitive": "u8"}, {"tuple": []})
    assert types.read(0, b"\x07") == ((), 7)
    assert types.skipper(0)(b"\x07", 0) == 1


ENDLESS = [
    {"composite": {"fields": [{"name": "itself", "type": 0}]}},
    {"tuple": [0]},
    {"compact": {"type": 0}},
    {"variant": {"variants": [{"name": "More", "index": 0, "fields": [{"name": None, "type": 0}]}]}},
]


@pytest.mark.parametrize("definition", ENDLESS)
def test_a_type_without_an_end_is_refused(definition: dict[str, Any]) -> None:
    types = one_type(definition)
    for _ in range(2):
        with pytest.raises(ScaleError):
            types.read(0, bytes(10_000))


def of_events(what: int, *more: dict[str, Any]) -> Types:
    """The types of a list of events (type 0) whose only one, of the only pallet, holds a value of type `what`."""

    def only(name: str, kind: int) -> dict[str, Any]:
        return {"variant": {"variants": [{"name": name, "index": 0, "fields": [{"name": None, "type": kind}]}]}}

    fields = [{"name": name, "type": kind} for name, kind in (("phase", 2), ("event", 3), ("topics", 5))]
    return one_type(
        {"sequence": {"type": 1}},
        {"composite": {"fields": fields}},
        {"variant": {"variants": [{"name": "Finalization", "index": 0, "fields": []}]}},
        only("Pallet", 4),
        only("Event", what),
        {"tuple": []},
        *more,
    )


@pytest.mark.parametrize("own", [{"tuple": [6]}, {"composite": {"fields": [{"name": None, "type": 6}]}}])
def test_an_event_without_an_end_is_refused(own: dict[str, Any]) -> None:
    events = Events(of_events(6, own), 0, lambda *_: None)
    for _ in range(2):
        with pytest.raises(ScaleError, match="too deep"):
            events.read(b"\x04\0\0\0")


def test_a_chain_whose_events_are_of_another_form_is_refused_in_words(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    for found in (ScaleError("type 0 is no structure"), KeyError("phase"), RecursionError()):

        def other(*_: Any, found: Exception = found) -> None:
            raise found

        monkeypatch.setattr(Types, "parts", other)
        with pytest.raises(UnknownRuntime, match=r"System.Events of runtime 1 has a form that"):
            Runtime(METADATA.read_bytes(), 1, 1)


def test_types_that_nest_without_measure_are_refused() -> None:
    types = Types(
        [{"path": [], "def": {"sequence": {"type": number + 1}}} for number in range(5_000)]
        + [{"path": [], "def": {"primitive": "u8"}}]
    )
    for _ in range(2):  # what was tried before leaves nothing half made behind
        with pytest.raises(ScaleError, match="nest too deep"):
            types.reader(0)
        with pytest.raises(ScaleError, match="nest too deep"):
            types.skipper(0)
    assert types.skipper(4_999)(b"\x08ab", 0) == 3


WORDS = [
    {"path": [], "def": {"primitive": "bool"}},
    {"path": [], "def": {"primitive": "str"}},
    {"path": ["Option"], "def": {"variant": {"variants": [
        {"name": "None", "index": 0, "fields": []}, {"name": "Some", "index": 1, "fields": [{"name": None, "type": 0}]}
    ]}}},
    {"path": [], "def": {"variant": {"variants": [{"name": "Far", "index": 9, "fields": []}]}}},
    {"path": ["Chain"], "def": {"composite": {"fields": [{"name": "next", "type": 5}]}}},
    {"path": [], "def": {"sequence": {"type": 4}}},
]  # fmt: skip


@pytest.mark.parametrize(
    ("number", "data"), [(0, b"\2"), (1, b"\x08\xff\xff"), (2, b"\2\0"), (2, b"\1\2"), (3, b"\0"), (3, b"\x0a")]
)
def test_bytes_that_the_type_does_not_allow(number: int, data: bytes) -> None:
    with pytest.raises(ScaleError):
        Types(WORDS).read(number, data)


def test_a_type_that_holds_itself() -> None:
    types = Types(WORDS)
    assert types.read(5, b"\x08\4\0\0") == [{"next": [{"next": []}]}, {"next": []}]
    assert types.skipper(5)(b"\x08\4\0\0", 0) == 4
    with pytest.raises(ScaleError, match="no type 99"):
        types.reader(99)
