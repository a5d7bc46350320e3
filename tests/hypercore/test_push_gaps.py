"""Gaps that pushes leave, at a reader that keeps a whole feed: found by a later push or by silence, and asked for within limits."""

from __future__ import annotations

import asyncio

import pytest

from service.hypercore import Core, Corestore, StorageError
from service.hypercore.codec import MAX_UINT
from service.hypercore.net import Replicator
from service.hypercore.tree.proof import BlockRequest, Proof, Request, UpgradeRequest
from service.hypercore.wire import messages as m
from service.hypercore.wire.peer import PeerState
from service.hypercore.wire.push import PUSH_COST, QUIET_SECONDS, Pushers
from service.hypercore.wire.scheduler import WINDOW_BLOCKS
from tests.support.pushing import pusher, pushing, requests
from tests.support.replicated import feed
from tests.support.wire_peers import closed, side, until

BLOCKS = [bytes([number]) * 100 for number in range(20)]


def blocks_of(asked: list[Request]) -> list[int]:
    """The blocks that were asked for, in order."""
    return [one.block.index for one in asked if one.block is not None]


async def whole(core: Core, length: int) -> None:
    """Wait until all blocks are here."""
    await until(lambda: core.length == length and core.contiguous_length == length)


async def test_a_gap_is_asked_for_as_soon_as_a_later_push_shows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async with pushing(BLOCKS[:9]) as (core, copy, connection, one):
        with Replicator(copy, live=True, push_only=True) as replicator:
            replicator.attach(connection)
            peer = await pusher(one, core)
            asked, loop = requests(peer, monkeypatch), asyncio.get_running_loop()
            begun = loop.time()
            assert all(peer.push(index) for index in (2, 6))
            await until(lambda: copy.ranges() == [(0, 7)])
            assert sorted(blocks_of(asked)) == [0, 1, 3, 4, 5]
            assert loop.time() - begun < QUIET_SECONDS, "the pushes went on"
            await whole(copy, 9)
            assert sorted(blocks_of(asked)) == [0, 1, 3, 4, 5, 7, 8]
            assert loop.time() - begun >= QUIET_SECONDS, "the rest might have been pushed"
            assert [copy.get(index) for index in range(9)] == BLOCKS[:9]


async def test_nothing_is_asked_for_while_all_is_pushed(monkeypatch: pytest.MonkeyPatch) -> None:
    async with pushing([]) as (core, copy, connection, one):
        with Replicator(copy, live=True, push_only=True) as replicator:
            replicator.attach(connection)
            core.append(BLOCKS[:1])
            peer = await pusher(one, core)
            asked = requests(peer, monkeypatch)
            for index in range(20):
                if index:
                    core.append(BLOCKS[index])
                assert peer.push(index)
                await asyncio.sleep(index * QUIET_SECONDS / 10)
            await whole(copy, 20)
            await asyncio.sleep(2 * QUIET_SECONDS)
            assert asked == []


async def test_what_was_pushed_to_nobody_comes_once_the_author_is_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    async with pushing(BLOCKS[:3]) as (core, copy, connection, one):
        with Replicator(copy, live=True, push_only=True) as replicator:
            replicator.attach(connection)
            peer = await pusher(one, core)
            asked = requests(peer, monkeypatch)
            assert all(peer.push(index) for index in range(3))
            core.append(BLOCKS[3:10])  # a peer that does not keep up is pushed nothing
            assert await replicator.update(10) == 10
            await whole(copy, 10)
            assert blocks_of(asked) == list(range(3, 10))
            core.append(BLOCKS[10:12])
            assert peer.push(11)
            await whole(copy, 12)
            assert blocks_of(asked)[7:] == [10]


async def test_what_was_missed_before_a_new_connection_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async with side() as one, side() as two:
        core = feed(one, BLOCKS[:5])
        copy = two.store.get(core.key)
        with Replicator(copy, live=True, push_only=True) as replicator:
            connection = await two.connect(one)
            replicator.attach(connection)
            peer = await pusher(one, core)
            assert all(peer.push(index) for index in range(4))
            await until(lambda: copy.ranges() == [(0, 4)])
            connection.close()
            await closed(one.incoming[0])
            core.append(BLOCKS[5:])
            assert not peer.push(5)
            replicator.attach(await two.connect(one))
            await until(lambda: len(one.incoming) == 2)
            peer = await pusher(one, core)
            asked = requests(peer, monkeypatch)
            assert peer.push(10)
            await whole(copy, 20)
            assert sorted(blocks_of(asked)) == [*range(4, 10), *range(11, 20)]
            assert blocks_of(asked)[:6] == list(range(4, 10)), "those that a push has shown come first"


