"""The journal: what concerns the account is told once, in order, across restarts; penalties as warnings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from substrateinterface import Keypair

from runtime_mock.chainspec import ChainSpec, artifacts
from runtime_mock.model import ModelRuntime
from runtime_mock.node.chain import Chain
from runtime_mock.node.engine import INSTANT, MANUAL, Engine
from runtime_mock.rpc.methods import Node
from runtime_mock.rpc.server import Server
from service.address import ss58
from service.chain_client import (
    Block,
    BlockRef,
    ChainClient,
    ConnectionLost,
    Follower,
    RpcError,
    Signer,
    UnknownRuntime,
    following,
    frame,
)
from service.chain_client.pallet import calls, events
from service.chain_client.pallet.types import Verdict
from service.chain_client.runtime.events import EventRecord
from service.node import journal as journal_module
from service.node.journal import Journal
from service.roles.common.database import Database
from service.roles.common.registration import register
from service.vault import PeerKeys, create_key_file

UNIT = 10**12
ACCOUNT, OTHER = bytes([1]) * 32, bytes([2]) * 32


@dataclass
class Live:
    """A model chain that seals each extrinsic, and one account's client on it."""

    engine: Engine
    client: ChainClient
    follower: Follower
    keys: PeerKeys
    directory: Path

    @asynccontextmanager
    async def signer(self, keys: PeerKeys | None = None) -> AsyncIterator[Signer]:
        pair = Keypair.create_from_uri("//Alice") if keys is None else keys.account_pair
        signer = Signer(
            self.client, pair, self.directory / f"{'alice' if keys is None else 'own'}.sqlite", self.follower
        )
        task = asyncio.create_task(signer.run())
        try:
            yield signer
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            signer.close()

    @asynccontextmanager
    async def journal(self, told: list[Any], expected: int) -> AsyncIterator[None]:
        """A journal that has told `expected` lines when the context ends."""
        database = Database(self.directory / "roles.sqlite")
        journal = Journal(self.client, self.follower, self.keys.account, database)
        with capture_logs() as lines:
            task = asyncio.create_task(journal.run())
            try:
                yield
                await until(lambda: task.done() or len(lines_of(lines)) >= expected)
                await caught_up(self, journal)
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                told += lines_of(lines)
                database.close()


def lines_of(lines: list[Any]) -> list[str]:
    return [line["event"] for line in lines if "block" in line]


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 - a log tells no event
            await asyncio.sleep(0.02)


async def caught_up(live: Live, journal: Journal) -> None:
    """Some blocks later nothing more was told than what is expected."""
    live.engine.seal()
    await asyncio.wait_for(live.follower.wait_for(live.engine.chain.best.number), 60)
    await asyncio.sleep(0.05)


@pytest.fixture
async def live(tmp_path: Path) -> AsyncIterator[Live]:
    spec = ChainSpec.load(artifacts() / "chain-spec.json")
    engine = Engine(Chain(ModelRuntime(artifacts()), spec.genesis), INSTANT)
    server = Server(Node(engine, spec))
    port = server.open("127.0.0.1", 0)
    sealing = asyncio.create_task(engine.run())
    async with await ChainClient.connect(f"ws://127.0.0.1:{port}") as client:
        follower = Follower(client)
        task = await asyncio.wait_for(following(follower), 60)
        yield Live(engine, client, follower, create_key_file(tmp_path / "key.json"), tmp_path)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    engine.set_sealing(MANUAL)
    sealing.cancel()
    await asyncio.gather(sealing, return_exceptions=True)
    await server.close()


async def test_what_happens_while_it_is_down_is_told_at_the_next_start(live: Live) -> None:
    told: list[Any] = []
    async with live.signer() as alice:
        await alice.submit(frame.transfer(live.keys.account, 300 * UNIT))
    async with live.journal(told, 1), live.signer(live.keys) as signer:
        await register(live.client, signer, live.follower, live.keys)
    assert told == ["PeerRegistered"]
    async with live.signer(live.keys) as signer:
        await signer.submit(calls.offer_hosting(1 << 30, 1, 1, b""))
        await signer.submit(calls.offer_encoding(1))
    async with live.journal(told, 2):
        pass
    assert told == ["PeerRegistered", "HostingOffered", "EncodingOffered"]
    async with live.journal(told, 0):
        pass
    assert told == ["PeerRegistered", "HostingOffered", "EncodingOffered"], "nothing is told twice"


async def test_a_chain_begun_anew_is_told_from_now_on(live: Live) -> None:
    database = Database(live.directory / "roles.sqlite")
    journal = Journal(live.client, live.follower, live.keys.account, database)
    journal._keep(BlockRef(0, bytes(32)))
    with capture_logs() as lines:
        assert await journal._start() is None
    assert "restarted from its genesis" in lines[0]["event"]
    database.close()


