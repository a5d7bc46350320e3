"""The ratio of what accounts give and take, the surcharge on a pot's payments, and a plan's remainder.

See pallet-spec/README.md section 11.
"""

from __future__ import annotations

from ..storage import State
from .block import deposit, less
from .events import PlanClaimable, Surcharged
from .items import Peers, Plans, Ratios
from .limits import ALLOWANCE, MARGIN, MIN_RATIO, PPM
from .money import burn_pot, count_taken, dearest, mul_div, mul_div_ceil, pot_value
from .records import Plan, PlanState


def ratio_of(s: State, account: bytes) -> int:
    """Return an account's ratio in ppm, at most 1; of one that is no peer the least."""
    if not Peers.contains(s, account):
        return MIN_RATIO
    ratio = Ratios.get(s, account)
    return min(max(mul_div(ratio.given + ALLOWANCE, PPM, by=ratio.taken + ALLOWANCE), MIN_RATIO), PPM)


def cost(s: State, sponsor: bytes, ask: int) -> int:
    """Return what a sponsor's pot loses for an ask, surcharge included."""
    return mul_div_ceil(ask, MARGIN, by=ratio_of(s, sponsor))


def surcharge(s: State, plan_id: int, plan: Plan) -> None:
    """Burn what is due on top of what the pot paid since the last time, and count what its sponsor took.

    The ratio is that after what was paid: else who takes much at once would pay as if it took little.
    """
    base = less(plan.burned, plan.mark)
    if base == 0:
        return
    count_taken(s, plan.sponsor, base)
    due = less(cost(s, plan.sponsor, base), base)
    amount = burn_pot(s, plan_id, plan, min(due, less(pot_value(s, plan_id), dearest(plan.reserved))))
    plan.mark = plan.burned
    count_taken(s, plan.sponsor, amount)
    deposit(s, Surcharged(plan_id, base, amount))


def burn_unpaid(s: State, plan_id: int, plan: Plan, amount: int) -> int:
    """Burn from a pot what is no payment and has no surcharge. Return what was burned."""
    burned = burn_pot(s, plan_id, plan, amount)
    plan.mark += burned
    return burned


def fix_remainder(s: State, plan_id: int) -> None:
    """Fix the donors' remainder, once the plan has ended and its last copy's records are removed."""
    plan = Plans.get(s, plan_id)
    if plan is None or plan.state != PlanState.ENDED or plan.records or plan.remainder is not None:
        return
    surcharge(s, plan_id, plan)
    plan.remainder = pot_value(s, plan_id)
    Plans.put(s, plan_id, plan)
    deposit(s, PlanClaimable(plan_id, plan.remainder))
