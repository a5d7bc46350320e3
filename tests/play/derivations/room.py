"""What blocks have room for: the worst block, and what a chain of 6-second blocks carries (pallet-spec/README.md section 18)."""

from __future__ import annotations

from runtime_mock.model.datdot import weights
from runtime_mock.model.datdot.limits import (
    CHALLENGES,
    EXPIRIES,
    LANES,
    MAX_CHANGES,
    MAX_OFFER_CHANGES,
    MAX_REPLICAS,
    MAX_RETRIEVALS,
    REMOVALS,
    SEAT_DRAWS,
    SECTOR,
    SWEEP,
    TICKS,
    TRIES,
)
from runtime_mock.model.datdot.params import PRODUCTION
from runtime_mock.model.datdot.records import Opening, Report, RetrievalCommit, RetrievalReveal, StorageProof
from runtime_mock.model.datdot.types import Wait
from runtime_mock.model.frame.dispatch import Class, Weight
from runtime_mock.model.frame.limits import BASE_EXTRINSIC, MAX_BLOCK, MAX_LENGTH, MAX_TOTAL

from .catalogue import Figures, Said, derive, limits, specified
from .fees import length
from .words import count, percent

ERA, SEATS = PRODUCTION.era, PRODUCTION.seats
MS = 10**9
COUNTED = (Wait.TICK, Wait.END_PLAN, Wait.SETTLE, Wait.SWEEP)
"""Expiries that count the copies in them, or have a bound of their own."""
SAMPLES, SIBLINGS = 14, 315
"""Of a proof of 40 GiB."""
LEVELS = 24
"""Siblings of one sector of a segment of 4 GiB."""
DRAWS = 10
"""Draws that fill nine seats, mostly."""
ORDINARY = Weight(60 * MS)
"""What `on_initialize` of an ordinary block is counted with."""
COPIES, REPLICAS = 100_000, 3
HOSTERS, ATTESTERS = 10_000, 1_000


def _ms(weight: Weight) -> float:
    return weight.ref_time / MS


# ---- the worst block


def _worst_says(found: Figures) -> tuple[Said, ...]:
    names = ("kinds", "removals", "ticks", "ends", "sweeps", "changes", "tries", "together", "left")
    kinds, removals, ticks, ends, sweeps, changes, tries, all_of_it, left = (count(found[name]) for name in names)
    return specified(
        18,
        f"| {kinds} |",
        f"| records of settled verdicts: {REMOVALS} × 1 | {removals} |",
        f"| ticks: {TICKS - 1} + {MAX_REPLICAS + 1} = {TICKS + MAX_REPLICAS} × 3 | {ticks} |",
        f"= 31 copies × 5 | {ends} |",
        f"= 23 copies × 6 | {sweeps} |",
        f"| {MAX_CHANGES} changes × {_ms(weights.CHANGE)} | {changes} |",
        f"| {LANES * TRIES} tries × {_ms(weights.ATTEMPT)} | {tries} |",
        f"| together, of 2,000 | {all_of_it} |",
        f"leaves such a block {left} ms for inherents and calls.",
    )


@derive("worst-block", "every expiry, change and try that a block may have is due in one", _worst_says)
def worst_block() -> Figures:
    """The milliseconds that the fullest `on_initialize` is counted with."""
    kinds = EXPIRIES * sum(_ms(weight) for kind, weight in weights.EXPIRY.items() if kind not in COUNTED)
    # the last of a kind may bring as many copies as it can over 15 that were counted
    copies, swept = EXPIRIES - 1 + MAX_REPLICAS, EXPIRIES - 1 + SWEEP
    ends = copies * _ms(weights.EXPIRY[Wait.END_PLAN])
    ticks = (TICKS - 1 + 1 + MAX_REPLICAS) * _ms(weights.EXPIRY[Wait.TICK])
    removals = REMOVALS * _ms(weights.EXPIRY[Wait.SETTLE])
    sweeps = swept * _ms(weights.EXPIRY[Wait.SWEEP])
    changes, tries = MAX_CHANGES * _ms(weights.CHANGE), LANES * TRIES * _ms(weights.ATTEMPT)
    together = kinds + removals + ticks + ends + sweeps + changes + tries + _ms(weights.BLOCK)
    return {
        "kinds": kinds,
        "removals": removals,
        "ticks": ticks,
        "ends": ends,
        "sweeps": sweeps,
        "changes": changes,
        "tries": tries,
        "together": together,
        "left": _ms(MAX_BLOCK) - together,
    }


