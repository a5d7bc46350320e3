"""How far verdicts hold when attesters are silent, lie or are few (pallet-spec/README.md sections 10 and 19)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import comb

from runtime_mock.model.datdot.limits import EMPTY_HANDED, FAILS, SPENT_PART, VERDICTS
from runtime_mock.model.datdot.params import DEFAULT_AMOUNTS, PRODUCTION
from runtime_mock.model.datdot.records import Report, Verdict
from runtime_mock.model.datdot.retrieval import Outcome

from .catalogue import Figures, Said, derive, limits, specified
from .words import percent, power, units

SEATS, QUORUM = PRODUCTION.seats, PRODUCTION.quorum
AVAILABLE = 0.9
SILENT, HONEST = 40, 15
LIARS = 0.3
TWELVE = 12


def binomial(n: int, k: int, p: float) -> float:
    """Return how likely k of n independent trials succeed."""
    return comb(n, k) * p**k * (1 - p) ** (n - k)


def drawn(marked: int, others: int, seats: int, k: int) -> float:
    """Return how likely a committee drawn without repeats has k of the marked."""
    return comb(marked, k) * comb(others, seats - k) / comb(marked + others, seats)


def verdict(served: int, failed: int) -> Verdict:
    """Return the chain's verdict of so many reports."""
    reports = [Report(1, 50, 900)] * served + [Report(0, 0, 0)] * failed
    return Outcome.of(reports, QUORUM).verdict


def failing(count: int, likely: Callable[[int], float]) -> float:
    """Return how likely a full committee of `count` fails, by the chance of k liars in it."""
    return sum(likely(k) for k in range(count + 1) if verdict(count - k, k) is Verdict.FAILED)


def ending(failed: float) -> float:
    """Return how likely eight verdicts have enough failed ones to end the copy."""
    return sum(binomial(VERDICTS, k, failed) for k in range(FAILS, VERDICTS + 1))


# ---- few


def reached(attesters: int) -> float:
    """Return how likely a quorum reports, of so many attesters with a slot each."""
    seats = min(SEATS, attesters)
    return sum(binomial(seats, k, AVAILABLE) for k in range(QUORUM, seats + 1))


def _quorum_says(found: Figures) -> tuple[Said, ...]:
    five, seven, nine = (percent(found[f"{many} attesters"], digits) for many, digits in ((5, 0), (7, 0), (9, 1)))
    return (
        *specified(
            19,
            f"the quorum of {QUORUM} needs as many attesters that are no party. Of 5 that are each there nine times of ten it "
            f"comes together {five} of the time, of 7 {seven}, of 9 and more {nine}.",
        ),
        *limits(f"a quorum of {QUORUM} of attesters that are each there nine times of ten wants 7 ({seven})"),
    )


@derive(
    "quorum",
    "each attester has one slot, is no party of the copy, and reports with probability 0.9; 128 draws find all of so few",
    _quorum_says,
)
def quorum() -> Figures:
    """How likely a copy's committee has a quorum, where there are few attesters."""
    return {f"{many} attesters": reached(many) for many in (5, 7, 9)}


# ---- silent


def eras_silent(bond: int) -> tuple[int, int]:
    """Return for how many eras a slot that is always silent stays, and what it has lost then."""
    left, eras = bond, 0
    while left >= bond // SPENT_PART:
        left, eras = left - EMPTY_HANDED * (bond // 100), eras + 1
    return eras, bond - left


def _silent_says(found: Figures) -> tuple[Said, ...]:
    share, cost = found["committees with a quorum"], found["an era"]
    return (
        *specified(
            19,
            f"A silent slot costs {found['percent of a bond']} % of its bond an era until it is taken back at half of it: "
            f"{SILENT} of them beside {HONEST} honest ones, which leave {percent(share)} of the committees a quorum, cost "
            f"{units(cost)} UNIT an era.",
        ),
        *limits(
            f"{SILENT} silent slots of attesters beside {HONEST} honest ones leave {percent(share)} of the committees a quorum, "
            f"for {units(cost)} UNIT an era."
        ),
    )


@derive(
    "silent-slots",
    "40 silent slots of as many accounts beside 15 honest ones of as many, of which each reports; each slot has five seats or "
    "more in an era; one that is taken back is taken anew at once",
    _silent_says,
)
def silent_slots() -> Figures:
    """How many committees reach their quorum beside silent slots, and what these cost."""
    eras, lost = eras_silent(DEFAULT_AMOUNTS.attester_bond)
    share = sum(drawn(HONEST, SILENT, SEATS, k) for k in range(QUORUM, SEATS + 1))
    return {
        "percent of a bond": EMPTY_HANDED,
        "eras": eras,
        "committees with a quorum": share,
        "an era": SILENT * (lost + DEFAULT_AMOUNTS.slot_fee) // eras,
    }


# ---- lying


def _liars_says(found: Figures) -> tuple[Said, ...]:
    failed, ended = found["failed"], found["ended"]
    half, seven = found["6 of 12 ended"], found["7 of 12 ended"]
    return specified(
        19,
        f"With 30 % of many attesters lying {percent(failed, 1)} of an honest hoster's verdicts are Failed, and "
        f"{power(ended)} of its windows of eight end the copy.",
        f"Of twelve attesters six that never fetch end a copy in {percent(half, 1)} of its windows, seven in {percent(seven)}.",
    )


@derive(
    "liars",
    "all nine seats report; 30 % of very many attesters say 'not served' of an honest hoster, or of twelve so many; the eight "
    "committees of a window are independent",
    _liars_says,
)
def liars() -> Figures:
    """How likely an honest hoster's verdict is Failed, and how likely eight verdicts end its copy."""
    failed = failing(SEATS, lambda k: binomial(SEATS, k, LIARS))
    found = {"failed": failed, "ended": ending(failed)}
    for lazy in (6, 7, 8):
        of_twelve = failing(SEATS, partial(drawn, lazy, TWELVE - lazy, SEATS))
        found |= {f"{lazy} of 12 failed": of_twelve, f"{lazy} of 12 ended": ending(of_twelve)}
    return found
