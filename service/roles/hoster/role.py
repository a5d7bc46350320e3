"""The hoster's role: follow the chain, receive copies, confirm them, prove storage, serve feeds and probes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping
from functools import partial

import structlog

from service.chain_client import Block, UnknownRuntime
from service.chain_client.own_copies import own_hosted
from service.chain_client.pallet import calls
from service.chain_client.pallet.types import Copy, CopyState, Plan, Sample, Segment, StorageProof
from service.disk import DISK_ERRORS, shown_size
from service.encoding import EncodingError, ModulusError, Opening, check_modulus
from service.hypercore import CoreError
from service.hypercore.net import Channel, Connection
from service.protocols.copy import messages as m
from service.protocols.copy.job import SegmentJob
from service.protocols.probe.messages import Ask

from ..common.audit import Auditor
from ..common.context import Context
from ..common.offers import Offers
from ..common.pace import Pace
from ..common.runner import Runner, submitted
from ..common.segment_jobs import JobError, read_job, with_keys_of_now
from ..common.terms import HosterTerms
from ..common.watch import CopyWatch, each_block
from .decisions import (
    AnswerChallenge,
    ConfirmSegment,
    DeclareLost,
    DeclineCopy,
    ForgetCopy,
    HosterAction,
    HosterFacts,
    OfferHosting,
    TidyCopy,
    answer,
    decide,
    doubtful,
)
from .feeds import HostedFeeds
from .fees import Purse
from .joining import HeadJoiner
from .losses import Losses, confirmed_of, shows_loss
from .offering import is_stale
from .probes import ProbeService
from .proofs import storage_proof
from .receive import Shelf, receive_copy
from .room import Room
from .sectors import SectorsMissing
from .store import HostedCopies
from .witness import Witness

log = structlog.get_logger(__name__)


class ChallengeFailed(Exception):
    """A storage challenge cannot be answered. The message names copy, segment and sector."""


class HosterRole:
    """One hoster. `run` it until it is cancelled, and `attach` it to every connection."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._offers = Offers(context.client, context.signer)
        self._hosted = HostedCopies(context.directory, context.database)
        self._runner = Runner(
            "hoster", longest=8, troubles=context.troubles
        )  # retry at least every 8 blocks: a disk repaired late in a proof window still answers
        self._room = Room(context.directory, context.config.reserve, context.troubles)
        self._offered_era = -1
        """The era in which an offer was last made by this run."""
        self._purse = Purse(context.client, context.signer.account, context.signer.payer)
        self._losses = Losses(context.client.times)
        self._feeds = HostedFeeds(
            context.store,
            self._hosted,
            context.pool,
            context.directory,
            lambda copy, why: self._losses.suspect(copy, self._now, why, by_root=False),
        )
        self._jobs: dict[int, SegmentJob] = {}
        self._pace = Pace()
        self._doubted: set[int] = set()
        """The copies of which it was told that their next segment may be too long for its lease."""
        self._unfit: dict[int, str] = {}
        """Why a copy's current segment cannot be received, as it was told."""
        self._channels: dict[int, Channel] = {}
        self._receiving: dict[int, asyncio.Lock] = {}
        self._now = 0
        account = context.signer.account
        self._watch = CopyWatch(context.client, account, lambda copy: copy.hoster == account, self._find)
        self._probes = ProbeService(context.client.genesis, self._open_probe, self._holds, lambda: self._now)
        self._roots: dict[int, Segment] = {}
        """The confirmed segments of our copies."""
        self._heard: dict[int, int] = {}
        """By segment in the making: the block in which it last grew here."""
        self._auditor = Auditor(context)
        self._witness = Witness(context.client, account, self._feeds.core_of, self._auditor)
        self._feeds.restore()
        self._joiner = HeadJoiner(context.transport, self._feeds.core_of, context.troubles)

    # ---- the chain

    async def _find(self, at: bytes) -> dict[int, Copy]:
        return await own_hosted(self._context.client.storage, self._context.signer.account, self._hosted.copies(), at)

    async def run(self) -> None:
        """Host until cancelled."""
        checking = asyncio.create_task(self._feeds.check_trees(self._joiner.look))
        try:
            await each_block(self._context.follower, self._step, self._context.troubles, "hoster")
        finally:
            checking.cancel()
            await asyncio.gather(checking, return_exceptions=True)
            await self._runner.close()
            await self._joiner.close()
            await self._witness.close()
            await self._auditor.close()

    async def _step(self, block: Block) -> None:
        self._runner.look(block.number)
        try:
            facts = await self._facts(block)
        except UnknownRuntime:
            await self._prove_only(block)
            raise
        self._runner.apply(block.number, [self._task(action, facts.copies) for action in decide(facts)])
        self._tell_doubtful(facts)
        if facts.offer is not None:
            await self._purse.look(block, facts.offer.stored)
        self._joiner.step(block.number)
        await self._auditor.step(block)
        if facts.challenge is None and not self._channels:
            self._witness.look(block)

    def _tell_doubtful(self, facts: HosterFacts) -> None:
        """Warn, once for each copy, of a segment that an ordinary encoder does not make within its lease."""
        found = doubtful(facts)
        for number in sorted(found.keys() - self._doubted):
            log.warning(
                "the next segment of a copy may stall, which costs its hoster a fine",
                copy=number,
                reason=found[number],
                remedy="its sponsor should publish plans of fewer blocks",
            )
        self._doubted = {number for number in self._doubted | found.keys() if number in facts.copies}

    async def _prove_only(self, block: Block) -> None:
        """Answer an open challenge, though a new runtime has something else in a form that this service does not know."""
        account = self._context.signer.account
        challenge = await self._context.client.storage.storage_challenge(account, block.hash)
        self._runner.apply(block.number, [self._task(action, {}) for action in answer(challenge)])

    async def _facts(self, block: Block) -> HosterFacts:
        client, account = self._context.client, self._context.signer.account
        self._now = block.number
        self._room.use(self._context.config.reserve)
        self._pace.look(block.number, asyncio.get_running_loop().time())
        await self._watch.look(block)
        copies, plans = dict(self._watch.copies), self._watch.plans
        offer = await client.storage.hoster(account, block.hash)
        challenge = await client.storage.storage_challenge(account, block.hash)
        await self._read_jobs(block, copies, plans)
        await self._read_roots(block, copies)
        stored = await asyncio.to_thread(self._hosted.counts)
        making = [copy.current for copy in copies.values() if copy.current is not None]
        self._heard = {segment: self._heard.get(segment, block.number) for segment in making}
        return HosterFacts(
            now=block.number,
            times=client.times,
            era=block.number // client.times.era,
            terms=self._context.config.hosting,
            offer=offer,
            next_copy=self._watch.next,
            copies=copies,
            plans=plans,
            challenge=challenge,
            next_segment=await client.storage.next_segment(block.hash),
            segments=await client.storage.segments_of(making, block.hash),
            kept=frozenset(copy for copy, _ in stored.values()),
            stored=stored,
            heard=self._heard,
            damaged=self._losses.suspected,
            checkpoints=await asyncio.to_thread(self._checkpoints, copies),
            free=await asyncio.to_thread(self._room.look),
            block_seconds=self._pace.seconds,
            may_renew=self._offered_era != block.number // client.times.era,
        )

    async def _read_jobs(self, block: Block, copies: dict[int, Copy], plans: dict[int, Plan]) -> None:
        encoding = {number: copy for number, copy in copies.items() if copy.state is CopyState.ENCODING}
        for number in self._unfit.keys() - encoding.keys():
            del self._unfit[number]
        for number in self._jobs.keys() - encoding.keys():
            del self._jobs[number]
            channel = self._channels.get(number)
            if channel is not None:
                channel.close()  # the copy is confirmed, or has another encoder now
        for number, copy in encoding.items():
            known = self._jobs.get(number)
            if (known is not None and known.segment == copy.current) or copy.plan not in plans:
                continue
            try:
                job = await read_job(self._context.client, block.hash, number, copy, plans[copy.plan])
                check_modulus(job.modulus)
            except (JobError, ModulusError) as error:
                if self._unfit.get(number) != str(error):  # the same is true in the next block
                    log.error("cannot receive a segment", copy=number, error=str(error))
                self._unfit[number] = str(error)
                continue
            self._unfit.pop(number, None)
            self._jobs[number] = job
            if number in self._channels:
                self._channels[number].close()  # of an earlier segment
        self._jobs = await with_keys_of_now(self._context.client, block.hash, self._jobs)
        self._context.transport.expect(job.encoder.swarm_key for job in self._jobs.values())

    async def _read_roots(self, block: Block, copies: dict[int, Copy]) -> None:
        live = (copy for copy in copies.values() if copy.state is not CopyState.ENDED)
        active = [part.segment for copy in live for part in copy.segments]
        missing = [segment for segment in active if segment not in self._roots]
        found = await self._context.client.storage.segments_of(missing, block.hash)
        await asyncio.to_thread(self._look_for, found)
        self._roots.update(found)
        self._losses.keep(copies)
        for segment in self._roots.keys() - set(active):
            del self._roots[segment]

    def _look_for(self, segments: dict[int, Segment]) -> None:
        """Look once in a run whether the files of confirmed segments are there, before anybody asks for them."""
        for number, segment in segments.items():
            try:
                missing = self._hosted.short(number, segment.sectors)
            except OSError as error:  # it may be there all the same, and the other copies are looked for
                log.warning(
                    "cannot look for the file of a segment", copy=segment.copy, segment=number, error=str(error)
                )
                continue
            if missing is not None:
                self._losses.suspect(segment.copy, self._now, missing)

    def _checkpoints(self, copies: dict[int, Copy]) -> dict[int, m.Checkpoint]:
        found = {}
        for copy in copies.values():
            segment = None if copy.current is None else self._hosted.segment(copy.current)
            point = None if segment is None else segment.checkpoint
            if segment is not None and point is not None and point.sectors <= segment.progress.sectors:
                found[segment.job.segment] = point
        return found

    def _task(
        self, action: HosterAction, copies: Mapping[int, Copy]
    ) -> tuple[Hashable, Callable[[], Awaitable[int | None]]]:
        match action:
            case OfferHosting():
                return "offer", partial(self._offer, action.terms)
            case DeclineCopy():
                return ("decline", action.copy), partial(self._decline, action)
            case ConfirmSegment():
                return ("confirm", action.segment), partial(self._confirm, action)
            case AnswerChallenge():
                return ("prove", action.issued), partial(self._prove, action)
            case ForgetCopy():
                return ("forget", action.copy), partial(self._forget, action.copy)
            case DeclareLost():
                confirmed = confirmed_of(copies[action.copy], self._roots)
                return ("lost", action.copy), partial(self._declare_lost, action.copy, confirmed)
            case TidyCopy():
                return ("tidy", action.copy), partial(self._tidy, action)

    async def _offer(self, terms: HosterTerms) -> int | None:
        context = self._context

        async def held() -> bool:
            offer = await context.client.storage.hoster(context.signer.account)
            if offer is not None and offer.open and not is_stale(offer, terms):
                return True
            await self._purse.check_offer(terms, offer)
            return False

        if terms.capacity < context.config.hosting.capacity:
            log.warning(
                "less is offered than was said: the disk has no more room",
                said=shown_size(context.config.hosting.capacity),
                offered=shown_size(terms.capacity),
                remedy="make room on that disk, or lower --capacity or --reserve",
            )
        self._offered_era = self._now // context.client.times.era
        call = calls.offer_hosting(terms.capacity, terms.ask_disk, terms.ask_receiving, terms.region)
        return await self._offers.send(call, held)

    async def _decline(self, action: DeclineCopy) -> int | None:
        log.warning("copy declined", copy=action.copy, reason=action.reason)
        return await submitted(
            self._context.signer, calls.decline_copy(action.copy), self._not_in(action.copy, CopyState.OFFERED)
        )

    def _not_in(self, number: int, state: CopyState) -> Callable[[], Awaitable[bool]]:
        async def held() -> bool:
            copy = await self._context.client.storage.copy(number)
            return copy is None or copy.state is not state

        return held

    async def _confirm(self, action: ConfirmSegment) -> int | None:
        point = action.checkpoint
        job = self._jobs.get(action.copy)
        if job is not None and action.bytes < job.length:
            log.warning(
                "segment salvaged: its encoder is gone, or its lease ends",
                copy=action.copy, bytes=action.bytes, of=job.length,
            )  # fmt: skip

        async def held() -> bool:
            copy = await self._context.client.storage.copy(action.copy)
            return copy is None or copy.current != action.segment

        call = calls.confirm_segment(action.copy, action.segment, action.bytes, point.root, point.signature)
        block = await submitted(self._context.signer, call, held)
        self._tell("confirmed", action.copy, segment=action.segment)
        return block

    async def _prove(self, action: AnswerChallenge) -> int | None:
        openings = [await self._open_sample(sample) for sample in action.samples]

        async def held() -> bool:
            found = await self._context.client.storage.storage_challenge(self._context.signer.account)
            return found is None or found.issued != action.issued

        call = calls.submit_storage_proof(action.issued, await self._proof_of(action.samples, openings))
        block = await submitted(self._context.signer, call, held)
        log.info("storage proved", issued=action.issued, samples=len(action.samples))
        return block

    async def _proof_of(self, samples: tuple[Sample, ...], openings: list[Opening]) -> StorageProof:
        sectors = {sample.segment: (await self._segment_of(sample)).sectors for sample in samples}
        try:
            return storage_proof(samples, openings, sectors)
        except EncodingError as error:
            raise ChallengeFailed(f"storage challenge: {error}") from error

    async def _segment_of(self, sample: Sample) -> Segment:
        segment = self._roots.get(sample.segment) or await self._context.client.storage.segment(sample.segment)
        if segment is None:
            raise ChallengeFailed(f"segment {sample.segment} of copy {sample.copy} is not on the chain")
        return segment

    async def _open_sample(self, sample: Sample) -> Opening:
        segment = await self._segment_of(sample)
        try:
            return await self._open(sample.segment, sample.sector, segment)
        except (SectorsMissing, EncodingError, *DISK_ERRORS) as error:
            if shows_loss(error):
                self._losses.suspect(sample.copy, self._now, str(error))
            raise ChallengeFailed(
                f"storage challenge: copy {sample.copy}, segment {sample.segment}, sector {sample.sector}: {error}"
            ) from error

    async def _open(self, number: int, sector: int, segment: Segment) -> Opening:
        return await asyncio.to_thread(self._hosted.open_sector, number, sector, segment.root, segment.sectors)

    async def _declare_lost(self, copy: int, segments: dict[int, Segment]) -> int | None:
        """Tell the chain that a copy is lost, unless it is found whole now. Raises OSError if nobody can tell."""
        for number, segment in segments.items():
            why = await asyncio.to_thread(self._hosted.fault, number, segment.root, segment.sectors)
            if why is not None:
                break
        else:
            log.info("a copy that was found damaged is whole again", copy=copy)
            self._losses.whole(copy, self._now)
            return None
        log.error("copy declared lost: it will end and be replaced", copy=copy, error=why)

        async def held() -> bool:
            found = await self._context.client.storage.copy(copy)
            return found is None or found.dropping or found.state is CopyState.ENDED

        block = await submitted(self._context.signer, calls.declare_lost(copy), held)
        self._tell("lost", copy)
        return block

    async def _forget(self, copy: int) -> int | None:
        await self._feeds.drop(copy)
        await asyncio.to_thread(self._hosted.forget, copy)
        self._receiving.pop(copy, None)
        log.info("copy forgotten", copy=copy)
        return None

    async def _tidy(self, action: TidyCopy) -> int | None:
        # a thread of a channel that was closed may still be writing
        async with self._receiving.setdefault(action.copy, asyncio.Lock()):
            await self._feeds.tidy(action.copy, dict(action.confirmed), action.current)
        return None

    # ---- other peers

    def attach(self, connection: Connection) -> None:
        """Receive copies and answer probes on this connection. Feeds are served from the node's store."""
        connection.on_protocol(m.PROTOCOL, self._accept, self._receive)
        self._probes.attach(connection)

    def _accept(self, connection: Connection, identifier: bytes | None, handshake: bytes) -> bytes | None:
        genesis = self._context.client.genesis
        try:
            m.check_handshake(handshake, genesis)
        except m.CopyRefused as error:
            connection.complain("copy channel refused", reason=str(error))
            return None
        job = self._job_of(identifier)
        if job is None or connection.remote_key != job.encoder.swarm_key:
            reason = "the peer is not the encoder of a copy expected here now"
            connection.complain("copy channel refused", reason=reason)
            return None
        if self._room.paused:
            connection.complain("copy channel refused", copy=job.copy, reason="the disk takes no sectors now")
            return None
        return m.encode_handshake(genesis)

    def _job_of(self, identifier: bytes | None) -> SegmentJob | None:
        if identifier is None or len(identifier) != 8:
            return None
        return self._jobs.get(int.from_bytes(identifier, "little"))

    async def _receive(self, channel: Channel) -> None:
        await channel.opened()
        job = self._job_of(channel.identifier)
        if job is None:
            return
        before = self._channels.get(job.copy)
        if before is not None:
            before.close()  # the encoder reconnected: it sends again what was in flight on the old channel
        self._channels[job.copy] = channel
        context = self._context
        try:
            shelf = Shelf(
                self._hosted, self._feeds.serve(job), context.pool, context.keys.sign_statement, self._stored,
                self._joiner.look,
            )  # fmt: skip
            # a thread of the old channel may still be writing, and two must never write the same files
            async with self._receiving.setdefault(job.copy, asyncio.Lock()):
                if not channel.is_closed:
                    await receive_copy(channel, job, shelf)
        except CoreError as error:
            self._feeds.tell_damage(job, str(error))
        except DISK_ERRORS as error:
            self._room.failed(error)
        finally:
            if self._channels.get(job.copy) is channel:
                del self._channels[job.copy]

    def _stored(self, job: SegmentJob, sectors: int) -> None:
        self._heard[job.segment] = self._now
        self._tell("stored", job.copy, segment=job.segment, sectors=sectors, of=job.sectors)

    def _tell(self, event: str, copy: int, **more: object) -> None:
        self._context.on_progress({"role": "hoster", "event": event, "copy": copy, **more})

    def _holds(self, ask: Ask) -> bool:
        segment = self._roots.get(ask.segment)
        return segment is not None and segment.copy == ask.copy

    async def _open_probe(self, ask: Ask) -> Opening:
        segment = self._roots.get(ask.segment)
        if segment is None:  # its copy ended while this question waited for its turn
            raise SectorsMissing(f"segment {ask.segment} does not belong to an active copy any longer")
        try:
            return await self._open(ask.segment, ask.sector, segment)
        except (SectorsMissing, EncodingError) as error:
            if shows_loss(error):
                self._losses.suspect(ask.copy, self._now, str(error))
            raise
