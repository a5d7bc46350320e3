"""A segment's Merkle tree: one sector's check (docs/protocol/encoding.md section 8), several' (pallet-spec/README.md section 2)."""

from __future__ import annotations

from collections import deque

from ..scale import U32, U64
from .crypto import digest
from .limits import SECTOR
from .records import Opening


def leaf(context: bytes, index: int, data: bytes) -> bytes:
    """Return the leaf hash of sector `index`."""
    return digest(b"\0", context, U64.encode(index), data)


def node(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return digest(b"\x01", left, right)


def root(context: bytes, sectors: int, top: bytes) -> bytes:
    """Return the root over `sectors` leaves whose topmost node is `top`."""
    return digest(b"\x02", context, U64.encode(sectors), U32.encode(SECTOR), top)


def opened_root(context: bytes, sectors: int, index: int, opening: Opening) -> bytes | None:
    """Return the root to which an opening of sector `index` of `sectors` leads, or None for a wrong number of siblings."""
    if index >= sectors:
        return None
    siblings = iter(opening.siblings)
    top, at, width = leaf(context, index, opening.data), index, sectors
    while width > 1:
        if at & 1 or at + 1 < width:
            sibling = next(siblings, None)
            if sibling is None:
                return None
            top = node(sibling, top) if at & 1 else node(top, sibling)
        at //= 2
        width = (width + 1) // 2
    return None if next(siblings, None) is not None else root(context, sectors, top)


def proven_root(context: bytes, sectors: int, opened: dict[int, bytes], siblings: deque[bytes]) -> bytes | None:
    """Return the root to which some sectors of a segment lead, or None for one that it has not, or too few siblings.

    The siblings that they need are taken from the left of `siblings`: level by level from the leaves up, in each from
    left to right.
    """
    if not opened or max(opened) >= sectors:
        return None
    nodes = {index: leaf(context, index, data) for index, data in opened.items()}
    width = sectors
    while width > 1:
        missing = sorted({at ^ 1 for at in nodes if at ^ 1 < width} - nodes.keys())
        if len(missing) > len(siblings):
            return None
        nodes |= {at: siblings.popleft() for at in missing}
        lefts = [at for at in nodes if at % 2 == 0]
        nodes = {at // 2: node(nodes[at], nodes[at + 1]) if at + 1 < width else nodes[at] for at in lefts}
        width = (width + 1) // 2
    return root(context, sectors, nodes[0])
