"""What a hoster gains that keeps nothing of its paid copies and hides them among its own (pallet-spec/README.md section 19)."""

from __future__ import annotations

import random
from statistics import mean

from runtime_mock.model.datdot.challenges import sample_count
from runtime_mock.model.datdot.ladder import _missed_reputation
from runtime_mock.model.datdot.limits import DROP_PART, FIRST_REPUTATION, GIB_SECTORS, PPM
from runtime_mock.model.datdot.params import DEFAULT_AMOUNTS, PRODUCTION
from runtime_mock.model.datdot.segments import passed_reputation

from .catalogue import Figures, Said, derive, limits, specified
from .lives import COLLATERAL
from .words import count, units

ERAS, LIVES = PRODUCTION.plan_eras, 200
MANY = (4_095, 1)
"""GiB of its own, and GiB that are paid for and not kept."""
FEW = (90, 10)


def diluted(own: int, paid: int, seed: int) -> float:
    """Return income less forfeits of such a hoster, in eras of a paid GiB's income, for each paid GiB."""
    chance = random.Random(seed)
    samples, challenges = sample_count((own + paid) * GIB_SECTORS), PRODUCTION.era / PRODUCTION.mean_gap
    left, reputation = paid, FIRST_REPUTATION
    now = last = gained = 0.0
    while left:
        now += chance.expovariate(challenges)
        if now > ERAS:
            break
        asked = {place for place in (chance.randrange(own + paid) for _ in range(samples)) if place < left}
        if asked:  # it declares each lost that is asked for, and is asked for nothing then
            reputation = _missed_reputation(reputation)
            left -= len(asked)
            gained -= len(asked) * COLLATERAL / DROP_PART
        else:
            gained += left * reputation / PPM * (now - last)
            reputation = passed_reputation(reputation)
        last = now
    return gained / paid


def _dilution_says(found: Figures) -> tuple[Said, ...]:
    own, few, paid = count(MANY[0]), FEW[0], FEW[1]
    gain, loss, held = found["many"], -found["few"], units(found["held"])
    return (
        *specified(
            19,
            f"With {own} GiB of these, and {held} UNIT on hold, a GiB that is paid for and not kept gains {gain:.1f} eras of its "
            f"income in {ERAS}. With {few} beside {paid} each loses {loss:.1f}.",
        ),
        *limits(f"A hoster with {own} GiB of copies", f"gains {gain:.1f} eras of its income in {ERAS}."),
    )


@derive(
    "dilution",
    "production times, default asks and collateral; none of its paid copies is kept, its own are made again when "
    "they are asked for; each that is asked for is declared lost and not replaced; 200 lives",
    _dilution_says,
)
def dilution() -> Figures:
    """What it gains to keep none of the paid copies among many and among few of one's own, in eras of a copy's income."""
    return {
        "many": mean(diluted(*MANY, seed) for seed in range(LIVES)),
        "few": mean(diluted(*FEW, seed) for seed in range(LIVES)),
        "held": DEFAULT_AMOUNTS.collateral * MANY[0],
    }
