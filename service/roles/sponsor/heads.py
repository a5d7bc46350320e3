"""Newer heads of feeds for their live plans: when a node shows one to the chain, and what it shows.

    the feed grows … ─ the plan's tick is near ─ ShowHead ─▶ the plan has the feed's head ─ tick ─▶ its copies grow

A plan's copies grow at its ticks only, so all that a feed got since the last one is brought by one call, shortly before the
tick. Anybody may bring a head. The author's node goes first; another that stores the feed goes where the author's did not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from service.chain_client.pallet.constants import MAX_PLAN_BYTES
from service.chain_client.pallet.types import OpenedNode, Plan, PlanState, Times
from service.hypercore import Core
from service.hypercore.tree import flat

from .checks import open_node

LEAST_LEAD = 6
"""Blocks before a tick in which a head is brought, if an eighth of an era is less."""
LEAD_PART = 8
MOST_PLANS = 16
"""Heads that a node brings in the blocks of one era: whoever publishes live plans of a feed makes its author pay for them."""


@dataclass(frozen=True, slots=True)
class StoredHead:
    """A feed's head in this node's store: whether its key is here, its fork, blocks and bytes."""

    ours: bool
    fork: int
    length: int
    byte_length: int


@dataclass(frozen=True, slots=True)
class HeadFacts:
    """Everything a decision rests on, at one finalized block.

    `heads` are the stored feeds by key. `refused` are plans with the tick before which the chain refused their head,
    `brought` how many were brought in this era.
    """

    now: int
    account: bytes
    times: Times
    plans: Mapping[int, Plan]
    heads: Mapping[bytes, StoredHead]
    refused: frozenset[tuple[int, int]] = frozenset()
    brought: int = 0


@dataclass(frozen=True, slots=True)
class ShowHead:
    """Show a live plan its feed's newer head."""

    plan: int
    tick: int


def lead(times: Times) -> int:
    """Return how many blocks before a plan's tick its head may be brought."""
    return max(LEAST_LEAD, times.era // LEAD_PART)


def follows(plan: Plan) -> bool:
    """Return whether a plan follows its feed."""
    return plan.state is PlanState.LIVE and plan.terms.live and not plan.ending


def decide(facts: HeadFacts) -> list[ShowHead]:
    """Return the heads to bring now: first those of our own plans, then of the oldest."""
    due = [number for number, plan in facts.plans.items() if _due(facts, number, plan)]
    due.sort(key=lambda number: (facts.plans[number].sponsor != facts.account, number))
    return [ShowHead(number, facts.plans[number].next_tick) for number in due[: max(0, MOST_PLANS - facts.brought)]]


def _due(facts: HeadFacts, number: int, plan: Plan) -> bool:
    head = facts.heads.get(plan.feed)
    if head is None or not follows(plan) or (number, plan.next_tick) in facts.refused:
        return False
    newer = head.fork == plan.head.fork and head.length > plan.head.length
    size = plan.bytes + head.byte_length - plan.head.byte_length
    begin = plan.next_tick - lead(facts.times)
    before = plan.fresh - facts.times.seed_delay  # the block of its last head, or of other terms
    first = begin if head.ours else (begin + plan.next_tick) // 2
    return newer and size <= MAX_PLAN_BYTES and before < begin and first <= facts.now < plan.next_tick


def extension(core: Core, length: int) -> tuple[OpenedNode, ...]:
    """Return the nodes that show that a feed's tree has the roots of its first `length` blocks in it.

    They are the ancestors of the last of these roots, bottom up. Raises BadRanges if one is not stored here.
    """
    at, roots, nodes = flat.full_roots(2 * length)[-1], set(flat.full_roots(2 * core.length)), []
    while at not in roots:
        at = flat.parent(at)
        nodes.append(open_node(core, at))
    return tuple(nodes)