async def test_a_push_that_could_not_be_stored_leaves_no_lasting_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Later pushes bring only the way from a head that was lost."""
    async with pushing(BLOCKS[:2]) as (core, copy, connection, one):
        with Replicator(copy, live=True, push_only=True) as replicator:
            replicator.attach(connection)
            peer = await pusher(one, core)
            apply, failed = copy.apply, []

            def full(proof: Proof) -> None:
                failed.append(proof)
                raise StorageError("the disk is full")

            monkeypatch.setattr(copy, "apply", full)
            assert all(peer.push(index) for index in range(2))
            await until(lambda: bool(failed))
            monkeypatch.setattr(copy, "apply", apply)
            core.append(BLOCKS[2:4])
            assert all(peer.push(index) for index in (2, 3))
            await whole(copy, 4)
            core.append(BLOCKS[4:5])
            assert peer.push(4)
            await whole(copy, 5)
            assert connection.is_open


async def test_what_is_asked_for_counts_as_pushed_against_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    async with pushing(BLOCKS) as (core, copy, connection, one):
        with Replicator(copy, live=True, push_only=True, push_limit=7 * PUSH_COST) as replicator:
            replicator.attach(connection)
            peer = await pusher(one, core)
            asked = requests(peer, monkeypatch)
            assert peer.push(5)
            await until(lambda: not peer.state.remote.flags & m.ALLOW_PUSH)
            core.append(BLOCKS)
            await asyncio.sleep(10 * QUIET_SECONDS)
            assert connection.is_open
            assert len(blocks_of(asked)) < WINDOW_BLOCKS
            assert copy.length == 20, "no head is asked for either"


def peer_of(core: Core) -> PeerState:
    return PeerState(core, 0.0)


def test_a_peer_is_asked_for_what_its_own_pushes_passed_over_until_it_is_quiet() -> None:
    one, two = peer_of(Corestore().create()), peer_of(Corestore().create())
    pushers = Pushers(waiting=True)
    pushers.attach(one, 0.0)
    pushers.attach(two, 1.0)
    assert pushers.passed(one, 1.9) == 0
    assert pushers.deadline(1.9) == 2.0
    assert pushers.fell_quiet(1.9, 2.0) == [one]
    assert (pushers.passed(one, 2.0), pushers.passed(two, 2.0)) == (MAX_UINT, 0)
    assert pushers.pushed(one, 4, used=True, now=2.5) == 0, "all below is a gap"
    assert pushers.pushed(one, 5, used=True, now=2.5) == 5, "no gap"
    assert pushers.pushed(one, 3, used=True, now=2.5) == 3, "it was passed over before"
    assert (pushers.passed(one, 4.4), pushers.passed(two, 4.4)) == (6, MAX_UINT)
    pushers.truncated(2)
    assert pushers.passed(one, 4.4) == 2
    pushers.left(one)
    assert pushers.deadline(0.0) == 3.0


def test_neither_news_nor_pushes_in_vain_put_off_for_ever_what_a_peer_is_asked_for() -> None:
    peer = peer_of(Corestore().create())
    pushers = Pushers(waiting=True)
    pushers.attach(peer, 0.0)
    quiet = 0
    for step in range(1000):
        now = step * QUIET_SECONDS / 10
        pushers.news(peer, now)
        pushers.pushed(peer, 0, used=False, now=now)
        quiet += len(pushers.fell_quiet(now, now + QUIET_SECONDS / 10))
    assert quiet >= 90, "all of its blocks were asked for so often"


def test_a_reader_that_waits_for_no_pushes_asks_for_everything_at_once() -> None:
    peer = peer_of(Corestore().create())
    pushers = Pushers(waiting=False)
    pushers.attach(peer, 0.0)
    pushers.news(peer, 0.0)
    assert pushers.pushed(peer, 7, used=True, now=0.0) == 7
    assert pushers.passed(peer, 0.0) == MAX_UINT
    assert pushers.deadline(0.0) is None


async def test_a_peer_that_pushes_slowly_holds_up_no_other() -> None:
    async with side() as one, side() as other, side() as two:
        core = feed(one, BLOCKS)
        other.store.get(core.key).apply(core.prove(Request(upgrade=UpgradeRequest(0, 20), manifest=True)))
        mirror = other.store.get(core.key)
        for index in range(20):
            mirror.apply(core.prove(Request(BlockRequest(index, mirror.missing_nodes(2 * index)))))
        copy, loop = two.store.get(core.key), asyncio.get_running_loop()
        with Replicator(copy, live=True, push_only=True) as replicator:
            theirs = replicator.attach(await two.connect(one))
            replicator.attach(await two.connect(other))
            peer = await pusher(one, core)
            begun = loop.time()
            for index in range(2):
                assert peer.push(index)
                await asyncio.sleep(0.6 * QUIET_SECONDS)
            await whole(copy, 20)
            assert loop.time() - begun < 1.5 * QUIET_SECONDS, "its second push holds it up for longer"
            assert theirs.received == 200, "all else came from the one that is quiet"
