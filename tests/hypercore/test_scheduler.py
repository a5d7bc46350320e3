"""Whom to ask for what: the pure scheduler, with real cores and proofs but without connections or a clock."""

from __future__ import annotations

import random

import pytest

from service.hypercore import Core, Corestore
from service.hypercore.tree.proof import Proof, ProofError, Request, Unconnected
from service.hypercore.wire import messages as m
from service.hypercore.wire.answers import BlockAnswer, UpgradeAnswer
from service.hypercore.wire.peer import Answered, PeerState
from service.hypercore.wire.scheduler import MAX_DENIED, OVERDUE_SECONDS, WAITED_DENIED, WINDOW_BLOCKS, Scheduler

FLAGS = m.CAN_UPGRADE | m.UPLOADING | m.HAS_MANIFEST


def source(blocks: int) -> Core:
    core = Corestore().create()
    core.append([number.to_bytes(4, "big") for number in range(blocks)])
    return core


class World:
    """One reader's core, its scheduler, and peers that have all of the source or a part of it."""

    def __init__(self, blocks: int, live: bool = False) -> None:
        self.source = source(blocks)
        self.core = Corestore().get(self.source.key)
        self.scheduler = Scheduler(self.core, live)
        self.core.on_change(self.scheduler.core_changed)  # type: ignore[arg-type]
        self.now = 0.0

    def peer(self, *runs: tuple[int, int], length: int | None = None) -> PeerState:
        state = PeerState(self.core, self.now)
        state.open()
        self.scheduler.attach(state, self.now)
        told = m.Sync(FLAGS, 0, self.source.length if length is None else length, 0)
        state.take(m.SYNC, m.encode_sync(told), self.now)
        for start, end in runs:
            state.take(m.RANGE, m.encode_range(start, end - start), self.now)
        return state

    def asked(self, peer: PeerState) -> list[int]:
        return sorted(one.block.index for one in peer.asked.values() if one.block is not None)

    def pump(self) -> None:
        self.scheduler.pump(self.now)

    def answer(self, peer: PeerState, number: int, proof: Proof | bool | None = True) -> None:
        request = peer.asked.pop(number)
        found = self.source.prove(request) if proof is True else proof
        assert not isinstance(found, bool)
        taken = self.scheduler.answered(peer, Answered(number, request, found))
        if taken is not None:
            try:
                self.core.apply(taken.proof)
            except Unconnected:
                assert isinstance(taken, BlockAnswer)
                assert taken.leans
                self.scheduler.uncheckable(taken.index)
            if isinstance(taken, UpgradeAnswer):
                self.scheduler.shown(peer)
        self.pump()

    def run(self) -> None:
        """Answer everything that is asked, in order."""
        self.pump()
        while not self.scheduler.idle:
            peer = next(peer for peer in self.scheduler.peers if peer.asked)
            self.answer(peer, next(iter(peer.asked)))


def test_the_head_is_asked_of_one_peer_then_the_blocks_of_all() -> None:
    world = World(200)
    one, two = world.peer((0, 200)), world.peer((0, 200))
    world.scheduler.want(0, 200)
    world.pump()
    (request,) = one.asked.values()
    assert request.upgrade is not None
    assert not two.asked
    world.answer(one, next(iter(one.asked)))
    assert world.scheduler.up_to_date()
    assert len(one.asked) == len(two.asked) == WINDOW_BLOCKS
    assert world.asked(one) == list(range(WINDOW_BLOCKS)), "lowest first"
    assert not set(world.asked(one)) & set(world.asked(two)), "each block of one peer at a time"
    world.run()
    assert world.core.ranges() == [(0, 200)]


def test_each_peer_is_asked_for_what_it_has() -> None:
    world = World(100)
    low, high = world.peer((0, 50)), world.peer((50, 100))
    world.run()
    wanted = world.scheduler.want(0, 100)
    world.pump()
    assert world.asked(low) == list(range(50))
    assert world.asked(high) == list(range(50, 100))
    world.run()
    assert wanted.left == 0


