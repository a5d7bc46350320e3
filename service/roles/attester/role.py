"""The attester's role: hold slots, probe the hosters of the copies it is seated for, commit, reveal and settle.

Every step is durable before the chain hears of it: a link's secret before its anchor, an answered probe before it
counts, a report with its salt before its hash. After kill -9 the same report is committed and revealed, never another
one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from functools import partial

import structlog

from service.chain_client import Block
from service.chain_client.pallet import calls
from service.chain_client.pallet.types import Attester, Retrieval
from service.hypercore.net import Connection

from ..common.audit import Auditor
from ..common.context import Context
from ..common.needs import dear_report
from ..common.offers import Offers
from ..common.runner import Runner, submitted
from ..common.troubles import TooDear
from ..common.watch import each_block
from .batches import Batch, CommitBatch
from .committee import read_target, sectors_at
from .decisions import (
    AttesterFacts,
    CommitReport,
    MakeProbe,
    OfferAttesting,
    OwnSeat,
    RevealReport,
    Settle,
    decide,
)
from .links import LinksMissing, LinkStore
from .probe import FalseEncoding, ProbeFailed, probe
from .reporting import Reporter
from .seats import SeatSearch
from .store import ReportStore

log = structlog.get_logger(__name__)

LEAST_LONGEST_WAIT = 4
"""Lower bound, in blocks, of the longest wait between two tries."""
TRIES = 64
"""Approximate number of times a failing probe is repeated, whatever the era's length."""
PROBES_AT_ONCE = 32
"""Limit on concurrent probes, which bounds sockets and memory."""
ERAS_KEPT = 3
"""Eras after which a report can no longer be settled and is forgotten."""


