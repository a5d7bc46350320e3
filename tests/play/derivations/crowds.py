"""What crowds of peers and plans do to others: the model runs for it, from fixed seeds."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import replace

from runtime_mock.model.datdot import amend, events, items, offers
from runtime_mock.model.datdot.limits import GIB, UNIT
from runtime_mock.model.datdot.params import DEFAULT_AMOUNTS
from runtime_mock.model.datdot.records import Terms
from tests.support.differential.small_feeds import Feed
from tests.support.model_world import ModelWorld

from .catalogue import Figures, Said, derive, specified
from .words import count, percent, units

RUNS = 6
PLANS = 12
WHALES = (8, 32)
WHALE = 1_024 * GIB
DEAR = 10**24
GIVEN_UP = 4_000
SLEEPERS = (400, 1_600)
WATCHED = 900
"""Blocks for which a new plan is waited for."""
LONG_ERA = {"proof_window": 20, "era": 480, "probe_blocks": 300, "encoder_wait": 240}
"""The development chain with an era that has room for many ticks."""
BIG = 1 << 30
OFFERED = 2 * GIB
ERAS = 10


def _terms(world: ModelWorld, cap: int, replicas: int = 1) -> Terms:
    return Terms(replicas, cap, cap, cap, 10**9, world.chain.number + 900 * world.chain.times.era)


def _publish(world: ModelWorld, name: str, sizes: list[int], pot: int, terms: Terms) -> None:
    error = world.publish(world.sponsor, Feed(name, "v1", sizes), pot, terms)
    assert error is None, error


def _until(world: ModelWorld, done: Callable[[], bool], most: int) -> int:
    """Return after how many blocks something is so, or `most`."""
    first = world.chain.number
    while not done() and world.chain.number < first + most:
        world.step(check=False)
    return world.chain.number - first


def _seen(world: ModelWorld, kind: type) -> int:
    """Return how many events of a kind there were."""
    return sum(isinstance(event, kind) for _, event in world.chain.events)


def _rest(world: ModelWorld, blocks: int) -> None:
    for _ in range(blocks):
        world.step(check=False)


# ---- hosters that fit nobody


def waited_among_whales(whales: int, run: int) -> int:
    """Return after how many blocks twelve plans have their hosters, of eight honest ones beside so many that fit nobody."""
    world = ModelWorld(8 + whales, 4, 0, f"whales {run}", 16 * GIB)
    _rest(world, 1)
    for one in world.hosters[8:]:
        world.must(offers.offer_hosting, one.id, WHALE, DEAR, 0, b"")
    _rest(world, 6)
    for number in range(PLANS):
        _publish(world, f"plan {number} of {run}", [5_000], 20 * UNIT, _terms(world, 3 * UNIT))

    def placed() -> bool:
        found = {event.plan for _, event in world.chain.events if isinstance(event, events.CopyOffered)}
        return len(found) == PLANS

    return _until(world, placed, GIVEN_UP)


def _whales_says(found: Figures) -> tuple[Said, ...]:
    eight, many = found["with 8"], found["with 32"]
    held = 32 * WHALE // GIB * DEFAULT_AMOUNTS.collateral
    return specified(
        19,
        f"32 accounts of 1 TiB with asks that fit nobody ({units(held)} UNIT on hold, returned after 3 eras) make 12 plans",
        f"take {count(min(many))} to {count(max(many))} blocks ({min(many) / 24:.0f} to {max(many) / 24:.0f} eras; six runs)",
        f"instead of {found['alone']}; 8 accounts {count(min(eight))} to {count(max(eight))}.",
    )


@derive(
    "whales",
    "the development chain; eight honest hosters of 16 GiB, twelve plans of one copy of 5 kB in one block; accounts of 1 TiB "
    "that ask more than any cap",
    _whales_says,
    played=True,
)
def whales() -> Figures:
    """Blocks until twelve plans have hosters, beside 0, 8 and 32 accounts that fit nobody, in six runs."""
    found = {f"with {many}": [waited_among_whales(many, run) for run in range(RUNS)] for many in WHALES}
    return {"alone": waited_among_whales(0, 0), **found}


# ---- plans that fit nobody


def _crowded(sleepers: int, encoders: int) -> ModelWorld:
    world = ModelWorld(8, encoders, 0, f"sleepers {sleepers}", 8 * GIB, LONG_ERA)
    _rest(world, 1)
    return world


def _lull(world: ModelWorld, sleepers: int) -> None:
    """Publish plans that nobody can serve."""
    for number in range(sleepers):
        _publish(world, f"sleeper {number}", [1 << 20], UNIT // 2, _terms(world, 0))


def new_plan_after(sleepers: int) -> int:
    """Return after how many blocks a new plan has hoster and encoder, among sleepers that are an era old."""
    world = _crowded(sleepers, 4)
    _lull(world, sleepers)
    _rest(world, LONG_ERA["era"] + sleepers // 8)
    _publish(world, "good", [5_000], 20 * UNIT, _terms(world, 3 * UNIT))
    return _until(world, lambda: _seen(world, events.EncoderDrawn) > 0, WATCHED)


def new_copy_after(sleepers: int) -> int:
    """Return after how many blocks a running plan that wants one copy more has it."""
    world = _crowded(sleepers, 6)
    terms = _terms(world, 3 * UNIT)
    _publish(world, "good", [5_000], 20 * UNIT, terms)
    _until(world, lambda: _seen(world, events.CopyActive) == 1, WATCHED)
    _lull(world, sleepers)
    _rest(world, 8)
    world.must(amend.amend_plan, world.sponsor.id, 0, replace(terms, replicas=2))
    return _until(world, lambda: _seen(world, events.CopyActive) == 2, WATCHED)


def _sleepers_says(found: Figures) -> tuple[Said, ...]:
    alone, some, many = (found[f"new plan among {count}"] for count in (0, *SLEEPERS))
    assert many == WATCHED
    spent = SLEEPERS[0] * DEFAULT_AMOUNTS.publish_fee
    beside, without = found[f"new copy among {SLEEPERS[1]}"], found["new copy among 0"]
    assert beside == without
    return specified(
        19,
        f"with eras of {LONG_ERA['era']} blocks 400 plans with caps of 0 ({units(spent)} UNIT) "
        f"delay a new plan from {alone} to {some} blocks, 1,600 keep it out "
        f"for over {WATCHED}.",
        f"A running plan's new copy comes in {beside} blocks, as without them.",
    )


@derive(
    "sleepers",
    "the development chain with eras of 480 blocks; eight hosters; plans with caps of 0, an era old when another plan comes",
    _sleepers_says,
    played=True,
)
def sleepers() -> Figures:
    """Blocks that a new plan waits, and a running plan's new copy, among plans that nobody can serve."""
    waits = {f"new plan among {many}": new_plan_after(many) for many in (0, *SLEEPERS)}
    return waits | {f"new copy among {many}": new_copy_after(many) for many in (0, SLEEPERS[1])}