def test_a_peer_that_takes_no_more_is_not_asked() -> None:
    world = World(10)
    peer = world.peer((0, 10))
    world.run()
    world.scheduler.want(0, 10)
    peer.writable = False
    world.pump()
    assert not peer.asked
    peer.writable = True
    world.pump()
    assert len(peer.asked) == 10


def test_what_was_asked_of_a_peer_that_left_goes_to_the_others() -> None:
    world = World(100)
    one = world.peer((0, 100))
    world.run()
    world.scheduler.want(0, 100)
    world.pump()
    begun = world.asked(one)
    assert begun
    two = world.peer((0, 100))
    world.scheduler.left(one)
    world.pump()
    assert world.asked(two) == begun


def test_a_refused_block_is_asked_of_the_others_then_hopeless() -> None:
    world = World(3)
    one, two = world.peer((0, 3)), world.peer((0, 3))
    world.run()
    wanted = world.scheduler.want(1, 2)
    world.pump()
    assert world.asked(one) == [1]
    world.answer(one, next(iter(one.asked)), None)
    assert world.asked(one) == []
    assert world.asked(two) == [1]
    assert world.scheduler.hopeless(wanted) == []
    world.answer(two, next(iter(two.asked)), None)
    assert world.scheduler.hopeless(wanted) == [1]
    world.scheduler.changed(two, 0, world.now)  # it says that it has it now
    world.pump()
    assert world.asked(two) == [1]


def test_a_block_that_went_is_asked_for_again() -> None:
    world = World(5, live=True)
    world.peer((0, 5))
    world.run()
    assert world.core.ranges() == [(0, 5)]
    world.core.clear(2, 3)
    world.run()
    assert world.core.ranges() == [(0, 5)]


def test_answers_to_other_questions_are_refused() -> None:
    world = World(5)
    peer = world.peer((0, 5))
    world.run()
    world.scheduler.want(0, 5)
    world.pump()
    numbers = {request.block.index: number for number, request in peer.asked.items() if request.block is not None}
    other = world.source.prove(peer.asked[numbers[3]])
    with pytest.raises(ProofError, match="the request was for block 1"):
        world.answer(peer, numbers[1], other)


def test_late_answers_change_nothing() -> None:
    world = World(5)
    peer = world.peer((0, 5))
    world.run()
    world.scheduler.want(0, 5)
    world.pump()
    number, request = next(iter(peer.asked.items()))
    late = Answered(number + 1000, request, world.source.prove(request))
    assert world.scheduler.answered(peer, late) is None


def test_heads_that_are_announced_and_never_shown_end() -> None:
    world = World(1)
    peer = world.peer(length=10)
    for length in range(11, 11 + MAX_DENIED):
        world.pump()
        world.answer(peer, next(iter(peer.asked)), None)
        assert not peer.asked, "the same head is not asked for twice"
        peer.take(m.SYNC, m.encode_sync(m.Sync(FLAGS, 0, length, 0)), 0.0)
    world.pump()
    with pytest.raises(ProofError, match="in a row without showing them"):
        world.answer(peer, next(iter(peer.asked)), None)


def test_a_writer_asks_for_no_head() -> None:
    writer = source(3)
    scheduler = Scheduler(writer)
    peer = PeerState(writer, 0.0)
    peer.open()
    scheduler.attach(peer, 0.0)
    peer.take(m.SYNC, m.encode_sync(m.Sync(FLAGS, 0, 99, 0)), 0.0)
    scheduler.pump(0.0)
    assert not peer.asked


