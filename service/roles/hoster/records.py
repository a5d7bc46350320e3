"""A hoster's record of a segment job, as JSON in its database."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from service.hypercore.crypto import Node
from service.protocols.copy.job import Party, SegmentJob
from service.protocols.copy.stream import PlanHead, StreamRange

KEPT = 1024
"""Jobs that are not read again for each block that is served from their copies."""


def job_to_json(job: SegmentJob) -> str:
    """Return the job as JSON, the form kept in the database."""
    return json.dumps(
        {
            "genesis": job.genesis.hex(),
            "plan": job.plan,
            "copy": job.copy,
            "segment": job.segment,
            "feed_key": job.feed_key.hex(),
            "head": [job.head.fork, job.head.length, job.head.tree_hash.hex()],
            "roots": [[node.index, node.size, node.hash.hex()] for node in job.roots],
            "ranges": [[r.start, r.end, r.first_byte, r.bytes] for r in job.ranges],
            "first_byte": job.first_byte,
            "encoder": _party(job.encoder),
            "hoster": _party(job.hoster),
            "modulus": job.modulus.hex(),
            "salt": job.salt.hex(),
            "profile": job.profile,
            "most": job.most,
        }
    )


def _party(party: Party) -> list[str]:
    return [party.account.hex(), party.swarm_key.hex(), party.statement_key.hex()]


@lru_cache(maxsize=KEPT)
def job_from_json(text: str) -> SegmentJob:
    """Read a job from the JSON that `job_to_json` wrote."""
    fields: dict[str, Any] = json.loads(text)
    fork, length, tree_hash = fields["head"]
    return SegmentJob(
        genesis=bytes.fromhex(fields["genesis"]),
        plan=fields["plan"],
        copy=fields["copy"],
        segment=fields["segment"],
        feed_key=bytes.fromhex(fields["feed_key"]),
        head=PlanHead(fork, length, bytes.fromhex(tree_hash)),
        roots=tuple(Node(index, size, bytes.fromhex(digest)) for index, size, digest in fields["roots"]),
        ranges=tuple(StreamRange(*numbers) for numbers in fields["ranges"]),
        first_byte=fields["first_byte"],
        encoder=Party(*(bytes.fromhex(key) for key in fields["encoder"])),
        hoster=Party(*(bytes.fromhex(key) for key in fields["hoster"])),
        modulus=bytes.fromhex(fields["modulus"]),
        salt=bytes.fromhex(fields["salt"]),
        profile=fields["profile"],
        most=fields["most"],
    )
