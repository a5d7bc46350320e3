"""An honest little chain in memory: the calls and the state that encoders and hosters see, with every check they rely on."""

from __future__ import annotations

import asyncio
import hashlib
import struct
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from typing import Any

from service.chain_client import Block, Call, DispatchError, Receipt
from service.chain_client.pallet.types import (
    Amounts,
    Attester,
    Copy,
    CopySegment,
    CopyState,
    Encoder,
    EraInfo,
    Head,
    Hoster,
    Plan,
    PlanState,
    Range,
    RegisteredPeer,
    Report,
    Retrieval,
    Root,
    Sample,
    Seat,
    Segment,
    Slot,
    StorageChallenge,
    Terms,
    Times,
)
from service.encoding import Opening, leaf_hash, pk_hash, sector_count, verify_opening
from service.hypercore import Core
from service.protocols.copy.job import SegmentJob, verify
from service.roles.common.segment_jobs import read_job
from service.vault.keyfile import KeyFile
from tests.support.copy_world import digest

BLOCK_SECONDS = 0.02
PATIENCE_SECONDS = 10.0


def hash_of(*parts: bytes) -> bytes:
    return hashlib.blake2b(b"".join(parts), digest_size=32).digest()


def blank(kind: Any, **given: Any) -> Any:
    """A value of a chain type in which all that is not given is nothing."""
    values: dict[str, Any] = {}
    for one in fields(kind):
        name = str(one.type)
        empty: Any = () if name.startswith("tuple") else {"int": 0, "bool": False}.get(name, b"")
        values[one.name] = None if "None" in name else empty
    return kind(**values | given)


@dataclass
class State:
    """Maps of the pallet, by its keys."""

    plans: dict[int, Plan] = field(default_factory=dict)
    roots: dict[int, tuple[Root, ...]] = field(default_factory=dict)
    copies: dict[int, Copy] = field(default_factory=dict)
    made: dict[int, int] = field(default_factory=dict)
    segments: dict[int, Segment] = field(default_factory=dict)
    moduli: dict[int, bytes] = field(default_factory=dict)
    peers: dict[bytes, RegisteredPeer] = field(default_factory=dict)
    hosters: dict[bytes, Hoster] = field(default_factory=dict)
    encoders: dict[bytes, Encoder] = field(default_factory=dict)
    challenges: dict[bytes, StorageChallenge] = field(default_factory=dict)
    attesters: dict[bytes, Attester] = field(default_factory=dict)
    slots: dict[int, Slot] = field(default_factory=dict)
    eras: dict[int, EraInfo] = field(default_factory=dict)
    retrievals: dict[tuple[int, int], Retrieval] = field(default_factory=dict)

    def frozen(self) -> State:
        return State(*(dict(getattr(self, one.name)) for one in fields(self)))


