"""The journal on the disk: final blocks only, sums that agree with the chain, gaps that are said, a bounded memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from service.chain_client import (
    Block,
    BlockRef,
    ChainClient,
    ConnectionLost,
    DispatchError,
    Follower,
    frame,
)
from service.chain_client.pallet import calls, events
from service.chain_client.runtime.events import EventRecord
from service.node import journal as module
from service.node.journal import Journal
from service.operating.entries import GAP, RESTARTED, Followed
from service.operating.following import read_followed
from service.operating.table import JournalTable
from service.roles.common.database import Database
from service.roles.common.registration import bind_statement
from service.vault import PeerKeys, create_key_file
from tests.support.chain_world import ALICE, Peer, World, bounded, following_peer, load_runtime, load_spec
from tests.support.full_disk import FullDisk, full_disk

UNIT = 10**12
ACCOUNT = bytes([1]) * 32


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World(load_runtime(), load_spec())
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database(tmp_path / "roles.sqlite")) as opened:
        yield opened


@pytest.fixture
def keys(tmp_path: Path) -> PeerKeys:
    return create_key_file(tmp_path / "key.json")


@asynccontextmanager
async def kept(peer: Peer, account: bytes, database: Database, world: World) -> AsyncIterator[JournalTable]:
    """A journal from genesis on; at the end of the context it has taken in every finalized block, and is saved."""
    journal = Journal(peer.client, peer.follower, account, database)
    journal._keep(BlockRef(0, world.genesis))
    task = asyncio.create_task(journal.run())
    try:
        yield JournalTable(database)
        last = world.engine.chain.finalized.number
        await peer.caught_up(world)
        async for block in peer.follower.blocks(BlockRef(0, world.genesis)):
            if block.number >= last:
                break
        await taken_in(journal, last)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def taken_in(journal: Journal, last: int) -> None:
    """Wait until a block was taken in, by one that is always saved."""
    async with asyncio.timeout(60):
        while journal._table.page(1) == [] or journal._unkept or journal.seen < last:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def sums(table: JournalTable) -> tuple[int, int]:
    entries = [one.entry for one in table.all()]
    return sum(one.free for one in entries), sum(one.held for one in entries)


async def test_entries_agree_with_the_chain_down_to_the_smallest_unit(
    world: World, database: Database, keys: PeerKeys, tmp_path: Path
) -> None:
    account = keys.account
    async with following_peer(world.url, tmp_path / "a.sqlite") as alice:
        async with kept(alice, account, database, world) as table:
            await alice.until(alice.signer.submit(frame.transfer(account, 30 * UNIT)), world)
            async with following_peer(world.url, tmp_path / "own.sqlite", keys.account_pair) as own:
                message = bind_statement(own.client.genesis, account, keys.swarm_key, keys.statement_key)
                bind = calls.register_peer(
                    keys.swarm_key, keys.statement_key, keys.sign_swarm(message), keys.sign_statement(message)
                )
                await own.until(own.signer.submit(bind), world)
                await own.until(own.signer.submit(calls.offer_hosting(1 << 30, 1, 1, b"")), world)
                await own.until(own.signer.submit(calls.offer_attesting(1, bytes([9]) * 32, 1)), world)
                with pytest.raises(DispatchError):
                    await own.until(own.signer.submit(calls.offer_encoding(1)), world)
                await own.until(own.signer.submit(frame.transfer(ALICE.public_key, UNIT)), world)
            await alice.caught_up(world)
        free, held = sums(table)
        assert free == await alice.client.balance(account)
        holds = await alice.client._account(account, None)
        assert held == holds["data"]["reserved"] > 10 * UNIT
    told = [one.entry.name for one in table.all()]
    assert told[0] == "Transfer"
    for name in ("PeerRegistered", "HostingOffered", "AttestingOffered"):
        assert told.count(name) == 1
    by_name = {one.entry.name: one.entry for one in table.all()}
    assert by_name["PeerRegistered"].change == -UNIT, "the fee of registration, which no event states"
    assert (by_name["AttestingOffered"].change, by_name["AttestingOffered"].held) == (-UNIT // 2, 10 * UNIT)
    fees = [one.entry for one in table.all() if one.entry.name == "TransactionFeePaid"]
    assert [one.fields["failed"] for one in fees].count(True) == 1
    assert not any(one.entry.pallet == "Balances" and one.entry.name != "Transfer" for one in table.all())


async def test_what_a_reorganisation_undoes_was_never_in_it(
    world: World, database: Database, keys: PeerKeys, tmp_path: Path
) -> None:
    world.engine.set_finality(None)
    async with following_peer(world.url, tmp_path / "a.sqlite") as alice:
        async with kept(alice, keys.account, database, world) as table:
            sent = asyncio.create_task(alice.signer.submit(frame.transfer(keys.account, UNIT)))
            async with asyncio.timeout(60):
                while not world.pooled():  # noqa: ASYNC110 - the pool tells nobody
                    await asyncio.sleep(0.01)
            world.seal()
            assert await alice.client.balance(keys.account) == UNIT, "it is in the best block"
            world.engine.reorganise(1, 2)
            assert await alice.client.balance(keys.account) == 0
            assert table.page() == []
            world.seal()
            world.engine.set_finality(0)
            world.seal()
            await bounded(sent)
        (entry,) = table.page()
        assert (entry.entry.name, entry.entry.change) == ("Transfer", UNIT)
        block = await alice.client.block_hash(entry.entry.block)
        assert block is not None
        assert any(record.name == "Transfer" for record in await alice.client.events(block))


def offered(number: int) -> Block:
    record = EventRecord("DatDot", "CopyOffered", {}, events.CopyOffered(number, 0, ACCOUNT), None)
    return Block(number, number.to_bytes(32, "big"), (number - 1).to_bytes(32, "big"), (record,))


def journal_of(database: Database, client: Any = None) -> Journal:
    found = client or cast(ChainClient, type("Client", (), {"genesis": bytes(32)}))
    return Journal(found, cast(Follower, None), ACCOUNT, database)


async def test_blocks_whose_states_were_pruned_are_a_gap(database: Database) -> None:
    class Pruning:
        """A client that shows no state."""

        genesis = bytes(32)

    journal = journal_of(database, Pruning())
    asked: list[bytes] = []

    async def read(client: Any, account: bytes, at: bytes) -> Followed:
        asked.append(at)
        return Followed(hosted={77})

    await journal._look(offered(1))
    for number in (2, 3):
        await journal._look(Block(number, bytes(32), bytes(32), (), discarded=True))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "read_followed", read)
        await journal._look(offered(4))
    found = [
        (one.entry.name, one.entry.fields.get("first"), one.entry.fields.get("last"))
        for one in JournalTable(database).all()
    ]
    assert found == [("CopyOffered", None, None), (GAP, 2, 3), ("CopyOffered", None, None)]
    assert asked == [offered(4).hash]
    assert JournalTable(database).followed().hosted == {1, 4, 77}


async def test_a_state_that_cannot_be_read_after_a_gap_is_tried_again(database: Database) -> None:
    journal = journal_of(database)
    journal._unread = True
    fails = [ConnectionLost("gone")]

    async def read(client: Any, account: bytes, at: bytes) -> Followed:
        if fails:
            raise fails.pop()
        return Followed(plans={5})

    with pytest.MonkeyPatch.context() as patch, capture_logs() as logs:
        patch.setattr(module, "read_followed", read)
        await journal._look(offered(1))
        await journal._look(offered(2))
    assert [line["event"] for line in logs if line["log_level"] == "warning"] == [
        "cannot read which copies and plans this account has; trying again"
    ]
    assert JournalTable(database).followed() == Followed({1, 2}, set(), {5})


async def test_a_run_that_ends_before_it_read_what_a_gap_hid_begins_before_the_gap_again(database: Database) -> None:
    async def read(client: Any, account: bytes, at: bytes) -> Followed:
        raise ConnectionLost("gone")

    journal = journal_of(database)
    await journal._look(offered(1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "read_followed", read)
        await journal._skip(offered(1).ref, offered(5))
        await journal._look(offered(6))
    again = await journal_of(database)._load()
    assert again is not None
    assert again.number == 1
    assert len(list(JournalTable(database).all())) == 1


async def test_what_a_gap_hid_is_read_before_the_place_behind_it_is_kept_however_much_waits(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_UNKEPT", 3)
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.001)
    asked: list[bytes] = []
    newest = offered(50)

    class Follows:
        async def wait_for(self, number: int) -> Block:
            return newest

    async def read(client: Any, account: bytes, at: bytes) -> Followed:
        asked.append(at)
        kept = await journal_of(database)._load()
        assert kept is not None
        assert kept.number == 1, "not before the gap was read"
        if len(asked) < 8:
            raise ConnectionLost("gone")
        return Followed(plans={5})

    journal = journal_of(database)
    journal._follower = cast(Follower, Follows())
    await journal._look(offered(1))
    journal._unread = True
    monkeypatch.setattr(module, "read_followed", read)
    for number in range(2, 6):
        await journal._look(offered(number))
    assert asked[4:] == [newest.hash] * 4, "an old state may be gone for good"
    assert JournalTable(database).followed().plans == {5}
    assert [one.entry.block for one in JournalTable(database).all()] == [1, 2, 3, 4, 5]


async def test_a_full_disk_keeps_a_bounded_number_in_memory_and_loses_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_UNKEPT", 3)
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.001)
    with full_disk() as disk:
        database = Database(tmp_path / "roles.sqlite")
        journal = journal_of(database)
        disk.fill()
        taken: list[int] = []

        async def run() -> None:
            for number in range(1, 9):
                await journal._look(offered(number))
                taken.append(number)

        task = asyncio.create_task(run())
        await refused(disk, 20)
        assert taken == [1, 2, 3], "the fourth waits until the disk takes it"
        disk.free()
        await asyncio.wait_for(task, 60)
        assert [one.entry.block for one in JournalTable(database).all()] == list(range(1, 9))
        database.close()


async def refused(disk: FullDisk, writes: int) -> None:
    async with asyncio.timeout(60):
        while disk.refused < writes:  # noqa: ASYNC110 - a disk tells no event
            await asyncio.sleep(0.001)


async def test_a_chain_begun_anew_is_marked(world: World, database: Database, tmp_path: Path) -> None:
    async with following_peer(world.url, tmp_path / "a.sqlite") as alice:
        journal = Journal(alice.client, alice.follower, ACCOUNT, database)
        journal._keep(BlockRef(0, bytes(32)))
        assert await journal._start() is None
        journal._keep(world.best)
    assert [one.entry.name for one in JournalTable(database).all()] == [RESTARTED]


async def test_what_an_account_has_is_read_from_the_chain_by_who_saw_no_block(
    world: World, keys: PeerKeys, tmp_path: Path
) -> None:
    async with following_peer(world.url, tmp_path / "a.sqlite") as alice:
        world.seal()
        await alice.caught_up(world)
        assert await read_followed(alice.client, keys.account, world.best.hash) == Followed()
