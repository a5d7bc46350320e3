"""Genesis, call decoding, constants: what the model refuses, and that it is the pallet of the metadata."""

from __future__ import annotations

import json
from dataclasses import asdict, fields, is_dataclass, replace
from enum import IntEnum
from typing import Any

import pytest

from runtime_mock.chainspec import artifacts, preset
from runtime_mock.codec import prefixed
from runtime_mock.model import ModelRuntime
from runtime_mock.model.datdot import build_genesis, errors, events, items, peer_events, records
from runtime_mock.model.datdot.limits import (
    MAX_AMOUNT,
    MAX_NODES,
    MAX_RANGES,
    MAX_RETRIEVALS,
    MAX_SAMPLES,
    PALLET,
    UNIT,
)
from runtime_mock.model.datdot.params import DEFAULT_AMOUNTS, DEVELOPMENT, PRODUCTION, amounts, broken_rule, times
from runtime_mock.model.datdot.records import StorageProof
from runtime_mock.model.frame.calls import CALL, REGISTRY, Call
from runtime_mock.model.frame.dispatch import Class, RuntimePanic, Weight
from runtime_mock.model.scale import COMPACT, ScaleError
from runtime_mock.runtime import RuntimeTrap
from runtime_mock.state.overlay import Overlay
from runtime_mock.state.trie import Trie


@pytest.fixture(scope="module", autouse=True)
def runtime() -> ModelRuntime:
    """Calls are known once there is a runtime."""
    return ModelRuntime(artifacts())


def config(**changes: Any) -> dict[str, Any]:
    return {"times": asdict(DEVELOPMENT) | changes, "amounts": asdict(DEFAULT_AMOUNTS)}


# ---- genesis


def test_genesis_writes_the_parameters() -> None:
    state = Overlay(Trie())
    build_genesis(state, config())
    assert (times(state), amounts(state)) == (DEVELOPMENT, DEFAULT_AMOUNTS)
    assert [broken_rule(one) for one in (PRODUCTION, DEVELOPMENT)] == [None, None]


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"era": 0}, "every wait"),
        ({"lease": 14_400_001}, "every wait"),
        ({"seed_delay": 256, "lease": 500}, "SeedDelay < 256"),
        ({"seed_delay": 240}, "SeedDelay < Lease"),
        ({"probe_blocks": 24}, "ProbeBlocks"),
        ({"probe_blocks": 0}, "ProbeBlocks"),
        ({"reveal_from": 0}, "RevealFrom"),
        ({"settle_from": 3}, "RevealFrom"),
        ({"settle_from": 25, "settle_to": 48}, "SettleFrom <= Era"),
        ({"settle_to": 12}, "SettleTo"),
        ({"settle_to": 49}, "SettleTo"),
        ({"proof_window": 73}, "ProofWindow"),
        ({"quorum": 0}, "Quorum"),
        ({"quorum": 10}, "Quorum"),
        ({"seats": 17}, "Seats"),
        ({"memory": 65}, "Memory"),
        ({"plan_eras": 0}, "plan length"),
        ({"plan_eras": 600_001}, "plan length"),
        ({"pause": 14 * 24}, "Pause"),
        ({"checkpoint": 0}, "Checkpoint"),
        ({"checkpoint": 1 << 24}, "Checkpoint"),
        ({"report_window": 4}, "ReportWindow"),
    ],
)
def test_times_that_break_a_rule_make_no_chain(change: dict[str, int], rule: str) -> None:
    state = Overlay(Trie())
    with pytest.raises(RuntimePanic, match=rule):
        build_genesis(state, config(**change))
    assert not state.changes()


def test_what_is_no_configuration_is_named() -> None:
    state = Overlay(Trie())
    with pytest.raises(ValueError, match="no 'amounts'"):
        build_genesis(state, {"times": asdict(DEVELOPMENT)})
    for wrong in (-1, 2**32, "24", None, True):
        with pytest.raises(ValueError, match="'era'"):
            build_genesis(state, config(era=wrong))
    large = asdict(replace(DEFAULT_AMOUNTS, stall_fine=MAX_AMOUNT + 1))
    for amounts_ in (large, asdict(replace(DEFAULT_AMOUNTS, min_donation=0))):
        with pytest.raises(RuntimePanic, match="amount"):
            build_genesis(state, config() | {"amounts": amounts_})


