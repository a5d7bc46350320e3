"""Segment jobs, read from the chain: what both ends of a copy connection must know about the current segment."""

from __future__ import annotations

from dataclasses import replace

from service.chain_client import ChainClient
from service.chain_client.pallet.types import Copy, Head, Plan, Root, Segment, Times
from service.hypercore.crypto import Node
from service.hypercore.tree import flat
from service.protocols.copy.job import Party, SegmentJob
from service.protocols.copy.stream import PlanHead, StreamRange, longest_segment


class JobError(Exception):
    """The chain does not hold (yet, or any longer) all that a job needs. The message names what is missing."""


def head_nodes(length: int, roots: tuple[Root, ...]) -> tuple[Node, ...]:
    """Return the roots of a plan's head as tree nodes."""
    return tuple(
        Node(index, root.size, root.hash) for index, root in zip(flat.full_roots(2 * length), roots, strict=True)
    )


def roots_of(head: Head, plan: Plan, roots: tuple[Root, ...]) -> tuple[Node, ...]:
    """Return the roots of a head of the plan's feed: the chain has those of the plan's own head, and of no other."""
    return head_nodes(head.length, roots) if head == plan.head else ()


def stream_ranges(plan: Plan, head: Head) -> tuple[StreamRange, ...]:
    """Return the plan's ranges as a copy at `head` has them: the last one of a live plan may have grown since."""
    ranges = [StreamRange(one.start, one.end, one.first_byte, one.bytes) for one in plan.ranges]
    last = ranges[-1]
    if plan.terms.live and head.length < last.end:
        ranges[-1] = StreamRange(last.start, head.length, last.first_byte, head.byte_length - last.first_byte)
    return tuple(ranges)


def segment_end(copy: Copy, times: Times) -> int:
    """Return where in its stream the segment that a copy needs next ends."""
    return min(copy.bytes, copy.stored_bytes + _most(copy, times))


def _most(copy: Copy, times: Times) -> int:
    return longest_segment(copy.bytes - copy.stored_bytes, len(copy.segments), times.checkpoint)


async def read_job(client: ChainClient, at: bytes, number: int, copy: Copy, plan: Plan) -> SegmentJob:
    """Read the job of a copy's current segment at a block. Raises JobError."""
    if copy.current is None or copy.encoder is None:
        raise JobError(f"copy {number} has no current segment")
    storage = client.storage
    segment, modulus = await storage.segment(copy.current, at), await storage.modulus(copy.current, at)
    roots = await storage.roots(copy.plan, at)
    parties = await storage.peers_of([copy.encoder, copy.hoster], at)
    if segment is None or modulus is None or segment.salt is None:
        raise JobError(f"segment {copy.current} of copy {number} has no salt yet")
    if roots is None or len(parties) < 2:
        raise JobError(f"the chain holds no plan {copy.plan}, or no record of a party of copy {number}")

    def party(account: bytes) -> Party:
        return Party(account, parties[account].swarm_key, parties[account].statement_key)

    job = _job(client.genesis, number, copy, plan, segment, modulus, roots, party(copy.encoder), party(copy.hoster))
    return replace(job, most=_most(copy, client.times))


def _job(
    genesis: bytes,
    number: int,
    copy: Copy,
    plan: Plan,
    segment: Segment,
    modulus: bytes,
    roots: tuple[Root, ...],
    encoder: Party,
    hoster: Party,
) -> SegmentJob:
    assert copy.current is not None
    assert segment.salt is not None
    return SegmentJob(
        genesis=genesis,
        plan=copy.plan,
        copy=number,
        segment=copy.current,
        feed_key=plan.feed,
        head=PlanHead(segment.head.fork, segment.head.length, segment.head.tree_hash),
        roots=roots_of(segment.head, plan, roots),
        ranges=stream_ranges(plan, segment.head),
        first_byte=segment.first_byte,
        encoder=encoder,
        hoster=hoster,
        modulus=modulus,
        salt=segment.salt,
        profile=segment.profile,
    )


async def with_keys_of_now(client: ChainClient, at: bytes, jobs: dict[int, SegmentJob]) -> dict[int, SegmentJob]:
    """Return jobs with the swarm keys that their encoders have at a block: one may be rotated while a segment is made."""
    parties = await client.storage.peers_of([job.encoder.account for job in jobs.values()], at)
    now = {account: peer.swarm_key for account, peer in parties.items()}
    encoders = {
        number: replace(job.encoder, swarm_key=now.get(job.encoder.account, job.encoder.swarm_key))
        for number, job in jobs.items()
    }
    return {number: replace(job, encoder=encoders[number]) for number, job in jobs.items()}
