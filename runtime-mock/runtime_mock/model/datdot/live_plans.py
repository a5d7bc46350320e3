"""Live plans follow their feed: a longer head replaces the old one, a higher fork ends the plan.

See pallet-spec/README.md section 7.
"""

from __future__ import annotations

from ..scale import U64
from ..storage import State
from . import heads
from .block import deposit, now
from .crypto import digest
from .errors import Error, ensure
from .events import HeadUpdated
from .heads import Subtree, tiles
from .items import Frozen, PlanRoots, Plans
from .limits import MAX_PLAN_BYTES, SECTOR
from .params import times
from .plans import get_plan, give_plan_notice
from .records import Head, OpenedNode, Plan, PlanState, Root, SignedHead


def update_head(s: State, plan_id: int, signed: SignedHead, nodes: list[OpenedNode]) -> None:
    """Give a live plan its feed's longer head, by anyone. `nodes` prove that it extends the old one."""
    plan = get_plan(s, plan_id)
    ensure(plan.state == PlanState.LIVE, Error.PlanNotLive)
    ensure(plan.terms.live, Error.PlanFixed)
    ensure(signed.key == plan.feed, Error.WrongFeedKey)
    ensure(not Frozen.contains(s, plan.feed), Error.FeedFrozen)
    head = heads.check(signed)
    if head.fork > plan.head.fork:
        give_plan_notice(s, plan_id, plan, forked=True)
        return
    ensure(head.fork == plan.head.fork and head.length > plan.head.length, Error.HeadNotNewer)
    roots = PlanRoots.at(s, plan_id)
    ensure(extends(plan.head.length, roots, signed, nodes), Error.BadExtension)
    _lengthen(plan, head)
    # A feed that grows all the time postpones placement once an era.
    fresh = now(s) + times(s).seed_delay
    if plan.fresh == 0 or fresh >= plan.fresh + times(s).era:
        plan.fresh = fresh
    Plans.put(s, plan_id, plan)
    PlanRoots.put(s, plan_id, signed.roots)
    deposit(s, HeadUpdated(plan_id, head.length, plan.bytes))


def _lengthen(plan: Plan, head: Head) -> None:
    """Lengthen a plan's last range to the end of a head. Raises BadPlanSize."""
    last = plan.ranges[-1]
    ensure(head.byte_length >= last.first_byte, Error.BadPlanSize)
    in_last = head.byte_length - last.first_byte
    size = plan.bytes - last.bytes + in_last
    ensure(plan.bytes <= size <= MAX_PLAN_BYTES, Error.BadPlanSize)
    last.end, last.bytes = head.length, in_last
    plan.head, plan.bytes, plan.sectors = head, size, -(-size // SECTOR)


def extends(length: int, roots: list[Root], signed: SignedHead, nodes: list[OpenedNode]) -> bool:
    """Return whether a head's tree has the roots of the first `length` blocks in it.

    `nodes` are the ancestors of the last of these roots, bottom up, to the root of the head that holds it.
    """
    old = list(zip(tiles(0, length), roots, strict=True))
    new = dict(zip(tiles(0, signed.length), signed.roots, strict=True))
    at, root = old.pop()
    for node in nodes:
        if at in new:
            return False
        if at.start >> at.height & 1:
            if not old:
                return False
            before, left = old.pop()
            if (before.height, node.left, node.right) != (at.height, left.hash, root.hash):
                return False
        elif node.left != root.hash:
            return False
        height = at.height + 1
        at = Subtree(at.start >> height << height, height)
        if node.index != at.index:
            return False
        root = Root(digest(b"\x01", U64.encode(node.size), node.left, node.right), node.size)
    return new.get(at) == root and all(new.get(subtree) == kept for subtree, kept in old)
