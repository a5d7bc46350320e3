"""Replicators that share a core or a peer, and those that are closed while somebody waits."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from service.hypercore import BlockRequest, Request
from service.hypercore.net import Connection, ReplicationError, Replicator, fetch
from service.hypercore.net.replicator import STALL_SECONDS
from tests.support.replicated import BLOCKS, content, feed, sides
from tests.support.wire_peers import SECONDS, side, until


async def test_who_waits_hears_of_the_end_at_once() -> None:
    async with side() as one, side() as two:
        core = feed(one, [bytes(200_000)] * 200)
        copy = two.store.get(core.key)
        replicator = Replicator(copy)
        replicator.attach(await two.connect(one))
        await replicator.update()
        wanted = asyncio.create_task(replicator.download())
        head = asyncio.create_task(replicator.update(10_000))
        await until(lambda: copy.contiguous_length > 5)
        loop = asyncio.get_running_loop()
        began = loop.time()
        replicator.close()
        for waiting in (wanted, head):
            with pytest.raises(ReplicationError, match="no peer is left"):
                await waiting
        assert loop.time() - began < STALL_SECONDS / 10, "of the virtual clock"
        assert 5 < copy.contiguous_length < 200
        await fetch(copy, await two.connect(one))
        assert content(copy) == content(core)


async def test_a_peer_that_is_attached_twice_is_asked_once() -> None:
    async with side() as one, side() as two:
        core = feed(one, [bytes(50_000)] * 200)
        copy = two.store.get(core.key)
        connection = await two.connect(one)
        with Replicator(copy) as replicator:
            first = replicator.attach(connection)
            await replicator.update()
            wanted = asyncio.create_task(replicator.download())
            await until(lambda: bool(first.state.asked))
            assert replicator.attach(connection) is first
            assert replicator.peers == [first]
            asked = [one.block.index for one in first.state.asked.values() if one.block is not None]
            assert len(asked) == len(set(asked))
            async with asyncio.timeout(SECONDS):
                await wanted
        assert content(copy) == content(core)


async def test_several_replicators_of_one_core() -> None:
    """Each has a peer of its own; what one stores the others see."""
    async with AsyncExitStack() as stack:
        one, two, reader = await sides(stack, 3)
        core = feed(one, [bytes([number]) * 20_000 for number in range(200)])
        await fetch(two.store.get(core.key), await two.connect(one))
        copy = reader.store.get(core.key)

        async def load(connection: Connection) -> None:
            await fetch(copy, connection)

        async with asyncio.timeout(SECONDS):
            await asyncio.gather(load(await reader.connect(one)), load(await reader.connect(two)))
        assert content(copy) == content(core)


async def test_another_replicator_takes_a_peer_over() -> None:
    """Requests of the first are taken back: their answers, which may still come, are nobody's."""
    async with side() as one, side() as two:
        core = feed(one, [bytes(50_000)] * 200)
        copy = two.store.get(core.key)
        connection = await two.connect(one)
        first = Replicator(copy)
        peer = first.attach(connection)
        await first.update()
        wanted = asyncio.create_task(first.download())
        await until(lambda: copy.contiguous_length > 5)
        first.close()
        assert not peer.state.asked
        with Replicator(copy) as second:
            assert second.attach(connection) is peer
            async with asyncio.timeout(SECONDS):
                await second.download()
        assert content(copy) == content(core)
        with pytest.raises(ReplicationError, match="no peer is left"):
            await wanted
        assert not connection.is_closed


async def test_a_peer_that_reads_again_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async with side() as one, side() as two:
        core = feed(one)
        copy = two.store.get(core.key)
        connection = await two.connect(one)
        with Replicator(copy) as replicator:
            peer = replicator.attach(connection)
            await replicator.update()
            held = True
            monkeypatch.setattr(Connection, "writable", property(lambda self: self is not connection or not held))
            wanted = asyncio.create_task(replicator.download())
            await asyncio.sleep(1.0)  # of the virtual clock
            assert not peer.state.asked
            held = False
            for told in connection.on_writable:
                told()
            async with asyncio.timeout(SECONDS):
                await wanted
        assert content(copy) == BLOCKS


async def test_a_channel_that_ended_is_opened_anew() -> None:
    """The peer closes the core's channel; the connection stays and serves the core again."""
    async with side() as one, side() as two:
        core = feed(one)
        copy = two.store.get(core.key)
        connection = await two.connect(one)
        with Replicator(copy) as replicator:
            first = replicator.attach(connection)
            await replicator.update()
            first.close("enough")
            assert replicator.peers == []
            with pytest.raises(ReplicationError, match="no peer is left"):
                await replicator.download()
            again = replicator.attach(connection)
            assert again is not first
            async with asyncio.timeout(SECONDS):
                await replicator.download()
        assert content(copy) == BLOCKS


async def test_what_comes_in_the_turn_in_which_the_time_is_over_has_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when a peer that does not answer is dropped in that turn: ANSWER_SECONDS are twice STALL_SECONDS."""
    async with side() as one, side() as two:
        core, loop = feed(one), asyncio.get_running_loop()
        copy = two.store.get(core.key)
        with Replicator(copy) as replicator:
            peer = replicator.attach(await two.connect(one))
            await replicator.update()
            replicator.doubted(peer)  # from now on it is asked for nothing
            await asyncio.sleep(1)  # of the virtual clock: what it tells has come
            proof, wait = core.prove(Request(block=BlockRequest(0, copy.missing_nodes(0)))), replicator._wake.wait

            async def beside() -> bool:
                loop.call_at(loop.time() + STALL_SECONDS, copy.apply, proof)
                return await wait()

            monkeypatch.setattr(replicator._wake, "wait", beside)
            await replicator.download(0, 1)
            assert copy.get(0) == BLOCKS[0]
