"""The declared weights are no less than what `make weights` measured, in both of its runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runtime_mock.model import pallet
from runtime_mock.model.datdot import weights
from runtime_mock.model.datdot.limits import (
    EXPIRIES,
    MAX_REPLICAS,
    MAX_RETRIEVALS,
    PALLET,
    REMOVALS,
    SEAT_DRAWS,
    SWEEP,
    TICKS,
)
from runtime_mock.model.datdot.types import Wait
from runtime_mock.model.frame import calls
from runtime_mock.model.frame.dispatch import Weight
from runtime_mock.model.frame.limits import BASE_EXTRINSIC

RUNS: list[dict[str, Any]] = json.loads((Path(__file__).parents[2] / "pallet-spec" / "weights.json").read_text())
pallet.register_all()
CALLS = {spec.name: index for (owner, index), spec in calls.REGISTRY.items() if owner == PALLET}
OPERATIONAL = {11, 12, 13, 14, 28}
MS = 10**9
ORDINARY = 60 * MS
"""What an ordinary block's own work counts."""
READ, WRITE = 25_000_000, 100_000_000
"""Picoseconds: `RocksDbWeight`, which the runtime names."""
SHARED = {
    "rotate_swarm_key": "REGISTER_PEER",
    "offer_hosting": "OFFER",
    "offer_encoding": "OFFER",
    "release": "OFFER",
    "withdraw_offer": "OFFER_ATTESTING",
    "donate": "MONEY",
    "end_plan": "MONEY",
    "collect": "MONEY",
    "claim_refund": "MONEY",
}
"""Calls that share a weight."""
COUNTED = {"SET_OPERATOR", "OPERATE"}
"""Weights whose reads and writes are counted: they were not measured yet, though they have their benchmarks."""
MEASURED_PROOF = 32, 960
"""Sectors and siblings of the largest proof that was measured, which is the largest that the chain can ask for."""
MEASURED_NODES = 783
"""Nodes that the benchmark opens for 16 ranges."""
BY_INPUT = {
    "publish_plan": weights.publish_plan(MEASURED_NODES),
    "submit_storage_proof": weights.submit_storage_proof(*MEASURED_PROOF),
    "commit_retrievals": weights.commit_retrievals(MAX_RETRIEVALS, 0, 0),
    "commit_retrievals_first": weights.commit_retrievals(MAX_RETRIEVALS, MAX_RETRIEVALS, SEAT_DRAWS * MAX_RETRIEVALS),
    "reveal_retrievals": weights.reveal_retrievals(MAX_RETRIEVALS),
}
"""The weights of what was measured of calls that weigh by what is in them."""
UNSEEN = {
    "commit_retrievals": MAX_RETRIEVALS,
    "commit_retrievals_first": SEAT_DRAWS * MAX_RETRIEVALS,
    "reveal_retrievals": MAX_RETRIEVALS,
    "settle_retrieval": SEAT_DRAWS - 81,
}
"""Reads that the benchmark makes of the same slots again and again, and a real call of others: they count in full."""
WORST = {
    Wait.TICK: TICKS + MAX_REPLICAS,
    Wait.END_PLAN: EXPIRIES - 1 + MAX_REPLICAS,
    Wait.SWEEP: EXPIRIES - 1 + SWEEP,
    Wait.SETTLE: REMOVALS,
}
"""What a block counts of a kind at most; of each other EXPIRIES."""
EXPIRED = sum(weights.EXPIRY[wait].ref_time * WORST.get(wait, EXPIRIES) for wait in Wait)
BLOCK = {
    "change_due": (weights.CHANGE, 1),
    "attempts": (weights.ATTEMPT, 32),
    "challenges": (weights.BLOCK, 1),
    "worst_block": (
        Weight(weights.BLOCK.ref_time + EXPIRED + 256 * weights.CHANGE.ref_time + 32 * weights.ATTEMPT.ref_time),
        1,
    ),
}
"""What a block does besides expiries, and how often a benchmark does it; and all that it may do."""
EXPIRED_BY = {
    "end_plan_due": (Wait.END_PLAN, MAX_REPLICAS),
    "tick": (Wait.TICK, 1 + MAX_REPLICAS),
    "dropped": (Wait.DROP, 1),
    "report_due": (Wait.REPORT, 1),
    "sweep": (Wait.SWEEP, 8),
}
"""Benchmarks of expiries that count several copies or go by another name than their kind."""


def declared(name: str) -> tuple[Weight, int]:
    """The weight that stands for a benchmark, and how often the benchmark does it."""
    if name in BY_INPUT:
        return BY_INPUT[name], 1
    if name in BLOCK:
        return BLOCK[name]
    if name in EXPIRED_BY:
        wait, times = EXPIRED_BY[name]
        return weights.EXPIRY[wait], times
    if name not in SHARED and name.upper() in Wait.__members__:
        return weights.EXPIRY[Wait[name.upper()]], 1
    found: Weight = getattr(weights, SHARED.get(name, name.upper()))
    return found, 1