class FakeChain:
    """Makes a block every 20 ms; it is client, storage and follower of every peer, and makes their signers."""

    def __init__(self) -> None:
        self.genesis = digest("fake genesis")
        self.times: Times = blank(
            Times, era=48, seed_delay=2, proof_window=30, probe_blocks=28, reveal_from=3, settle_from=24, settle_to=96,
            seats=9, quorum=2, probe_bytes=40_000,
        )  # fmt: skip
        self.busy: dict[str, Callable[[], bool]] = {}
        self.money = 10**12
        self.deaf: set[str] = set()
        self.heard: list[Call] = []
        self.settled: dict[tuple[int, int], list[Report]] = {}
        self.state, self._old = State(), dict[bytes, State]()
        self.number = 0
        self.latest: Block | None = None
        self.paid: Counter[int] = Counter()
        self.proved: Counter[bytes] = Counter()
        self.refused: list[str] = []
        self.jobs: dict[int, SegmentJob] = {}
        self.begun: list[int] = []
        self._queue: list[tuple[bytes, Call, asyncio.Future[Receipt]]] = []
        self._changed = asyncio.Condition()

    @property
    def storage(self) -> FakeChain:
        return self

    # ---- reads

    def _at(self, at: bytes | None) -> State:
        return self.state if at is None else self._old[at]

    async def next_copy(self, at: bytes | None = None) -> int:
        return len(self._at(at).made)

    async def all_copies(self, at: bytes | None = None) -> dict[int, Copy]:
        return dict(self._at(at).copies)

    def __getattr__(self, name: str) -> Any:
        """`copies_of([…], at)`, `copy(1, at)` and their like, over the maps."""
        singular = {"copy": "copies", "plan": "plans", "segment": "segments", "modulus": "moduli", "peer": "peers"}
        singular |= {"attester": "attesters", "slot": "slots", "era": "eras"}
        singular |= {"hoster": "hosters", "encoder": "encoders", "storage_challenge": "challenges", "roots": "roots"}
        if name in singular:

            async def one(key: Any, at: bytes | None = None) -> Any:
                return getattr(self._at(at), singular[name]).get(key)

            return one
        if name.endswith("_of") and hasattr(State(), name[:-3]):

            async def many(keys: Any, at: bytes | None = None) -> Any:
                entries = getattr(self._at(at), name[:-3])
                return {key: entries[key] for key in keys if key in entries}

            return many
        raise AttributeError(name)

    async def retrieval(self, era: int, copy: int, at: bytes | None = None) -> Retrieval | None:
        return self._at(at).retrievals.get((era, copy))

    # ---- blocks

    async def run(self) -> None:
        """Blocks come no faster than who is waited for works on them, so that windows mean the same on a slow machine."""
        while True:
            await self.step()
            await asyncio.sleep(BLOCK_SECONDS)
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_SECONDS):
                    while any(busy() for busy in list(self.busy.values())):  # noqa: ASYNC110
                        await asyncio.sleep(BLOCK_SECONDS / 4)

    async def step(self) -> None:
        self.number += 1
        if self.number % self.times.era == 0:
            era = self.number // self.times.era
            self.state.eras[era] = EraInfo(digest("era", era), len(self.state.slots))
        for number, segment in self.state.segments.items():
            if segment.salt is None and self.number >= segment.begun + self.times.seed_delay:
                self.state.segments[number] = replace(segment, salt=digest("salt", number))
                self._set(segment.copy, state=CopyState.ENCODING)
        parent = self.latest.hash if self.latest is not None else self.genesis
        block = Block(self.number, digest("block", self.number), parent, ())
        queue, self._queue = [one for one in self._queue if one[1].name not in self.deaf], []
        results = [(done, await self._dispatch(origin, call)) for origin, call, done in queue]
        self._old[block.hash] = self.state.frozen()
        async with self._changed:
            self.latest = block
            self._changed.notify_all()
        for done, error in results:
            if not done.cancelled():
                done.set_exception(error) if error else done.set_result(Receipt(block.ref, 0, b"", ()))
                done.exception()

    async def wait_for(self, number: int) -> Block:
        async with self._changed:
            await self._changed.wait_for(lambda: self.latest is not None and self.latest.number >= number)
        assert self.latest is not None
        return self.latest

    def blocks(self) -> FakeBlocks:
        return FakeBlocks(self, self.number)

    async def until(self, holds: Any) -> None:
        """Wait for a state, block after block; where it does not come, say what everybody waits for instead."""
        try:
            async with asyncio.timeout(60):
                while not holds():
                    await self.wait_for(self.number + 1)
        except TimeoutError:
            for task in asyncio.all_tasks():
                task.print_stack(limit=8)
            raise

    def signer(self, account: bytes) -> FakeSigner:
        return FakeSigner(self, account)

    def enqueue(self, origin: bytes, call: Call) -> asyncio.Future[Receipt]:
        done: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self._queue.append((origin, call, done))
        self.heard.append(call)
        return done

    # ---- calls

    async def _dispatch(self, origin: bytes, call: Call) -> DispatchError | None:
        try:
            await getattr(self, f"_{call.name}")(origin, **call.arguments)
        except AssertionError as error:
            self.refused.append(f"{call.name}: {error}")
            return DispatchError("DatDot", "Refused", str(error))
        return None

    def _set(self, copy: int, **changes: Any) -> None:
        self.state.copies[copy] = replace(self.state.copies[copy], **changes)

    async def _register_peer(
        self, origin: bytes, swarm_key: bytes, statement_key: bytes, swarm_signature: bytes, statement_signature: bytes
    ) -> None:
        assert origin not in self.state.peers, "a peer already"
        message = b"datdot/v1/bind\0" + self.genesis + origin + swarm_key + statement_key
        assert verify(swarm_key, message, swarm_signature), "not signed by the swarm key"
        assert verify(statement_key, message, statement_signature), "not signed by the statement key"
        self.state.peers[origin] = blank(RegisteredPeer, swarm_key=swarm_key, statement_key=statement_key)

    async def _offer_hosting(self, origin: bytes, capacity: int, ask_disk: int, ask_receiving: int) -> None:
        self.state.hosters[origin] = blank(Hoster, open=True, capacity=capacity, ask_disk=ask_disk)

    async def _decline_copy(self, origin: bytes, copy: int) -> None:
        entry = self.state.copies[copy]
        assert (entry.state, entry.hoster) == (CopyState.OFFERED, origin), "nothing to decline"
        self._set(copy, state=CopyState.ENDED)

    async def _offer_encoding(self, origin: bytes, ask: int) -> None:
        self.state.encoders[origin] = blank(Encoder, open=True, ask=ask)

    async def _begin_segment(self, origin: bytes, copy: int, modulus: bytes, profile: int) -> None:
        entry = self.state.copies[copy]
        assert (entry.state, entry.encoder) == (CopyState.ASSIGNED, origin), "not the time or not the encoder"
        assert modulus not in self.state.moduli.values(), "a modulus seen before"
        number = len(self.state.segments)
        self.state.moduli[number] = modulus
        self.begun.append(copy)
        head = self.state.plans[entry.plan].head
        self.state.segments[number] = blank(
            Segment, pk_hash=pk_hash(modulus), copy=copy, encoder=origin, profile=profile, begun=self.number, head=head,
            first_byte=entry.stored_bytes,
        )  # fmt: skip
        self._set(copy, state=CopyState.BEGUN, current=number)

    async def job(self, copy: int) -> SegmentJob:
        entry = self.state.copies[copy]
        return await read_job(self, None, copy, entry, self.state.plans[entry.plan])  # type: ignore[arg-type]

    async def _confirm_segment(
        self, origin: bytes, copy: int, segment: int, bytes: int, root: bytes, signature: bytes
    ) -> None:
        entry = self.state.copies[copy]
        assert (entry.state, entry.current) == (CopyState.ENCODING, segment), "this segment is not in the making"
        job = await self.job(copy)
        assert bytes == job.length, "another length"
        assert origin in (job.hoster.account, job.encoder.account), "a stranger"
        other = job.encoder if origin == job.hoster.account else job.hoster
        assert verify(other.statement_key, job.statement(job.sectors, root), signature), (
            "not the other side's signature"
        )
        self.paid[segment] += 1
        found = self.state.segments[segment]
        self.state.segments[segment] = replace(found, bytes=bytes, sectors=job.sectors, root=root)
        parts, stored = (*entry.segments, CopySegment(segment, job.sectors)), entry.stored_bytes + bytes
        self._set(copy, segments=parts, current=None, stored_bytes=stored, encoders=(job.encoder.account,))
        if stored < entry.bytes:
            self._set(copy, state=CopyState.ASSIGNED)
        else:
            self._set(copy, state=CopyState.ACTIVE, encoder=None, active_since=self.number)
        self.jobs[segment] = job

    async def _submit_storage_proof(self, origin: bytes, issued: int, openings: Any) -> None:
        challenge = self.state.challenges.get(origin)
        assert challenge is not None, "no challenge"
        assert challenge.issued == issued, "another challenge"
        for sample, opening in zip(challenge.samples, openings, strict=True):
            job, segment = self.jobs[sample.segment], self.state.segments[sample.segment]
            shown = Opening(sample.sector, opening.data, opening.siblings)
            verify_opening(job.ctx, segment.sectors, segment.root, shown)
        del self.state.challenges[origin]
        self.proved[origin] += 1

    async def _offer_attesting(self, origin: bytes, ask: int, anchor: bytes, slots: int) -> None:
        era, known = self.number // self.times.era, self.state.attesters.get(origin)
        own = known.slots if known is not None else ()
        if known is None or known.anchor != anchor:
            known = Attester(anchor, era, anchor, own)
            for place in own:
                slot = self.state.slots[place]
                self.state.slots[place] = replace(slot, renewed=(*slot.renewed, era))
        taken = range(len(self.state.slots), len(self.state.slots) + slots)
        self.state.slots |= {place: Slot(origin, ask, 0, era, (), None, ()) for place in taken}
        self.state.attesters[origin] = replace(known, slots=(*own, *taken))

    def _within(self, era: int, start: int, end: int) -> None:
        first = era * self.times.era
        assert first + start <= self.number < first + end, f"block {self.number} is outside the window of era {era}"

    def _record(self, era: int, copy: int) -> Retrieval:
        """The committee by the rules of pallet-spec/README.md section 10, drawn anew."""
        entry = self.state.copies[copy]
        assert entry.state is CopyState.ACTIVE, "the copy is not active"
        assert entry.active_since < era * self.times.era, "the copy is not under test"  # type: ignore[operator]
        if (era, copy) not in self.state.retrievals:
            seats: dict[bytes, Seat] = {}
            for i in range(self.times.seats):
                seed = self.state.eras[era].seed + struct.pack("<QII", copy, era, i)
                drawn = hashlib.blake2b(b"datdot/v1/draw\0\5" + seed, digest_size=32).digest()
                place = int.from_bytes(drawn[:16], "little") % self.state.eras[era - 1].slots
                slot = self.state.slots[place]
                if max(slot.taken, *slot.renewed, 0) < era - 1 and slot.account not in seats:
                    seats[slot.account] = Seat(place, slot.account, None, None)
            self.state.retrievals[era, copy] = Retrieval(tuple(seats.values()), False)
        return self.state.retrievals[era, copy]

    def _put_seat(self, era: int, copy: int, seat: Seat) -> None:
        record = self.state.retrievals[era, copy]
        seats = tuple(seat if one.account == seat.account else one for one in record.seats)
        self.state.retrievals[era, copy] = replace(record, seats=seats)

    async def _commit_retrieval(self, origin: bytes, era: int, copy: int, commit: bytes) -> None:
        self._within(era, self.times.probe_blocks, self.times.era)
        (seat,) = (one for one in self._record(era, copy).seats if one.account == origin)
        assert seat.commit is None, "a second commit"
        self._put_seat(era, copy, replace(seat, commit=commit))

    async def _reveal_retrieval(
        self, origin: bytes, era: int, copy: int, report: Report, link: bytes, salt: bytes, opening: Any
    ) -> None:
        self._within(era + 1, self.times.reveal_from, self.times.settle_from)
        (seat,) = (one for one in self.state.retrievals[era, copy].seats if one.account == origin)
        assert seat.report is None, "a second reveal"
        attester, end = self.state.attesters[origin], link
        for _ in range(era - attester.link_era):
            end = hash_of(b"datdot/v1/chain\0", self.genesis, origin, end)
        assert end == attester.link, "not the link of this era"
        self.state.attesters[origin] = replace(attester, link_era=era, link=link)
        leaf = bytes(32) if opening is None else self._leaf(copy, era, link, opening)
        assert (opening is not None) == (report.served == 1), "an opening without served, or the other way round"
        shown = struct.pack("<BII", report.served, report.latency_ms, report.kib_per_s)
        ids = struct.pack("<IQ", era, copy)
        commit = hash_of(b"datdot/v1/commit\0", self.genesis, origin, ids, shown, link, leaf, salt)
        assert commit == seat.commit, "not what was committed"
        self._put_seat(era, copy, replace(seat, report=report))

    def _leaf(self, copy: int, era: int, link: bytes, opening: Any) -> bytes:
        q = hash_of(b"datdot/v1/probe\0", link, struct.pack("<QIB", copy, era, 0))
        sector = int.from_bytes(q[:16], "little") % self.state.copies[copy].sectors
        for part in self.state.copies[copy].segments:
            if sector < part.sectors:
                break
            sector -= part.sectors
        job = self.jobs[part.segment]
        shown = Opening(sector, opening.data, opening.siblings)
        verify_opening(job.ctx, part.sectors, self.state.segments[part.segment].root, shown)
        return leaf_hash(job.ctx, sector, opening.data)

    async def _settle_retrieval(self, origin: bytes, era: int, copy: int) -> None:
        self._within(era + 1, self.times.settle_from, self.times.settle_to)
        record = self._record(era, copy)
        assert not record.settled, "settled already"
        self.state.retrievals[era, copy] = replace(record, settled=True)
        self.settled[era, copy] = [seat.report for seat in record.seats if seat.report is not None]

    # ---- what the pallet or other accounts do

    def register(self, keys: KeyFile) -> None:
        self.state.peers[keys.account] = blank(
            RegisteredPeer, swarm_key=keys.swarm_key, statement_key=keys.statement_key
        )

    def publish(self, core: Core, ranges: list[tuple[int, int]] | None = None) -> int:
        number, parts = len(self.state.plans), []
        for start, end in ranges or [(0, core.length)]:
            first, _ = core.byte_range(start)
            offset, size = core.byte_range(end - 1)
            parts.append(Range(start, end, first, offset + size - first))
        total = sum(one.bytes for one in parts)
        head = Head(core.fork, core.length, core.byte_length, core.tree_hash())
        self.state.roots[number] = tuple(Root(root.hash, root.size) for root in core.roots())
        self.state.plans[number] = blank(
            Plan, feed=core.key, head=head, ranges=tuple(parts), bytes=total, sectors=sector_count(total),
            state=PlanState.LIVE, terms=blank(Terms, report_price=10**9), sponsor=digest("sponsor"),
        )  # fmt: skip
        return number

    def assign(self, plan: int, hoster: bytes, encoder: bytes) -> int:
        copy, entry = len(self.state.made), self.state.plans[plan]
        self.state.made[copy] = plan
        self.state.copies[copy] = blank(
            Copy, plan=plan, hoster=hoster, encoder=encoder, state=CopyState.ASSIGNED, bytes=entry.bytes,
            sectors=entry.sectors,
        )  # fmt: skip
        return copy

    def challenge(self, hoster: bytes, segment: int, sectors: list[int]) -> None:
        copy = self.state.segments[segment].copy
        samples = tuple(Sample(copy, segment, sector) for sector in sectors)
        self.state.challenges[hoster] = StorageChallenge(self.number, samples)

    async def amounts(self, at: bytes | None = None) -> Amounts:
        return blank(Amounts, peer_fee=1000)  # type: ignore[no-any-return]

    async def balance(self, account: bytes, at: bytes | None = None) -> int:
        return self.money


class FakeBlocks:
    """A reader of finalized blocks."""

    def __init__(self, chain: FakeChain, number: int) -> None:
        self._chain, self._number = chain, number

    def __aiter__(self) -> FakeBlocks:
        return self

    async def __anext__(self) -> Block:
        block = await self._chain.wait_for(self._number + 1)
        self._number = block.number
        return block

    def skip_to(self, block: Block) -> None:
        self._number = block.number


class FakeSigner:
    """Submits one account's calls."""

    def __init__(self, chain: FakeChain, account: bytes) -> None:
        self._chain, self.account = chain, account
        self._lock = asyncio.Lock()
        self.waiting = 0

    async def submit(self, call: Call, held: Any = None) -> Receipt | None:
        async with self._lock:
            if held is not None and await held():
                return None
            done = self._chain.enqueue(self.account, call)
        self.waiting += 1
        try:
            return await asyncio.shield(done)
        finally:
            self.waiting -= 1