async def test_a_node_that_is_away_when_it_starts_is_waited_for(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "RETRY_SECONDS", 0.01)
    database = Database(live.directory / "roles.sqlite")
    journal = Journal(live.client, live.follower, live.keys.account, database)
    cursor = BlockRef(0, live.client.genesis)
    journal._keep(cursor)
    live.engine.seal()
    faults = [ConnectionLost("gone"), RpcError(-32603, "busy")]
    for name in ("block_hash", "events"):
        monkeypatch.setattr(live.client, name, failing(getattr(live.client, name), list(faults)))
    assert await asyncio.wait_for(journal._start(), 60) == cursor
    database.close()


async def test_blocks_of_an_older_runtime_that_this_service_cannot_read_do_not_end_it(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with live.signer() as alice:
        await alice.submit(frame.transfer(live.keys.account, 300 * UNIT))
        database = Database(live.directory / "roles.sqlite")
        Journal(live.client, live.follower, live.keys.account, database)._keep(BlockRef(0, live.client.genesis))
        database.close()
        assert live.follower.latest is not None
        upgrade = live.follower.latest.number
    real = live.client.events

    async def of_another_form(block: bytes) -> Any:
        header = await live.client.header(block)
        if header is not None and header.number <= upgrade:
            raise UnknownRuntime("event DatDot.CopyStruck of runtime 1 has another form")
        return await real(block)

    monkeypatch.setattr(live.client, "events", of_another_form)
    live.follower._kept.clear()  # as those are that came before this run
    told: list[Any] = []
    async with live.journal(told, 1), live.signer(live.keys) as signer:
        await register(live.client, signer, live.follower, live.keys)
    assert told == ["PeerRegistered"]


def failing(call: Any, faults: list[Exception]) -> Any:
    async def failing_at_first(*arguments: Any) -> Any:
        if faults:
            raise faults.pop(0)
        return await call(*arguments)

    return failing_at_first


def record(event: events.Event) -> EventRecord:
    return EventRecord("DatDot", type(event).__name__, {}, event, None)


def test_penalties_are_warnings_and_strangers_are_not_told_of(live: Live, tmp_path: Path) -> None:
    database = Database(tmp_path / "other.sqlite")
    happened = (
        events.CopyOffered(7, 0, ACCOUNT),
        events.CopyOffered(8, 0, OTHER),
        events.CopyActive(7),
        events.CopyActive(8),
        events.StorageMissed(OTHER, 5, 1),
        events.StorageMissed(ACCOUNT, 5, 1),
        events.CopyStruck(7, 1),
        events.CopyStruck(8, 1),
        events.RetrievalSettled(3, 7, Verdict.FAILED, 3, 3, 0, 0),
        events.CopyRemoved(7),
        events.CopyStruck(7, 2),
    )
    block = Block(9, bytes(32), bytes(32), tuple(record(event) for event in happened))
    journal = Journal(live.client, live.follower, ACCOUNT, database)
    with capture_logs() as lines:
        assert journal._tell(block)
        assert not journal._tell(Block(10, bytes(32), bytes(32), (record(events.CopyActive(8)),)))
    assert [(line["event"], line["log_level"]) for line in lines] == [
        ("CopyOffered", "info"),
        ("CopyActive", "info"),
        ("StorageMissed", "warning"),
        ("CopyStruck", "warning"),
        ("RetrievalSettled", "warning"),
        ("CopyRemoved", "info"),
    ]
    assert lines[0]["hoster"] == ss58(ACCOUNT)
    assert lines[4]["verdict"] == "Failed"
    database.close()


def test_every_event_that_concerns_the_account_can_be_told(live: Live, tmp_path: Path) -> None:
    """Also those with a field that is named as something that every line has."""
    database = Database(tmp_path / "other.sqlite")
    journal = Journal(live.client, live.follower, ACCOUNT, database)
    journal._tell(Block(8, bytes(32), bytes(32), (record(events.CopyOffered(7, 0, ACCOUNT)),)))
    kinds = [one for one in vars(events).values() if isinstance(one, type) and is_dataclass(one)]
    kinds.sort(key=lambda kind: kind is events.CopyRemoved)  # after it the copy is a stranger's
    values = {"copy": 7, "account": ACCOUNT, "verdict": Verdict.PASSED}
    happened = [kind(*(values.get(one.name, 30) for one in fields(kind))) for kind in kinds]
    block = Block(9, bytes(32), bytes(32), tuple(record(event) for event in happened))  # type: ignore[arg-type]
    with capture_logs() as lines:
        journal._tell(block)
    told = {line["event"]: line for line in lines}
    assert {"CopyLeaving", "PotLow", "PlanEnding"} <= {kind.__name__ for kind in kinds}
    assert told["CopyLeaving"]["block"] == 9
    assert told["CopyLeaving"]["in_block"] == 30
    concerned = {kind.__name__ for kind in kinds if {one.name for one in fields(kind)} & {"copy", "account"}}
    assert concerned <= told.keys()
    database.close()
