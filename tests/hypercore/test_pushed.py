"""Blocks that come unasked, to a reader that allows it: between two of ours, and from peers that push what they should not."""

from __future__ import annotations

import pytest

from service.hypercore.net import ReplicationError, Replicator
from service.hypercore.tree.proof import BlockProof, BlockRequest, Proof, Request, UpgradeRequest
from service.hypercore.wire import messages as m
from service.hypercore.wire import push
from service.hypercore.wire.peer import PeerState
from service.hypercore.wire.push import PUSH_COST, PushAllowance
from tests.support.pushing import pusher, pushing, requests
from tests.support.replicated import feed
from tests.support.wire_peers import closed, hear, side, speak, until

BLOCKS = [bytes([number]) * 100 for number in range(20)]


async def test_a_reader_that_asks_for_nothing_has_what_is_pushed(monkeypatch: pytest.MonkeyPatch) -> None:
    async with pushing(BLOCKS[:5]) as (core, copy, connection, one):
        with Replicator(copy, push_only=True) as replicator:
            theirs = replicator.attach(connection)
            peer = await pusher(one, core)
            asked = requests(peer, monkeypatch)
            assert peer.push(2)
            await until(lambda: copy.has(2))
            assert copy.length == 5, "the head came with it"
            core.append(BLOCKS[5:9])
            assert all(peer.push(index) for index in (7, 0, 8))
            await replicator.update(9)
            await replicator.download(7, 9)
            await until(lambda: copy.has(0))
            assert copy.ranges() == [(0, 1), (2, 3), (7, 9)]
            assert [copy.get(index) for index in (0, 2, 7, 8)] == [BLOCKS[index] for index in (0, 2, 7, 8)]
            assert theirs.received == 400
            await until(lambda: 7 in peer.state.has)
            assert not peer.push(7), "it told that it has it"
            assert asked == []
            with pytest.raises(ReplicationError, match="block 3"):
                await replicator.download(3, 4)
            assert asked == []


async def test_who_allows_pushes_asks_for_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    async with pushing(BLOCKS[:5]) as (core, copy, connection, one):
        with Replicator(copy, allow_push=True) as replicator:
            replicator.attach(connection)
            await replicator.update()
            peer = await pusher(one, core)
            asked = requests(peer, monkeypatch)
            assert all(peer.push(index) for index in (1, 3))
            await until(lambda: copy.has(1) and copy.has(3))
            core.append(BLOCKS[5:9])
            assert peer.push(8), "before the reader has heard of that head"
            await replicator.update(9)
            await replicator.download()
            assert sorted(one.block.index for one in asked if one.block is not None) == [0, 2, 4, 5, 6, 7]
            assert [copy.get(index) for index in range(9)] == BLOCKS[:9]


async def test_no_push_is_allowed_while_a_head_is_asked_for() -> None:
    """A peer of npm takes another start than is asked of one that it may push to."""
    async with side() as one, side() as two:
        core = feed(one, BLOCKS[:5])
        one.accept = one.incoming.append  # type: ignore[method-assign,assignment]
        connection = await two.connect(one)
        await until(lambda: bool(one.incoming))
        with Replicator(two.store.get(core.key), allow_push=True) as replicator:
            replicator.attach(connection)
            channel = await speak(one.incoming[0], core)
            assert m.decode_sync(await hear(channel, m.SYNC)).flags & m.ALLOW_PUSH
            flags = m.CAN_UPGRADE | m.UPLOADING | m.HAS_MANIFEST
            await channel.send(m.SYNC, m.encode_sync(m.Sync(flags, 0, 5, 0)))
            before: list[m.Sync] = []
            while True:
                kind, body = await channel.receive()
                if kind == m.REQUEST:
                    break
                before.append(m.decode_sync(body))
            assert not before[-1].flags & m.ALLOW_PUSH
            number, _, request = m.decode_request(body)
            assert request.upgrade == UpgradeRequest(0, 5)
            await channel.send(m.DATA, m.encode_data(number, core.prove(request)))
            assert m.decode_sync(await hear(channel, m.SYNC)).flags & m.ALLOW_PUSH
        assert not m.decode_sync(await hear(channel, m.SYNC)).flags & m.ALLOW_PUSH, "who has left takes none"


async def test_a_block_that_is_pushed_is_asked_for_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    async with side() as one, side() as two:
        core = feed(one, BLOCKS[:5])
        one.accept = one.incoming.append  # type: ignore[method-assign,assignment]
        connection = await two.connect(one)
        await until(lambda: bool(one.incoming))
        copy = two.store.get(core.key)
        copy.apply(core.prove(Request(upgrade=UpgradeRequest(0, 5), manifest=True)))
        with Replicator(copy, live=True, allow_push=True) as replicator:
            replicator.attach(connection)
            channel = await speak(one.incoming[0], core)
            await channel.send(m.SYNC, m.encode_sync(m.Sync(m.UPLOADING, 0, 5, 0)))
            await channel.send(m.RANGE, m.encode_range(3, 1))
            number, _, request = m.decode_request(await hear(channel, m.REQUEST))
            assert request.block is not None
            await channel.send(m.DATA, m.encode_data(0, core.prove(request)))
            assert await hear(channel, m.CANCEL) == bytes([number])
            assert copy.get(3) == BLOCKS[3]


