"""The facts of a running node, read at its newest finalized block and kept until the next: a request costs the chain little."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import structlog

from service.address import ss58
from service.chain_client import BlockRef, ChainClient, ChainError, Follower
from service.chain_client.pallet.types import Attester, Copy, Encoder, Hoster, StorageChallenge
from service.disk import room_at
from service.feeds.browse import ArchiveTable
from service.hypercore import Corestore
from service.hypercore.net import Connection

from .alerts.book import Alert
from .alerts.table import AlertTable
from .lines import line_of
from .moves import BALANCES, TRANSFER
from .objects import (
    AlertPage,
    CopyPage,
    DiskState,
    HeldCopy,
    HostingState,
    JournalPage,
    LinkState,
    MoneyState,
    NodeStatus,
    PeerPage,
    ReachState,
    Readiness,
    RoleState,
    SettingRow,
    ShownAlert,
)
from .reaching import by_address
from .standing import STALE_SECONDS, Seen, answer_of, role_states
from .table import EventSum, JournalTable
from .wallet import Balances, read_balances
from .whole import WholeChain

log = structlog.get_logger(__name__)

SOON_SECONDS = 2.0
"""What programs watch is told without the chain after this time: Prometheus asks again after 5 seconds."""
MOST_PEERS = 500
"""Connections that are listed at most."""
MOST_COPIES = 500
"""Copies of one page at most."""
MOST_TABLES = 8
"""Feeds whose list of files is kept in memory: who plays a film asks for many parts of one file."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was read at a block."""

    block: BlockRef
    balances: Balances
    for_fees: int
    """What who pays the fees can spend."""
    hoster: Hoster | None
    encoder: Encoder | None
    attester: Attester | None
    challenge: StorageChallenge | None
    reputation: int | None
    copies: dict[int, Copy]
    signs: bool
    """Whether the node's key signs for the account: it is the account's own, or its operator's."""


@dataclass(frozen=True, slots=True)
class ChainFigures:
    """What the chain holds of an account."""

    reputation: int | None
    copies: dict[str, int]
    hosting: HostingState | None
    balances: Balances
    signs: bool


@dataclass(frozen=True, slots=True)
class Figures:
    """What programs watch. What the chain holds is of the last block that could be read, None before there was one."""

    account: str
    version: str
    roles: list[RoleState]
    block: int | None
    """The last finalized block that came."""
    block_age_seconds: float
    journal_block: int
    connections: int
    disk: DiskState
    sums: list[EventSum]
    alerts: list[ShownAlert]
    reach: ReachState
    chain: ChainFigures | None


@dataclass(slots=True)
class Sources:
    """What facts are read from."""

    client: ChainClient
    follower: Follower
    account: bytes
    payer: bytes
    """Who pays the fees: the account, or its operator."""
    roles: tuple[str, ...]
    table: JournalTable
    directory: Path
    reserve: Callable[[], int]
    """Returns the bytes of the disk that stay free."""
    links: Callable[[], Iterable[Connection]]
    """Returns the open connections."""
    journal_block: Callable[[], int]
    """Returns the newest block that the journal has taken in."""
    alerts: AlertTable
    store: Corestore | None = None
    """The feeds that are kept here."""
    settings: Callable[[], tuple[SettingRow, ...]] = tuple
    """Returns what the node runs with."""
    reach: Callable[[], ReachState] = by_address
    """Returns what peers from outside find."""


VERSION = version("datdot-service")
"""Read once: finding it parses the metadata of the installed package."""


