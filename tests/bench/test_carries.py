"""What a chain carries is reckoned by the weights of what is sent: it follows them, and the calls are those of a network."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench import carries, decode, scale
from bench._network import Network
from runtime_mock.model.datdot import items
from runtime_mock.model.datdot.types import Times
from runtime_mock.runtime import Version
from runtime_mock.state.overlay import Overlay

RUNS: list[dict[str, Any]] = json.loads((Path(__file__).parents[2] / "pallet-spec" / "weights.json").read_text())


@pytest.fixture(scope="module")
def times() -> Times:
    found = items.Time.get(Network(3, 3).state)
    assert found is not None
    return found


@pytest.mark.parametrize("run", RUNS)
def test_by_what_was_measured_there_is_more_room_than_by_what_is_declared(run: dict[str, Any], times: Times) -> None:
    size = carries.sizes()
    measured = carries.carried(carries.measured(run), size, times)
    declared = carries.carried(carries.declared(), size, times)
    assert all(measured[name] >= declared[name] for name in declared)
    assert min(measured.values()) >= carries.AIM
    assert min(declared.values()) >= 100_000


def test_half_the_window_or_twice_the_weight_is_half_the_room(times: Times) -> None:
    size, of = carries.sizes(), replace(carries.declared(), settlement=0, proof=0, tick=0)
    alone = dict.fromkeys(("settlement", "proof"), 0) | {name: size[name] for name in ("commits", "reveals")}
    whole = carries.carried(of, alone, times)
    twice = carries.carried(replace(of, reveals=2 * of.reveals), alone, times)
    assert twice["reveals, by weight"] == pytest.approx(whole["reveals, by weight"] / 2, rel=0.01)
    short = carries.carried(of, alone, replace(times, probe_blocks=(times.era + times.probe_blocks) // 2))
    assert short["commits, by bytes"] == pytest.approx(whole["commits, by bytes"] / 2, rel=0.05)


def test_the_sizes_are_those_of_calls_that_a_large_network_sends() -> None:
    load = scale.load_of(50, 500)
    size = carries.sizes()
    (proof,) = load.signed([next(iter(load.proofs()))], load.network.at)
    assert len(proof) == pytest.approx(size["proof"], rel=0.2)
    party, call = next(iter(load.reveals()))
    (one,) = load.signed([(party, call)], load.network.at)
    assert len(one) / scale.parts_of(call) == pytest.approx(size["reveals"] / carries.MAX_RETRIEVALS, rel=0.2)


def test_a_report_is_decoded_where_the_modulus_is_one_and_refused_before_where_it_is_none() -> None:
    runtime, made = scale.runtime_of("model"), decode.Reported()
    at = made.network.at
    states = made.state(made.modulus), made.state(decode.NO_MODULUS), made.state(made.modulus, cut=True)
    version = Version.decode(runtime.call(Overlay(states[0]), "Core_version", b""))
    extrinsic = made.signed(version)
    answers = [decode.applied(runtime, decode.opened(runtime, state, at), extrinsic)[0] for state in states]
    assert answers[0] == answers[1]
    assert answers[0].startswith(decode.NOT_PROVEN)
    assert answers[2] == b"\0\0"
