"""Feeds with two histories: whoever's store has the proof tells the chain, once, and the plans of the feed end."""

from __future__ import annotations

from dataclasses import replace

from structlog.testing import capture_logs

from service.chain_client.pallet import events
from service.chain_client.pallet.types import Plan, PlanEnd, PlanState
from service.feeds.fetch import fetch_feed
from service.hypercore import Conflict, Core
from service.hypercore.net import ReplicationError, Replicator
from service.roles.common.equivocation import TURNS, ConflictTeller, SettleConflict, TellConflict, decide, turn
from service.roles.sponsor import plans
from tests.support.blank import blank
from tests.support.histories import OURS, THEIRS, blocks, history, same_owner
from tests.support.small_chain import account
from tests.support.small_net import LivePeer, Net

FEED, OTHER = b"f" * 32, b"o" * 32
PLAN: Plan = replace(blank(Plan), feed=FEED, state=PlanState.LIVE)


def test_a_conflict_is_told_by_a_live_plan_and_until_the_chain_knows_it() -> None:
    me, now = account("One"), 100
    due = {FEED: now - TURNS}
    live = {7: PLAN, 4: replace(PLAN, state=PlanState.ENDED), 3: replace(PLAN, feed=OTHER), 5: PLAN}
    assert decide(now, me, due, {}, live) == [TellConflict(FEED, 5)]
    assert decide(now, me, due, {}, {}) == [], "no plan, no report"
    assert decide(now, me, due, {FEED: 90}, live) == [SettleConflict(FEED, 90)], "somebody was faster, or we were"
    assert decide(now, me, {}, {}, live) == []
    first = next(block for block in range(now, now + TURNS) if decide(block, me, {FEED: now}, {}, live))
    assert first == now + turn(me, FEED)
    assert len({turn(account(name), FEED) for name in map(str, range(100))}) == TURNS, "not all pay in one block"


async def two_histories(net: Net) -> tuple[LivePeer, LivePeer, Core]:
    """Return two peers without roles, who serve a feed's two histories, and the first one's core."""
    one, two = await net.start("Author"), await net.start("Reader")
    same_owner(one.store, two.store)
    core = history(one.store, blocks(2, 6, OURS))
    history(two.store, blocks(2, 8, THEIRS))
    return one, two, core


async def meets_both(peer: LivePeer, one: LivePeer, two: LivePeer, key: bytes) -> Conflict:
    """Let a peer fetch one history and be shown the other; the conflict that it keeps."""
    replica = peer.store.get(key)
    await fetch_feed(replica, peer.transport, [one.keys.swarm_key])
    with Replicator(replica) as replicator:
        replicator.attach(await peer.transport.connect(two.keys.swarm_key))
        try:
            await replicator.update(8)
        except ReplicationError as error:
            assert "two histories" in str(error)  # noqa: PT017
    conflict = replica.conflict
    assert conflict is not None
    return conflict


def reports(net: Net) -> int:
    """Return how many reports reached the chain's node."""
    return sum(one.name == "report_equivocation" for one in net.chain.heard)


async def test_the_chain_is_told_once_and_the_plan_ends(net: Net) -> None:
    one, two, core = await two_histories(net)
    first, second = await net.start("One", ConflictTeller), await net.start("Two", ConflictTeller)
    plan = await net.publish(core)
    conflict = await meets_both(first, one, two, core.key)
    await meets_both(second, one, two, core.key)
    await net.chain.until(lambda: net.chain.events(events.FeedIsFrozen))
    (frozen,) = net.chain.events(events.FeedIsFrozen)
    assert frozen.feed == core.key
    await net.chain.until(lambda: net.chain.events(events.PlanEnded))
    (ended,) = net.chain.events(events.PlanEnded)
    assert (ended.plan, ended.reason) == (plan, PlanEnd.FROZEN)
    for peer in (first, second):
        await net.chain.until(lambda: peer.store.untold_conflicts() == [])  # noqa: B023
        assert "the chain knows since block" in (peer.store.conflict_outcome(core.key) or "")
    told = [event for peer in (first, second) for event in peer.told]
    assert told == [{"role": "teller", "event": "frozen", "plan": plan, "feed": core.key.hex()}]
    assert reports(net) == 1
    await first.restart()
    until = net.chain.number + 2 * TURNS
    await net.chain.until(lambda: net.chain.number >= until)
    assert reports(net) == 1, "a node that starts again does not pay again"
    assert first.store.get(core.key).conflict == conflict, "the proof is kept"


async def test_a_conflict_waits_for_a_plan_and_outlives_a_crash(net: Net) -> None:
    one, two, core = await two_histories(net)
    peer = await net.start("One", ConflictTeller)
    await meets_both(peer, one, two, core.key)
    other = await net.publish(history_of_another(one))
    until = net.chain.number + 2 * TURNS
    await net.chain.until(lambda: net.chain.number >= until)
    assert reports(net) == 0, "no live plan is of this feed"
    await peer.restart()
    plan = await net.publish(core)
    await net.chain.until(lambda: net.chain.events(events.FeedIsFrozen))
    await net.chain.until(lambda: [e for e in net.chain.events(events.PlanEnded) if e.plan == plan])
    assert net.chain.plan(other).state.name == "LIVE", "other feeds' plans go on"


def history_of_another(peer: LivePeer) -> Core:
    """Return another feed of a peer."""
    core = peer.store.create("another")
    core.append([b"another"])
    return core


async def test_what_the_chain_refuses_is_not_shown_again(net: Net) -> None:
    one, two, core = await two_histories(net)
    peer = await net.start("One", ConflictTeller)
    conflict = await meets_both(peer, one, two, core.key)
    false = replace(conflict, root=conflict.root + 1)
    peer.store._storage.put_setting(f"conflict/{core.key.hex()}", false.encode())
    peer.store.flush()
    with capture_logs() as lines:
        plan = await net.publish(core)
        await net.chain.until(lambda: peer.store.untold_conflicts() == [])
        until = net.chain.number + 2 * TURNS
        await net.chain.until(lambda: net.chain.number >= until)
    assert "NotProven" in (peer.store.conflict_outcome(core.key) or "")
    assert reports(net) == 1
    assert [line for line in lines if "NotProven" in str(line.get("outcome"))]
    assert not net.chain.events(events.FeedIsFrozen)
    await plans.end_plan(net.sponsor.client, net.sponsor.signer, plan)