class NodeFacts:
    """The facts. `run` must be running: it notes when blocks came."""

    def __init__(self, sources: Sources) -> None:
        self._from = sources
        self._address = ss58(sources.account)
        self._snapshot: Snapshot | None = None
        self._reading = asyncio.Lock()
        self._since = asyncio.get_running_loop().time()
        self.whole = WholeChain(sources.client, sources.follower)
        self.tables: dict[tuple[bytes, int, int], ArchiveTable | None] = {}
        """The files of `MOST_TABLES` feeds, by key, fork and length; None: it is no archive."""

    @property
    def sources(self) -> Sources:
        """What they are read from."""
        return self._from

    @property
    def address(self) -> str:
        """The account in SS58."""
        return self._address

    async def run(self) -> None:
        """Note each block's arrival, until cancelled."""
        async for _ in self._from.follower.blocks():
            self._since = asyncio.get_running_loop().time()

    @property
    def last_block(self) -> int | None:
        """The last finalized block that came, or None before the first."""
        latest = self._from.follower.latest
        return None if latest is None else latest.number

    @property
    def account(self) -> bytes:
        """The node's account."""
        return self._from.account

    @property
    def directory(self) -> Path:
        """The node's directory."""
        return self._from.directory

    @property
    def roles(self) -> tuple[str, ...]:
        """Its roles."""
        return self._from.roles

    @property
    def reserve(self) -> int:
        """Bytes of its disk that stay free."""
        return self._from.reserve()

    @property
    def journal_table(self) -> JournalTable:
        """The journal."""
        return self._from.table

    @property
    def links(self) -> Iterable[Connection]:
        """The open connections."""
        return self._from.links()

    @property
    def age(self) -> float:
        """Seconds since the last finalized block came, or since the start."""
        return asyncio.get_running_loop().time() - self._since

    async def snapshot(self) -> Snapshot:
        """Return what the chain has, read once for each block. Raises ChainError and TimeoutError."""
        async with asyncio.timeout(STALE_SECONDS), self._reading:
            block = (await self._from.follower.wait_for(0)).ref
            if self._snapshot is None or self._snapshot.block != block:
                self._snapshot = await self._read(block)
            return self._snapshot

    async def _read(self, block: BlockRef) -> Snapshot:
        client, account, at = self._from.client, self._from.account, block.hash
        storage, peer = client.storage, await client.storage.peer(account, at)
        followed, balances = self._from.table.followed(), await read_balances(client, account, block)
        payer = self._from.payer
        return Snapshot(
            block,
            balances,
            balances.spendable if payer == account else (await read_balances(client, payer, block)).spendable,
            await storage.hoster(account, at),
            await storage.encoder(account, at),
            await storage.attester(account, at),
            await storage.storage_challenge(account, at),
            None if peer is None else peer.reputation,
            await storage.copies_of(sorted(followed.hosted | followed.encoded), at),
            payer == account or await storage.operator(account, at) == payer,
        )

    async def sums(self) -> list[EventSum]:
        """Return the journal's sums by event. Raises DatabaseError."""
        return await asyncio.to_thread(self._from.table.sums)

    def _roles(self, found: Snapshot | None) -> list[RoleState]:
        url = self._from.client.url
        seen = Seen(self.age, found is not None, None, None, None, None, url)
        if found is not None:
            others = None if found.signs else ss58(self._from.payer)
            seen = Seen(self.age, True, found.reputation, found.hoster, found.encoder, found.attester, url, others)
        return role_states(self._from.roles, seen, self._address)

    async def readiness(self) -> Readiness:
        """Return whether each role does its work. Raises ChainError and TimeoutError."""
        roles = self._roles(await self.snapshot())
        return Readiness(all(one.ready for one in roles), roles)

    def unreadable(self) -> Readiness:
        """Return the readiness of a node whose chain cannot be read."""
        return Readiness(False, self._roles(None))

    async def status(self) -> NodeStatus:
        """Return how the node stands. Raises ChainError and TimeoutError."""
        found, source = await self.snapshot(), self._from
        roles, free = self._roles(found), await asyncio.to_thread(room_at, source.directory)
        answer, level = answer_of(roles, free, self.reserve)
        return NodeStatus(
            answer,
            level,
            self._address,
            VERSION,
            roles,
            found.block.number,
            round(self.age, 1),
            source.journal_block(),
            found.reputation,
            found.balances.free,
            found.balances.held,
            _by_state(found),
            _hosting(found),
            DiskState(free, self.reserve),
            sum(1 for _ in source.links()),
            len(await asyncio.to_thread(source.alerts.open)),
            source.reach(),
            *self._operator(found),
        )

    def _operator(self, found: Snapshot) -> tuple[str | None, int]:
        """Return who pays the fees in the account's place, and what it can spend."""
        if self._from.payer == self._from.account:
            return None, 0
        return ss58(self._from.payer), found.for_fees

    async def figures(self) -> Figures:
        """Return what programs watch, soon, also while the chain cannot be read. Raises DatabaseError."""
        source, found, readable = self._from, self._snapshot, True
        try:
            async with asyncio.timeout(SOON_SECONDS):
                found = await self.snapshot()
        except (ChainError, TimeoutError) as error:
            log.debug("figures of the chain are of an earlier block", error=str(error) or "it did not answer in time")
            readable = False
        return Figures(
            self._address,
            VERSION,
            self._roles(found if readable else None),
            self.last_block,
            round(self.age, 1),
            source.journal_block(),
            sum(1 for _ in source.links()),
            DiskState(await asyncio.to_thread(room_at, source.directory), self.reserve),
            await self.sums(),
            await self.open_alerts(),
            source.reach(),
            None
            if found is None
            else ChainFigures(found.reputation, _by_state(found), _hosting(found), found.balances, found.signs),
        )

    async def money(self) -> MoneyState:
        """Return what the account has. Raises ChainError, TimeoutError and DatabaseError."""
        found = await self.snapshot()
        has = found.balances
        ratio = has.shown()
        sums = [one for one in await self.sums() if one.name != f"{BALANCES}.{TRANSFER}"]
        return MoneyState(
            self._address,
            has.block,
            has.total,
            has.free,
            has.spendable,
            has.held,
            dict(sorted(has.reasons.items())),
            has.pending,
            has.halves,
            has.ratio.given,
            has.ratio.taken,
            has.ratio_ppm,
            ratio["ratio_why"],
            sum(one.gained for one in sums),
            sum(one.lost for one in sums),
            *self._operator(found),
            sum(one.by_operator for one in sums),
        )

    async def copies(self, limit: int, after: int) -> CopyPage:
        """Return copies from the one after number `after` on. Raises ChainError and TimeoutError."""
        found = await self.snapshot()
        numbers = [number for number in sorted(found.copies) if number > after]
        page = numbers[: min(limit, MOST_COPIES)]
        more = page[-1] if len(page) < len(numbers) and page else None
        return CopyPage(found.block.number, [self.held_copy(number, found.copies[number]) for number in page], more)

    def held_copy(self, number: int, copy: Copy) -> HeldCopy:
        """Return a copy as it is shown."""
        account = self._from.account
        return HeldCopy(
            number,
            copy.plan,
            copy.hoster == account,
            copy.encoder == account or account in copy.encoders,
            copy.state.value,
            copy.bytes,
            copy.sectors,
            copy.stored,
            copy.strikes,
            copy.leaving,
        )

    def peers(self, limit: int) -> PeerPage:
        """Return open connections."""
        shown = [LinkState(one.remote_key.hex(), one.address, one.path, one.initiator) for one in self._from.links()]
        shown.sort(key=lambda one: (one.key, one.address))
        return PeerPage(shown[: min(limit, MOST_PEERS)], len(shown))

    async def journal(self, limit: int, before: int | None, with_money: bool) -> JournalPage:
        """Return a page of the journal. Raises DatabaseError."""
        page = await asyncio.to_thread(self._from.table.page, limit, before, with_money)
        lines = [line_of(one.entry, self._address, one.id) for one in page]
        return JournalPage(lines, page[-1].id if len(page) == limit else None)

    async def alerts(self, limit: int, before: int | None, only_open: bool) -> AlertPage:
        """Return a page of alerts. Raises DatabaseError."""
        page = await asyncio.to_thread(self._from.alerts.page, limit, before, only_open)
        return AlertPage([shown_alert(one) for one in page], page[-1].id if len(page) == limit else None)

    async def open_alerts(self) -> list[ShownAlert]:
        """Return all alerts that are open. Raises DatabaseError."""
        return [shown_alert(one) for one in await asyncio.to_thread(self._from.alerts.open)]


def shown_alert(one: Alert) -> ShownAlert:
    """Return an alert as it is shown."""
    return ShownAlert(
        one.id,
        one.severity,
        one.category,
        one.text,
        one.why,
        one.remedy,
        one.block,
        one.opened,
        one.closed,
    )


def _by_state(found: Snapshot) -> dict[str, int]:
    """Return the number of copies by state."""
    return {state.value: many for state, many in Counter(copy.state for copy in found.copies.values()).items()}


def _hosting(found: Snapshot) -> HostingState | None:
    hoster, challenge = found.hoster, found.challenge
    if hoster is None:
        return None
    issued = None if challenge is None else challenge.issued
    return HostingState(hoster.open, hoster.step, hoster.capacity, hoster.used, hoster.passed, hoster.missed, issued)
