"""The end of a copy that a call decided: it is armed here, and acts when the draw tables have followed."""

from __future__ import annotations

from ..storage import State
from .block import deposit, now
from .events import CopyLeaving
from .items import Copies
from .limits import MAX_REPLICAS
from .params import times
from .queue import arm
from .records import Copy, CopyEnd, Plan
from .types import Wait


def arm_drop(s: State, copy_id: int, copy: Copy, reason: CopyEnd) -> None:
    """Arm a copy's end, unless its end is under way."""
    if not copy.dropping:
        copy.dropping = True
        arm(s, Wait.DROP, times(s).seed_delay, copy_id, reason)


# Bits of a drop's tag that say why; behind them is the invalid segment, if that is why.
REASON_BITS = 8


def arm_invalid(s: State, copy_id: int, copy: Copy, segment_id: int) -> None:
    """Arm the end of a copy with an invalid segment, whatever else is under way for it and even if it has ended.

    Its hoster and the segment's encoder are put out then.
    """
    copy.dropping = True
    arm(s, Wait.DROP, times(s).seed_delay, copy_id, segment_id << REASON_BITS | CopyEnd.INVALID)


def mark_leaving(copy: Copy, plan: Plan, by: int) -> None:
    """Note that a copy is to go, by the chain or the sponsor (1) or by its hoster's wish (2)."""
    plan.leaving += copy.leaving == 0
    copy.leaving = by


def let_go(s: State, copy_id: int, copy: Copy, plan: Plan) -> None:
    """Let a copy go as soon as it is replaced.

    The first of a plan that has no room for another beside it goes when its notice is over: it makes the room.
    """
    if len(plan.live) >= MAX_REPLICAS and not plan.leaving:
        give_notice(s, copy_id, copy, plan, 1)
    else:
        mark_leaving(copy, plan, 1)
        deposit(s, CopyLeaving(copy_id, 0))


def give_notice(s: State, copy_id: int, copy: Copy, plan: Plan, by: int) -> None:
    """Let a copy go when its notice is over at the latest."""
    mark_leaving(copy, plan, by)
    notice = times(s).end_notice
    arm(s, Wait.LEAVE, notice, copy_id)
    deposit(s, CopyLeaving(copy_id, now(s) + notice))


def replace_leaving(s: State, copy_id: int, plan: Plan) -> None:
    """End the first leaving copy of a plan of which copy `copy_id` became active."""
    for live in plan.live:
        copy = Copies.at(s, live)
        if live != copy_id and copy.leaving and not copy.dropping:
            arm_drop(s, live, copy, CopyEnd.REPLACED)
            Copies.put(s, live, copy)
            return
