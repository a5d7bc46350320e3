"""A dashboard of a hoster whose copies and history are made up, over a real chain, journal and server; and a browser."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp
import pytest
from playwright.async_api import Browser, async_playwright

from service.chain_client import BlockRef
from service.chain_client.pallet.types import Copy, CopySegment, CopyState, Head, Hoster, StorageChallenge
from service.node.journal import Journal
from service.operating.entries import Followed, JournalEntry
from service.operating.facts import NodeFacts, Snapshot, Sources
from service.operating.table import JournalTable
from service.roles.common.database import Database
from service.ui.mounted import Dashboard
from service.units import UNIT
from service.web import app
from service.web.app import serving
from service.web.guards import RequestLimit
from tests.support.chain_world import ALICE, BOB, CHARLIE, Peer, World, following_peer, load_runtime, load_spec
from tests.support.needs import missing

SECTORS = 12_289
HEAD = Head(0, 49, 3_145_765, bytes(32))


def a_copy(number: int, state: CopyState = CopyState.ACTIVE, strikes: int = 0) -> Copy:
    """A copy of plan 0 that Alice hosts, whole if it is active."""
    whole = state is CopyState.ACTIVE
    return Copy(
        plan=0, hoster=ALICE.public_key, encoder=BOB.public_key, encoders=(BOB.public_key,), state=state, bytes=3_145_765,
        sectors=SECTORS, stored_bytes=3_145_765 * whole, stored=SECTORS * whole, ask_disk=1, ask_receiving=1,
        ask_encoding=1, fee=1, halves=0, reserve=0, debt=0, frozen=None,
        segments=(CopySegment(7, 12_000, 20), CopySegment(9, 289, 20)) if whole else (), current=None, generation=0,
        offered=10 + number, first_confirmed=20, active_since=20 if whole else None, ended=None, slot=0, tabled=0,
        strikes=strikes, head=HEAD, leaving=0, dropping=False, stalls=0, judged=0, fails=0, slow=0, invalid=False,
    )  # fmt: skip


HOSTER = Hoster(
    open=True, out_since=0, capacity=10 << 30, used=3_145_765, stored=3_145_765, copies=3, records=0, ask_disk=10**9,
    ask_receiving=10**9, acc=0, last=0, decline_era=0, declines=0, place=0, passed=42, missed=1, region=b"", step=0, pause=None,
)  # fmt: skip


def entries(blocks: int) -> list[JournalEntry]:
    """What happened to copy 0: offered, made, challenged every fifth block, fetched, paid; the last challenge was missed."""
    found = [
        JournalEntry(11, 0, "DatDot", "CopyOffered", {"copy": 0, "plan": 0, "hoster": ALICE.ss58_address}),
        JournalEntry(20, 1, "DatDot", "CopyActive", {"copy": 0}),
        JournalEntry(21, 1, "TransactionPayment", "TransactionFeePaid", {"failed": False}, -17_200_000),
    ]
    for issued in range(25, blocks - 5, 5):
        missed = issued + 15 > blocks
        named = [[0, 7, issued * 37 % 12_000], [0, 9, issued % 289], [1, 7, 5]]
        asked = {"hoster": ALICE.ss58_address, "issued": issued}
        found.append(JournalEntry(issued, 2, "DatDot", "StorageChallenged", asked | {"samples": 3, "sectors": named}))
        name = "StorageMissed" if missed else "StorageProved"
        found.append(JournalEntry(issued + 1 + issued % 4, 3, "DatDot", name, asked | {"reputation": 500_000 + issued}))
        report = {"served": int(issued != 40), "latency_ms": 20 + issued * 7 % 110, "kib_per_s": 900}
        revealed = {"era": issued // 24, "copy": 0, "account": CHARLIE.ss58_address, "report": report}
        found.append(JournalEntry(issued + 1, 5, "DatDot", "RetrievalRevealed", revealed))
        paid = {"copy": 0, "account": ALICE.ss58_address, "amount": "1630918", "what": "Storage"}
        found.append(JournalEntry(issued + 2, 6, "DatDot", "Paid", paid, 1_630_918))
    settled = {"era": 1, "copy": 0, "verdict": "Passed", "reports": 3, "fails": 0, "latency_ms": 33, "kib_per_s": 976}
    found.append(JournalEntry(48, 7, "DatDot", "RetrievalSettled", settled))
    lost = {"copy": 1, "hoster": ALICE.ss58_address, "encoder": BOB.ss58_address, "collateral": "10000000000"}
    found.append(JournalEntry(50, 8, "DatDot", "Stalled", lost | {"bond": "1", "pot": "1"}, -(10**10), -(10**10)))
    return sorted(found, key=lambda one: (one.block, one.place))


class MadeFacts(NodeFacts):
    """Facts whose chain holds the hoster and its copies. Everything else is read as ever."""

    copies_held: dict[int, Copy]

    async def _read(self, block: BlockRef) -> Snapshot:
        found = await super()._read(block)
        challenge = StorageChallenge(block.number, ())
        balances = replace(found.balances, held=UNIT // 2, reasons={"Hosting": UNIT // 2})
        return replace(
            found, hoster=HOSTER, challenge=challenge, reputation=742_000, copies=self.copies_held, balances=balances
        )


@dataclass
class ServedDashboard:
    """A dashboard that is served, and its parts."""

    url: str
    http: aiohttp.ClientSession
    world: World
    peer: Peer
    facts: NodeFacts
    dashboard: Dashboard
    directory: Path

    async def seal(self, count: int = 1) -> None:
        """Seal blocks, and wait until the node has seen them."""
        self.world.seal(count)
        await self.peer.caught_up(self.world)

    async def text(self, path: str, status: int = 200) -> str:
        """A page's text."""
        async with self.http.get(self.url + path) as answer:
            found = await answer.text()
            assert answer.status == status, (path, answer.status, found[:500])
            return found


