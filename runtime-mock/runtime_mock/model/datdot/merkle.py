"""A segment's Merkle tree: checking openings (docs/protocol/encoding.md section 8; pallet-spec/README.md section 2)."""

from __future__ import annotations

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
