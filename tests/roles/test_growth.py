"""Live plans: heads that are brought, copies that follow, and segments whose head is not the plan's newest any longer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from runtime_mock.model.datdot.records import CopyState
from service.chain_client.pallet import calls, events
from service.chain_client.pallet.types import Head, Plan, PlanState, Terms, Times
from service.hypercore import Core, Corestore
from service.roles.attester.committee import read_target
from service.roles.attester.probe import probe
from service.roles.encoder.role import EncoderRole
from service.roles.hoster.role import HosterRole
from service.roles.sponsor import plans
from service.roles.sponsor.checks import check_head
from service.roles.sponsor.heads import HeadFacts, ShowHead, StoredHead, decide, extension
from service.roles.sponsor.role import AuthorRole
from tests.roles.test_whole_life import check_segments, fined
from tests.support.blank import blank
from tests.support.copy_world import digest
from tests.support.small_net import LivePeer, Net, blocks, is_active, read_back

ME, FEED = digest("me"), digest("feed")
TIMES: Times = blank(Times, era=24, seed_delay=4)
PLAN: Plan = blank(
    Plan,
    feed=FEED,
    state=PlanState.LIVE,
    terms=blank(Terms, live=True),
    head=Head(0, 10, 1_000, b""),
    bytes=1_000,
    next_tick=100,
)
LONGER = StoredHead(True, 0, 12, 1_300)


def shown(plan: Plan = PLAN, head: StoredHead = LONGER, **changes: Any) -> list[int]:
    """Return the blocks before the tick in which a head is brought."""
    found = []
    for now in range(70, 110):
        facts = HeadFacts(now, ME, TIMES, {3: plan}, {FEED: head})
        if decide(replace(facts, **changes)) == [ShowHead(3, 100)]:
            found.append(now)
    return found


def test_a_head_is_brought_once_shortly_before_the_tick() -> None:
    assert shown() == list(range(94, 100))
    assert shown(head=replace(LONGER, ours=False)) == [97, 98, 99], "the author goes first"
    assert shown(replace(PLAN, fresh=97)) == list(range(94, 100)), "brought in block 93, before this time"
    assert shown(replace(PLAN, fresh=98)) == [], "brought in block 94"


def test_a_head_that_the_chain_would_not_take_is_not_brought() -> None:
    assert shown(head=replace(LONGER, length=10)) == []
    assert shown(head=replace(LONGER, fork=1)) == []
    assert shown(head=replace(LONGER, byte_length=1_000 + (1 << 38))) == []
    assert shown(replace(PLAN, ending=True)) == []
    assert shown(replace(PLAN, terms=blank(Terms))) == []
    assert shown(replace(PLAN, state=PlanState.ENDED)) == []
    assert shown(replace(PLAN, feed=digest("another"))) == []
    assert shown(refused=frozenset({(3, 100)})) == []
    assert shown(refused=frozenset({(3, 76)})) != []


def test_a_flood_of_plans_costs_an_author_a_bound() -> None:
    plans = dict.fromkeys(range(40), PLAN) | {40: replace(PLAN, sponsor=ME)}
    facts = HeadFacts(95, ME, TIMES, plans, {FEED: LONGER})
    assert [one.plan for one in decide(facts)] == [40, *range(15)]
    assert [one.plan for one in decide(replace(facts, brought=15))] == [40]
    assert decide(replace(facts, brought=16)) == []


def test_the_nodes_that_extend_a_head_are_the_way_up_from_its_last_root() -> None:
    core = Corestore(None).create("feed")
    core.append([b"x"] * 3)
    core.append([b"y"])
    assert [(one.index, one.size) for one in extension(core, 3)] == [(5, 2), (3, 4)]
    assert [one.index for one in extension(core, 2)] == [3]
    assert [one.index for one in extension(core, 1)] == [1, 3]
    core.append([b"z"])
    assert extension(core, 4) == ()


async def writer(net: Net, role: Any = AuthorRole) -> tuple[LivePeer, Core]:
    """Return an author's node, and its feed."""
    peer = await net.start("One", role)
    core = peer.store.create("feed")
    core.append([digest("block", i) * 600 for i in range(3)])
    return peer, core


