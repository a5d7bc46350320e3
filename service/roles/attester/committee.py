"""Chain reads for an attester: the committees of an era, as the chain draws them, and the sector behind each probe."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from service.chain_client import ChainClient
from service.chain_client.pallet.types import Copy, CopyState, Plan, Slot
from service.encoding import contract_id, derive_ctx
from service.protocols.copy.stream import PlanHead

from ..common.segment_jobs import roots_of, stream_ranges
from .probe import Target
from .rules import committee, seat_slots


class TargetMissing(Exception):
    """The chain no longer holds what a probe needs. The message names the missing item."""


@dataclass(frozen=True, slots=True)
class Draw:
    """What the committees of an era are drawn from."""

    era: int
    start: int
    seed: bytes
    seats: int
    slots: Sequence[Slot | None]

    def has(self, account: bytes, number: int, copy: Copy, sponsor: bytes, price: int) -> bool:
        """Return whether the account sits for a copy, with a slot that it has not renewed in this era."""
        if copy.state is CopyState.ENDED or copy.active_since is None or copy.active_since >= self.start:
            return False
        barred = frozenset({sponsor, copy.hoster, *copy.encoders} | ({copy.encoder} if copy.encoder else set()))
        drawn = (self.slots[place] for place in seat_slots(self.seed, number, self.era, len(self.slots)))
        seated = committee(drawn, self.seats, self.era, self.start, barred, price)
        own = next((slot for slot in seated if slot.account == account), None)
        return own is not None and max(own.renewed, default=0) < self.era


async def seated_copies(client: ChainClient, account: bytes, era: int, at: bytes) -> dict[int, Copy]:
    """Return the copies under test in `era` on whose committee the account sits (pallet-spec/README.md section 10).

    `at` is the hash of a block of that era. All copies of the chain are looked at, a page at a time and beside the event
    loop: the probes of other roles must not wait for it.
    """
    storage, times = client.storage, client.times
    info, before = await storage.era(era, at), await storage.era(era - 1, at) if era else None
    if era < 2 or info is None or before is None or not before.slots:
        return {}
    slots = await storage.slots_of(range(before.slots), at)
    drawing = Draw(era, era * times.era, info.seed, times.seats, [slots.get(place) for place in range(before.slots)])
    terms: dict[int, tuple[bytes, int]] = {}
    found: dict[int, Copy] = {}
    async for page in storage.pages_of_copies(at):
        missing = {copy.plan for copy in page.values()} - terms.keys()
        for number, plan in (await storage.plans_of(missing, at)).items():
            terms[number] = plan.sponsor, plan.terms.report_price
        found.update(await asyncio.to_thread(_seated, drawing, account, page, terms))
    return found


def _seated(
    drawing: Draw, account: bytes, copies: Mapping[int, Copy], terms: Mapping[int, tuple[bytes, int]]
) -> dict[int, Copy]:
    return {
        number: copy
        for number, copy in copies.items()
        if copy.plan in terms and drawing.has(account, number, copy, *terms[copy.plan])
    }


def sectors_at(copy: Copy, start: int) -> int:
    """Return how many sectors of a copy were confirmed before block `start`, the first of an era."""
    return sum(part.sectors for part in copy.segments if part.since < start)


async def read_target(client: ChainClient, number: int, sector: int, at: bytes) -> Target:
    """Read what a probe of a copy's sector needs.

    `sector` counts over the copy's segments in order. Raises TargetMissing if the chain no longer holds the copy or the
    sector.
    """
    storage = client.storage
    copy = await storage.copy(number, at)
    plan: Plan | None = None if copy is None else await storage.plan(copy.plan, at)
    if copy is None or plan is None:
        raise TargetMissing(f"copy {number} is no longer on the chain")
    index = sector
    for part in copy.segments:
        if index < part.sectors:
            break
        index -= part.sectors
    else:
        raise TargetMissing(f"copy {number} has no sector {sector}")
    segment, modulus = await storage.segment(part.segment, at), await storage.modulus(part.segment, at)
    hoster, roots = await storage.peer(copy.hoster, at), await storage.roots(copy.plan, at)
    if segment is None or segment.salt is None or modulus is None or hoster is None:
        raise TargetMissing(f"segment {part.segment} of copy {number} is no longer on the chain")
    ctx = derive_ctx(
        contract_id=contract_id(client.genesis, number),
        encoder=segment.encoder,
        hoster=copy.hoster,
        pk_hash=segment.pk_hash,
        salt=segment.salt,
    )
    return Target(
        genesis=client.genesis,
        hoster=hoster.swarm_key,
        feed_key=plan.feed,
        head=PlanHead(segment.head.fork, segment.head.length, segment.head.tree_hash),
        roots=() if roots is None else roots_of(segment.head, plan, roots),
        ranges=stream_ranges(plan, segment.head),
        copy=number,
        segment=part.segment,
        sector=index,
        first_byte=segment.first_byte,
        sectors=segment.sectors,
        root=segment.root,
        ctx=ctx,
        salt=segment.salt,
        modulus=modulus,
    )
