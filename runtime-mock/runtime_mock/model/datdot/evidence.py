"""What shows that a sector does not decode to its feed (pallet-spec/README.md section 8): its padding, or the feed's block."""

from __future__ import annotations

from ..scale import U64
from .crypto import digest
from .encoding import decode_sector
from .heads import tiles, tree_hash
from .limits import SECTOR
from .records import BlockProof, Evidence, Head, Range, Root, Segment


def proves(evidence: Evidence, segment: Segment, modulus: bytes, ranges: list[Range]) -> bool:
    """Return whether the opened sector does not decode to what it should. That it is the segment's was checked before."""
    if segment.salt is None:
        return False
    decoded = decode_sector(modulus, segment.salt, evidence.sector, evidence.opening.data)
    first = segment.first_byte + SECTOR * evidence.sector
    last = min(first + SECTOR, segment.first_byte + segment.bytes)
    if evidence.block is None:
        return any(decoded[last - first :])
    start = _stream_place(evidence.block, segment.head, ranges)
    if start is None:
        return False
    data = evidence.block.data
    low, high = max(first, start), min(last, start + len(data))
    return low < high and decoded[low - first : high - first] != data[low - start : high - start]


def _stream_place(block: BlockProof, head: Head, ranges: list[Range]) -> int | None:
    """Return where a proven block begins in the copy stream; None if it is not proven, or in none of the ranges."""
    offset = _feed_offset(block, head)
    if offset is None:
        return None
    before = 0
    for part in ranges:
        if part.start <= block.index < part.end:
            place = before + offset - part.first_byte
            return place if place >= 0 else None
        before += part.bytes
    return None


def _feed_offset(block: BlockProof, head: Head) -> int | None:
    """Return where a block begins in the feed, or None if it does not lead to a root of the head."""
    if block.length != head.length or len(block.roots) != block.length.bit_count():
        return None
    if tree_hash(block.length, block.roots) != head.tree_hash:
        return None
    before = 0
    for top, root in zip(tiles(0, block.length), block.roots, strict=True):
        if top.start <= block.index < top.end:
            climbed = _climb(block)
            proven = climbed is not None and climbed[0] == root and len(block.siblings) == top.height
            return before + climbed[1] if climbed is not None and proven else None
        before += root.size
    return None


def _climb(block: BlockProof) -> tuple[Root, int] | None:
    """Return the node that a block's siblings lead to, and the bytes of those left of it; None for sizes beyond 2^64."""
    size = len(block.data)
    hash_, at, left = digest(b"\0", U64.encode(size), block.data), block.index, 0
    for sibling in block.siblings:
        size += sibling.size
        if size >= 2**64:
            return None
        pair = (hash_, sibling.hash)
        if at & 1:
            pair, left = pair[::-1], left + sibling.size
        hash_, at = digest(b"\x01", U64.encode(size), *pair), at >> 1
    return Root(hash_, size), left
