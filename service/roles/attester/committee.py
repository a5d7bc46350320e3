"""Chain reads for an attester's probes: the sectors of a copy under test, and what is needed to ask for one of them."""

from __future__ import annotations

from service.chain_client import ChainClient
from service.chain_client.pallet.types import Copy, Plan
from service.encoding import contract_id, derive_ctx
from service.protocols.copy.stream import PlanHead

from ..common.segment_jobs import roots_of, stream_ranges
from .probe import Target


class TargetMissing(Exception):
    """The chain no longer holds what a probe needs. The message names the missing item."""


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
