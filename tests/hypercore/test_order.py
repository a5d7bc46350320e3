"""What is asked for first: of sparse peers the rarest blocks, of peers that have all the lowest, and never too much work for it."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.hypercore.wire import messages as m
from service.hypercore.wire import order
from service.hypercore.wire.intervals import Intervals
from service.hypercore.wire.order import NOBODY, PLAN_PEERS, PLAN_RUNS, PLAN_STEPS, Download, Order
from service.hypercore.wire.peer import PeerState
from service.hypercore.wire.scheduler import WINDOW_BLOCKS, Scheduler

from .test_scheduler import World


class Nothing:
    """A core of which nothing is here."""

    def ranges(self, start: int = 0, end: int | None = None) -> list[tuple[int, int]]:
        return []


class Scattered:
    """A core of which every second block is here."""

    def ranges(self, start: int = 0, end: int | None = None) -> list[tuple[int, int]]:
        assert end is not None
        return [(block, block + 1) for block in range(start + start % 2, end, 2)]


def runs(*pairs: tuple[int, int]) -> Intervals:
    found = Intervals()
    for start, end in pairs:
        found.add(start, end)
    return found


def asked_in_order(peer: PeerState) -> list[int]:
    return [one.block.index for one in peer.asked.values() if one.block is not None]


@pytest.mark.parametrize("rarest_first", [True, False])
def test_the_rare_block_is_not_left_to_a_peer_that_leaves(rarest_first: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight peers have all but the last blocks, of which each has one. Each answers a part of what it is asked, and leaves."""
    if not rarest_first:
        monkeypatch.setattr(Scheduler, "_plan", lambda self, ready, now: None)
    total, many = 8 * WINDOW_BLOCKS, 8
    common = total - many
    world = World(total)
    peers = [world.peer((0, common), (common + number, common + number + 1)) for number in range(many)]
    world.run()
    wanted = world.scheduler.want(0, total)
    world.pump()
    for peer in peers[:-1]:
        for number in list(peer.asked)[: WINDOW_BLOCKS // 2]:
            world.answer(peer, number)
        world.scheduler.left(peer)
        world.pump()
    world.run()
    lost = [block for block in range(total) if not world.core.has(block)]
    assert lost == ([] if rarest_first else list(range(common, total - 1)))
    assert wanted.left == len(lost)


def test_the_fewer_have_a_block_the_sooner_it_is_asked_for() -> None:
    world = World(40)
    first = world.peer((0, 40))
    world.peer((0, 10), (20, 40))
    world.peer((0, 5), (20, 30))
    for other in list(world.scheduler.peers)[1:]:
        other.writable = False  # they count, but all are asked of the first
    world.run()
    world.scheduler.want(0, 40)
    world.pump()
    assert asked_in_order(first) == [*range(10, 20), *range(5, 10), *range(30, 40), *range(5), *range(20, 30)]


def test_of_many_wants_the_rarest_comes_first() -> None:
    world = World(100)
    one, two = world.peer((0, 100)), world.peer((0, 99))
    two.writable = False
    world.run()
    for block in range(100):
        world.scheduler.want(block, block + 1)
    world.pump()
    assert asked_in_order(one) == [99, *range(WINDOW_BLOCKS - 1)]


def test_peers_that_have_all_are_asked_for_the_lowest() -> None:
    world = World(200)
    one, _, _ = world.peer((0, 200)), world.peer((0, 200)), world.peer()
    world.run()
    wanted = world.scheduler.want(10, 200)
    world.pump()
    assert asked_in_order(one) == list(range(10, 10 + WINDOW_BLOCKS))
    assert wanted.order.runs == [(10, 200)]


def test_what_a_peer_gets_later_counts_from_the_next_plan() -> None:
    world = World(300)
    one, two = world.peer((0, 300)), world.peer()
    two.writable = False
    world.run()
    world.scheduler.want(0, 300)
    world.pump()
    world.scheduler.changed(two, 0, world.now)
    two.take(m.RANGE, m.encode_range(0, 200), world.now)
    world.now += 1.0
    for _ in range(3):
        world.answer(one, next(iter(one.asked)))
    assert asked_in_order(one)[-3:] == [200, 201, 202]


def test_a_live_reader_asks_for_what_comes_later_whatever_is_rare() -> None:
    world = World(50, live=True)
    world.peer((0, 80))
    world.peer((0, 20), (30, 31))
    world.run()
    assert world.core.ranges() == [(0, 50)]
    world.source.append([b"more"] * 30)
    for peer in world.scheduler.peers:
        event = peer.take(m.SYNC, m.encode_sync(m.Sync(15, 0, 80, 0)), world.now)
        world.scheduler.changed(peer, event.block, world.now)  # type: ignore[union-attr]
    world.run()
    assert world.core.ranges() == [(0, 80)]


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32))
def test_nothing_is_asked_for_twice_and_all_that_somebody_has_comes(seed: int) -> None:
    rng = random.Random(seed)
    total = rng.randrange(1, 400)
    world = World(total, live=rng.random() < 0.3)
    peers = [world.peer() for _ in range(rng.randrange(1, 6))]
    had = [set[int]() for _ in peers]
    world.run()
    ends = [sorted(rng.sample(range(total + 1), 2)) for _ in range(rng.randrange(4))] if total > 1 else []
    for start, end in ends:
        world.scheduler.want(start, end)
    sent: set[int] = set()

    def step() -> None:
        number = rng.randrange(len(peers))
        peer, act = peers[number], rng.random()
        if act < 0.4:
            start = rng.randrange(total)
            end = rng.randrange(start, min(total, start + 50)) + 1
            had[number].update(range(start, end))
            event = peer.take(m.RANGE, m.encode_range(start, end - start), world.now)
            if event is not None:
                world.scheduler.changed(peer, event.block, world.now)  # type: ignore[union-attr]
        elif peer.asked:
            for one in rng.sample(list(peer.asked), rng.randrange(1, len(peer.asked) + 1)):
                world.answer(peer, one)
        world.now += rng.random() * 0.01
        for each in peers:
            each.heard = world.now  # nobody is overdue: nothing is to be asked twice
        world.pump()
        check()

    def check() -> None:
        asked = [(block, number) for number, peer in enumerate(peers) for block in asked_in_order(peer)]
        assert len({block for block, _ in asked}) == len(asked), "a block is asked of one peer at a time"
        assert all(block in had[number] and not world.core.has(block) for block, number in asked)
        sent.update(block for block, _ in asked)

    for _ in range(80):
        step()
    world.run()
    wanted = set(range(total)) if world.scheduler.downloads[:1] and world.scheduler.downloads[0].end > total else set()
    wanted |= {block for one in world.scheduler.downloads for block in range(one.start, min(one.end, total))}
    assert {block for block in range(total) if world.core.has(block)} == wanted & set[int]().union(*had)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.randoms(use_true_random=False), st.integers(0, 100))
