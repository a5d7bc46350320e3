"""A small feed, plan and pair of peers for tests of the copy protocol, with a tree made block by block."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from functools import cache

from nacl.signing import SigningKey

from service.encoding import PrivateKey, SectorDecoder, SectorEncoder, pad
from service.hypercore.crypto import Node, leaf_node, parent_node, tree_hash
from service.hypercore.tree import flat
from service.protocols.copy.job import Party, SegmentJob
from service.protocols.copy.stream import PlanHead, StreamRange


def digest(*parts: object) -> bytes:
    return hashlib.blake2b(repr(parts).encode(), digest_size=32).digest()


@dataclass
class Feed:
    """Blocks and all nodes of their tree."""

    blocks: list[bytes]
    nodes: dict[int, Node] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for block, data in enumerate(self.blocks):
            self.nodes[2 * block] = leaf_node(block, data)
        for root in flat.full_roots(2 * len(self.blocks)):
            self._node(root)

    def _node(self, index: int) -> Node:
        if index not in self.nodes:
            depth = (index + 1 & -(index + 1)).bit_length() - 1
            half = 1 << (depth - 1)
            self.nodes[index] = parent_node(self._node(index - half), self._node(index + half))
        return self.nodes[index]

    @property
    def roots(self) -> tuple[Node, ...]:
        return tuple(self.nodes[index] for index in flat.full_roots(2 * len(self.blocks)))

    @property
    def head(self) -> PlanHead:
        return PlanHead(0, len(self.blocks), tree_hash(list(self.roots)))

    def offset(self, block: int) -> int:
        return sum(len(data) for data in self.blocks[:block])

    def range(self, start: int, end: int) -> StreamRange:
        return StreamRange(start, end, self.offset(start), self.offset(end) - self.offset(start))


def make_feed(sizes: list[int]) -> Feed:
    return Feed([(digest("block", i) * (size // 32 + 1))[:size] for i, size in enumerate(sizes)])


@cache
def segment_key(number: int = 0) -> PrivateKey:
    """Keys are slow to make: tests share them."""
    del number
    return PrivateKey.generate()


ENCODER_SIGNING = SigningKey(digest("encoder statement"))
HOSTER_SIGNING = SigningKey(digest("hoster statement"))
ENCODER_SWARM = SigningKey(digest("encoder swarm"))
HOSTER_SWARM = SigningKey(digest("hoster swarm"))


def sign_with(key: SigningKey) -> object:
    return lambda message: key.sign(message).signature


def encoder_sign(message: bytes) -> bytes:
    return ENCODER_SIGNING.sign(message).signature


def hoster_sign(message: bytes) -> bytes:
    return HOSTER_SIGNING.sign(message).signature


def make_job(feed: Feed, ranges: list[tuple[int, int]] | None = None, **changes: object) -> SegmentJob:
    spans = ranges or [(0, len(feed.blocks))]
    job = SegmentJob(
        genesis=digest("genesis"),
        plan=3,
        copy=7,
        segment=11,
        feed_key=digest("feed"),
        head=feed.head,
        roots=feed.roots,
        ranges=tuple(feed.range(start, end) for start, end in spans),
        first_byte=0,
        encoder=Party(digest("encoder"), bytes(ENCODER_SWARM.verify_key), bytes(ENCODER_SIGNING.verify_key)),
        hoster=Party(digest("hoster"), bytes(HOSTER_SWARM.verify_key), bytes(HOSTER_SIGNING.verify_key)),
        modulus=segment_key().modulus,
        salt=digest("salt"),
    )
    return replace(job, **changes)  # type: ignore[arg-type]


def stream_bytes(feed: Feed, job: SegmentJob) -> bytes:
    return b"".join(b"".join(feed.blocks[r.start : r.end]) for r in job.ranges)


def encode_all(feed: Feed, job: SegmentJob, key: PrivateKey | None = None) -> bytes:
    """All sectors of the segment, encoded."""
    plain = stream_bytes(feed, job)[job.first_byte :]
    return SectorEncoder(job.salt, key or segment_key()).encode(0, pad(plain))


def decoder(job: SegmentJob) -> SectorDecoder:
    return SectorDecoder(job.salt, job.modulus)