@pytest.mark.parametrize("seed", range(20))
def test_random_orders_end_with_every_block(seed: int) -> None:
    """Peers come and go, refuse, forget and learn, in any order; when one honest peer stays, everything comes."""
    rng = random.Random(seed)
    world = World(rng.randrange(1, 300))
    total = world.source.length
    honest = world.peer((0, total))
    for _ in range(4):
        start = rng.randrange(total)
        world.peer((start, rng.randrange(start, total + 1)))
    wanted: list[tuple[int, int]] = []
    world.pump()
    while True:
        peers = [peer for peer in world.scheduler.peers if peer.asked]
        act = rng.random()
        if act < 0.02 and len(world.scheduler.peers) > 1:
            world.scheduler.left(rng.choice([peer for peer in world.scheduler.peers if peer is not honest]))
            world.pump()
        elif act < 0.05 and len(wanted) < 3 and world.core.length:
            wanted.append((0, total))
            world.scheduler.want(0, total)
            world.pump()
        elif peers:
            peer = rng.choice(peers)
            number = rng.choice(list(peer.asked))
            refuses = peer is not honest and rng.random() < 0.3
            world.answer(peer, number, None if refuses else True)
        elif len(wanted) == 3 or (world.core.length and rng.random() < 0.2 and wanted):
            break
        for block, (owner, number) in world.scheduler.blocks.items():
            request: Request = owner.asked[number]
            assert request.block is not None
            assert request.block.index == block
    assert world.core.ranges() == [(0, total)]


@pytest.mark.case("feeds/silent")
def test_a_silent_peer_holds_nobody_up() -> None:
    world = World(200)
    silent, good = world.peer((0, 200)), world.peer((0, 200))
    wanted = world.scheduler.want(0, 200)
    world.pump()
    assert [request.upgrade is not None for request in silent.asked.values()] == [True]
    assert world.scheduler.deadline() == OVERDUE_SECONDS
    world.now = OVERDUE_SECONDS
    world.pump()
    assert not silent.asked, "the head was asked of the other one"
    world.answer(good, next(iter(good.asked)))
    held = world.asked(silent)
    assert len(held) == 1, "who was silent gets one block at a time"
    while wanted.left and good.asked:
        world.answer(good, next(iter(good.asked)))
    assert wanted.left == 0
    assert not silent.asked


def test_the_first_answer_to_an_overdue_block_counts() -> None:
    world = World(100)
    slow, good = world.peer((0, 100)), world.peer((0, 100))
    wanted = world.scheduler.want(0, 100)
    world.pump()
    world.answer(slow, next(iter(slow.asked)))
    while good.asked:
        world.answer(good, next(iter(good.asked)))
    late = world.asked(slow)
    assert len(late) == WINDOW_BLOCKS
    assert not world.asked(good), "they are not asked of a second peer at once"
    world.now = OVERDUE_SECONDS
    world.pump()
    assert world.asked(good) == late
    first = next(number for number, one in slow.asked.items() if one.block is not None and one.block.index == late[0])
    world.answer(slow, first)
    assert late[0] not in world.asked(good), "the other request is taken back"
    second = next(iter(good.asked))
    stale = dict(slow.asked)
    world.answer(good, second)
    world.scheduler.answered(slow, Answered(min(stale), stale[min(stale)], world.source.prove(stale[min(stale)])))
    world.run()
    assert wanted.left == 0


def test_an_overdue_peer_that_leaves_or_refuses_leaves_the_second_request() -> None:
    for leaves in (True, False):
        world = World(64)
        slow, good = world.peer((0, 64)), world.peer((0, 64))
        wanted = world.scheduler.want(0, 64)
        world.pump()
        world.answer(slow, next(iter(slow.asked)))
        while good.asked:
            world.answer(good, next(iter(good.asked)))
        world.now = OVERDUE_SECONDS
        world.pump()
        asked = dict(good.asked)
        if leaves:
            world.scheduler.left(slow)
        else:
            world.answer(slow, next(iter(slow.asked)), None)
        world.pump()
        assert set(asked) <= set(good.asked) | set(slow.asked) or leaves
        world.run()
        assert wanted.left == 0


def test_a_second_peer_that_falls_silent_as_well_holds_nobody_up() -> None:
    world = World(64)
    first, second, good = (world.peer((0, 64)) for _ in range(3))
    wanted = world.scheduler.want(0, 64)
    world.pump()
    world.answer(first, next(iter(first.asked)))
    for peer in (second, good):
        while peer.asked:
            world.answer(peer, next(iter(peer.asked)))
    world.now = OVERDUE_SECONDS
    world.pump()
    assert len(world.asked(second)) == WINDOW_BLOCKS, "it was asked for what the first one does not answer"
    world.now = 2 * OVERDUE_SECONDS
    world.pump()
    assert not second.asked
    while good.asked:
        world.answer(good, next(iter(good.asked)))
    assert wanted.left == 0
    assert not first.asked


