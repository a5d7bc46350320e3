"""A hoster's life at production times by the ladder alone: outages, lost disks, sectors that it never kept.

Money is in eras of what the whole hoster earns at R = 1.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf

from runtime_mock.model.datdot.ladder import _missed_reputation
from runtime_mock.model.datdot.limits import DROP_PART, EVICTION_PART, KEEP_ERAS, PPM
from runtime_mock.model.datdot.params import DEFAULT_AMOUNTS, PRODUCTION
from runtime_mock.model.datdot.segments import passed_reputation
from service.roles.common.terms import RolesConfig

BLOCK_SECONDS = 6
HOUR = 3_600 // BLOCK_SECONDS
ERA, WINDOW = PRODUCTION.era, PRODUCTION.proof_window
YEAR = 365 * ERA
COLLATERAL = DEFAULT_AMOUNTS.collateral / RolesConfig().hosting.ask_disk
"""Of a hoster, at the default asks: 50 eras of its income."""
TRUSTED = 990_000
"""The reputation with which a life begins."""
ANSWER = 10
"""Blocks until an answer is on the chain."""

Outage = tuple[float, float, float]
"""How many a year, and how long at least and at most, in hours."""


@dataclass(frozen=True, slots=True)
class Habits:
    """What befalls a hoster, and what it does."""

    copies: int
    samples: int
    outages: Sequence[Outage] = ()
    missing: float = 0.0
    """The part of each copy that it has not got."""
    declares: bool = True
    """Whether it says that a copy is lost when it is asked for what it has not got; else it is silent."""
    disks: float = 0.0
    """Times a year at which one of its copies is lost, which it finds out itself."""


@dataclass(slots=True)
class Life:
    """What came of it."""

    income: float = 0.0
    forfeited: float = 0.0
    ended: float = inf
    """The era in which it was evicted for good."""
    reputation: int = TRUSTED
    _last: float = field(default=0.0, repr=False)


def _moments(source: random.Random, per_year: float, end: float) -> list[float]:
    """Return random moments before `end`, so many a year."""
    found, at = [], source.expovariate(per_year / YEAR) if per_year else inf
    while at < end:
        found.append(at)
        at += source.expovariate(per_year / YEAR)
    return found


def _outages(seed: str, habits: Habits, end: float) -> deque[tuple[float, float]]:
    found = []
    for per_year, shortest, longest in habits.outages:
        source = random.Random(f"{seed} outages of {longest} h")
        for start in _moments(source, per_year, end):
            found.append((start, start + source.uniform(shortest, longest) * HOUR))
    return deque(sorted(found))


def _up(outages: deque[tuple[float, float]], at: float) -> float:
    """Return the first block from `at` on in which it is up. Outages before `at` are forgotten."""
    while outages and outages[0][1] <= at:
        outages.popleft()
    for start, end in outages:
        if start > at:
            break
        if at < end:
            at = end
    return at


def _hits(source: random.Random, habits: Habits) -> int:
    """Return how many copies a challenge shows to be incomplete."""
    if not habits.missing:
        return 0
    return len({source.randrange(habits.copies) for _ in range(habits.samples) if source.random() < habits.missing})


def lived(seed: str, eras: int, habits: Habits) -> Life:
    """Live so many eras. Challenges come MeanGap blocks apart on average, one at a time."""
    source, life, end = random.Random(seed), Life(), eras * ERA
    # streams of their own, so that one habit more leaves all others as they are
    outages = _outages(seed, habits, end)
    disks = _moments(random.Random(f"{seed} disks"), habits.disks, end)
    # a copy that its hoster finds lost before it is asked for costs its forfeit, and no miss
    life.forfeited += len(disks) * COLLATERAL / DROP_PART / habits.copies
    now = 0.0
    while now < end:
        issued = now + source.expovariate(1 / PRODUCTION.mean_gap)
        hits = _hits(source, habits)
        answered = inf if hits and not habits.declares else _up(outages, issued + ANSWER)
        if hits and habits.declares:
            life.forfeited += hits * COLLATERAL / DROP_PART / habits.copies
        if not hits and answered <= issued + WINDOW:
            life.income += life.reputation / PPM * (issued - life._last) / ERA
            life._last, life.reputation, now = issued, passed_reputation(life.reputation), answered
        else:
            now = _missed(life, issued, answered)
            if now == inf:
                return life
    return life


def _missed(life: Life, issued: float, answered: float) -> float:
    """Take what a miss costs. Return when it is challenged again: never, if it is evicted and does not come back."""
    life.reputation, life._last = _missed_reputation(life.reputation), issued
    if answered > issued + 2 * WINDOW:
        life.reputation = _missed_reputation(life.reputation)
    if answered > issued + 2 * WINDOW + ERA:
        life.forfeited += COLLATERAL / EVICTION_PART
        life.ended = (issued + 2 * WINDOW + ERA) / ERA
        # with new copies, once its records are gone
        answered += KEEP_ERAS * ERA
    life._last = answered
    return answered
