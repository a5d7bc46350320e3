"""Requests that lean on answers under way: short paths, and what becomes of them if those answers do not come."""

from __future__ import annotations

import pytest

from service.hypercore import Core, Corestore
from service.hypercore.net import ReplicationError, Replicator
from service.hypercore.tree.proof import BlockProof, BlockRequest, Proof, Request, Unconnected, UpgradeRequest
from service.hypercore.wire import messages as m
from service.hypercore.wire.answers import BlockAnswer
from service.hypercore.wire.peer import Answered, PeerState
from service.hypercore.wire.promised import MAX_PROMISED, Promised
from service.hypercore.wire.scheduler import Scheduler
from tests.support.replicated import content, feed
from tests.support.wire_peers import Impostor, closed, side

COUNT = 64


class Plain:
    """A tree of which nothing is known below a root `height` levels up."""

    def __init__(self, height: int) -> None:
        self.whole_paths: set[int] = set()
        self._height = height

    def missing_nodes(self, index: int) -> int:
        """As of a core that has its root alone."""
        return self._height


def made() -> Core:
    return Corestore().create()


def replica_of(core: Core) -> Core:
    return Corestore().get(core.key)


def peers(core: Core, count: int) -> list[PeerState]:
    return [PeerState(core, 0.0) for _ in range(count)]


def test_blocks_in_a_row_ask_for_each_level_once() -> None:
    tree = Plain(6)
    promised = Promised(tree)
    core = made()
    one, two = peers(core, 2)
    levels = [promised.levels(one, block) for block in range(COUNT)]
    assert levels[:9] == [6, 0, 1, 0, 2, 0, 1, 0, 3]
    assert sum(levels) == COUNT - 1, "one level a block, not 6"
    assert promised.levels(two, 5) == 6, "another peer promised nothing"
    assert not promised.answered(0)
    assert promised.answered(1)
    promised.failed(3)
    assert promised.levels(one, 3) == 6
    assert not promised.answered(3), "it does not lean, so who sends what is false is to blame"
    assert promised.levels(one, 3) == 0, "the next time it may"
    tree.whole_paths.add(7)
    assert promised.levels(one, 7) == 6
    promised.broken(one)
    assert promised.levels(one, 9) == 6
    promised.levels(one, 10)
    promised.clear()
    assert promised.answered(10), "it was asked for before"
    assert promised.levels(one, 11) == 6


def test_what_is_remembered_of_a_peer_is_bounded() -> None:
    promised = Promised(Plain(50))
    (peer,) = peers(made(), 1)
    for number in range(3000):
        promised.levels(peer, number * 2**20)
        assert len(promised._nodes[peer]) <= MAX_PROMISED + 2 * 50 + 1


async def test_a_block_that_is_refused_lets_those_that_leaned_on_it_be_asked_for_again() -> None:
    async with side() as one, side() as two:
        core = feed(one, [bytes([number]) * 50 for number in range(COUNT)])
        asked: list[BlockRequest] = []

        def answer(number: int, fork: int, request: Request) -> tuple[int, bytes]:
            if request.block is not None:
                asked.append(request.block)
                if request.block.index == 0 or (request.block.index == 5 and len(asked) < COUNT):
                    return m.NO_DATA, m.encode_no_data(number, m.NOT_AVAILABLE)
            return m.DATA, m.encode_data(number, core.prove(request))

        Impostor(one, core, answer)
        copy = two.store.get(core.key)
        connection = await two.connect(one)
        with Replicator(copy) as replicator:
            replicator.attach(connection)
            await replicator.update()
            with pytest.raises(ReplicationError, match="block 0: not to be had"):
                await replicator.download()
            await replicator.download(6)
            assert copy.ranges()[-1] == (6, COUNT)
            assert content(copy)[6:] == content(core)[6:]
            assert connection.is_open, "the peer is not to blame"
        again = [one for one in asked if [other.index for other in asked].count(one.index) > 1]
        assert 0 < len(again) < 2 * COUNT


async def test_a_forger_whose_answer_leans_is_asked_once_more_and_found_out() -> None:
    async with side() as one, side() as two:
        core = feed(one, [bytes([number]) * 50 for number in range(COUNT)])
        asked: list[int] = []

        def answer(number: int, fork: int, request: Request) -> tuple[int, bytes] | None:
            proof = core.prove(request)
            if request.block is not None:
                asked.append(request.block.index)
                if request.block.index == 1:  # a true block, and a way to nowhere
                    other = core.prove(Request(BlockRequest(1, 3)))
                    assert other.block is not None
                    proof = Proof(0, replaced(other.block.nodes))
            elif request.upgrade is not None and request.upgrade.start == 0 and copy.length:
                return None
            return m.DATA, m.encode_data(number, proof)

        def replaced(nodes: tuple[object, ...]) -> BlockProof:
            return BlockProof(1, b"false", nodes[:2])  # type: ignore[arg-type]

        Impostor(one, core, answer)
        copy = two.store.get(core.key)
        connection = await two.connect(one)
        with Replicator(copy) as replicator:
            replicator.attach(connection)
            await replicator.update()
            with pytest.raises(ReplicationError):
                await replicator.download()
            await closed(connection)
        assert asked.count(1) <= 2
        assert not copy.has(1)


def test_an_answer_that_leans_and_comes_too_early_is_asked_for_with_its_whole_path() -> None:
    core = made()
    core.append([bytes([number]) for number in range(8)])
    copy = replica_of(core)
    copy.apply(core.prove(Request(upgrade=UpgradeRequest(0, 8), manifest=True)))
    scheduler = Scheduler(copy, live=True)
    (peer,) = peers(copy, 1)
    peer.open()
    scheduler.attach(peer, 0.0)
    peer.take(m.SYNC, m.encode_sync(m.Sync(m.UPLOADING | m.CAN_UPGRADE, 0, 8, 0)), 0.0)
    peer.take(m.RANGE, m.encode_range(0, 8), 0.0)
    scheduler.pump(0.0)
    numbers = {one.block.index: number for number, one in peer.asked.items() if one.block is not None}
    assert [one.block.nodes for one in peer.asked.values() if one.block is not None] == [3, 0, 1, 0, 2, 0, 1, 0]
    request = peer.asked.pop(numbers[1])
    taken = scheduler.answered(peer, Answered(numbers[1], request, core.prove(request)))
    assert isinstance(taken, BlockAnswer)
    assert taken.leans
    with pytest.raises(Unconnected):
        copy.apply(taken.proof)
    scheduler.uncheckable(1)
    scheduler.pump(0.0)
    again = [one.block.nodes for one in peer.asked.values() if one.block is not None and one.block.index == 1]
    assert again == [3]
