"""How many copies a chain of 6-second blocks carries, by the measured and by the declared weights of what keeps them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from runtime_mock.chainspec import artifacts
from runtime_mock.model.datdot import items, weights
from runtime_mock.model.datdot.types import Times, Wait
from runtime_mock.model.frame.limits import BASE_EXTRINSIC
from service.chain_client import Runtime
from service.chain_client.pallet import calls, types
from service.chain_client.pallet.constants import MAX_RETRIEVALS, REMOVALS, SEAT_DRAWS, TICKS
from service.chain_client.runtime.extrinsic import Mortality, signed

from ._network import REPLICAS, Network
from .registry import Figures, Report, measures

AIM = 400_000
"""Copies: 100,000, with room for four times that."""
COPIES_A_HOSTER = 10
PS = 10**12
NORMAL_PS, MOST_BYTES = 3 * 2 * PS // 4, 3 * 5 * 2**20 // 4
"""Of a block, what ordinary calls may take: three quarters of 2 s, and of 5 MiB."""
READ, WRITE = 25_000_000, 100_000_000
DEPTH = 24
"""Siblings of an opened sector of 4 GiB."""
SAMPLES, SIBLINGS = 16, 16 * DEPTH - 48
"""Sectors of a storage proof and the siblings with them: those near the root are shared."""
DRAWS = 12
"""Slots that are drawn until nine sit: some are drawn twice."""
UNSEEN = {
    "commit_retrievals": 1,
    "commit_retrievals_first": DRAWS,
    "reveal_retrievals": 1,
    "settle_retrieval": DRAWS - 9,
}
"""Reads, for each of its parts, that a benchmark makes of the same slots again and again and a real call of others."""


@dataclass(frozen=True)
class Load:
    """What a call takes: picoseconds and bytes for each of its parts, such as the commits in it."""

    ps: float
    size: float


@dataclass(frozen=True)
class Weights:
    """What a chain's work weighs, in picoseconds: each call with as many parts as one takes."""

    commits: float
    first_commits: float
    reveals: float
    settlement: float
    proof: float
    tick: float


def measured(run: Mapping[str, Any]) -> Weights:
    """Return what a run of the pallet's benchmarks measured, with the reads and writes that it counted.

    That of first commits draws all 128 slots for each record, since none of its committees is full: of what it takes beyond
    other commits, the draws that are needed count.
    """

    def part(name: str, key: str, many: int) -> float:
        found = run[name][key]
        return float(found["base"] + sum(slope * many for slope in found["slopes"].values()))

    def storage(name: str, many: int) -> float:
        return READ * (part(name, "reads", many) + UNSEEN.get(name, 0) * many) + WRITE * part(name, "writes", many)

    def cost(name: str, many: int = 1) -> float:
        return part(name, "picoseconds", many) + storage(name, many)

    most = MAX_RETRIEVALS
    later, first = (part(name, "picoseconds", most) for name in ("commit_retrievals", "commit_retrievals_first"))
    proof = run["submit_storage_proof"]
    by = {"s": SAMPLES, "p": SIBLINGS}
    time, reads, writes = (
        proof[key]["base"] + sum(slope * by[one] for one, slope in proof[key]["slopes"].items())
        for key in ("picoseconds", "reads", "writes")
    )
    return Weights(
        cost("commit_retrievals", most),
        later + (first - later) * DRAWS / SEAT_DRAWS + storage("commit_retrievals_first", most),
        cost("reveal_retrievals", most),
        cost("settle_retrieval"),
        float(time + READ * reads + WRITE * writes),
        cost("tick", REPLICAS),
    )


def declared() -> Weights:
    """Return what the runtime takes them to weigh: nodes fill blocks by these."""
    most = MAX_RETRIEVALS
    return Weights(
        weights.commit_retrievals(most, 0, 0).ref_time,
        weights.commit_retrievals(most, most, DRAWS * most).ref_time,
        weights.reveal_retrievals(most).ref_time,
        weights.SETTLE_RETRIEVAL.ref_time,
        weights.submit_storage_proof(SAMPLES, SIBLINGS).ref_time,
        weights.EXPIRY[Wait.TICK].ref_time * (1 + REPLICAS),
    )