def test_amounts_are_those_of_the_rules() -> None:
    one = DEFAULT_AMOUNTS
    assert (one.peer_fee, one.encoder_bond, one.attester_bond) == (UNIT, 100 * UNIT, 10 * UNIT)
    assert (one.collateral * 20, one.publish_fee * 10, one.begin_fine * 50) == (UNIT, UNIT, UNIT)


# ---- calls


def test_the_calls_have_the_indices_and_classes_of_the_pallet() -> None:
    names = {index: spec.name for (pallet, index), spec in REGISTRY.items() if pallet == PALLET}
    assert (names[0], names[20], names[27], names[30], names[32]) == (
        "register_peer",
        "unset_seed",
        "commit_report",
        "rotate_swarm_key",
        "operate",
    )
    assert max(names) == 32
    operational = {name for index, name in names.items() if _class(index) == Class.OPERATIONAL}
    proofs = {"confirm_segment", "submit_storage_proof", "commit_retrievals", "reveal_retrievals"}
    assert operational == proofs | {"report_invalid_encoding"}


def _class(index: int) -> Class:
    proof = StorageProof([], [])
    arguments: dict[int, tuple[Any, ...]] = {6: (None, [], []), 12: (0, proof), 13: (0, []), 14: (0, bytes(32), [])}
    arguments[32] = (bytes(32), Call(PALLET, 25, REGISTRY[PALLET, 25], ()))
    return REGISTRY[PALLET, index].info(*arguments.get(index, ())).kind


def test_a_proof_weighs_by_what_it_has() -> None:
    """16 sectors of 100 GiB in one segment have at most 393 siblings; 32 of 32 segments of 30 levels have 960."""
    info = REGISTRY[PALLET, 12].info
    for sectors, siblings, ns in (
        (0, 0, 670_000), (8, 0, 966_000), (16, 393, 1_851_500), (32, 960, 3_294_000), (32, 1_024, 3_390_000)
    ):  # fmt: skip
        proof = StorageProof([bytes(256)] * sectors, [bytes(32)] * siblings)
        assert info(0, proof).weight == Weight(ns * 10**3)


def test_publications_commits_and_reveals_weigh_by_what_they_have() -> None:
    """Before a call each of its commits counts with a record and 128 draws."""
    for nodes, us in ((0, 2_000), (49, 2_490), (4_096, 42_960)):
        assert REGISTRY[PALLET, 6].info(None, [], [None] * nodes, None, 0).weight == Weight(us * 10**6)
    for count, commits, reveals in ((0, 500, 700), (1, 4_820, 1_150), (64, 276_980, 29_500)):
        assert REGISTRY[PALLET, 13].info(0, [None] * count).weight == Weight(commits * 10**6)
        assert REGISTRY[PALLET, 14].info(0, bytes(32), [None] * count).weight == Weight(reveals * 10**6)


HEAD = bytes(32) + b"\0" + bytes(16) + b"\0" + bytes(64)


@pytest.mark.parametrize(
    ("name", "before", "element", "bound", "after"),
    [
        ("manifest", b"\x05\x06" + bytes(32), 1, 70, bytes(16) + b"\0" + bytes(64) + b"\0\0" + bytes(83 + 16)),
        ("roots", b"\x05\x06" + bytes(32) + b"\0" + bytes(16), 40, 53, bytes(64) + b"\0\0" + bytes(83 + 16)),
        ("ranges", b"\x05\x06" + HEAD, 16, MAX_RANGES, b"\0" + bytes(83 + 16)),
        ("nodes", b"\x05\x06" + HEAD + b"\0", 80, MAX_NODES, bytes(83 + 16)),
        ("sectors", b"\x05\x0c" + bytes(4), 256, MAX_SAMPLES, b"\0"),
        ("siblings", b"\x05\x0c" + bytes(4) + b"\x04" + bytes(256), 32, 1_024, b""),
        ("commits", b"\x05\x0d" + bytes(4), 40, MAX_RETRIEVALS, b""),
        ("reveals", b"\x05\x0e" + bytes(36), 8 + 9 + 32 + 1, MAX_RETRIEVALS, b""),
        ("path", b"\x05\x0e" + bytes(36) + b"\4" + bytes(8 + 9 + 32) + b"\1" + bytes(256), 32, 32, b""),
    ],
)
def test_a_vector_of_its_bound_is_read_and_a_longer_one_is_no_call(
    name: str, before: bytes, element: int, bound: int, after: bytes
) -> None:
    def call(count: int) -> bytes:
        return before + COMPACT.encode(count) + bytes(count * element) + after

    CALL.decode(call(bound))
    with pytest.raises(ScaleError, match="at most"):
        CALL.decode(call(bound + 1))
    with pytest.raises(ScaleError):
        CALL.decode(before + COMPACT.encode(2**30 - 1) + bytes(element))