def at_bounds(quantity: dict[str, Any], ranges: dict[str, list[int]]) -> float:
    """A measured quantity with each component at its highest."""
    return float(quantity["base"] + sum(slope * ranges[name][1] for name, slope in quantity["slopes"].items()))


def measured() -> Iterator[tuple[str, int, float]]:
    """Each benchmark's picoseconds at its bounds, storage included, by run."""
    for number, run in enumerate(RUNS, 1):
        for name, found in run.items():
            time, reads, writes = (at_bounds(found[key], found["ranges"]) for key in ("picoseconds", "reads", "writes"))
            yield name, number, time + READ * (reads + UNSEEN.get(name, 0)) + WRITE * writes


@pytest.mark.parametrize(("name", "run", "cost"), list(measured()))
def test_no_weight_is_below_what_was_measured(name: str, run: int, cost: float) -> None:
    weight, times = declared(name)
    assert weight.ref_time >= cost / times, f"{name}, run {run}: {cost / times / 1e9:.2f} ms"


@pytest.mark.parametrize("run", [1, 2])
def test_a_tick_that_ends_its_plan_weighs_no_less_than_a_tick_and_an_end_did(run: int) -> None:
    for copies in range(1, MAX_REPLICAS + 1):
        cost = sum(
            found["base"] * price + found["slopes"]["c"] * copies * price
            for name in ("tick", "end_plan_due")
            for price, found in (
                (1, RUNS[run - 1][name]["picoseconds"]),
                (READ, RUNS[run - 1][name]["reads"]),
                (WRITE, RUNS[run - 1][name]["writes"]),
            )
        )
        assert weights.EXPIRY[Wait.TICK].ref_time * (1 + copies) >= cost, f"{copies}: {cost / 1e9:.2f} ms"


@pytest.mark.parametrize("siblings", [MEASURED_PROOF[1], 0])
@pytest.mark.parametrize("sectors", [MEASURED_PROOF[0], 16])
@pytest.mark.parametrize("run", [1, 2])
def test_no_storage_proof_weighs_less_than_was_measured_however_few_siblings_it_has(
    run: int, sectors: int, siblings: int
) -> None:
    """Without siblings: as many segments as sectors, of one sector each. Both ends of what was measured: none below."""
    found = RUNS[run - 1]["submit_storage_proof"]
    proof = {"s": [0, sectors], "p": [0, siblings]}
    time, reads, writes = (at_bounds(found[key], proof) for key in ("picoseconds", "reads", "writes"))
    cost = time + READ * reads + WRITE * writes
    assert weights.submit_storage_proof(sectors, siblings).ref_time >= cost, f"{cost / 1e9:.3f} ms"


def in_a_block(name: str, weight: Weight) -> str:
    """How many of a call fit into an ordinary block by what they declare; of what is no call none."""
    index = CALLS.get(name.removesuffix("_first"))
    if index is None:
        return "–"
    room = (2_000 if index in OPERATIONAL else 1_500) * MS - ORDINARY
    return f"{room // (weight.ref_time + BASE_EXTRINSIC.ref_time):,}"


def rows() -> str:
    """The table of the specification: what was measured beside what is declared."""
    lines = []
    for name in sorted(RUNS[0]):
        found, (weight, times) = RUNS[0][name], declared(name)
        runs = [at_bounds(run[name]["picoseconds"], found["ranges"]) / times / 1e9 for run in RUNS]
        counts = [at_bounds(found[key], found["ranges"]) / times for key in ("reads", "writes")]
        counts[0] += UNSEEN.get(name, 0)
        proof = at_bounds(found["proof_bytes"], found["ranges"]) / times / 1024
        shown = [f"{one:.2f}" for one in runs] + [f"{one:.0f}" for one in counts] + [f"{proof:.1f}"]
        total = max(runs) + (READ * counts[0] + WRITE * counts[1]) / 1e9
        lines.append(
            f"| {name} | {' | '.join(shown)} | {total:.2f} | {weight.ref_time / 1e9:g} | {in_a_block(name, weight)} |"
        )
    return "\n".join(lines)


def test_the_specification_shows_them() -> None:
    readme = (Path(__file__).parents[2] / "pallet-spec" / "README.md").read_text()
    assert rows() in readme, f"the table of section 18 is\n{rows()}"


def test_both_runs_measured_all_calls_and_waits() -> None:
    assert len(RUNS) == 2
    assert RUNS[0].keys() == RUNS[1].keys()
    declared_ones = {name for name, value in vars(weights).items() if isinstance(value, Weight)}
    calls = declared_ones - {"ROOT", "BLOCK", "CHANGE", "ATTEMPT"} - COUNTED
    shown = {SHARED.get(name, name.upper()) for name in RUNS[0]}
    assert calls <= shown
    assert BY_INPUT.keys() <= RUNS[0].keys()
    waits = {EXPIRED_BY[name][0] if name in EXPIRED_BY else Wait.__members__.get(name.upper()) for name in RUNS[0]}
    assert waits >= set(Wait) - {Wait.LEAVE}, "Leave does what Drop does"