async def test_after_a_limit_no_more_is_allowed_and_none_is_stored() -> None:
    async with pushing(BLOCKS) as (core, copy, connection, one):
        with Replicator(copy, push_only=True, push_limit=3 * PUSH_COST) as replicator:
            replicator.attach(connection)
            peer = await pusher(one, core)
            assert all(peer.push(index) for index in range(10))
            await until(lambda: not peer.state.remote.flags & m.ALLOW_PUSH)
            assert not peer.push(11)
            await connection.drain()
            assert copy.ranges() == [(0, 3)]
            assert connection.is_open, "the others were under way"


def falsified(proof: Proof) -> Proof:
    assert proof.block is not None
    return Proof(proof.fork, BlockProof(proof.block.index, b"?", proof.block.nodes), upgrade=proof.upgrade)


@pytest.mark.parametrize("allowed", [True, False])
@pytest.mark.parametrize("what", ["known", "false", "beyond", "of another fork"])
async def test_who_pushes_what_is_of_no_use_is_held_to_a_limit(
    monkeypatch: pytest.MonkeyPatch, allowed: bool, what: str
) -> None:
    monkeypatch.setattr(push, "MAX_UNUSED", 20 * PUSH_COST)
    async with side() as one, side() as two:
        core = feed(one, BLOCKS[:10])
        one.accept = one.incoming.append  # type: ignore[method-assign,assignment]
        connection = await two.connect(one)
        await until(lambda: bool(one.incoming))
        copy = two.store.get(core.key)
        copy.apply(core.prove(Request(BlockRequest(0, 0), upgrade=UpgradeRequest(0, 10), manifest=True)))
        core.append(BLOCKS[10:])
        with Replicator(copy, allow_push=allowed) as replicator:
            replicator.attach(connection)
            channel = await speak(one.incoming[0], core)
            proof = core.prove(push.request_for({"known": 0, "beyond": 15}.get(what, 3), 20, 10, first=False))
            if what == "false":
                proof = falsified(proof)
            if what == "beyond":  # without the head that leads there
                proof = Proof(proof.fork, proof.block)
            if what == "of another fork":
                proof = Proof(7, proof.block)
            for _ in range(20):
                await channel.send(m.DATA, m.encode_data(0, proof))
            if allowed:  # what is of use makes up for one that was of none
                await channel.send(m.DATA, m.encode_data(0, core.prove(push.request_for(5, 10, 10, first=False))))
                await until(lambda: copy.has(5))
            assert connection.is_open
            await channel.send(m.DATA, m.encode_data(0, proof))
            await channel.send(m.DATA, m.encode_data(0, proof))
            assert "were pushed that are of no use" in await closed(connection)
            assert not copy.has(3)


async def test_a_false_head_that_is_pushed_ends_the_connection() -> None:
    async with side() as one, side() as two:
        core = feed(one, BLOCKS)
        one.accept = one.incoming.append  # type: ignore[method-assign,assignment]
        connection = await two.connect(one)
        await until(lambda: bool(one.incoming))
        copy = two.store.get(core.key)
        with Replicator(copy, allow_push=True) as replicator:
            replicator.attach(connection)
            channel = await speak(one.incoming[0], core)
            proof = core.prove(Request(BlockRequest(3, 0), upgrade=UpgradeRequest(0, 20), manifest=True))
            await channel.send(m.DATA, m.encode_data(0, falsified(proof)))
            await closed(connection)
            assert copy.length == 0


def test_only_what_is_of_no_use_is_counted() -> None:
    allowance = PushAllowance()
    for _ in range(3 * push.MAX_UNUSED // PUSH_COST):
        assert allowance.count(10, used=True)
    for _ in range(push.MAX_UNUSED // PUSH_COST):
        assert allowance.count(10, used=False)
    assert not allowance.count(10, used=False)
    assert allowance.count(2 * PUSH_COST, used=True)
    assert PushAllowance().count(push.MAX_UNUSED, used=False)
    assert not PushAllowance().count(push.MAX_UNUSED + 1, used=False)


def test_a_peer_state_tells_a_head_that_may_contradict_from_one_that_is_pushed() -> None:
    class Empty:
        fork, length, contiguous_length, manifest = 0, 0, 0, None

    state = PeerState(Empty(), 0.0)
    state.open()
    state.start_asking(0.0)
    state.allow_push(True)
    flags = [m.decode_sync(body).flags & m.ALLOW_PUSH for kind, body in state.outbox if kind == m.SYNC]
    assert flags == [0, 0, m.ALLOW_PUSH]
