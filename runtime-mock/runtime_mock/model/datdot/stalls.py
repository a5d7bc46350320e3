"""Encoders that are not found or do not finish, and what their plan pays for it."""

from __future__ import annotations

from ..storage import State
from .block import deposit
from .copies import end_copy
from .events import PlanWaits, Stalled
from .growth import leave_growth
from .items import Plans
from .jobs import end_job, forget_current, put_encoder_out, put_hoster_out, want_encoder
from .limits import DOUBLINGS
from .money import burn_held, copy_and_plan, pot_free, put_copy_and_plan
from .params import amounts
from .ratio import burn_unpaid
from .records import Copy, CopyEnd, CopyState, Plan
from .types import Role


def no_encoder(s: State, copy_id: int, generation: int) -> None:
    """End the wait for an encoder: none was drawn in time."""
    found = copy_and_plan(s, copy_id)
    if found is None:
        return
    copy, plan = found
    if copy.state != CopyState.ACCEPTED or copy.generation != generation:
        return
    if copy.active_since is not None:
        leave_growth(s, copy_id, replace=False)
        return
    _burn_part(s, copy.plan, plan)
    plan.waiting = True
    Plans.put(s, copy.plan, plan)
    deposit(s, PlanWaits(copy.plan))
    end_copy(s, copy_id, CopyEnd.NO_ENCODER)


def lease_passed(s: State, copy_id: int, segment: int) -> None:
    """Punish a segment that was not confirmed in time: all three parties pay, and the encoder is out.

    A copy that stores something gets another encoder once. Else the hoster is out as well, and the copy or its growth
    ends.
    """
    found = copy_and_plan(s, copy_id)
    if found is None:
        return
    copy, plan = found
    if copy.state not in (CopyState.BEGUN, CopyState.ENCODING) or copy.current != segment or copy.encoder is None:
        return
    hoster, encoder, fine = copy.hoster, copy.encoder, amounts(s).stall_fine
    collateral = burn_held(s, hoster, Role.HOSTING, fine)
    bond = burn_held(s, encoder, Role.ENCODING, fine)
    pot = _burn_part(s, copy.plan, plan)
    Plans.put(s, copy.plan, plan)
    put_encoder_out(s, encoder)
    deposit(s, Stalled(copy_id, hoster, encoder, collateral, bond, pot))
    if copy.stored and not copy.stalls:
        _try_again(s, copy_id, copy, plan)
        return
    put_hoster_out(s, hoster)
    if copy.active_since is not None:
        leave_growth(s, copy_id, replace=True)
    else:
        end_copy(s, copy_id, CopyEnd.STALLED)


def _burn_part(s: State, plan_id: int, plan: Plan) -> int:
    """Burn the pot's part of a stall, doubled by each since a confirmed segment. Return what was burned."""
    due = amounts(s).stall_fine << min(plan.stalls, DOUBLINGS)
    burned = burn_unpaid(s, plan_id, plan, min(due, pot_free(s, plan_id, plan)))
    plan.stalls = min(plan.stalls + 1, 255)
    return burned


def _try_again(s: State, copy_id: int, copy: Copy, plan: Plan) -> None:
    """Draw another encoder for a copy that stalled for the first time."""
    forget_current(s, copy)
    end_job(s, copy)
    copy.stalls = 1
    copy.state = CopyState.ACCEPTED
    want_encoder(s, copy_id, copy, plan)
    put_copy_and_plan(s, copy_id, copy, plan)