def test_values_out_of_range_are_no_calls() -> None:
    CALL.decode(b"\x05\x04\x02")
    for wrong in (b"\x05\x04\x03", b"\x05\x1e", b"\x05\x07" + bytes(23), b"\x05\x12" + bytes(159)):
        with pytest.raises(ScaleError):
            CALL.decode(wrong)


# ---- names


def _metadata() -> Any:
    from scalecodec.base import RuntimeConfigurationObject, ScaleBytes
    from scalecodec.type_registry import load_type_registry_preset

    configuration = RuntimeConfigurationObject(ss58_format=42, implements_scale_info=True)
    configuration.update_type_registry(load_type_registry_preset("core"))
    raw = ScaleBytes((artifacts() / "metadata.scale").read_bytes())
    decoded = configuration.create_scale_object("MetadataVersioned", raw).decode()
    ((_, body),) = decoded[1].items()
    kinds = {one["id"]: one["type"] for one in body["types"]["types"]}
    pallet = next(one for one in body["pallets"] if one["name"] == "DatDot")
    return pallet, kinds


def _variants(kinds: Any, part: Any) -> Any:
    return kinds[part["ty"]]["def"]["variant"]["variants"]


def test_names_and_indices_are_those_of_the_metadata() -> None:
    pallet, kinds = _metadata()
    assert {one["index"]: one["name"] for one in _variants(kinds, pallet["error"])} == {
        int(one): one.name for one in errors.Error
    }
    ours = {
        kind.INDEX[1]: (name, [field.name for field in fields(kind)])
        for name, kind in vars(events).items()
        if isinstance(kind, type) and is_dataclass(kind) and kind.__module__ in (events.__name__, peer_events.__name__)
    }
    theirs = {
        one["index"]: (one["name"], [field["name"] for field in one["fields"]])
        for one in _variants(kinds, pallet["event"])
    }
    assert ours == theirs
    calls = {one["index"]: one["name"] for one in _variants(kinds, pallet["calls"])}
    assert {index: REGISTRY[PALLET, index].name for index in calls} == calls
    stored = {one["name"] for one in pallet["storage"]["entries"]}
    renamed = {"DueChanges": "Changes", "PlanRoots": "Roots"}
    mine = {renamed.get(name, name) for name, item in vars(items).items() if type(item).__name__ in ("Map", "Value")}
    assert mine - {"Map", "Value"} == stored


def test_plain_enums_count_from_0() -> None:
    for kind in vars(records).values():
        if isinstance(kind, type) and issubclass(kind, IntEnum) and kind is not IntEnum:
            assert [int(one) for one in kind] == list(range(len(kind)))


def test_a_configuration_that_makes_no_chain_is_refused_by_name(runtime: ModelRuntime) -> None:
    wanted = preset(runtime, None)
    wanted["datDot"]["times"]["era"] = "long"
    answer = runtime.call(Overlay(Trie()), "GenesisBuilder_build_state", prefixed(json.dumps(wanted).encode()))
    assert answer[0] == 1
    assert b"'era'" in answer
    wanted["datDot"]["times"]["era"] = 0
    with pytest.raises(RuntimeTrap, match="every wait"):
        runtime.call(Overlay(Trie()), "GenesisBuilder_build_state", prefixed(json.dumps(wanted).encode()))