def test_a_peer_that_answers_now_and_then_holds_nobody_up() -> None:
    """It is never silent for long. Yet what it was asked for long ago goes to whoever has nothing else to do."""
    world = World(200)
    drip, good = world.peer((0, 200)), world.peer((0, 200))
    wanted = world.scheduler.want(0, 200)
    world.pump()
    world.answer(drip, next(iter(drip.asked)))
    while wanted.left and world.now < 60.0:
        while good.asked:
            world.answer(good, next(iter(good.asked)))
        at = world.scheduler.deadline()
        assert at is None or at > world.now, "the timer does not run in circles"
        world.now += 0.9 * OVERDUE_SECONDS
        if drip.asked:
            drip.heard = world.now
            world.answer(drip, max(drip.asked))
        world.pump()
    assert wanted.left == 0
    assert world.now < 3 * OVERDUE_SECONDS


def test_a_peer_that_never_tells_its_head_is_not_waited_for_beside_another_one() -> None:
    world = World(10)
    silent = PeerState(world.core, world.now)
    silent.open()
    world.scheduler.attach(silent, world.now)
    world.peer((0, 10))
    world.run()
    assert world.core.length == 10
    assert not world.scheduler.up_to_date(), "it may have a longer one"
    assert world.scheduler.deadline() == OVERDUE_SECONDS
    world.now = OVERDUE_SECONDS
    world.pump()
    assert world.scheduler.up_to_date()
    assert world.scheduler.deadline() is None
    silent.take(m.SYNC, m.encode_sync(m.Sync(FLAGS, 0, 11, 0)), world.now)
    assert not world.scheduler.up_to_date()


def test_who_tells_of_a_longer_head_and_shows_none_is_not_waited_for_beside_another_one() -> None:
    world = World(10)
    world.peer((0, 10))
    world.run()
    boaster = world.peer(length=11)
    world.pump()
    assert not world.scheduler.up_to_date(), "it may show it"
    world.now = OVERDUE_SECONDS
    world.pump()
    assert world.scheduler.up_to_date()
    assert boaster.asked, "and if it does in the end, it is stored"
    world.answer(boaster, next(iter(boaster.asked)), None)
    boaster.take(m.SYNC, m.encode_sync(m.Sync(FLAGS, 0, 12, 0)), world.now)
    assert not world.scheduler.up_to_date(), "it did answer"


def test_who_refuses_the_heads_that_it_tells_of_is_waited_for_a_few_times_only() -> None:
    world = World(10)
    world.peer((0, 10))
    world.run()
    boaster = world.peer(length=11)
    for length in range(12, 12 + WAITED_DENIED):
        world.pump()
        assert not world.scheduler.up_to_date(), "one may go by: it was truncated meanwhile"
        world.answer(boaster, next(iter(boaster.asked)), None)
        boaster.take(m.SYNC, m.encode_sync(m.Sync(FLAGS, 0, length, 0)), world.now)
    assert world.scheduler.up_to_date()


def test_a_silent_peer_is_waited_for_where_nobody_else_has_shown_a_head() -> None:
    world = World(10)
    world.peer(length=0)
    world.peer(length=11)
    world.pump()
    world.now = 2 * OVERDUE_SECONDS
    world.pump()
    assert not world.scheduler.up_to_date()


@pytest.mark.parametrize("asked_at", [number / 1e6 for number in range(4_001_000, 4_001_100)])
def test_what_is_overdue_at_a_time_is_so_when_the_timer_rings(asked_at: float) -> None:
    """A difference of two times may round to less than their distance: the timer would ring again at once, and again."""
    world = World(10)
    world.now = asked_at
    world.peer((0, 10))
    world.peer((0, 10))
    world.pump()
    at = world.scheduler.deadline()
    assert at is not None
    world.now = at
    world.pump()
    following = world.scheduler.deadline()
    assert following is None or following > at
