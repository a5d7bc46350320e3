"""What absence, losses and unkept sectors cost a hoster, and what reputation costs (pallet-spec/README.md sections 9 and 19)."""

from __future__ import annotations

import statistics
from math import exp, isinf

from runtime_mock.model.datdot.limits import DROP_PART, EVICTION_PART, FIRST_REPUTATION, POT_PART, PPM, YOUNG_ERAS
from runtime_mock.model.datdot.params import DEVELOPMENT, PRODUCTION
from runtime_mock.model.datdot.segments import passed_reputation

from .catalogue import Figures, Said, derive, limits, specified
from .lives import COLLATERAL, HOUR, Habits, Life, Outage, lived
from .words import count, percent

YEAR_ERAS, SHORT_ERAS = 365, 60
LIVES, YEARS = 100, 200
SHORT: tuple[Outage, ...] = ((20, 0, 2),)
MIDDLE: tuple[Outage, ...] = (*SHORT, (3, 2, 28))
RARE, SHORTEST, LONGEST = 0.2, 28, 72
"""A long outage: how many a year, and its hours."""
OFTEN = 10
"""So many times as often a long outage is lived, that what one costs in pay is not a matter of luck."""
LONG: tuple[Outage, ...] = (*MIDDLE, (OFTEN * RARE, SHORTEST, LONGEST))
DISKS = 2.0
KEPT = ((0.0001, 1_000, 32), (0.001, 100, 30), (0.01, 1, 16), (0.01, 1_000, 32), (0.1, 1_000, 32))
GOOD = 990_000


def _mean(name: str, eras: int, habits: Habits, count: int = LIVES) -> tuple[float, float, float]:
    """Return income, forfeits and the era of the end of so many lives, on average."""
    lives = [lived(f"{name} {number}", eras, habits) for number in range(count)]

    def mean(of: str) -> float:
        return float(statistics.mean(getattr(one, of) for one in lives))

    return mean("income"), mean("forfeited"), statistics.mean(_end(one, eras) for one in lives)


def _end(life: Life, eras: int) -> float:
    return eras if isinf(life.ended) else life.ended


# ---- a year of an honest one


def evicted(hours: float) -> float:
    """Return how likely a long outage evicts: a challenge comes so early in it that `hours` pass before it ends."""
    gap, span = PRODUCTION.mean_gap / HOUR, LONGEST - hours
    assert hours == SHORTEST
    return 1 - gap / span * (1 - exp(-span / gap))


def _year_says(found: Figures) -> tuple[Said, ...]:
    share, hours, days = found["share of a year"], found["hours"], found["collateral, a longer one"]
    return (
        *specified(9, f"No outage under 2·ProofWindow + Era blocks ({hours:.0f} h) costs collateral."),
        *specified(
            19,
            f"The ladder takes half of the collateral after {hours:.0f} h of absence that was not announced; one outage of 28 to "
            f"72 h in five years is {days:.1f} days of income a year. With default prices an honest hoster's faults of a year cost "
            f"{percent(share, 1)} of its income",
        ),
        *limits(
            f"An unannounced absence of {hours:.0f} h costs a hoster half of its collateral; an honest hoster's faults of a year "
            f"cost it {percent(share, 1)} of its income, with default prices."
        ),
    )


