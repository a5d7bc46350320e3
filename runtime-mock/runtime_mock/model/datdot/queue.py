"""The FIFOs: needs of placement, and deadlines by kind."""

from __future__ import annotations

from ..storage import State
from .block import now
from .items import DeadlineQueues, Deadlines, NeedQueue, Needs, Plans
from .params import times
from .records import PlanState
from .types import Deadline, Fifo, Need, NeedKind, Wait

# The chain's own acts.
_OWN = frozenset([Wait.ENCODER_DRAW, Wait.SALT, Wait.HALF, Wait.TICK, Wait.END_PLAN, Wait.RECORDS])


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


def next_due(s: State, wait: Wait) -> Deadline | None:
    """Take the head of a kind if it is due."""
    fifo = DeadlineQueues.get(s, wait)
    deadline = Deadlines.get(s, wait, fifo.head)
    if deadline is None or deadline.due > now(s):
        return None
    Deadlines.remove(s, wait, fifo.head)
    DeadlineQueues.put(s, wait, Fifo(fifo.head + 1, fifo.tail))
    return deadline


def push_need(s: State, need: Need) -> None:
    """Put a need at the tail."""
    fifo = NeedQueue.get(s)
    Needs.put(s, fifo.tail, need)
    NeedQueue.put(s, Fifo(fifo.head, fifo.tail + 1))


def first_need(s: State) -> Need | None:
    """Return the need at the head."""
    return Needs.get(s, NeedQueue.get(s).head)


def keep_need(s: State, need: Need) -> None:
    """Write the need at the head again."""
    Needs.put(s, NeedQueue.get(s).head, need)


def pop_need(s: State) -> None:
    """Drop the need at the head."""
    fifo = NeedQueue.get(s)
    Needs.remove(s, fifo.head)
    NeedQueue.put(s, Fifo(fifo.head + 1, fifo.tail))


def need_hoster(s: State, plan_id: int) -> None:
    """Queue a plan's need of a hoster, unless it is queued already."""
    plan = Plans.get(s, plan_id)
    if plan is None or plan.state != PlanState.LIVE or plan.queued or len(plan.live) >= plan.terms.replicas:
        return
    plan.queued = True
    Plans.put(s, plan_id, plan)
    push_need(s, Need(NeedKind.HOSTER, plan_id, now(s) + times(s).seed_delay))
