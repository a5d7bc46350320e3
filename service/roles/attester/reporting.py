"""What an attester tells the chain of its reports: each is fixed and durable before a call with its hash is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import structlog

from service.chain_client import Call, ChainError, NotOperator
from service.chain_client.pallet import calls
from service.chain_client.pallet.types import ChainOpening, CopyState, Report, RetrievalCommit, RetrievalReveal, Seat
from service.encoding import leaf_hash

from ..common.context import Context
from ..common.runner import submitted
from .batches import Batch, Batches, CommitBatch, RevealBatch
from .committee import read_target
from .rules import NO_LEAF, commit_hash
from .store import FixedReport, ReportStore

log = structlog.get_logger(__name__)


class ReportLost(Exception):
    """A commit of ours is on the chain, but its report is not on this disk."""


class Reporter:
    """The commits and reveals of one attester, several in one call."""

    def __init__(self, context: Context, reports: ReportStore) -> None:
        self._context, self._reports = context, reports
        self.batches = Batches()

    async def commit(self, batch: CommitBatch, at: bytes) -> int | None:
        """Fix the reports of a batch and put their hashes on the chain. Return the block in which they are.

        A report that cannot be fixed holds up no other. Raises what kept the first from it if none can be, ReportLost, and
        what `Signer.submit` raises.
        """
        fixed = await self._fixed(batch, at)
        wanted = {copy: self._hash(batch.era, copy, report) for copy, report in fixed.items()}

        async def missing() -> list[int]:
            seats, lost = await self._seats(batch.era, wanted), []
            for copy, seat in seats.items():
                if seat is not None and seat.commit not in (None, wanted[copy]):
                    lost.append(copy)
            if lost:
                text = f"era {batch.era}, copies {lost}: the commits on the chain do not match the reports on this disk"
                if len(lost) == len(wanted):
                    raise ReportLost(text)
                log.error("reports lost", era=batch.era, copies=lost, error=text)
            return [copy for copy, seat in seats.items() if seat is None or seat.commit is None]

        open_ones = await self._under_test(await missing())
        commits = tuple(RetrievalCommit(copy, wanted[copy]) for copy in open_ones)
        if not commits:
            return None

        async def held() -> bool:
            return not await self._under_test(await missing())

        block = await self._send(batch, calls.commit_retrievals(batch.era, commits), held)
        left = set(await missing())
        for copy in open_ones:
            self._say("report committed", "committed", batch.era, copy, fixed[copy], copy not in left)
        return block

    async def reveal(self, batch: RevealBatch) -> int | None:
        """Open the commits of a batch. Return the block in which they are.

        All reveals of a call show one link: those of another one, which nobody has unless its database was put together from
        two, come in the next. Raises ReportLost if no report is on this disk, and what `Signer.submit` raises.
        """
        era = batch.era
        found = {copy: await asyncio.to_thread(self._reports.report, era, copy) for copy in batch.copies}
        link = next((report.link for report in found.values() if report is not None), None)
        if link is None:
            raise ReportLost(f"era {era}, copies {list(batch.copies)}: the reports are not on this disk")
        fixed = {copy: report for copy, report in found.items() if report is not None and report.link == link}

        async def missing() -> list[int]:
            seats = await self._seats(era, fixed)
            return [copy for copy, seat in seats.items() if seat is not None and seat.report is None]

        open_ones = await missing()
        reveals = tuple(_reveal(copy, fixed[copy]) for copy in open_ones)
        if not reveals:
            return None

        async def held() -> bool:
            return not await missing()

        block = await self._send(batch, calls.reveal_retrievals(era, link, reveals), held)
        left = set(await missing())
        for copy in open_ones:
            self._say("report revealed", "revealed", era, copy, fixed[copy], copy not in left)
        return block

    async def _send(self, batch: Batch, call: Call, held: Callable[[], Awaitable[bool]]) -> int | None:
        try:
            block = await submitted(self._context.signer, call, held)
        except NotOperator:  # it is not the batch that is refused
            raise
        except ChainError:
            self.batches.failed(batch)
            raise
        self.batches.taken()
        return block

    # ---- what is fixed

    async def _fixed(self, batch: CommitBatch, at: bytes) -> dict[int, FixedReport]:
        """Return the reports of a batch by copy, as far as they can be fixed. Raises why the first cannot if none can."""
        tries = (self._fix(batch.era, copy, batch.link, at) for copy in batch.copies)
        found = dict(zip(batch.copies, await asyncio.gather(*tries, return_exceptions=True), strict=True))
        fixed = {copy: one for copy, one in found.items() if isinstance(one, FixedReport)}
        failed = {copy: one for copy, one in found.items() if isinstance(one, BaseException)}
        if not fixed:
            raise next(iter(failed.values()))
        for copy, error in failed.items():
            log.error("report not fixed", era=batch.era, copy=copy, error=f"{type(error).__name__}: {error}")
        return fixed

    async def _fix(self, era: int, copy: int, link: bytes, at: bytes) -> FixedReport:
        fixed = await asyncio.to_thread(self._reports.report, era, copy)
        while fixed is None:
            leaf = await self._leaf(era, copy, at)
            fixed = await asyncio.to_thread(self._reports.fix, era, copy, link, leaf)
        return fixed

    async def _leaf(self, era: int, copy: int, at: bytes) -> bytes:
        """Return the leaf hash of the sector of probe 0, or zeros if probe 0 was not answered."""
        first = await asyncio.to_thread(self._reports.probe, era, copy, 0)
        if first is None:
            return NO_LEAF
        segment, opening = first
        found = await self._context.client.storage.copy(copy, at)
        before = 0
        for part in found.segments if found is not None else ():
            if part.segment == segment:
                break
            before += part.sectors
        target = await read_target(self._context.client, copy, before + opening.sector, at)
        return leaf_hash(target.ctx, opening.sector, opening.data)

    # ---- what the chain has

    async def _under_test(self, copies: list[int]) -> list[int]:
        """Return those of these copies that have not ended: one that has would cost the others' call its fee."""
        found = await self._context.client.storage.copies_of(copies)
        return [copy for copy in copies if copy in found and found[copy].state is not CopyState.ENDED]

    def _hash(self, era: int, copy: int, fixed: FixedReport) -> bytes:
        context = self._context
        return commit_hash(
            context.client.genesis, context.signer.account, era, copy, fixed.report, fixed.link, fixed.leaf, fixed.salt
        )

    async def _seats(self, era: int, copies: Iterable[int]) -> dict[int, Seat | None]:
        """Return our seats by copy; none where there is no record, or one without us."""
        records = await self._context.client.storage.retrievals_of([(era, copy) for copy in copies])
        account = self._context.signer.account

        def own(copy: int) -> Seat | None:
            record = records.get((era, copy))
            return (
                next((seat for seat in record.seats if seat.account == account), None) if record is not None else None
            )

        return {copy: own(copy) for copy in copies}

    def _say(self, text: str, event: str, era: int, copy: int, fixed: FixedReport, taken: bool) -> None:
        if not taken:
            log.warning("the chain did not take what was said of a copy", what=event, era=era, copy=copy)
            return
        log.info(text, era=era, copy=copy, served=fixed.report.served)
        self._context.on_progress(
            {"role": "attester", "event": event, "era": era, "copy": copy, "served": fixed.report.served}
        )


def _reveal(copy: int, fixed: FixedReport) -> RetrievalReveal:
    report = Report(int(fixed.report.served), fixed.report.latency_ms, fixed.report.kib_per_s)
    opening = None if fixed.opening is None else ChainOpening(fixed.opening.data, fixed.opening.siblings)
    return RetrievalReveal(copy, report, fixed.salt, opening)