# ---- capacity held by a plan that nobody encodes


def _held_says(found: Figures) -> tuple[Said, ...]:
    share, burned = found["share"], found["burned"]
    return specified(
        19,
        f"A plan with an encoding cap of 0 holds {percent(share)} of a small network's capacity, for {units(burned, 2)} "
        f"UNIT in {ERAS} eras.",
    )


@derive(
    "held-capacity",
    "the development chain; eight hosters of 2 GiB; a plan of eight copies of 1 GiB whose cap on encoding is 0",
    _held_says,
    played=True,
)
def held_capacity() -> Figures:
    """The mean share of the network's capacity that such a plan holds in ten eras, and what its pot burns."""
    world = ModelWorld(8, 4, 0, "held", OFFERED, {"proof_window": 20})
    _rest(world, 1)
    terms = replace(_terms(world, 2 * UNIT, replicas=8), max_ask_encoding=0)
    _publish(world, "big", [BIG], 80 * UNIT, terms)
    held = []
    for _ in range(ERAS * world.chain.times.era):
        world.step(check=False)
        held.append(sum(items.Hosters.at(world.chain.state, one.id).used for one in world.hosters))
    share = statistics.mean(held) / (len(world.hosters) * OFFERED)
    return {"share": round(share, 4), "burned": items.Plans.at(world.chain.state, 0).burned}