async def bring(net: Net, core: Core, plan: int) -> None:
    """Bring a feed's head to a plan, by the sponsor."""
    nodes = extension(core, net.chain.plan(plan).head.length)
    await net.sponsor.signer.submit(calls.update_head(plan, check_head(core.head()), nodes))


async def test_a_live_feed_grows_and_its_copy_follows(net: Net) -> None:
    author, core = await writer(net)
    hoster = await net.start("Hoster", HosterRole)
    await net.start("Encoder", EncoderRole)
    copy = await net.place(core, live=True)
    await net.chain.until(is_active(net, copy))
    for number in range(2):
        core.append([digest("more", number, i) * 200 for i in range(4)])
        await net.chain.until(lambda: net.chain.copy(copy).head.length == core.length)
        await net.chain.until(is_active(net, copy))
        assert len(net.chain.copy(copy).segments) == number + 2
    check_segments(net, hoster, core, copy)
    brought = [heard for heard in net.chain.heard if heard.name == "update_head"]
    assert len(brought) == 2
    await hoster.restart()
    expected = blocks(core)
    await net.leave(author)
    assert await read_back(net, "Reader", core, hoster) == expected
    assert fined(net) == []
    assert not net.chain.refused


async def test_an_author_reads_plans_of_its_feeds_and_looks_at_others_now_and_then(
    net: Net, monkeypatch: pytest.MonkeyPatch
) -> None:
    author, core = await writer(net)
    other = Corestore(None).create("other")
    other.append([b"not here"])
    for feed in (core, other):
        await net.publish(feed, live=True)
    assert author.line is not None
    storage, read = author.line.client.storage, [set[int]()]
    plans_of = storage.plans_of

    async def noted(numbers: Iterable[int], at: bytes | None = None) -> dict[int, Plan]:
        wanted = set(numbers)
        read.append(wanted)
        return await plans_of(wanted, at)

    monkeypatch.setattr(storage, "plans_of", noted)
    await net.chain.until(lambda: read[-1] == {0})
    author.store.get(other.key)
    await net.chain.until(lambda: read[-1] == {0, 1})
    await plans.end_plan(net.sponsor.client, net.sponsor.signer, 1)
    await net.chain.until(lambda: read[-1] == {0})


@pytest.mark.parametrize("moves", ["before", "during", "twice"])
async def test_a_head_that_moves_while_a_segment_is_made_does_not_stop_it(net: Net, moves: str) -> None:
    author, core = await writer(net, None)
    hoster = await net.start("Hoster", HosterRole)
    encoder = await net.start("Encoder", EncoderRole)
    copy = await net.place(core, live=True)
    await net.chain.until(is_active(net, copy))
    core.append([digest("more", i) * 1_000 for i in range(7)])
    await bring(net, core, 0)
    await net.chain.until(lambda: net.chain.events(events.GrowthBegun))
    if moves in ("before", "twice"):
        core.append([b"and more"] * 3)
        await bring(net, core, 0)
    if moves in ("during", "twice"):
        await net.chain.until(lambda: net.chain.copy(copy).state == CopyState.ENCODING)
        core.append([b"and still more"] * 2)
        await bring(net, core, 0)
        await hoster.restart()
        await encoder.restart()
    at = net.chain.copy(copy).head
    assert at.length < net.chain.plan(0).head.length
    await net.chain.until(is_active(net, copy))
    assert net.chain.copy(copy).head == at
    parts = net.chain.copy(copy).segments
    reader = await net.start("Two")
    found = net.chain.client.storage
    for number, part in enumerate(parts):
        before = sum(one.sectors for one in parts[:number])
        target = await read_target(net.chain.client, copy, before + part.sectors // 2, net.chain.latest.hash)
        assert target.roots == (), "the chain has them no longer"
        await probe(reader.transport, target, 65_536)
    await net.chain.until(lambda: net.chain.copy(copy).head.length == core.length)
    await net.chain.until(is_active(net, copy))
    check_segments(net, hoster, core, copy)
    expected = blocks(core)
    await net.leave(author)
    assert await read_back(net, "Reader", core, hoster) == expected
    assert fined(net) == []
    assert (await found.plan(0)) is not None
