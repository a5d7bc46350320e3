"""A server whose blocks have to be found first: beside the loop, a few at a time, and none is lost or sent twice."""

from __future__ import annotations

import asyncio

import pytest

from service.hypercore import BlockRequest, Core, Request
from service.hypercore.net import Channel, Connection, Replication
from service.hypercore.net.serving import MOST_FETCHED, Server
from service.hypercore.wire import messages as m
from tests.support.wire_peers import Side, hear, side, speak, until

COUNT = 40
PLACES = range(10, 10 + MOST_FETCHED)
"""The blocks that have a place when all from 10 on are asked for."""


class Slow:
    """A source whose blocks take until they are let go; the first ten are quick."""

    def __init__(self, blocks: list[bytes]) -> None:
        self.blocks = blocks
        self.asked: dict[int, asyncio.Future[bytes | None]] = {}

    def get(self, index: int) -> bytes | None:
        assert index < 10, "decoded on the loop"
        return self.blocks[index]

    def is_quick(self, index: int) -> bool:
        return index < 10

    async def fetch(self, index: int) -> bytes | None:
        found = self.asked[index] = asyncio.get_running_loop().create_future()
        try:
            return await found
        finally:
            del self.asked[index]

    def let_go(self, index: int, found: bool = True) -> None:
        self.asked[index].set_result(self.blocks[index] if found else None)


def hosted(where: Side) -> tuple[Core, Slow]:
    core = where.store.create()
    blocks = [b"block %d" % number for number in range(COUNT)]
    core.append(blocks)
    core.blocks = source = Slow(blocks)
    return core, source


async def ask(channel: Channel, number: int, block: int) -> None:
    await channel.send(m.REQUEST, m.encode_request(number, 0, Request(block=BlockRequest(block, 0))))


async def block_of(channel: Channel) -> tuple[int, bytes]:
    number, proof = m.decode_data(await hear(channel, m.DATA))
    assert proof.block is not None
    return number, proof.block.value


def server(connection: Connection) -> Server:
    (peer,) = Replication.of(connection)._peers.values()
    return peer._server


async def test_a_few_blocks_are_found_at_a_time_and_sent_as_they_come() -> None:
    async with side() as one, side() as two:
        core, source = hosted(one)
        channel = await speak(await two.connect(one), core)
        asked = range(10, 10 + 2 * MOST_FETCHED)
        for number in asked:
            await ask(channel, number, number)
        await until(lambda: len(source.asked) == MOST_FETCHED)
        assert sorted(source.asked) == list(PLACES)
        source.let_go(12)
        assert await block_of(channel) == (12, b"block 12")
        await until(lambda: PLACES.stop in source.asked)
        assert len(source.asked) == MOST_FETCHED
        came = set()
        for _ in asked[1:]:
            await until(lambda: bool(source.asked))
            source.let_go(next(iter(source.asked)))
            came.add(await block_of(channel))
        assert came == {(number, b"block %d" % number) for number in asked if number != 12}


async def test_what_is_at_hand_does_not_wait_for_what_is_not() -> None:
    async with side() as one, side() as two:
        core, source = hosted(one)
        channel = await speak(await two.connect(one), core)
        await ask(channel, 1, 30)
        await ask(channel, 2, 3)
        assert await block_of(channel) == (2, b"block 3")
        await until(lambda: 30 in source.asked)
        source.let_go(30)
        assert await block_of(channel) == (1, b"block 30")


async def test_what_was_found_for_another_peer_does_not_wait_for_a_place() -> None:
    async with side() as one, side() as two:
        core, source = hosted(one)
        channel = await speak(await two.connect(one), core)
        for number in range(10, 10 + MOST_FETCHED + 4):
            await ask(channel, number, number)
        await ask(channel, 1, 3)
        assert await block_of(channel) == (1, b"block 3"), "all places are taken, and four wait for one"
        assert len(source.asked) == MOST_FETCHED


async def test_no_more_than_some_of_those_that_wait_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.hypercore.net.serving.LOOKED_AHEAD", 3)
    async with side() as one, side() as two:
        core, source = hosted(one)
        channel = await speak(await two.connect(one), core)
        for number in range(10, 10 + MOST_FETCHED + 3):
            await ask(channel, number, number)
        await ask(channel, 1, 3)
        await until(lambda: len(server(one.incoming[0])._requests) == MOST_FETCHED + 4)
        source.let_go(10)
        assert [await block_of(channel), await block_of(channel)] == [(10, b"block 10"), (1, b"block 3")]


async def test_a_block_that_is_not_found_is_not_looked_for_on_the_loop() -> None:
    async with side() as one, side() as two:
        core, source = hosted(one)
        channel = await speak(await two.connect(one), core)
        core._storage.delete_blocks(core._record.id, 0, COUNT)
        await ask(channel, 1, 30)
        await until(lambda: 30 in source.asked)
        source.let_go(30, found=False)
        await hear(channel, m.NO_DATA)


async def test_a_second_request_of_a_number_is_not_answered_with_the_block_of_the_first() -> None:
    async with side() as one, side() as two:
        core, source = hosted(one)
        channel = await speak(await two.connect(one), core)
        await ask(channel, 1, 10)
        await until(lambda: 10 in source.asked)
        await ask(channel, 1, 11)
        await until(lambda: 11 in source.asked)
        source.let_go(10)
        source.let_go(11)
        number, proof = m.decode_data(await hear(channel, m.DATA))
        assert proof.block is not None
        assert (number, proof.block.index, proof.block.value) == (1, 11, b"block 11")


async def test_places_of_what_is_taken_back_are_free_again() -> None:
    async with side() as one, side() as two:
        core, source = hosted(one)
        conn = await two.connect(one)
        channel = await speak(conn, core)
        for number in range(10, PLACES.stop + 2):
            await ask(channel, number, number)
        await until(lambda: len(source.asked) == MOST_FETCHED)
        server(one.incoming[0]).cancel(11)
        for _ in range(20):
            await asyncio.sleep(0.01)
        assert sorted(source.asked) == list(PLACES), "it is still being found, and has its place"
        source.let_go(11)
        await until(lambda: PLACES.stop in source.asked)
        channel.close()
        other = await speak(conn, core)
        await ask(other, 1, 30)
        for number in (10, *range(12, PLACES.stop + 1)):
            source.let_go(number)
        await until(lambda: 30 in source.asked)
        assert sorted(source.asked) == [30], "nobody waits for what the closed channel asked for"
        source.let_go(30)
        assert await block_of(other) == (1, b"block 30")


async def test_the_channels_of_a_connection_share_its_places() -> None:
    async with side() as one, side() as two:
        (core, source), (another, rest) = hosted(one), hosted(one)
        conn = await two.connect(one)
        first, second = await speak(conn, core), await speak(conn, another)
        for number in range(10, PLACES.stop + 2):
            await ask(first, number, number)
        await until(lambda: len(source.asked) == MOST_FETCHED)
        await ask(second, 1, 10)
        await ask(second, 2, 3)
        source.let_go(10)
        assert await block_of(first) == (10, b"block 10")
        await until(lambda: 10 in rest.asked or PLACES.stop in source.asked)
        for number in PLACES[1:]:
            source.let_go(number)
        await until(lambda: 10 in rest.asked)
        rest.let_go(10)
        assert {await block_of(second), await block_of(second)} == {(1, b"block 10"), (2, b"block 3")}