@derive(
    "honest-year",
    "production times, default asks and collateral (50 eras of income), 100 copies, 24 samples; 20 outages a year of up to 2 h, "
    "three of 2 to 28 h, one in five years of 28 to 72 h, and two copies a year that a disk loses; 200 years, and the chance that "
    "a challenge is open for long enough",
    _year_says,
)
def honest_year() -> Figures:
    """What an honest hoster loses in a year, in days of its income."""
    whole = _mean("year", YEAR_ERAS, Habits(100, 24), LIVES // 5)[0]
    middle = _mean("year", YEAR_ERAS, Habits(100, 24, MIDDLE), YEARS)[0]
    often = _mean("year", YEAR_ERAS, Habits(100, 24, LONG), YEARS)[0]
    hours = (2 * PRODUCTION.proof_window + PRODUCTION.era) / HOUR
    found = {
        "pay, outages to 28 h": whole - middle,
        "pay, a longer one": (middle - often) / OFTEN,
        "collateral, a longer one": RARE * evicted(hours) * COLLATERAL / EVICTION_PART,
        "collateral, disks": DISKS * COLLATERAL / DROP_PART / 100,
    }
    lost = sum(found.values())
    return found | {"hours": hours, "all, in days": lost, "share of a year": lost / YEAR_ERAS}


# ---- one that does not keep all


def _row(found: Figures, part: float, copies: int, samples: int) -> str:
    name = f"{part:g} of {copies}"
    income, lost, end = (
        found[f"{name}, {what}"] for what in ("declaring: income", "declaring: forfeited", "silent: end")
    )
    return f"| {100 * part:g} % | {count(copies)}, {samples} | {income:.1f}, {lost:.1f} | {end:.1f} | {part * SHORT_ERAS:.3g} |"


def _kept_says(found: Figures) -> tuple[Said, ...]:
    cost, saved = found["cost"], found["saved"]
    return specified(
        19,
        f"Dropping 1 % of 1,000 copies and declaring each when it is asked for costs {cost:.0f} of {SHORT_ERAS} eras of income and "
        f"saves {saved:.1f}.",
        *(_row(found, *kept) for kept in KEPT),
    )


@derive(
    "dropped",
    "production times, default asks and collateral, no outage; a part of each copy is not kept, of so many equal copies; a copy "
    "that is declared lost is replaced at once; 60 eras, a hundred lives; silent: R as it is, evicted once, half of the collateral",
    _kept_says,
)
def dropped() -> Figures:
    """What it costs and saves not to keep a part of what is stored, in eras of the whole hoster's income."""
    found: dict[str, float] = {}
    whole = _mean("kept", SHORT_ERAS, Habits(1_000, 32))[0]
    for part, copies, samples in KEPT:
        name = f"{part:g} of {copies}"
        income, lost, _ = _mean(name, SHORT_ERAS, Habits(copies, samples, missing=part))
        silent, _, end = _mean(name, SHORT_ERAS, Habits(copies, samples, missing=part, declares=False))
        found |= {f"{name}, declaring: income": income, f"{name}, declaring: forfeited": lost}
        found |= {f"{name}, silent: income": silent, f"{name}, silent: end": end}
    name = "0.01 of 1000, declaring:"
    return found | {"cost": whole - found[f"{name} income"] + found[f"{name} forfeited"], "saved": 0.01 * SHORT_ERAS}


# ---- forfeits and reputation


def _forfeit_says(found: Figures) -> tuple[Said, ...]:
    return specified(
        19,
        f"The pot gets {found['percent to the pot']} % of a forfeited copy's collateral: a sponsor that owns two thirds of the "
        f"slots earns {found['eras to the pot']} eras of the copy's price",
        f"Development's era of {DEVELOPMENT.era} blocks makes the {YOUNG_ERAS} eras in which a leaving copy forfeits "
        f"{found['minutes young on the development chain']} minutes.",
    )


@derive("forfeits", "default asks and collateral; blocks of 500 ms on the development chain", _forfeit_says)
def forfeits() -> Figures:
    """What a copy's collateral is in eras of its price, and what of it goes where."""
    return {
        "collateral": round(COLLATERAL),
        "lost": round(COLLATERAL / DROP_PART),
        "evicted": round(COLLATERAL / EVICTION_PART),
        "percent to the pot": 100 // POT_PART,
        "eras to the pot": round(COLLATERAL / POT_PART),
        "minutes young on the development chain": YOUNG_ERAS * DEVELOPMENT.era // 120,
    }


def _reputation_says(found: Figures) -> tuple[Said, ...]:
    return specified(
        19, f"brings R to 0.99 in {found['passes']} passes ({found['eras']} eras). It at most doubles a weight."
    )


@derive("reputation", "every challenge is passed, MeanGap blocks apart", _reputation_says)
def reputation() -> Figures:
    """How many passes bring R from that at registration to 0.99."""
    value, passes = FIRST_REPUTATION, 0
    while value < GOOD:
        value, passes = passed_reputation(value), passes + 1
    assert PPM <= 2 * FIRST_REPUTATION
    return {"passes": passes, "eras": -(-passes * PRODUCTION.mean_gap // PRODUCTION.era)}
