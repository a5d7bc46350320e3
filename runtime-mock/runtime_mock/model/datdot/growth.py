"""Growth: a whole copy follows the longer feed of its live plan, or stays as long as it was."""

from __future__ import annotations

from ..storage import State
from .block import deposit, less, now
from .drops import let_go
from .events import GrowthBegun, GrowthLeft
from .items import Copies, Hosters, Plans
from .jobs import end_job, forget_current, want_encoder
from .limits import GROWTH_SEGMENTS, SECTOR
from .money import can_pay, copy_and_plan, era_cost, paid_until, put_copy_and_plan, reserve_for, set_reserve
from .params import amounts
from .queue import need_hoster
from .ratio import burn_unpaid
from .records import Copy, CopyState, Plan
from .tables import add_used, drop_used
from .types import Hoster


def grow(s: State, plan_id: int) -> None:
    """Let each copy that is shorter than its plan begin a segment, if its hoster can and the pot pays. At a tick."""
    plan = Plans.at(s, plan_id)
    if plan.ending:
        return
    for copy_id in plan.live:
        copy, plan = Copies.at(s, copy_id), Plans.at(s, plan_id)
        hoster = Hosters.at(s, copy.hoster)
        shorter = copy.state == CopyState.ACTIVE and not copy.leaving and copy.bytes < plan.bytes
        if not shorter or hoster.step:
            continue
        more = -(-(plan.bytes - copy.bytes) // SECTOR)
        if _can_grow(copy, hoster, more):
            _begin(s, copy_id, copy, plan, more)
        else:
            let_go(s, copy_id, copy, plan)
            put_copy_and_plan(s, copy_id, copy, plan)
            need_hoster(s, plan_id)


def _can_grow(copy: Copy, hoster: Hoster, more: int) -> bool:
    """Return whether a copy's hoster takes `more` sectors at the copy's price."""
    dearer = hoster.ask_disk > copy.ask_disk or hoster.ask_receiving > copy.ask_receiving
    room = less(hoster.capacity, hoster.used) >= more * SECTOR
    return hoster.open and not dearer and room and len(copy.segments) < GROWTH_SEGMENTS


def _begin(s: State, copy_id: int, copy: Copy, plan: Plan, more: int) -> None:
    """Lengthen a copy to its plan's length, if the pot pays the raised reserve."""
    copy.bytes, copy.sectors = plan.bytes, copy.stored + more
    want = reserve_for(s, copy, plan, less(plan.next_tick, paid_until(s, copy, now(s))))
    # A growth that nobody makes would fill a lane at each tick for nothing.
    fee = amounts(s).retry_fee
    # Else its growth could end the plan at the next tick.
    era = era_cost(s, [copy if one == copy_id else Copies.at(s, one) for one in plan.live])
    if not can_pay(s, copy.plan, plan, less(plan.reserved, copy.reserve) + want, fee + era):
        return
    set_reserve(copy, plan, want)
    burn_unpaid(s, copy.plan, plan, fee)
    copy.head = plan.head
    hoster = Hosters.at(s, copy.hoster)
    hoster.used += more * SECTOR
    Hosters.put(s, copy.hoster, hoster)
    add_used(s, copy.hoster, more * SECTOR)
    copy.state = CopyState.ACCEPTED
    want_encoder(s, copy_id, copy, plan)
    put_copy_and_plan(s, copy_id, copy, plan)
    deposit(s, GrowthBegun(copy_id, copy.bytes, more))


def leave_growth(s: State, copy_id: int, replace: bool) -> None:
    """Give a copy's growth up, in `on_initialize`: it stays as long as it was. It goes when replaced, if `replace`."""
    found = copy_and_plan(s, copy_id)
    if found is None:
        return
    copy, plan = found
    forget_current(s, copy)
    end_job(s, copy)
    back = (copy.sectors - copy.stored) * SECTOR
    copy.bytes, copy.sectors = copy.stored_bytes, copy.stored
    copy.state, copy.stalls = CopyState.ACTIVE, 0
    hoster = Hosters.at(s, copy.hoster)
    hoster.used = less(hoster.used, back)
    Hosters.put(s, copy.hoster, hoster)
    drop_used(s, copy.hoster, back)
    deposit(s, GrowthLeft(copy_id))
    if replace and not copy.leaving:
        let_go(s, copy_id, copy, plan)
    put_copy_and_plan(s, copy_id, copy, plan)
    if replace:
        need_hoster(s, copy.plan)