class AttesterRole:
    """One attester. `run` it until it is cancelled."""

    def __init__(self, context: Context) -> None:
        client, account = context.client, context.signer.account
        self._context = context
        self._runner = Runner("attester", max(LEAST_LONGEST_WAIT, client.times.probe_blocks // TRIES), context.troubles)
        self._offers = Offers(client, context.signer)
        self._links = LinkStore(context.directory, context.database, client.genesis, account)
        self._reports = ReportStore(context.database)
        self._reporter = Reporter(context, self._reports)
        self._auditor = Auditor(context)
        self._search = SeatSearch(client, account)
        self._seats: tuple[int, tuple[OwnSeat, ...]] = (-1, ())
        self._probing = asyncio.Semaphore(PROBES_AT_ONCE)
        self._per_copy: dict[int, asyncio.Lock] = {}

    def attach(self, connection: Connection) -> None:
        """Do nothing: an attester only dials out, under throw-away identities."""

    # ---- the chain

    async def run(self) -> None:
        """Attest until cancelled."""
        try:
            await each_block(self._context.follower, self._step, self._context.troubles, "attester")
        finally:
            await self._runner.close()
            await self._auditor.close()

    async def _step(self, block: Block) -> None:
        await self._auditor.step(block)
        self._runner.look(block.number)
        facts = await self._facts(block)
        actions = decide(facts)
        said = [action for action in actions if isinstance(action, CommitReport | RevealReport)]
        batches = self._reporter.batches.form(said, lambda batch: self._runner.waits(batch, block.number))
        rest = [action for action in actions if not isinstance(action, CommitReport | RevealReport)]
        tasks = [self._batch(batch, block) for batch in batches]
        self._runner.apply(block.number, [*tasks, *(self._task(action, facts, block) for action in rest)])

    async def _facts(self, block: Block) -> AttesterFacts:
        client, account = self._context.client, self._context.signer.account
        era = block.number // client.times.era
        offer = await client.storage.attester(account, block.hash)
        seats = await self._own_seats(block, era, offer)
        reported = await asyncio.to_thread(self._reports.reported)
        wanted = {(era, seat.copy) for seat in seats} | reported if self._may_matter(block.number) else set(reported)
        retrievals = await client.storage.retrievals_of(sorted(wanted), block.hash)
        await asyncio.to_thread(self._tidy, era, reported, retrievals)
        return AttesterFacts(
            now=block.number,
            account=account,
            times=client.times,
            terms=self._context.config.attesting,
            offer=offer,
            chain_fits=await asyncio.to_thread(self._chain_fits, offer, era),
            seats=seats,
            answered=await asyncio.to_thread(self._reports.answered),
            reported=reported,
            retrievals=retrievals,
            copies=await client.storage.copies_of({copy for _, copy in retrievals}, block.hash),
        )

    def _may_matter(self, now: int) -> bool:
        """Return whether commits can exist: there are none in the first blocks of an era, so reading them would be waste."""
        times = self._context.client.times
        return now % times.era >= times.probe_blocks - 1

    def _tidy(
        self, era: int, reported: frozenset[tuple[int, int]], retrievals: dict[tuple[int, int], Retrieval]
    ) -> None:
        """Forget reports that are settled, never reached the chain, or can no longer be settled."""
        for number, copy in reported:
            record = retrievals.get((number, copy))
            if (record is None and number < era) or (record is not None and record.settled):
                self._reports.forget(number, copy)
        self._reports.forget_before(era - ERAS_KEPT)

    async def _own_seats(self, block: Block, era: int, offer: Attester | None) -> tuple[OwnSeat, ...]:
        """Return our seats. They are fixed for the whole era, so only its first block that we see is read."""
        if self._seats[0] == era or offer is None:
            return self._seats[1] if self._seats[0] == era else ()
        found: tuple[OwnSeat, ...] = ()
        try:
            link = await asyncio.to_thread(self._links.link, offer, era)
        except LinksMissing as error:
            log.error("cannot probe in this era", era=era, error=str(error))
            link = None
        if link is not None:
            start = era * self._context.client.times.era
            copies = await self._search.find(era, block.hash)
            found = tuple(OwnSeat(number, sectors_at(copy, start), link) for number, copy in copies.items())
        self._seats = era, found
        self._per_copy = {seat.copy: self._per_copy.get(seat.copy, asyncio.Lock()) for seat in found}
        if found:
            log.info("seated", era=era, copies=[seat.copy for seat in found])
        return found

    def _chain_fits(self, offer: Attester | None, era: int) -> bool:
        try:
            return offer is not None and self._links.link(offer, era + 1) is not None
        except LinksMissing as error:
            log.error("the chain of links cannot be continued; a new anchor will be offered", error=str(error))
            return False

    def _batch(self, batch: Batch, block: Block) -> tuple[Hashable, Callable[[], Awaitable[int | None]]]:
        if isinstance(batch, CommitBatch):
            return batch, partial(self._reporter.commit, batch, block.hash)
        return batch, partial(self._reporter.reveal, batch)

    def _task(
        self, action: OfferAttesting | MakeProbe | Settle, facts: AttesterFacts, block: Block
    ) -> tuple[Hashable, Callable[[], Awaitable[int | None]]]:
        match action:
            case OfferAttesting():
                return "offer", partial(self._offer, action, facts.offer)
            case MakeProbe():
                return ("probe", action.era, action.copy, action.number), partial(self._probe, action, block.hash)
            case Settle():
                return ("settle", action.era, action.copy), partial(self._settle, action)

    async def _offer(self, action: OfferAttesting, offer: Attester | None) -> int | None:
        context = self._context
        offered = None if offer is None else offer.anchor
        if action.renew or offered is None:
            anchor = await asyncio.to_thread(self._links.unused, offered)
        else:
            anchor = offered

        async def held() -> bool:
            found = await context.client.storage.attester(context.signer.account)
            if found is not None and found.anchor == anchor and len(found.slots) >= context.config.attesting.slots:
                return True
            dear = dear_report(action.ask, await context.client.storage.amounts())
            if dear is not None:
                raise TooDear(dear)
            return False

        return await self._offers.send(calls.offer_attesting(action.ask, anchor, action.slots), held)

    # ---- probes

    async def _probe(self, action: MakeProbe, at: bytes) -> int | None:
        context = self._context
        # One probe per copy at a time, the copy's lock first: a hoster that lets its probes hang holds one place of the
        # semaphore, not all of them.
        async with self._per_copy.setdefault(action.copy, asyncio.Lock()), self._probing:
            target = await read_target(context.client, action.copy, action.sector, at)
            try:
                measured = await probe(context.transport, target, context.client.times.probe_bytes)
            except ProbeFailed as error:
                if isinstance(error, FalseEncoding):
                    await self._auditor.found(action.copy, error.evidence)
                self._tell("unanswered", action.era, action.copy, probe=action.number, reason=str(error))
                raise
        await asyncio.to_thread(
            self._reports.keep_probe, action.era, action.copy, action.number, target.segment, measured
        )
        log.info(
            "probe answered",
            era=action.era, copy=action.copy, probe=action.number,
            latency_ms=measured.latency_ms, kib_per_s=measured.kib_per_s,
        )  # fmt: skip
        self._tell("probed", action.era, action.copy, probe=action.number)
        return None

    # ---- verdicts

    async def _settle(self, action: Settle) -> int | None:
        era, copy = action.era, action.copy

        async def held() -> bool:
            record = await self._context.client.storage.retrieval(era, copy)
            return record is None or record.settled

        return await submitted(self._context.signer, calls.settle_retrieval(era, copy), held)

    def _tell(self, event: str, era: int, copy: int, **more: object) -> None:
        self._context.on_progress({"role": "attester", "event": event, "era": era, "copy": copy, **more})
