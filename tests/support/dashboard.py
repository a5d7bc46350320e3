"""A dashboard of a hoster whose copies and history are made up, over a real chain, journal and server; and a browser."""

from __future__ import annotations

import shutil
import struct
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp
import pytest
from nacl.pwhash import argon2id
from playwright.async_api import Browser, async_playwright

from service.chain_client import BlockRef
from service.chain_client.pallet.types import (
    Copy,
    CopySegment,
    CopyState,
    Head,
    Hoster,
    Plan,
    PlanState,
    StorageChallenge,
    Terms,
)
from service.feeds.archive.format import MAGIC, VERSION, cut
from service.hypercore import Corestore
from service.operating.alerts.book import Alert, AlertBook, Category, Condition, Severity
from service.operating.alerts.table import AlertTable
from service.operating.alerts.targets import AlertTarget
from service.operating.editing import SettingsEditor
from service.operating.entries import Followed, JournalEntry
from service.operating.facts import NodeFacts, Snapshot
from service.operating.objects import SettingRow
from service.operating.table import JournalTable
from service.operating.whole import WholeChain, WholeNetwork
from service.ui.acting import Acting
from service.ui.mounted import Dashboard
from service.units import UNIT
from service.vault import PeerKeys, Vault
from service.vault.vaultfile import Cost
from service.web import app
from service.web.app import serving
from service.web.guards import RequestLimit
from tests.support.chain_world import ALICE, BOB, CHARLIE, Peer, World
from tests.support.followed_node import followed_node, kept_up
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


FILES = {
    "notes.txt": b"Beehives, roofs and rain.\n" * 20_000,
    "photos/a b.jpg": bytes(range(256)) * 600,
    "photos/deep/empty": b"",
}
"""What is in the feed. The first is of several blocks."""
SETTINGS = (
    SettingRow("hosting.capacity", "--capacity", "DATDOT_CAPACITY", "10GiB", "10GiB", "the most that is offered", True),
)


def some_feed(store: Corestore) -> bytes:
    """Make a feed of an archive of those files; return its key."""
    parts = [MAGIC + bytes([VERSION, 1])]
    for name, data in FILES.items():
        path = name.encode()
        parts += [struct.pack("<BBH", 1, 0, len(path)), path, struct.pack("<Q", len(data)), data]
    core = store.create("made")
    core.append(list(cut(iter([*parts, b"\0"]))))
    core.flush()
    return core.key


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


def a_plan(now: int) -> Plan:
    """Plan 0 of Bob's: four copies wanted, of which copies 0 to 2 are Alice's."""
    terms = Terms(
        replicas=4, max_ask_disk=10**10, max_ask_encoding=10**11, max_ask_receiving=10**10, report_price=10**9,
        until=now + 12_000, live=False, min_reputation=0, regions=(), max_latency_ms=2**32 - 1, min_kib_per_s=0,
    )  # fmt: skip
    return Plan(
        sponsor=BOB.public_key, feed=bytes(range(32)), head=HEAD, ranges=(), bytes=3_145_765, sectors=SECTORS, terms=terms,
        state=PlanState.LIVE, published=5, next_tick=now + 1, shares=10**6, donors=1, reserved=0, burned=55_173_245_445,
        live=(0, 1, 2), records=3, former=(), queued=False, ending=False, remainder=None, confirmed=True, waiting=False,
        declined=0, stalls=0, leaving=0, mark=0, fresh=0, founded=10**6,
    )  # fmt: skip


class MadeWhole(WholeChain):
    """The network with that plan, Alice who keeps it, and Charlie who asks for more than it pays."""

    async def _read(self, block: BlockRef) -> WholeNetwork:
        found = await super()._read(block)
        hosters = {ALICE.public_key: HOSTER, CHARLIE.public_key: replace(HOSTER, ask_disk=10**13, step=0)}
        return replace(found, published=1, hosters=hosters)

    async def published(self, at: bytes) -> int:
        return 1

    async def plans(self, numbers: Iterable[int], at: bytes) -> dict[int, Plan]:
        return {0: a_plan((await self.block()).number)} if 0 in numbers else {}

    async def copies(self, plans: Iterable[Plan], at: bytes) -> dict[int, Copy]:
        made = {0: a_copy(0), 1: a_copy(1, CopyState.ENCODING), 2: a_copy(2, strikes=1)}
        return {number: made[number] for plan in plans for number in plan.live}


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
    feed: str

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


def some_alerts() -> list[Alert]:
    """One critical alert that is open, a warning that is, and one that is over."""
    full = Condition("", Severity.CRITICAL, Category.DISK, "the disk is full", "copies cannot be received", "make room")
    dial = Condition(
        "", Severity.WARNING, Category.NETWORK, "nobody dials", "readers may not reach it", "open the port"
    )
    clock = Condition(
        "", Severity.ERROR, Category.CLOCK, "the clock is wrong", "it misses deadlines", "run a time service"
    )
    book = AlertBook()
    first = book.step({"clock": [clock]}, 5, 1_790_000_000)
    return [*first, *book.step({"dial": [dial], "disk": [full]}, 9, 1_790_000_060)]


@asynccontextmanager
async def served_dashboard(
    directory: Path,
    monkeypatch: pytest.MonkeyPatch,
    made: bool = True,
    blocks: int = 100,
    vault: Path | None = None,
    targets: tuple[AlertTarget, ...] = (),
    editor: SettingsEditor | None = None,
) -> AsyncIterator[ServedDashboard]:
    """Serve the dashboard of Alice's node: with made up copies and history, or an account with nothing but money."""
    monkeypatch.setattr(app, "RequestLimit", lambda: RequestLimit(burst=1_000_000))
    async with AsyncExitStack() as stack:
        store = Corestore()
        stack.callback(store.close)
        node = await stack.enter_async_context(followed_node(directory, store, lambda: SETTINGS))
        world, peer, database, sources = node.world, node.peer, node.database, node.sources
        feed = some_feed(store).hex() if made else ""
        facts = MadeFacts(sources) if made else NodeFacts(sources)
        if isinstance(facts, MadeFacts):
            AlertTable(database).save(some_alerts())
            facts.whole = MadeWhole(peer.client, peer.follower)
            facts.copies_held = {0: a_copy(0), 1: a_copy(1, CopyState.ENCODING), 2: a_copy(2, strikes=1)}
            with database.transaction() as db:
                JournalTable(database).add(db, entries(blocks), Followed({0, 1, 2}))
        await stack.enter_async_context(kept_up(facts))
        dashboard = Dashboard(facts, Acting(peer.signer, vault, lambda: targets, editor))
        host, port = await stack.enter_async_context(serving(facts, "127.0.0.1", 0, (), dashboard))
        http = await stack.enter_async_context(aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)))
        served = ServedDashboard(f"http://{host}:{port}", http, world, peer, facts, dashboard, feed)
        await served.seal(blocks)
        yield served


def a_vault(directory: Path, account: str, passphrase: str) -> Path:
    """A vault of a development account that is opened quickly."""
    path = directory / "locked.json"
    cost = Cost(argon2id.MEMLIMIT_MIN, argon2id.OPSLIMIT_MIN)
    Vault(PeerKeys.development(account)).create(path, passphrase.encode(), cost)
    return path


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