def test_a_place_is_where_no_later_block_stands_before(sizes: list[int], rng: random.Random, block: int) -> None:
    at, found = 0, []
    for size in sizes:
        start = at + rng.randrange(3)
        found.append((start, at := start + size))
    rng.shuffle(found)
    blocks = [(rank, one) for rank, (start, end) in enumerate(found) for one in range(start, end)]
    expected = min((place for place in blocks if place[1] >= block), default=(len(found), 0))
    assert Order(found).place(block) == expected


@pytest.mark.parametrize("core", [Nothing(), Scattered()])
def test_one_plan_looks_at_few_runs_whatever_peers_claim(core: Nothing | Scattered) -> None:
    scattered = runs(*((2 * number, 2 * number + 1) for number in range(65_536)))
    wanted = Download(0, 1 << 50, 1 << 50)
    most = 6 * (PLAN_RUNS + order.STEP_BLOCKS) + PLAN_STEPS + PLAN_PEERS
    assert wanted.plan(core, 1 << 50, [scattered] * 1000) <= most
    assert wanted.partial
    assert len(wanted.order.runs) <= most
    assert wanted.order.runs[-1][1] == 1 << 50, "what lies beyond is asked for all the same"


def test_no_plan_is_made_so_soon_after_a_large_one() -> None:
    world = World(1000)
    peers = [world.peer(*((number, number + 1) for number in range(at, 1000, 3))) for at in range(3)]
    world.run()
    wanted = world.scheduler.want(0, 1000)
    world.pump()
    first = wanted.order
    for _ in range(100):
        world.scheduler.changed(peers[0], 0, world.now)
        world.pump()
    assert wanted.order is first
    world.now += 3.0
    world.pump()
    assert wanted.order is not first


def test_blocks_of_nobody_come_after_all_others() -> None:
    wanted = Download(0, 30, 30)
    wanted.plan(Nothing(), 30, [runs((5, 10)), runs((20, 30))])
    assert wanted.order.runs == [(5, 10), (20, 30), (0, 5), (10, 20)]
    assert wanted.order.rarity == 1
    wanted.plan(Nothing(), 30, [])
    assert wanted.order.rarity == NOBODY
