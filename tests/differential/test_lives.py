"""Random lives of plans on model and runtime: mostly honest parties, any call at any time, all compared after each block.

What ever differed stays in `pallet-spec/vectors` (test_vectors.py).
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from tests.support.differential.driver import Difference, Pair
from tests.support.differential.life import World
from tests.support.differential.settings import EXAMPLES, KEEP, LIVES

ACCOUNTS = 13
# eras and windows of a few blocks, within the rules of the parameters, so that much happens in little time
SHORT = {
    "datDot": {
        "times": {
            "era": 12,
            "seed_delay": 2,
            "decline_window": 2,
            "encoder_wait": 12,
            "begin_window": 4,
            "lease": 14,
            "mean_gap": 2,
            "proof_window": 5,
            "probe_blocks": 6,
            "reveal_from": 2,
            "settle_from": 6,
            "settle_to": 20,
            "end_notice": 5,
            "memory": 2,
            "seats": 4,
            "quorum": 2,
        }
    }
}
PATCHES: list[dict[str, Any]] = [{}, SHORT]

small = st.integers(0, 63)
who = st.integers(0, ACCOUNTS - 1)
# mostly right, else wrong in any of the ways that an action has
wrong = st.one_of(st.just(0), st.just(0), st.just(0), st.integers(0, 255))
duties = st.one_of(st.just(255), st.just(255), st.integers(0, 255))


def act(name: str, *numbers: st.SearchStrategy[int]) -> st.SearchStrategy[list[Any]]:
    return st.tuples(st.just(name), *numbers).map(list)


passing = act("live", st.integers(1, 14), duties)
quiet = act("seal", st.integers(1, 14))
peers = st.one_of(
    act("register", who, wrong),
    act("rotate", who, small, wrong),
    act("operator", who, who, wrong),
    act("operate", who, who, st.integers(0, 15)),
    act("offer", who, st.integers(0, 2), st.integers(0, 199)),
    act("withdraw", who, st.integers(0, 2)),
    act("release", who, st.integers(0, 2)),
)
plans = st.one_of(
    act("publish", st.integers(0, 7), small, wrong),
    act("donate", who, small, st.integers(0, 5)),
    act("end_plan", small, st.one_of(st.just(0), who)),
    act("claim", who, small),
    act("collect", who, small),
)
wholes = st.one_of(
    act("update_head", small, small, wrong),
    act("update_head", small, small),
    act("declare_lost", small, st.one_of(st.just(0), who)),
    act("leave", small, st.one_of(st.just(0), who)),
    act("decline_job", small, st.one_of(st.just(0), who)),
    act("pause", who),
    act("amend", small, small, st.one_of(st.just(0), who)),
    act("commit_report", who, st.integers(0, 5)),
    act("accuse", small, small, wrong),
    act("accuse", small, small),
    act("accused", small, wrong),
    act("equivocate", small, small, wrong),
    act("batch", who, st.integers(0, 40), st.integers(0, 40)),
)
copies = st.one_of(
    act("decline", small, st.one_of(st.just(0), who)),
    act("begin", small, wrong),
    act("confirm", small, wrong, st.integers(0, 17)),
    act("prove", small, wrong),
    act("commit", small, who, wrong),
    act("reveal", small, who, wrong),
    act("settle", who, small, st.integers(0, 3)),
)
money = st.one_of(
    act("transfer", who, st.integers(0, 140), st.integers(0, 51)),
    act("set_seed", st.integers(0, 9), st.one_of(st.just(0), who)),
    act("unset_seed", st.one_of(st.just(0), who)),
    act("set_parameters", st.integers(0, 39), st.one_of(st.just(0), who)),
    act("force", who, st.integers(0, 9), st.integers(0, 3)),
)
anything = st.one_of(passing, passing, passing, quiet, peers, plans, copies, copies, wholes, wholes, money)


def play(patch: dict[str, Any], opening: list[list[Any]], actions: list[list[Any]]) -> World:
    """Play on both; a sequence that differs is kept where DATDOT_DIFFERENTIAL_KEEP says."""
    world = World(Pair(ACCOUNTS, patch))
    try:
        if opening:
            world.settle_in()
        world.play([*opening, *actions, ["seal", 1]])
    except Difference as error:
        if KEEP:
            found = {"why": str(error).splitlines()[0], "accounts": ACCOUNTS, "patch": patch, "actions": world.actions}
            Path(KEEP).write_text(json.dumps({**found, "blocks": []}))
        raise
    return world


SETTINGS = {"deadline": None, "suppress_health_check": list(HealthCheck), "database": None}


DRAWN = (
    st.sampled_from(PATCHES),
    st.lists(act("publish", st.integers(0, 7), small), min_size=1, max_size=3),
    st.lists(anything, min_size=10, max_size=60),
)


def live(patch: dict[str, Any], published: list[list[Any]], actions: list[list[Any]]) -> World:
    """A whole life: all settle in, plans are published and live for a while, then anything happens."""
    return play(patch, [["set_seed", len(actions)], *published, ["live", 30, 255]], actions)


@pytest.mark.slow
@settings(max_examples=LIVES, **SETTINGS)  # type: ignore[arg-type]
@given(*DRAWN)
def test_lives(patch: dict[str, Any], published: list[list[Any]], actions: list[list[Any]]) -> None:
    seen = Counter(outcome.error or "ok" for outcome in live(patch, published, actions).outcomes)
    for name in seen:
        event(name)


@settings(max_examples=EXAMPLES, **SETTINGS)  # type: ignore[arg-type]
@given(st.sampled_from(PATCHES), st.lists(anything, max_size=25))
def test_short_sequences(patch: dict[str, Any], actions: list[list[Any]]) -> None:
    play(patch, [], actions)
