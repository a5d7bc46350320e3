"""How much of a kind a block begins (pallet-spec/README.md section 5), by the model and by the runtime."""

from __future__ import annotations

from runtime_mock.model.datdot import items
from runtime_mock.model.datdot.limits import EXPIRIES, REMOVALS, TICKS
from runtime_mock.model.datdot.types import Deadline, Fifo, Wait
from runtime_mock.state.overlay import Overlay
from tests.support.differential.driver import UNIT
from tests.support.differential.pallet_world import SHORT, Watched

PLANS = 60


def waiting(world: Watched, wait: Wait) -> int:
    """Return how many of a kind wait."""
    fifo = items.DeadlineQueues.get(Overlay(world.pair.state), wait)
    return fifo.tail - fifo.head


def test_a_block_begins_ticks_up_to_56_each_plan_counting_one_beside_its_copies() -> None:
    """A plan without copies counts as one of one copy."""
    world = Watched()
    world.people(hosters=0, encoders=0)
    for _ in range(PLANS):
        world.publish(pot=2 * UNIT)
    world.live(1, 0)
    published = [plan["published"] for plan in world.all("Plans").values()]
    assert published == [world.pair.number] * PLANS
    world.live(SHORT["era"] - 1, 0)
    ticked = []
    for _ in range(4):
        world.live(1, 0)
        ticked.append(sum(plan["next_tick"] > published[0] + SHORT["era"] for plan in world.all("Plans").values()))
    assert ticked == [TICKS // 2, TICKS, PLANS, PLANS]


def test_a_block_removes_32_records_and_16_of_others() -> None:
    """Of what is gone already: an entry whose wait was met counts like any other."""
    world = Watched()
    world.whole = False  # its waits name nothing
    kinds = (Wait.SETTLE, Wait.DECLINE, Wait.REPORT)
    due = world.next_block + 1
    for wait in kinds:
        world.write(items.DeadlineQueues.key(wait), items.DeadlineQueues.codec.encode(Fifo(0, 2 * REMOVALS)))
        for place in range(2 * REMOVALS):
            world.write(items.Deadlines.key(wait, place), items.Deadlines.codec.encode(Deadline(due, 900, 0)))
    world.live(1, 0)
    left = []
    for _ in range(2):
        world.live(1, 0)
        left.append([waiting(world, wait) for wait in kinds])
    assert left == [[REMOVALS, 2 * REMOVALS - EXPIRIES, 2 * REMOVALS - EXPIRIES], [0, 2 * EXPIRIES, 2 * EXPIRIES]]
