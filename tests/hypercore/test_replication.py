"""Replication between sides of ours over TCP: dense, sparse, live, forks, several peers, what is lost and comes again."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from service.hypercore import (
    BlockRequest,
    Core,
    Corestore,
    KeyPair,
    Request,
    StorageError,
)
from service.hypercore.net import (
    ChannelClosed,
    ReplicationError,
    Replicator,
    fetch,
)
from service.hypercore.net.shared import Shared
from service.hypercore.wire import messages as m
from tests.support.full_disk import full_disk
from tests.support.replicated import BLOCKS, content, feed, honest, sides
from tests.support.wire_peers import SECONDS, Impostor, hear, side, speak, until


@pytest.mark.parametrize("compat", [True, False])
@pytest.mark.parametrize("encryption", [None, bytes(32)], ids=["plain", "encrypted"])
async def test_all_of_it(compat: bool, encryption: bytes | None) -> None:
    async with side() as one, side() as two:
        core = feed(one, compat=compat, encryption_key=encryption)
        copy = two.store.get(core.key, encryption_key=encryption)
        told: list[tuple[int, int]] = []
        await fetch(copy, await two.connect(one), on_progress=lambda *now: told.append(now))
        assert content(copy) == BLOCKS
        assert told[-1] == (300, 300)
        assert told == sorted(told)


async def test_single_blocks_and_ranges() -> None:
    async with side() as one, side() as two:
        core = feed(one)
        copy = two.store.get(core.key)
        with Replicator(copy) as replicator:
            replicator.attach(await two.connect(one))
            assert await replicator.get(299) == BLOCKS[299]
            await replicator.download(10, 20)
        assert copy.ranges() == [(10, 20), (299, 300)]


async def test_a_chain_of_followers_and_a_block_that_comes_back() -> None:
    async with AsyncExitStack() as stack:
        one, two, three = await sides(stack, 3)
        core = feed(one)
        middle, last = two.store.get(core.key), three.store.get(core.key)
        first = stack.enter_context(Replicator(middle, live=True))
        second = stack.enter_context(Replicator(last, live=True))
        first.attach(await two.connect(one))
        second.attach(await three.connect(two))
        await until(lambda: last.contiguous_length == 300)
        for number in range(20):
            core.append([b"live %d" % number])
        await until(lambda: last.contiguous_length == 320)
        assert content(last)[300:] == [b"live %d" % number for number in range(20)]
        last.clear(5, 9)
        await until(lambda: last.contiguous_length == 320)


async def test_a_fork_reaches_a_chain_of_followers() -> None:
    async with AsyncExitStack() as stack:
        one, two, three = await sides(stack, 3)
        core = feed(one)
        middle, last = two.store.get(core.key), three.store.get(core.key)
        first = stack.enter_context(Replicator(middle, live=True))
        second = stack.enter_context(Replicator(last, live=True))
        first.attach(await two.connect(one))
        second.attach(await three.connect(two))
        await until(lambda: last.contiguous_length == 300)
        core.truncate(150)
        core.append([b"new"] * 10)
        await until(lambda: last.fork == 1 and last.contiguous_length == 160)
        assert content(last) == [*BLOCKS[:150], *[b"new"] * 10]


async def test_a_fork_while_blocks_are_on_their_way() -> None:
    async with AsyncExitStack() as stack:
        one, two = await sides(stack, 2)
        core = feed(one, [bytes([number % 251]) * 20_000 for number in range(600)])
        copy = two.store.get(core.key)
        replicator = stack.enter_context(Replicator(copy, live=True))
        replicator.attach(await two.connect(one))
        for fork, length in enumerate((400, 300, 200), 1):
            await until(lambda: copy.contiguous_length > 20)
            core.truncate(length)
            core.append([b"new %d" % fork] * 3)
        await until(lambda: copy.fork == 3 and copy.contiguous_length == 203)
        assert content(copy) == content(core)


async def test_more_news_than_are_kept_are_told_all_the_same() -> None:
    async with AsyncExitStack() as stack:
        source, middle, last = await sides(stack, 3)
        core = feed(source, [b"x"] * 5000)
        sparse, copy = middle.store.get(core.key), last.store.get(core.key)
        first = stack.enter_context(Replicator(sparse))
        first.attach(await middle.connect(source))
        await first.update()
        second = stack.enter_context(Replicator(copy, live=True))
        second.attach(await last.connect(middle))
        await until(lambda: copy.length == 5000)
        for index in range(1, 5000, 2):
            answer = core.prove(Request(block=BlockRequest(index, sparse.missing_nodes(2 * index))))
            sparse.apply(answer)
        await until(lambda: sum(end - start for start, end in copy.ranges()) == 2500)
        assert not copy.has(0)


@pytest.mark.parametrize("quick", [True, False])
async def test_a_storage_that_fails_is_no_answer(quick: bool, capsys: pytest.CaptureFixture[str]) -> None:
    class Broken:
        def get(self, index: int) -> bytes | None:
            raise OSError("the disk is gone")

        def is_quick(self, index: int) -> bool:
            return quick

        async def fetch(self, index: int) -> bytes | None:
            return self.get(index)

    async with side() as one, side() as two:
        core = feed(one)
        channel = await speak(await two.connect(one), core)
        core.blocks = Broken()
        await channel.send(m.REQUEST, m.encode_request(7, 0, Request(block=BlockRequest(3, 0))))
        assert await hear(channel, m.NO_DATA) == bytes([7, 1, m.NOT_AVAILABLE])
        assert "the disk is gone" in capsys.readouterr().out


async def test_parts_from_several_peers() -> None:
    async with AsyncExitStack() as stack:
        source, *parts, reader = await sides(stack, 5)
        core = feed(source)
        for number, part in enumerate(parts):
            await fetch(part.store.get(core.key), await part.connect(source), 100 * number, 100 * number + 100)
        copy = reader.store.get(core.key)
        replicator = stack.enter_context(Replicator(copy))
        peers = [replicator.attach(await reader.connect(part)) for part in parts]
        await replicator.update(300)
        await replicator.download()
        assert content(copy) == BLOCKS
        assert all(len(peer.state.has) == 1 for peer in peers)


@pytest.mark.parametrize(("start", "end"), [(120, 121), (100, 201)])
async def test_what_a_peer_told_in_part_is_asked_for(start: int, end: int) -> None:
    """It told of block 200, but never of those before it."""
    async with AsyncExitStack() as stack:
        source, part, reader = await sides(stack, 3)
        core = feed(source)
        middle, copy = part.store.get(core.key), reader.store.get(core.key)
        await fetch(middle, await part.connect(source), 100, 200)
        replicator = stack.enter_context(Replicator(copy))
        peer = replicator.attach(await reader.connect(part))
        await replicator.update()
        middle.apply(core.prove(Request(block=BlockRequest(200, middle.missing_nodes(400)))))
        await until(lambda: 200 in peer.state.has)
        assert 100 not in peer.state.has
        async with asyncio.timeout(SECONDS):
            await replicator.download(start, end)
        assert copy.ranges() == [(start, end)]


async def test_what_cannot_be_written_is_told_to_who_waits(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("service.hypercore.net.replicator.FLUSH_SECONDS", 0.01)

    def full() -> None:
        raise StorageError("database or disk is full")

    async with side() as one, side() as two:
        core = feed(one)
        copy = two.store.get(core.key)

        def answer(number: int, fork: int, request: Request) -> tuple[int, bytes] | None:
            if request.block is not None:
                monkeypatch.setattr(two.store._storage, "commit", full)
                return honest(core, number, request) if request.block.index < 5 else None
            return honest(core, number, request)

        Impostor(one, core, answer)
        connection = await two.connect(one)
        with pytest.raises(StorageError, match="disk is full"):
            async with asyncio.timeout(SECONDS):
                await fetch(copy, connection)
        monkeypatch.undo()
        assert copy.ranges() == []
        assert not connection.is_closed, "the peer did nothing wrong"
        assert "cannot store blocks" in capsys.readouterr().out


async def test_an_answer_that_another_replicator_was_faster_with() -> None:
    """Another one of the same core took over a fork of just the length from which this one asked."""
    async with side() as one, side() as two:
        core = feed(one, BLOCKS[:20])
        copy = two.store.get(core.key)
        copy.apply(core.prove(Request(upgrade=m.UpgradeRequest(0, 20), manifest=True)))
        core.append(BLOCKS[20:40])

        def answer(number: int, fork: int, request: Request) -> tuple[int, bytes]:
            told = honest(core, number, request)
            core.truncate(5)
            core.append([b"new"] * 15)
            copy.adopt_fork(core.prove(Request(upgrade=m.UpgradeRequest(0, 20))))
            return told

        Impostor(one, core, answer)
        connection = await two.connect(one)
        with Replicator(copy) as replicator:
            peer = replicator.attach(connection)
            await until(lambda: copy.fork == 1 and not peer.state.asked)
            await asyncio.sleep(0)
            assert copy.length == 20
            assert not connection.reason, "the peer did nothing wrong"


async def test_a_peer_goes_away_in_the_middle() -> None:
    async with AsyncExitStack() as stack:
        one, two, reader = await sides(stack, 3)
        core = feed(one, [bytes([number % 251]) * 20_000 for number in range(600)])
        await fetch(two.store.get(core.key), await two.connect(one))
        copy = reader.store.get(core.key)
        replicator = stack.enter_context(Replicator(copy))
        leaving = await reader.connect(one)
        replicator.attach(leaving)
        replicator.attach(await reader.connect(two))
        await replicator.update()
        wanted = asyncio.create_task(replicator.download())
        await until(lambda: copy.contiguous_length > 30)
        leaving.fail("gone")
        async with asyncio.timeout(SECONDS):
            await wanted
        assert content(copy) == content(core)


async def test_the_last_peer_goes_away() -> None:
    async with side() as one, side() as two:
        core = feed(one, [bytes(200_000)] * 200)
        copy = two.store.get(core.key)
        with Replicator(copy) as replicator:
            connection = await two.connect(one)
            replicator.attach(connection)
            await replicator.update()
            wanted = asyncio.create_task(replicator.download())
            await until(lambda: copy.contiguous_length > 5)
            connection.fail("pulled the plug")
            with pytest.raises(ReplicationError, match=r"no peer is left for block.*: .*pulled the plug"):
                await wanted
        got = copy.contiguous_length
        assert 5 < got < 200
        await fetch(copy, await two.connect(one))
        assert content(copy) == [bytes(200_000)] * 200


async def test_another_process_and_a_commit_that_fails_do_not_end_a_download_early(tmp_path: Path) -> None:
    async with side() as one, side() as two:
        core = feed(one)
        Impostor(one, core, lambda number, fork, request: None if request.block else honest(core, number, request))
        with full_disk() as disk:
            mine = Corestore(tmp_path)
        others = Corestore(tmp_path)
        copy, theirs, ours = mine.get(core.key), others.get(core.key), mine.create()
        await fetch(copy, await two.connect(one), 0, 0)

        def take(where: Core, index: int) -> None:
            where.apply(core.prove(Request(block=BlockRequest(index, where.missing_nodes(2 * index)))))

        for index in range(200):
            take(copy, index)
        copy.flush()
        with Replicator(copy) as replicator:
            replicator.attach(await two.connect(one))
            wanted = asyncio.create_task(replicator.download())
            await until(lambda: bool(replicator._scheduler.blocks))
            others.refresh()
            take(theirs, 299)
            theirs.flush()
            mine.refresh()
            take(copy, 298)
            disk.fill(writes=1)
            with pytest.raises(StorageError, match="disk is full"):
                ours.append(b"block")  # takes with it what is not durable yet
            assert copy.ranges() == [(0, 200), (299, 300)]
            for index in range(200, 299):
                await asyncio.sleep(0)
                assert not wanted.done()
                take(copy, index)
            async with asyncio.timeout(SECONDS):
                await wanted


async def test_nobody_to_ask_and_nothing_to_get(monkeypatch: pytest.MonkeyPatch) -> None:
    async with side() as one, side() as two:
        copy = two.store.get(KeyPair.generate().public)
        with (
            Replicator(copy) as replicator,
            pytest.raises(ReplicationError, match=r"no peer is left .*no peer was tried"),
        ):
            await replicator.update()
        connection = await two.connect(one)
        one.incoming[0].mux.settle()
        with pytest.raises(ReplicationError, match="the peer does not serve that"):
            await fetch(copy, connection)
        core = feed(one)
        core.clear(7, 8)
        monkeypatch.setattr("service.hypercore.net.replicator.STALL_SECONDS", 0.2)
        half = two.store.get(core.key)
        with pytest.raises(ReplicationError, match="block 7: not to be had from"):
            await fetch(half, await two.connect(one))
        assert half.ranges() == [(0, 7), (8, 300)]


async def test_a_channel_that_nobody_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.hypercore.net.channel.CHANNEL_SECONDS", 0.2)
    async with side() as one, side() as two:
        connection = await two.connect(one)
        await until(lambda: bool(one.incoming))
        # whoever dialled has not said yet what it serves: it rejects nothing
        channel = one.incoming[0].open("datdot/nothing", None)
        with pytest.raises(ChannelClosed, match="datdot/nothing was not opened within"):
            await channel.opened()
        core = feed(one)
        copy = two.store.get(core.key)
        await fetch(copy, connection)
        assert content(copy) == BLOCKS, "the connection serves on"


async def test_whoever_asks_much_leaves_turns_to_all_else() -> None:
    shared, order = Shared(0), list[str]()
    loop = asyncio.get_running_loop()

    def round_of_the_loop(left: int) -> None:
        order.append("loop")
        if left:
            loop.call_soon(round_of_the_loop, left - 1)

    def again() -> None:
        order.append("c")
        shared.take_turn(lambda: order.append("d"))

    shared.take_turn(lambda: order.append("a"))
    shared.take_turn(lambda: order.append("b"))
    shared.take_turn(again)
    loop.call_soon(round_of_the_loop, 4)
    for _ in range(10):
        await asyncio.sleep(0)
    assert order == ["a", "loop", "b", "loop", "c", "loop", "d", "loop", "loop"]
    shared.take_turn(lambda: order.append("e"))
    await asyncio.sleep(0)
    assert order[-1] == "e"


async def test_who_had_little_comes_before_who_had_much() -> None:
    shared, order = Shared(0), list[str]()
    for number in range(6):
        shared.take_turn(lambda number=number: order.append(f"much {number}"), late=True)  # type: ignore[misc]
    for number in range(6):
        shared.take_turn(lambda number=number: order.append(f"little {number}"))  # type: ignore[misc]
    for _ in range(13):
        await asyncio.sleep(0)
    assert [name.split()[0] for name in order].count("much") == 6
    assert order[:8] == [
        "little 0", "little 1", "little 2", "much 0", "little 3", "little 4", "little 5", "much 1",
    ]  # fmt: skip


async def test_one_fetcher_for_a_core_and_a_connection() -> None:
    async with side() as one, side() as two:
        core = feed(one)
        copy = two.store.get(core.key)
        connection = await two.connect(one)
        with Replicator(copy) as first, Replicator(copy) as second:
            first.attach(connection)
            with pytest.raises(ReplicationError, match=r"is already being fetched from .* by another replicator"):
                second.attach(connection)
        await fetch(copy, connection)
        assert content(copy) == BLOCKS


async def test_the_state_is_told_once() -> None:
    """A sync that answers a sync would be answered again, and so on."""
    async with side() as one, side() as two:
        core = feed(one)
        channel = await speak(await two.connect(one), core)
        first = m.decode_sync(await hear(channel, m.SYNC))
        assert (first.length, first.fork, first.remote_length) == (300, 0, 0)
        for _ in range(5):
            await channel.send(m.SYNC, m.encode_sync(m.Sync(m.DOWNLOADING, 0, 3, 300)))
        assert m.decode_sync(await hear(channel, m.SYNC)).remote_length == 3
        await channel.send(m.REQUEST, m.encode_request(1, 0, Request(block=BlockRequest(0, 0))))
        kinds = []
        async with asyncio.timeout(SECONDS):
            while m.DATA not in kinds:
                kinds.append((await channel.receive())[0])
        assert m.SYNC not in kinds


async def test_requests_are_answered_in_order_and_can_be_taken_back() -> None:
    async with side() as one, side() as two:
        core = feed(one)
        channel = await speak(await two.connect(one), core)
        for number in range(1, 41):
            await channel.send(m.REQUEST, m.encode_request(number, 0, Request(block=BlockRequest(number, 0))))
        await channel.send(m.CANCEL, b"\x14")
        numbers = [m.decode_data(await hear(channel, m.DATA))[0] for _ in range(39)]
        assert numbers == [number for number in range(1, 41) if number != 20]


async def test_what_cannot_be_answered_is_told() -> None:
    async with side() as one, side() as two:
        core = feed(one)
        core.clear(5, 6)
        channel = await speak(await two.connect(one), core)
        asked = [
            (0, Request(block=BlockRequest(5, 0)), m.NOT_AVAILABLE),
            (0, Request(block=BlockRequest(3, 50)), m.INVALID_REQUEST),
            (0, Request(block=BlockRequest(10**9, 0)), m.NOT_AVAILABLE),
            (1, Request(block=BlockRequest(3, 0)), m.NOT_AVAILABLE),
        ]
        for number, (fork, request, reason) in enumerate(asked, 1):
            await channel.send(m.REQUEST, m.encode_request(number, fork, request))
            assert await hear(channel, m.NO_DATA) == bytes([number, 1, reason])


async def test_which_blocks_are_here() -> None:
    async with side() as one, side() as two:
        core = feed(one)
        core.clear(100, 101)
        channel = await speak(await two.connect(one), core)
        assert m.decode_range(await hear(channel, m.RANGE)) == (0, 100, False)
        await channel.send(m.WANT, m.encode_want(0, 1 << 21))
        start, bits = m.decode_bitfield(await hear(channel, m.BITFIELD))
        assert start == 0
        found = {index for index in range(300) if bits[index >> 3] >> (index & 7) & 1}
        assert found == set(range(300)) - {100}


async def test_news_for_a_peer_that_does_not_read_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async with side() as one, side() as two:
        core = feed(one)
        connection = await two.connect(one)
        channel = await speak(connection, core)
        await hear(channel, m.RANGE)
        serving = one.incoming[0]
        serving.pause_writing()
        before = len(serving._out)
        for _ in range(200):
            core.append(b"more")
            await asyncio.sleep(0)
        assert len(serving._out) == before
        serving.resume_writing()
        assert m.decode_range(await hear(channel, m.RANGE)) == (0, 500, False)
