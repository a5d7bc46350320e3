"""The FIFOs: needs of placement, and deadlines by kind."""

from __future__ import annotations

from ..storage import State
from .block import now
from .items import DeadlineQueues, Deadlines, NeedQueue, Needs, Plans
from .limits import LANES, MAX_REPLICAS
from .params import times
from .records import Plan, PlanState
from .types import Deadline, Fifo, Need, NeedKind, Wait

# The chain's own acts.
_OWN = frozenset(
    [
        Wait.ENCODER_DRAW,
        Wait.SALT,
        Wait.HALF,
        Wait.TICK,
        Wait.END_PLAN,
        Wait.RECORDS,
        Wait.DROP,
        Wait.LEAVE,
        Wait.SWEEP,
        Wait.REPORT,
    ]
)
# The lanes of needs: of plans that have something confirmed, and of the others.
CONFIRMED, NEW = range(LANES)


def arm(s: State, wait: Wait, blocks: int, id_: int, tag: int = 0) -> None:
    """Arm a wait of `blocks`.

    The chain's own acts happen in the block in which they are over, others in the next one.
    """
    arm_at(s, wait, now(s) + blocks + (wait not in _OWN), id_, tag)


def arm_at(s: State, wait: Wait, due: int, id_: int, tag: int = 0) -> None:
    """Arm a wait that acts in block `due`."""
    fifo = DeadlineQueues.get(s, wait)
    Deadlines.put(s, wait, fifo.tail, Deadline(due, id_, tag))
    DeadlineQueues.put(s, wait, Fifo(fifo.head, fifo.tail + 1))


def arm_first(s: State, wait: Wait, id_: int) -> None:
    """Arm a wait that acts at once, before all others of its kind. One of them was just taken."""
    fifo = DeadlineQueues.get(s, wait)
    Deadlines.put(s, wait, fifo.head - 1, Deadline(now(s), id_, 0))
    DeadlineQueues.put(s, wait, Fifo(fifo.head - 1, fifo.tail))


def next_due(s: State, wait: Wait) -> Deadline | None:
    """Take the head of a kind if it is due."""
    fifo = DeadlineQueues.get(s, wait)
    deadline = Deadlines.get(s, wait, fifo.head)
    if deadline is None or deadline.due > now(s):
        return None
    Deadlines.remove(s, wait, fifo.head)
    DeadlineQueues.put(s, wait, Fifo(fifo.head + 1, fifo.tail))
    return deadline


def lane_of(plan: Plan) -> int:
    """Return the lane in which a plan's needs are queued."""
    return CONFIRMED if plan.confirmed else NEW


def push_need(s: State, lane: int, need: Need) -> None:
    """Put a need at the tail of a lane."""
    fifo = NeedQueue.get(s, lane)
    Needs.put(s, lane, fifo.tail, need)
    NeedQueue.put(s, lane, Fifo(fifo.head, fifo.tail + 1))


def first_need(s: State, lane: int) -> Need | None:
    """Return the need at the head of a lane."""
    return Needs.get(s, lane, NeedQueue.get(s, lane).head)


def keep_need(s: State, lane: int, need: Need) -> None:
    """Write the need at the head again."""
    Needs.put(s, lane, NeedQueue.get(s, lane).head, need)


def pop_need(s: State, lane: int) -> None:
    """Drop the need at the head of a lane."""
    fifo = NeedQueue.get(s, lane)
    Needs.remove(s, lane, fifo.head)
    NeedQueue.put(s, lane, Fifo(fifo.head + 1, fifo.tail))


def wants_hoster(plan: Plan) -> bool:
    """Return whether a plan wants one copy more. Until something is confirmed it has one at a time."""
    most = plan.terms.replicas if plan.confirmed else 1
    staying, room = len(plan.live) - plan.leaving, len(plan.live) < MAX_REPLICAS
    return plan.state == PlanState.LIVE and not plan.waiting and staying < most and room


def need_hoster(s: State, plan_id: int) -> None:
    """Queue a plan's need of a hoster, unless it wants none or it is queued already."""
    plan = Plans.get(s, plan_id)
    if plan is None or plan.queued or not wants_hoster(plan):
        return
    plan.queued = True
    Plans.put(s, plan_id, plan)
    push_need(s, lane_of(plan), Need(NeedKind.HOSTER, plan_id, now(s) + times(s).seed_delay))