@asynccontextmanager
async def served_dashboard(
    directory: Path, monkeypatch: pytest.MonkeyPatch, made: bool = True, blocks: int = 100
) -> AsyncIterator[ServedDashboard]:
    """Serve the dashboard of Alice's node: with made up copies and history, or an account with nothing but money."""
    monkeypatch.setattr(app, "RequestLimit", lambda: RequestLimit(burst=1_000_000))
    world = World(load_runtime(), load_spec())
    await world.start()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(world.stop)
        peer = await stack.enter_async_context(following_peer(world.url, directory / "a.sqlite"))
        database = Database(directory / "roles.sqlite")
        stack.callback(database.close)
        journal = Journal(peer.client, peer.follower, ALICE.public_key, database)
        sources = Sources(
            peer.client, peer.follower, ALICE.public_key, ("author", "hoster"), JournalTable(database), directory, 5,
            list, lambda: journal.seen,
        )  # fmt: skip
        facts = MadeFacts(sources) if made else NodeFacts(sources)
        if isinstance(facts, MadeFacts):
            facts.copies_held = {0: a_copy(0), 1: a_copy(1, CopyState.ENCODING), 2: a_copy(2, strikes=1)}
            with database.transaction() as db:
                JournalTable(database).add(db, entries(blocks), Followed({0, 1, 2}))
        task = asyncio.create_task(facts.run())
        stack.push_async_callback(_ended, task)
        dashboard = Dashboard(facts)
        host, port = await stack.enter_async_context(serving(facts, "127.0.0.1", 0, (), dashboard))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        served = ServedDashboard(f"http://{host}:{port}", http, world, peer, facts, dashboard, directory)
        await served.seal(blocks)
        yield served


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    """Debian's chromium, without a window."""
    path = shutil.which("chromium") or missing("chromium is not installed: apt-get install chromium")
    async with async_playwright() as playwright:
        found = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield found
        finally:
            await found.close()
