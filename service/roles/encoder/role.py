"""The encoder's role: follow the chain, make keys, begin segments, encode them for their hosters, and erase the keys."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import aclosing
from dataclasses import replace
from functools import partial

import structlog

from service.chain_client import Block, CursorStore, DispatchError, PalletError
from service.chain_client.own_copies import own_jobs
from service.chain_client.pallet import calls
from service.chain_client.pallet.constants import PROFILE_P1
from service.chain_client.pallet.types import Copy, CopyState, Plan
from service.encoding.profiles import SECTOR
from service.encoding.progress import Progress
from service.hypercore.net import Connection
from service.protocols.copy import messages as m
from service.protocols.copy.job import SegmentJob
from service.protocols.copy.stream import PlanHead
from service.vault import Locker

from ..common.context import Context
from ..common.feed_window import open_feed
from ..common.offers import Offers
from ..common.pace import Pace
from ..common.runner import Runner, submitted
from ..common.segment_jobs import read_job, roots_of, segment_end, stream_ranges
from ..common.watch import CopyWatch, each_block
from .decisions import (
    BeginSegment,
    ConfirmByEncoder,
    DeclineJob,
    EncoderAction,
    EncoderFacts,
    EncodeSegment,
    EraseKey,
    FetchHead,
    MakeKey,
    MeasureSpeed,
    OfferEncoding,
    decide,
)
from .draws import Drawn, sample_blocks
from .send import Work, send_copy
from .speed import TRIAL_SECTORS, Speed
from .stock import KeyStock
from .store import EncoderStore

log = structlog.get_logger(__name__)

TELL_SECONDS = 0.5
"""Interval between two progress events, which keeps listeners and logs from flooding."""


class EncoderRole:
    """One encoder. `run` it until it is cancelled."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._runner = Runner("encoder", troubles=context.troubles)
        self._offers = Offers(context.client, context.signer)
        self._drawn = Drawn(context.client)
        self._pace, self._speed, self._stock = Pace(), Speed(), KeyStock()
        self._acked: dict[int, tuple[int, int]] = {}
        """By segment in the making: the sectors that its hoster has, and the block in which it last had more."""
        self._told = 0.0
        self._lost: set[int] = set()
        self._store = EncoderStore(context.database, context.directory, Locker(context.keys.storage_key))
        with context.database.transaction() as db:
            # the journal's cursor: an earlier run has seen every block up to it, also one in which a copy became ours
            seen = CursorStore(db).load(context.client.genesis)
        self._seen = 0 if seen is None else seen.number
        account = context.signer.account
        self._watch = CopyWatch(
            context.client, account, lambda copy: copy.encoder == account, self._find, self._store.copies
        )

    def attach(self, connection: Connection) -> None:
        """Do nothing: an encoder only dials out."""

    # ---- the chain

    async def _find(self, at: bytes) -> dict[int, Copy]:
        return await own_jobs(self._context.client.storage, self._context.signer.account, self._store.copies(), at)

    async def run(self) -> None:
        """Encode until cancelled."""
        try:
            await each_block(self._context.follower, self._step, self._context.troubles, "encoder")
        finally:
            await self._runner.close()
            await self._stock.close()

    async def _step(self, block: Block) -> None:
        self._runner.look(block.number)
        facts = await self._facts(block)
        self._tell_lost(facts)
        self._runner.apply(block.number, [self._task(action, facts, block) for action in decide(facts)])

    def _tell_lost(self, facts: EncoderFacts) -> None:
        """Log each current segment whose private key is lost: nothing can be done, but its stall should not be a surprise."""
        ours = {key.modulus for key in facts.keys}
        lost = {segment for segment, modulus in facts.moduli.items() if modulus not in ours}
        for segment in sorted(lost - self._lost):
            log.error("cannot encode the current segment: its private key is not on this disk", segment=segment)
        self._lost = lost

    async def _facts(self, block: Block) -> EncoderFacts:
        client, account = self._context.client, self._context.signer.account
        await self._watch.look(block)
        copies, plans = dict(self._watch.copies), self._watch.plans
        current = [copy.current for copy in copies.values() if copy.current is not None and copy.encoder == account]
        self._acked = {segment: self._acked.get(segment, (0, block.number)) for segment in current}
        self._pace.look(block.number, asyncio.get_running_loop().time())
        await self._drawn.look(block, {number: copy for number, copy in copies.items() if copy.encoder == account})
        return EncoderFacts(
            now=block.number,
            account=account,
            times=client.times,
            terms=self._context.config.encoding,
            offer=await client.storage.encoder(account, block.hash),
            next_copy=self._watch.next,
            seen=self._seen,
            copies=copies,
            plans=plans,
            keys=await asyncio.to_thread(self._store.records),
            moduli=await client.storage.moduli_of(current, block.hash),
            segments=await client.storage.segments_of(current, block.hash),
            acked=self._acked,
            reachable=self._drawn.reachable,
            drawn=self._drawn.blocks,
            confirm_grace=self._context.config.confirm_grace,
            block_seconds=self._pace.seconds,
            rate=self._speed.best,
        )

    def _task(
        self, action: EncoderAction, facts: EncoderFacts, block: Block
    ) -> tuple[Hashable, Callable[[], Awaitable[int | None]]]:
        match action:
            case MeasureSpeed():
                return "speed", self._measure
            case OfferEncoding():
                return "offer", self._offer
            case FetchHead():
                copy = facts.copies[action.copy]
                draw = "head", action.copy, copy.generation  # a new draw does not wait for the failures of an older one
                return draw, partial(self._fetch_head, action.copy, copy, facts.plans[copy.plan])
            case DeclineJob():
                return ("decline", action.copy), partial(self._decline, action)
            case MakeKey():
                return ("key", action.copy, action.ordinal), partial(self._new_key, action)
            case BeginSegment():
                ordinal = len(facts.copies[action.copy].segments)
                return ("begin", action.copy, action.modulus), partial(self._begin, action, ordinal)
            case EncodeSegment():
                copy = facts.copies[action.copy]
                return ("encode", action.segment), partial(self._encode, action, copy, facts.plans[copy.plan], block)
            case ConfirmByEncoder():
                copy = facts.copies[action.copy]
                return ("confirm", action.segment), partial(self._confirm, action, copy, facts.plans[copy.plan], block)
            case EraseKey():
                return ("erase", action.copy, action.ordinal), partial(self._erase, action)

    async def _offer(self) -> int | None:
        context = self._context

        async def held() -> bool:
            offer = await context.client.storage.encoder(context.signer.account)
            return offer is not None and offer.open and offer.ask == context.config.encoding.ask

        return await self._offers.send(calls.offer_encoding(context.config.encoding.ask), held)

    async def _fetch_head(self, number: int, copy: Copy, plan: Plan) -> int | None:
        roots = await self._context.client.storage.roots(copy.plan) or ()
        head = PlanHead(copy.head.fork, copy.head.length, copy.head.tree_hash)
        async with open_feed(self._context.store, self._context.transport, plan.feed, head.length) as feed:
            await feed.reach(head, roots_of(copy.head, plan, roots) if roots else ())
            ranges = stream_ranges(plan, copy.head)
            for index in sample_blocks(ranges, copy.stored_bytes, segment_end(copy, self._context.client.times)):
                await feed.block(index, index + 1)
        self._drawn.found(number, copy)
        return None

    async def _measure(self) -> int | None:
        loop = asyncio.get_running_loop()
        key, start = await self._stock.take(), loop.time()

        async def plain() -> AsyncIterator[bytes]:
            yield bytes(TRIAL_SECTORS * SECTOR)

        async with aclosing(self._context.pool.encode(plain(), salt=bytes(32), key=key)) as stream:
            async for _ in stream:
                pass
        self._speed.note(TRIAL_SECTORS / max(loop.time() - start, 1e-3), 1)
        log.info("speed of encoding measured", sectors_per_second=round(self._speed.best or 0))
        return None

    async def _decline(self, action: DeclineJob) -> int | None:
        log.warning("job declined", copy=action.copy, reason=action.reason)
        block = await submitted(
            self._context.signer, calls.decline_job(action.copy), partial(self._not_assigned, action.copy)
        )
        self._tell("declined", action.copy)
        return block

    async def _not_assigned(self, number: int) -> bool:
        copy = await self._context.client.storage.copy(number)
        return copy is None or copy.state is not CopyState.ASSIGNED or copy.encoder != self._context.signer.account

    async def _new_key(self, action: MakeKey) -> int | None:
        await asyncio.to_thread(self._store.make_key, action.copy, action.ordinal, await self._stock.take())
        return None

    async def _begin(self, action: BeginSegment, ordinal: int) -> int | None:
        call = calls.begin_segment(action.copy, action.modulus, PROFILE_P1)
        try:
            block = await submitted(self._context.signer, call, partial(self._not_assigned, action.copy))
        except DispatchError as error:
            if error.kind is not PalletError.MODULUS_USED:
                raise
            # the copy waits for our begin: another segment has it, of an encoder that has no factors and will stall
            log.warning("the modulus was copied from the pool and begun with: a new one is made", copy=action.copy)
            await asyncio.to_thread(self._store.erase_key, action.copy, ordinal)
            return None
        self._tell("begun", action.copy)
        return block

    async def _encode(self, action: EncodeSegment, copy: Copy, plan: Plan, block: Block) -> int | None:
        context = self._context
        job = await read_job(context.client, block.hash, action.copy, copy, plan)
        segment = action.copy, action.ordinal
        key = await asyncio.to_thread(self._store.key, *segment)
        async with open_feed(context.store, context.transport, job.feed_key, job.head.length) as feed:
            moved = not job.roots  # so the chain does not tell them to the hoster, either
            job = replace(job, roots=await feed.reach(job.head, job.roots))
            connection = await context.transport.connect(job.hoster.swarm_key)
            try:
                channel = connection.open(m.PROTOCOL, m.channel_id(job.copy), m.encode_handshake(job.genesis))
                m.check_handshake(await channel.opened(), job.genesis)
                work = Work(
                    key=key,
                    pool=context.pool,
                    feed=feed,
                    sign=context.keys.sign_statement,
                    point=self._store.point(*segment),
                    keep_point=partial(self._store.keep_point, *segment),
                    keep_receipt=partial(self._keep_signed_root, *segment),
                    on_acked=partial(self._on_acked, job.segment),
                    on_progress=partial(self._progress, job),
                    shows_roots=moved,
                    checkpoint_sectors=context.config.checkpoint_sectors or context.client.times.checkpoint,
                )
                await send_copy(channel, job, work)
            finally:
                connection.close("done")
        log.info("segment encoded", copy=job.copy, segment=job.segment, sectors=job.sectors)
        self._tell("encoded", job.copy, segment=job.segment)
        return None

    def _progress(self, job: SegmentJob, progress: Progress) -> None:
        if progress.done >= TRIAL_SECTORS:
            self._speed.note(progress.rate, len(self._acked))
        now = asyncio.get_running_loop().time()
        if now >= self._told + TELL_SECONDS or progress.done == progress.total:
            self._told = now
            self._tell(
                "encoding",
                job.copy,
                segment=job.segment,
                sectors=progress.done,
                of=progress.total,
                rate=progress.rate,
                seconds_left=progress.seconds_left,
            )

    def _tell(self, event: str, copy: int, **more: object) -> None:
        self._context.on_progress({"role": "encoder", "event": event, "copy": copy, **more})

    @property
    def _now(self) -> int:
        latest = self._context.follower.latest
        return 0 if latest is None else latest.number

    def _on_acked(self, segment: int, sectors: int) -> None:
        if sectors > self._acked.get(segment, (0, 0))[0]:
            self._acked[segment] = sectors, self._now

    def _keep_signed_root(self, copy: int, ordinal: int, signed: m.SignedRoot) -> None:
        self._store.keep_signed_root(copy, ordinal, signed, self._now)

    async def _confirm(self, action: ConfirmByEncoder, copy: Copy, plan: Plan, block: Block) -> int | None:
        job = await read_job(self._context.client, block.hash, action.copy, copy, plan)

        async def held() -> bool:
            found = await self._context.client.storage.copy(action.copy)
            return found is None or found.current != action.segment

        receipt, size = action.receipt, job.covered(action.receipt.sectors)
        if size < job.length:
            log.warning(
                "segment salvaged: its hoster is gone, or its lease ends", copy=action.copy, bytes=size, of=job.length
            )
        call = calls.confirm_segment(action.copy, action.segment, size, receipt.root, receipt.signature)
        return await submitted(self._context.signer, call, held)

    async def _erase(self, action: EraseKey) -> int | None:
        await asyncio.to_thread(self._store.erase_key, action.copy, action.ordinal)
        log.info("private modulus erased", copy=action.copy, ordinal=action.ordinal)
        return None