def sizes() -> dict[str, int]:
    """Return the bytes of a full call of commits and of reveals, of a settlement and of a storage proof, signed."""
    runtime = Runtime((artifacts() / "metadata.scale").read_bytes(), 1, 1)
    opening = types.ChainOpening(bytes(256), (bytes(32),) * DEPTH)
    said = types.RetrievalReveal(1 << 20, types.Report(1, 20, 9_000), bytes(32), opening)
    commit = types.RetrievalCommit(1 << 20, bytes(32))
    made = {
        "commits": calls.commit_retrievals(10, (commit,) * MAX_RETRIEVALS),
        "reveals": calls.reveal_retrievals(9, bytes(32), (said,) * MAX_RETRIEVALS),
        "settlement": calls.settle_retrieval(9, 1 << 20),
        "proof": calls.submit_storage_proof(
            1 << 20, types.StorageProof((bytes(256),) * SAMPLES, (bytes(32),) * SIBLINGS)
        ),
    }
    born = Mortality(64, bytes(32))
    return {
        name: len(signed(bytes(32), bytes(64), runtime.encode_call(call), born, 1 << 10)) for name, call in made.items()
    }


def loads(of: Weights, size: Mapping[str, int], times: Times) -> tuple[Load, Load, Load]:
    """Return what a copy makes of commits, of reveals, and of all else in an era.

    Nine commit to each copy, one of them first; its share of its hoster's proofs and of its plan's tick, and its verdict.
    """
    most, seats = MAX_RETRIEVALS, times.seats
    commits = ((seats - 1) * of.commits + of.first_commits + seats * BASE_EXTRINSIC.ref_time) / most
    reveals = seats * (of.reveals + BASE_EXTRINSIC.ref_time) / most
    proofs = times.era / times.mean_gap / COPIES_A_HOSTER
    rest = of.settlement + BASE_EXTRINSIC.ref_time + proofs * (of.proof + BASE_EXTRINSIC.ref_time) + of.tick / REPLICAS
    return (
        Load(commits, seats * size["commits"] / most),
        Load(reveals, seats * size["reveals"] / most),
        Load(rest, size["settlement"] + proofs * size["proof"]),
    )


def carried(of: Weights, size: Mapping[str, int], times: Times) -> dict[str, int]:
    """Return how many copies there is room for by each limit.

    These are: commits and reveals in their windows of an era, beside all else; and what a block begins of ticks and removals.
    """
    commits, reveals, rest = loads(of, size, times)
    windows = {
        "commits": (times.era - times.probe_blocks, commits),
        "reveals": (times.settle_from - times.reveal_from, reveals),
        "all of an era": (times.era, Load(commits.ps + reveals.ps, commits.size + reveals.size)),
    }
    found = {
        "ticks of a block": times.era * -(-TICKS // (1 + REPLICAS)) * REPLICAS,
        "records removed in a block": times.era * REMOVALS,
    }
    for name, (blocks, load) in windows.items():
        share = blocks / times.era
        found[f"{name}, by weight"] = int(blocks * NORMAL_PS / (load.ps + share * rest.ps))
        found[f"{name}, by bytes"] = int(blocks * MOST_BYTES / (load.size + share * rest.size))
    return found


@measures("chain/copies")
def chain_copies(report: Report) -> Figures:
    """Measure how many copies a chain has room for."""
    report("reading the weights")
    times = items.Time.get(Network(3, 3).state)
    assert times is not None
    runs = json.loads((Path(__file__).parents[1] / "pallet-spec" / "weights.json").read_text())
    by = partial(carried, size=sizes(), times=times)
    room = min((by(measured(run)) for run in runs), key=lambda found: min(found.values()))
    said = by(declared())
    least, least_said = min(room, key=lambda name: room[name]), min(said, key=lambda name: said[name])
    how = (
        f"production's times, {times.seats} seats a copy, {COPIES_A_HOSTER} copies of 4 GiB a hoster, {REPLICAS} a plan, full "
        f"calls of {MAX_RETRIEVALS}; by the weights of pallet-spec/weights.json (`make weights`; the run that has less room), "
        f"with the reads and writes that were counted: the least room is for {least}. By the declared weights, by which nodes "
        f"fill blocks, there is room for {said[least_said]:,} copies ({least_said})"
    )
    return Figures("copies", float(room[least]), AIM, "the aim", how)
