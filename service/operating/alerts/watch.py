"""The watch for alerts in a running node: it gathers the facts every few seconds, keeps what the book says, and sends it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from shlex import quote

import structlog

from service.address import ss58
from service.chain_client import Block, ChainClient, ChainError, Follower, UnknownRuntime
from service.chain_client.operators import operated
from service.chain_client.pallet import calls
from service.chain_client.pallet.types import CopyState
from service.disk import DISK_ERRORS, room_at
from service.roles.common.pace import Pace
from service.roles.common.salvage import segment_sectors
from service.roles.common.troubles import Troubles

from ..clocks import OFF_SECONDS, ClockPace
from ..entries import JournalEntry
from ..facts import NodeFacts, Snapshot
from ..objects import ReachKind, ReachState
from ..transfers import DEVELOPMENT
from .book import Alert, AlertBook, Severity
from .facts import AlertFacts, ChainFacts, SegmentWork
from .rules import apply_rules
from .samples import BestOfDay, JournalTail, WorkRates
from .sending import AlertSender, bell_or
from .table import AlertTable

log = structlog.get_logger(__name__)

LOOK_SECONDS = 5.0
"""Between two looks."""
MOST_UNSAVED = 1_000
"""Changes in memory while the disk takes none."""


@dataclass(slots=True)
class Watched:
    """What is looked at."""

    client: ChainClient
    follower: Follower
    facts: NodeFacts
    troubles: Troubles
    roles: tuple[str, ...]
    waits_for: Callable[[], int | None]
    """Returns the block that the journal has seen and waits for."""
    serves: bool
    """Whether others dial this node."""


class AlertWatch:
    """The alerts of one node. `run` it, and `tell` it what the roles tell of their progress."""

    def __init__(
        self, watched: Watched, table: AlertTable, sender: AlertSender, wall: Callable[[], float] = time.time
    ) -> None:
        self._watched, self._table, self._sender, self._wall = watched, table, sender, wall
        self._book = AlertBook(table.open(), table.next_id())
        self._tail = JournalTail(watched.facts.journal_table)
        self._rates, self._best, self._pace = WorkRates(), BestOfDay(), Pace()
        self._clocks = ClockPace()
        self._fee: tuple[int, int] | None = None
        self._dialled = asyncio.get_running_loop().time()
        self._unsaved: list[Alert] = []
        self._told: list[Alert] = []
        self._heard = asyncio.Event()
        """Rings when a target was told: that is saved at once, so that a restart tells nothing twice."""
        self._failing = False
        self._chain_type = ""

    def tell(self, event: dict[str, object]) -> None:
        """Take what a role tells of its progress."""
        self._rates.look(event, asyncio.get_running_loop().time())

    def told(self, alert: Alert) -> None:
        """Note that every target was told."""
        self._told.append(alert)
        del self._told[:-MOST_UNSAVED]
        self._heard.set()

    async def run(self) -> None:
        """Watch until cancelled."""
        self._sender.tell(self._table.untold())
        loop = asyncio.get_running_loop()
        while True:
            await self.look()
            due = loop.time() + LOOK_SECONDS  # a chain that is silent wakes nobody
            while loop.time() < due:
                self._heard.clear()
                await bell_or(self._heard, due - loop.time())
                await self._save()

    async def look(self) -> None:
        """Look once: gather, decide, keep, send. What fails meanwhile is a fact for the next look."""
        block = self._watched.follower.latest
        if block is None:
            return
        facts = await self._gather(block)
        changed = self._book.step(apply_rules(facts), facts.block, self._wall())
        for one in changed:
            _log(one)
        self._unsaved += changed
        self._sender.tell(changed)
        await self._save()

    async def _save(self) -> None:
        if not self._unsaved and not self._told:
            return
        told = list(self._told)
        try:
            await asyncio.to_thread(self._table.save, list(self._unsaved), told)
        except DISK_ERRORS as error:
            if not self._failing:
                log.error("cannot save the alerts; trying again with each look", error=str(error))
            self._failing = True
            del self._unsaved[:-MOST_UNSAVED]
            return
        self._failing = False
        self._unsaved.clear()
        del self._told[: len(told)]

    # ---- facts

    async def _gather(self, block: Block) -> AlertFacts:
        watched, loop = self._watched, asyncio.get_running_loop()
        client, node = watched.client, watched.facts
        self._pace.look(block.number, loop.time() - node.age)
        snapshot = await self._read()
        chain = None if snapshot is None else await self._chain(snapshot)
        return AlertFacts(
            block=block.number,
            age=node.age,
            block_seconds=self._pace.seconds,
            times=client.times,
            account=node.address,
            payer=ss58(node.sources.payer),
            url=client.url,
            directory=str(node.directory),
            roles=watched.roles,
            waits_for=watched.waits_for(),
            troubles=watched.troubles.now,
            clock_off=None if snapshot is None or node.age > OFF_SECONDS else await self._clock(),
            disk_free=await asyncio.to_thread(room_at, node.directory),
            reserve=node.reserve,
            chain=chain,
            entries=await self._entries(block.number - client.times.era),
            silent=self._silent(),
            reach=await self._reach(),
            ways=self._ways(),
        )

    async def _read(self) -> Snapshot | None:
        about = "reading the chain"
        try:
            found = await self._watched.facts.snapshot()
        except UnknownRuntime as error:
            self._watched.troubles.failed(about, error)
            return None
        except (ChainError, TimeoutError) as error:
            log.debug("the chain cannot be read for alerts", error=str(error))
            return None
        self._watched.troubles.over(about)
        return found

    async def _chain(self, found: Snapshot) -> ChainFacts | None:
        account, at, loop = self._watched.client, found.block.hash, asyncio.get_running_loop()
        making = {n: copy for n, copy in found.copies.items() if copy.state is CopyState.ENCODING and copy.current}
        try:
            segments = await account.storage.segments_of([copy.current for copy in making.values() if copy.current], at)
            fee = await self._fee_at(at)
        except (ChainError, TimeoutError) as error:
            log.debug("the chain cannot be read for alerts", error=str(error))
            return None
        work = []
        for number, copy in making.items():
            segment = segments.get(copy.current or 0)
            if segment is None:
                continue
            done, rate = self._rates.of(copy.current or 0, loop.time())
            left = max(0, segment_sectors(copy, self._watched.client.times) - done)
            due = segment.begun + self._watched.client.times.lease - found.block.number
            work.append(SegmentWork(number, copy.current or 0, left, rate, due))
        mine = self._watched.facts.account
        taken = [copy.bytes for copy in found.copies.values() if copy.hoster == mine and copy.active_since is None]
        return ChainFacts(
            found.reputation is not None,
            found.for_fees,
            fee,
            found.reputation,
            None if found.reputation is None else self._best.look(found.reputation, loop.time()),
            0 if found.hoster is None else found.hoster.step,
            None if found.challenge is None else found.challenge.issued,
            max(taken, default=0),
            found.signs,
            tuple(work),
        )

    async def _fee_at(self, at: bytes) -> int:
        """Return the fee of an ordinary call, asked for once for each runtime."""
        client = self._watched.client
        version = (await client.runtime_at(at)).spec_version
        if self._fee is None or self._fee[0] != version:
            source, call = self._watched.facts.sources, calls.pause()
            call = call if source.payer == source.account else operated(call, source.account)
            self._fee = version, await client.fee(source.payer, call, at)
        return self._fee[1]

    async def _clock(self) -> float | None:
        client = self._watched.client
        try:
            moment = await client.timestamp((await client.best()).hash)
        except (ChainError, TimeoutError) as error:
            log.debug("the chain's time cannot be read", error=str(error))
            return None
        return self._clocks.off(self._wall(), None if moment is None else moment / 1000)

    async def _entries(self, first: int) -> tuple[JournalEntry, ...] | None:
        about = "reading the journal"
        try:
            found = await asyncio.to_thread(self._tail.look, first)
        except DISK_ERRORS as error:
            self._watched.troubles.failed(about, error)
            return None
        self._watched.troubles.over(about)
        return found

    async def _reach(self) -> ReachState | None:
        """Return what peers from outside find. Of a chain on one machine all peers may listen on that alone."""
        found = self._watched.facts.sources.reach()
        if found.kind is not ReachKind.HIDDEN or not self._watched.serves:
            return found
        try:
            kind = self._chain_type = self._chain_type or await self._watched.client.chain_type()
        except (ChainError, TimeoutError) as error:
            log.debug("the chain's kind cannot be read", error=str(error))
            return None
        return None if kind in DEVELOPMENT else found

    def _ways(self) -> tuple[str, ...]:
        said = {one.key: one.value for one in self._watched.facts.sources.settings()}
        found = [("--bootstrap", said.get("bootstrap", "")), ("--peer", said.get("peers", ""))]
        return tuple(f"{option} {quote(one)}" for option, values in found for one in values.split(", ") if one)

    def _silent(self) -> float | None:
        now = asyncio.get_running_loop().time()
        if any(not one.initiator for one in self._watched.facts.links):
            self._dialled = now
        return now - self._dialled if self._watched.serves else None


def _log(one: Alert) -> None:
    if one.closed is not None:
        log.info("alert is over", alert=one.id, about=one.text)
        return
    tell = log.warning if one.severity is Severity.WARNING else log.error
    tell("alert", alert=one.id, severity=one.severity.value, about=one.text, why=one.why, remedy=one.remedy)