# ---- what a chain carries


def each(weight: int) -> int:
    """Return what an extrinsic of a weight takes of a block, in picoseconds."""
    return weight + BASE_EXTRINSIC.ref_time


FREE = MAX_TOTAL[Class.OPERATIONAL].ref_time - ORDINARY.ref_time
"""What an ordinary block leaves, in picoseconds."""
FULL_CALL = weights.commit_retrievals(MAX_RETRIEVALS, MAX_RETRIEVALS, SEAT_DRAWS * MAX_RETRIEVALS).ref_time
"""What there must be room for before a call of commits."""
NEW_RECORDS = weights.commit_retrievals(MAX_RETRIEVALS, MAX_RETRIEVALS, DRAWS * MAX_RETRIEVALS).ref_time


def usual_commits() -> int:
    """Return what a call of 64 commits weighs on average, of which one in nine makes a record."""
    made = [MAX_RETRIEVALS * (number + 1) // SEATS - MAX_RETRIEVALS * number // SEATS for number in range(SEATS)]
    return sum(weights.commit_retrievals(MAX_RETRIEVALS, some, DRAWS * some).ref_time for some in made) // SEATS


def sizes_of_calls() -> dict[str, float]:
    """Return the bytes of a proof and of a settlement, and of one commit and one reveal of a full call."""
    report = RetrievalReveal(0, Report(1, 50, 900), bytes(32), Opening(bytes(SECTOR), [bytes(32)] * LEVELS))
    commits, reports = [RetrievalCommit(0, bytes(32))] * MAX_RETRIEVALS, [report] * MAX_RETRIEVALS
    answer = StorageProof([bytes(SECTOR)] * SAMPLES, [bytes(32)] * SIBLINGS)
    return {
        "proof": length("submit_storage_proof", 1, answer),
        "commit": length("commit_retrievals", 1, commits) / MAX_RETRIEVALS,
        "reveal": length("reveal_retrievals", 1, bytes(32), reports) / MAX_RETRIEVALS,
        "settlement": length("settle_retrieval", 1, 1),
    }


def calls_of_commits(weight: int) -> int:
    """Return how many calls of commits a block takes: the last one begins while there is room for the most it may weigh."""
    return (FREE - each(FULL_CALL)) // each(weight) + 1


def ticked(replicas: int) -> int:
    """Return the copies whose ticks a block takes of plans of so many: each plan counts 1 beside them."""
    return -(-TICKS // (1 + replicas)) * replicas


def _carries_says(found: Figures) -> tuple[Said, ...]:
    number = {name: count(value) for name, value in found.items() if isinstance(value, int)}
    hosters, copies = number["hosters by challenges"], number["copies by ticks"]
    assert found["copies by ticks"] <= min(found["copies by removals"], found["copies by commits"])
    return (
        *specified(
            18,
            f"8 × 14,400 / 6 = {hosters} hosters |",
            f"256 × 14,400 / 6 = {number['hosters by proofs']} hosters |",
            f"192 × 14,400 / 6 = {number['hosters by changes']} hosters |",
            f"| {number['calls of commits']} × 64 = {number['commits']} | {number['commits']} × 1,400 / 9 = "
            f"{number['copies by commits']} copies |",
            f"| {number['calls of reveals']} × 64 = {number['reveals']} | {number['reveals']} × 2,400 / 9 = "
            f"{number['copies by reveals']} copies |",
            f"| {number['settlements']} | {number['settlements']} × 14,400 = {number['copies by settlements']} copies |",
            f"| {copies} copies ({number['copies by ticks, three a plan']}) |",
            f"| {REMOVALS} | {number['copies by removals']} copies |",
            f"the ticks of {copies} plans of one copy, for {number['copies by removals']} verdict records, and for "
            f"{count(CHALLENGES * ERA)} challenges.",
            f"| storage proofs, {found['ms of a proof']:.2f} ms, {found['bytes of a proof'] / 1_000:.0f} kB |",
            f"| commits by 64, {found['ms of a commit']:.3f} ms each with a record for nine and ten draws for a record |",
            f"| reveals by 64, {found['ms of a reveal']:.3f} ms each |",
            f"by weight there would be room for {number['proofs by weight']} such proofs, by length for "
            f"{number['proofs by length']}.",
            f"Before a call of 64 commits there must be room for {found['ms before commits']:.1f} ms, so commits fill a block up "
            f"to the last {count(found['ms until the last commits'])} ms, and one call more; 64 that meet nine seats a copy weigh "
            f"{found['ms of a call of commits']:.1f} ms then.",
            f"A block of {number['reveals']} reveals has {found['bytes of reveals'] / 1e6:.1f} MB, of {found['length'] / 1e6:.1f}.",
            f"If each of them made a record, a block would take {number['commits with records']}, and the window "
            f"{number['copies by commits with records']} copies.",
            f"So such a chain carries {hosters} hosters at the full rate of challenges, and {copies} copies, with whole "
            "committees, if each plan has one copy: ticks bind.",
            f"**100,000 copies** are {percent(found['share of ticks'])} of that; their commits take "
            f"{percent(found['share of commits'])} of the blocks of their window, their reveals "
            f"{percent(found['share of reveals'])}.",
        ),
        *specified(
            19,
            f"A chain of 6-second blocks carries {hosters} hosters at the full rate of challenges and {copies} copies.",
            f"commits and reveals have room for {number['copies by commits']} copies with committees of nine",
        ),
        *limits(
            f"A chain of 6-second blocks carries {hosters} hosters at the full rate of challenges and {copies} copies"
        ),
    )


@derive(
    "carries",
    "production times; proofs of 14 sectors with 315 siblings; a record for nine commits, with ten draws; the weights that calls "
    "declare, 1,500 ms for normal ones, and 2,000 for all, of which an ordinary block's work takes 60",
    _carries_says,
)
def carries() -> Figures:
    """How many hosters and copies a chain has room for, by each of its bounds."""
    asked = ERA // PRODUCTION.mean_gap
    calls, slow = calls_of_commits(usual_commits()), calls_of_commits(NEW_RECORDS)
    settled = MAX_TOTAL[Class.NORMAL].ref_time // each(weights.SETTLE_RETRIEVAL.ref_time)
    window, revealing = ERA - PRODUCTION.probe_blocks, PRODUCTION.settle_from - PRODUCTION.reveal_from
    ticks = ticked(1) * ERA
    proof, reveal = weights.submit_storage_proof(SAMPLES, SIBLINGS), weights.reveal_retrievals(MAX_RETRIEVALS)
    sizes, longest = sizes_of_calls(), MAX_LENGTH[Class.OPERATIONAL]
    reveals = FREE // each(reveal.ref_time)
    found = {
        "hosters by challenges": CHALLENGES * ERA // asked,
        "hosters by proofs": MAX_CHANGES * ERA // asked,
        "hosters by changes": (MAX_CHANGES - MAX_OFFER_CHANGES) * ERA // asked,
        "proofs by weight": FREE // each(proof.ref_time),
        "proofs by length": longest // sizes["proof"],
        "calls of commits": calls,
        "commits": calls * MAX_RETRIEVALS,
        "copies by commits": calls * MAX_RETRIEVALS * window // SEATS,
        "commits with records": slow * MAX_RETRIEVALS,
        "copies by commits with records": slow * MAX_RETRIEVALS * window // SEATS,
        "calls of reveals": reveals,
        "reveals": reveals * MAX_RETRIEVALS,
        "copies by reveals": reveals * MAX_RETRIEVALS * revealing // SEATS,
        "settlements": settled,
        "copies by settlements": settled * ERA,
        "copies by ticks": ticks,
        "copies by ticks, three a plan": ticked(3) * ERA,
        "copies by removals": REMOVALS * ERA,
    }
    in_ms = {
        "proof": proof.ref_time,
        "commit": each(usual_commits()) / MAX_RETRIEVALS,
        "reveal": each(reveal.ref_time) / MAX_RETRIEVALS,
        "call of commits": each(usual_commits()),
    }
    return found | {
        **{f"ms of a {what}": weight / MS for what, weight in in_ms.items()},
        "ms before commits": FULL_CALL / MS,
        "ms until the last commits": (FREE - each(FULL_CALL)) / MS,
        "bytes of a proof": sizes["proof"],
        "bytes of reveals": found["reveals"] * sizes["reveal"],
        "length": longest,
        "share of ticks": COPIES / ticks,
        "share of commits": COPIES / found["copies by commits"],
        "share of reveals": COPIES / found["copies by reveals"],
    }


# ---- what a network of 100,000 copies asks for


def _load_says(found: Figures) -> tuple[Said, ...]:
    number = {name: count(value) for name, value in found.items() if isinstance(value, int | float)}
    return specified(
        18,
        f"Spread over the era all of it, three copies a plan, would take {found['together, ms'] / 1_000:.2f} s of a block's 2 "
        f"(proofs {number['proofs, ms']} ms, ticks {number['ticks, ms']}, records {number['records, ms']}, settlements "
        f"{number['settlements, ms']}, commits {number['commits, ms']}, reveals {number['reveals, ms']}).",
        f"An attester with 4 of 4,000 slots has {number['seats of an attester']} seats then, and sends "
        f"{number['calls of an attester']} calls of commits and {number['calls of an attester']} of reveals.",
        f"| storage proofs, {found['bytes of a proof'] / 1_000:.1f} kB | 60,000 | {number['proofs, MB']} |",
        f"| 900,000 commits, {number['bytes of a commit']} bytes each | {number['calls of all']} and more | "
        f"{number['commits, MB']} |",
        f"| 900,000 reveals, {number['bytes of a reveal']} bytes each with 24 siblings | {number['calls of all']} and more | "
        f"{number['reveals, MB']} |",
        f"| settlements, {number['bytes of a settlement']} bytes | 100,000 | {number['settlements, MB']} |",
        f"| together | | {number['together, MB']} |",
    )


@derive(
    "load",
    "10,000 hosters, 100,000 copies, three a plan, 1,000 attesters with 4 slots each, whole committees, calls as full as they may "
    "be; a sector is opened with 24 siblings",
    _load_says,
)
def load() -> Figures:
    """What such a network takes of each block, and what it adds to a day's history."""
    seats, per_block = COPIES * SEATS, 1 / ERA / MS
    sizes = sizes_of_calls()
    history = {
        "proofs, MB": HOSTERS * (ERA // PRODUCTION.mean_gap) * sizes["proof"] / 1e6,
        "commits, MB": seats * sizes["commit"] / 1e6,
        "reveals, MB": seats * sizes["reveal"] / 1e6,
        "settlements, MB": COPIES * sizes["settlement"] / 1e6,
    }
    proof = each(weights.submit_storage_proof(SAMPLES, SIBLINGS).ref_time)
    took = {
        "proofs, ms": HOSTERS * (ERA // PRODUCTION.mean_gap) * proof * per_block,
        "ticks, ms": (COPIES + COPIES / REPLICAS) * weights.EXPIRY[Wait.TICK].ref_time * per_block,
        "records, ms": COPIES * weights.EXPIRY[Wait.SETTLE].ref_time * per_block,
        "settlements, ms": COPIES * each(weights.SETTLE_RETRIEVAL.ref_time) * per_block,
        "commits, ms": seats * each(usual_commits()) * per_block / MAX_RETRIEVALS,
        "reveals, ms": seats * each(weights.reveal_retrievals(MAX_RETRIEVALS).ref_time) * per_block / MAX_RETRIEVALS,
    }
    mine = seats // ATTESTERS
    return took | {
        "together, ms": sum(took.values()),
        "seats of an attester": mine,
        "calls of an attester": -(-mine // MAX_RETRIEVALS),
        "calls of all": -(-seats // MAX_RETRIEVALS),
        **{f"bytes of a {what}": size for what, size in sizes.items()},
        **history,
        "together, MB": sum(history.values()),
    }
