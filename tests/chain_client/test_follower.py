"""The follower: each finalized block once, in order, through gaps, cuts, hung sockets, restarts and reorganisations."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from service.chain_client import (
    Block,
    BlockRef,
    ChainClient,
    ConnectionLost,
    CursorStore,
    Follower,
    WrongChain,
    following,
)
from service.chain_client.client import parse_header
from tests.support.chain_world import LONGEST, World, bounded, eventually, take


class Running:
    """A follower that runs for the time of the context."""

    def __init__(self, client: ChainClient, start: BlockRef | None = None, watchdog_seconds: float = 600.0) -> None:
        self.follower = Follower(client, start, watchdog_seconds)
        self.task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Follower:
        self.task = await bounded(following(self.follower))
        return self.follower

    async def __aexit__(self, *reason: object) -> None:
        assert self.task is not None
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


def check(world: World, blocks: list[Block], first: int, last: int) -> None:
    """All blocks [first, last], each once, as the chain has them."""
    assert [block.number for block in blocks] == list(range(first, last + 1))
    for block in blocks:
        real = world.engine.chain.at(block.number)
        assert real is not None
        assert (block.hash, block.parent) == (real.hash, real.header.parent)
        assert block.ref == BlockRef(block.number, block.hash)
        assert [one.name for one in block.events] == ["ExtrinsicSuccess"]


async def test_each_block_once_and_in_order(world: World, client: ChainClient) -> None:
    world.seal(3)
    async with Running(client) as follower:
        blocks = follower.blocks()
        for number in range(4, 10):
            world.seal()
            assert (await bounded(follower.wait_for(number))).number == number
        check(world, await take(blocks, 9), 4, 9)
        assert follower.latest is not None
        assert follower.latest.number == 9


async def test_from_the_genesis_block_on(world: World, client: ChainClient) -> None:
    genesis = BlockRef(0, world.genesis)
    world.seal(5)
    async with Running(client, genesis) as follower:
        check(world, await take(follower.blocks(genesis), 5), 1, 5)


async def test_the_first_look_at_a_chain_without_blocks(world: World, client: ChainClient) -> None:
    async with Running(client) as follower:
        assert (await bounded(follower.wait_for(0))).hash == world.genesis
        blocks = follower.blocks()
        world.seal()
        check(world, await take(blocks, 1), 1, 1)


async def test_a_notification_that_stands_for_many_blocks(world: World, client: ChainClient) -> None:
    async with Running(client) as follower:
        blocks = follower.blocks()
        world.seal()
        await take(blocks, 1)
        await world.engine.jump(30)
        check(world, await take(blocks, 31), 2, 31)
        world.engine.set_finality(None)
        world.seal(20)
        world.engine.set_finality(0)
        check(world, await take(blocks, 51), 32, 51)


async def test_a_jump_of_a_thousand_blocks(world: World, client: ChainClient) -> None:
    async with Running(client) as follower:
        blocks = follower.blocks()
        late = follower.blocks()
        await world.engine.jump(1000)
        check(world, await take(blocks, 1000), 1, 1000)
        # a reader far behind is served from the node again, and costs no memory meanwhile
        assert len(follower._kept) <= 256
        check(world, await take(late, 1000), 1, 1000)


async def test_one_request_for_a_block(world: World, client: ChainClient) -> None:
    async with Running(client) as follower:
        world.seal(2)
        await bounded(follower.wait_for(2))
        before = len(world.server.asked)
        for number in range(3, 13):
            world.seal()
            await bounded(follower.wait_for(number))
        assert world.server.asked[before:] == ["state_getStorage"] * 10


@pytest.mark.case("network/chain_faults")
async def test_a_cut_connection_leaves_no_gap(world: World, client: ChainClient) -> None:
    async with Running(client) as follower:
        blocks = follower.blocks()
        for _ in range(3):
            world.seal(2)
            world.drop()
            world.seal(2)
        check(world, await take(blocks, 12), 1, 12)


@pytest.mark.case("network/chain_faults")
@pytest.mark.parametrize(
    "method",
    [
        "chain_subscribeFinalizedHeads",
        "chain_getFinalizedHead",
        "chain_getBlockHash",
        "chain_getHeader",
        "state_getRuntimeVersion",
        "state_getStorage",
    ],
)
@pytest.mark.parametrize("phase", ["before", "after"])
async def test_a_cut_in_the_midst_of_any_request(world: World, client: ChainClient, method: str, phase: str) -> None:
    genesis = BlockRef(0, world.genesis)
    world.seal(20)
    follower = Follower(client, genesis)
    hooks = world.server.before if phase == "before" else world.server.after
    hooks[method] = world.drop
    running = asyncio.create_task(follower.run())
    check(world, await take(follower.blocks(), 20), 1, 20)
    assert method not in hooks
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.mark.case("network/chain_faults")
async def test_a_hung_node_is_noticed_by_requests(world: World, client: ChainClient) -> None:
    async with Running(client) as follower:
        blocks = follower.blocks()
        world.seal()
        await take(blocks, 1)
        first = set(world.node.faults.transports)
        world.hang()
        world.seal(3)
        # notifications do not come either: the first question into the silence finds it out
        asked = asyncio.create_task(client.balance(bytes(32)))
        await eventually(lambda: not first & world.node.faults.transports)
        world.go_on()
        check(world, await take(blocks, 4), 2, 4)
        await asyncio.gather(asked, return_exceptions=True)


@pytest.mark.case("network/chain_faults")
async def test_the_watchdog_rebuilds_a_connection_on_which_no_block_comes(world: World, client: ChainClient) -> None:
    async with Running(client, watchdog_seconds=0.2) as follower:
        blocks = follower.blocks()
        world.seal()
        await take(blocks, 1)
        first = set(world.node.faults.transports)
        await eventually(lambda: not first & world.node.faults.transports)
        world.seal(2)
        check(world, await take(blocks, 3), 2, 3)


async def test_a_node_that_goes_away_for_a_while(world: World, client: ChainClient) -> None:
    async with Running(client) as follower:
        blocks = follower.blocks()
        world.seal(2)
        await take(blocks, 2)
        await world.stop()
        world.seal(5)
        await world.start()
        check(world, await take(blocks, 7), 3, 7)


async def test_errors_of_the_node_are_outlived(world: World, client: ChainClient) -> None:
    async with Running(client) as follower:
        blocks = follower.blocks()
        world.server.before["state_getStorage"] = _fail
        world.seal()
        check(world, await take(blocks, 1), 1, 1)


def _fail() -> None:
    raise OSError("the database of the node is busy")


@pytest.mark.parametrize("shown", [None, {}, "head", {"number": "0x1"}])
async def test_a_header_that_is_none(client: ChainClient, shown: Any) -> None:
    with pytest.raises(ConnectionLost, match="returned an invalid header"):
        client.read_header(shown)


async def test_a_header_of_another_block_is_not_believed(world: World, client: ChainClient) -> None:
    world.seal()
    with pytest.raises(ConnectionLost, match="does not know block"):
        await client.events(b"\1" * 32)
    answer = await client.rpc.request("chain_getHeader")
    assert parse_header(answer).hash == world.best.hash
    assert parse_header({**answer, "stateRoot": "0x" + "11" * 32}).hash != world.best.hash

    async def of_another(method: str, *parameters: Any) -> Any:
        return answer

    client.rpc.request = of_another  # type: ignore[method-assign]
    with pytest.raises(ConnectionLost, match=f"returned header {world.best.hash.hex()} for block {'02' * 32}"):
        await client.header(b"\2" * 32)


async def test_only_what_is_final_is_shown(world: World, client: ChainClient) -> None:
    world.engine.set_finality(None)
    async with Running(client) as follower:
        blocks = follower.blocks()
        world.seal(3)
        gone = world.best
        world.engine.reorganise(2, 2)
        assert world.best != gone
        assert (await client.finalized()).number == 0
        world.engine.set_finality(1)
        check(world, await take(blocks, 4), 1, 4)
        assert (await client.best()).number == 5


@pytest.mark.case("network/chain_faults")
async def test_a_reorganisation_while_blocks_are_loaded(world: World, client: ChainClient) -> None:
    world.engine.set_finality(5)
    async with Running(client) as follower:
        blocks = follower.blocks()
        for _ in range(6):
            world.seal(6)
            world.engine.reorganise(4, 1)
        last = world.engine.chain.finalized.number
        check(world, await take(blocks, last), 1, last)


async def test_back_fill_after_a_restart_from_the_cursor(world: World, tmp_path: Path) -> None:
    store = CursorStore(tmp_path / "cursor.sqlite")
    seen: list[Block] = []
    for last in (3, 30, 31):
        world.seal(last - world.best.number)
        async with await ChainClient.connect(world.url) as client:
            start = store.load(client.genesis) or BlockRef(0, client.genesis)
            async with Running(client, start) as follower:
                async with asyncio.timeout(LONGEST):
                    async for block in follower.blocks(start):
                        seen.append(block)
                        store.save(client.genesis, block.ref)
                        if block.number == last:
                            break
    check(world, seen, 1, 31)
    assert store.load(world.genesis) == world.best
    store.close()


def test_the_cursor_is_kept_with_the_effects_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "role.sqlite"
    genesis = b"\1" * 32
    database = sqlite3.connect(path, isolation_level=None)
    store = CursorStore(database)
    assert store.load(genesis) is None
    database.execute("CREATE TABLE effects (block INTEGER)")
    store.save(genesis, BlockRef(1, b"\2" * 32))
    database.execute("BEGIN")
    database.execute("INSERT INTO effects VALUES (2)")
    store.save(genesis, BlockRef(2, b"\3" * 32))
    database.execute("ROLLBACK")
    database.close()
    database = sqlite3.connect(path)
    assert CursorStore(database).load(genesis) == BlockRef(1, b"\2" * 32)
    assert database.execute("SELECT count(*) FROM effects").fetchone() == (0,)
    database.close()


def test_a_cursor_of_another_chain_is_refused(tmp_path: Path) -> None:
    store = CursorStore(tmp_path / "deep" / "cursor.sqlite")
    store.save(b"\1" * 32, BlockRef(7, b"\2" * 32))
    with pytest.raises(WrongChain, match=f"{'01' * 32}.*{'09' * 32}"):
        store.load(b"\x09" * 32)
    store.close()


async def test_a_cursor_that_is_not_on_the_chain_is_refused(world: World, client: ChainClient) -> None:
    world.seal(5)
    with pytest.raises(WrongChain, match=f"block 3 is .* but {'55' * 32}"):
        await bounded(following(Follower(client, BlockRef(3, b"\x55" * 32))))


async def test_a_node_that_is_behind_is_waited_for(world: World, client: ChainClient) -> None:
    world.engine.set_finality(None)
    world.seal(5)
    ahead = world.best
    follower = Follower(client, ahead)
    running = asyncio.create_task(follower.run())
    blocks = follower.blocks(ahead)
    await eventually(lambda: "chain_subscribeFinalizedHeads" in world.server.asked)
    world.seal(2)
    world.engine.set_finality(0)
    check(world, await take(blocks, 7), 6, 7)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_node_that_was_behind_and_comes_up_elsewhere_is_refused(world: World, client: ChainClient) -> None:
    world.engine.set_finality(None)
    world.seal(5)
    ahead = world.best
    world.engine.reorganise(3, 1)
    follower = Follower(client, ahead)
    running = asyncio.create_task(follower.run())
    await eventually(lambda: "chain_subscribeFinalizedHeads" in world.server.asked)
    world.engine.set_finality(0)
    with pytest.raises(WrongChain, match=r"block (5|6)"):
        await bounded(running)


async def test_the_end_of_the_follower_ends_those_who_wait(world: World, client: ChainClient) -> None:
    world.engine.set_finality(None)
    world.seal(5)
    ahead = world.best
    world.engine.reorganise(3, 1)
    follower = Follower(client, ahead)
    running = asyncio.create_task(follower.run())
    waiting = [asyncio.create_task(follower.wait_for(0)), asyncio.create_task(anext(follower.blocks(ahead)))]
    await eventually(lambda: "chain_subscribeFinalizedHeads" in world.server.asked)
    world.engine.set_finality(0)
    for task in (*waiting, running, asyncio.create_task(follower.wait_for(9))):
        with pytest.raises(WrongChain, match=r"block (5|6)"):
            await bounded(task)


async def test_readers_have_positions_of_their_own(world: World, client: ChainClient) -> None:
    async with Running(client) as follower:
        world.seal(4)
        await bounded(follower.wait_for(4))
        second = world.engine.chain.at(2)
        assert second is not None
        early = follower.blocks(BlockRef(2, second.hash))
        now = follower.blocks()
        world.seal(2)
        check(world, await take(now, 6), 5, 6)
        check(world, await take(early, 6), 3, 6)


async def test_a_reader_may_go_on_at_the_latest(world: World, client: ChainClient) -> None:
    async with Running(client) as follower:
        blocks = follower.blocks()
        world.seal(9)
        latest = await bounded(follower.wait_for(9))
        blocks.skip_to(latest)
        world.seal()
        check(world, await take(blocks, 10), 10, 10)


async def test_a_reader_that_is_cancelled_misses_nothing(world: World, client: ChainClient) -> None:
    async with Running(client) as follower:
        blocks = follower.blocks()
        seen: list[Block] = []
        for number in range(1, 40):
            reading = asyncio.create_task(anext(blocks))
            if number % 2:
                world.seal()
            for _ in range(number % 7):
                await asyncio.sleep(0)
            reading.cancel()
            (result,) = await asyncio.gather(reading, return_exceptions=True)
            if isinstance(result, Block):
                seen.append(result)
        seen += await take(blocks, world.best.number) if len(seen) < world.best.number else []
        check(world, seen, 1, 20)


async def test_a_follower_that_is_cancelled_anywhere_can_be_run_again(world: World, client: ChainClient) -> None:
    follower = Follower(client, BlockRef(0, world.genesis))
    blocks = follower.blocks()
    for steps in range(0, 120, 5):
        world.seal()
        running = asyncio.create_task(follower.run())
        for _ in range(steps):
            await asyncio.sleep(0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    running = asyncio.create_task(follower.run())
    check(world, await take(blocks, 24), 1, 24)
    assert not client._loading.locked()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
