"""The Merkle tree of a segment: the streaming frontier, and openings of sectors with their check."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from .errors import OpeningError, SectorError
from .hashes import HASH, leaf_hash, leaf_hashes, node_hash, parents, root_hash
from .profiles import MAX_SECTORS, SECTOR

__all__ = [
    "HASH",
    "Frontier",
    "Opening",
    "leaf_hash",
    "leaf_hashes",
    "node_hash",
    "opening_root",
    "parents",
    "root_hash",
    "sibling_count",
    "verify_opening",
]

_FORMAT = 1


@dataclass(frozen=True)
class Opening:
    """One encoded sector with the siblings of its path, bottom up: the proof that it is in a segment's tree."""

    sector: int
    data: bytes
    siblings: tuple[bytes, ...]


def sibling_count(sector: int, sectors: int) -> int:
    """Return how many siblings the path of `sector` has in a tree of `sectors` leaves."""
    count = 0
    while sectors > 1:
        count += (sector ^ 1) < sectors
        sector, sectors = sector // 2, (sectors + 1) // 2
    return count


def opening_root(ctx: bytes, sectors: int, opening: Opening) -> bytes:
    """Return the root to which an opening leads in a tree of `sectors` leaves (docs/protocol/encoding.md section 8).

    Raises OpeningError, before anything is hashed, unless sector index, data and siblings have the exact number and
    sizes that the tree prescribes.
    """
    if not 1 <= sectors <= MAX_SECTORS:
        raise OpeningError(f"a tree cannot have {sectors} sectors")
    if not 0 <= opening.sector < sectors:
        raise OpeningError(f"sector {opening.sector} is not among the {sectors} of the tree")
    if len(opening.data) != SECTOR:
        raise OpeningError(
            f"the opening of sector {opening.sector} has {len(opening.data)} bytes of data instead of {SECTOR}"
        )
    expected = sibling_count(opening.sector, sectors)
    if len(opening.siblings) != expected:
        raise OpeningError(f"sector {opening.sector} needs {expected} siblings, not {len(opening.siblings)}")
    if any(len(sibling) != HASH for sibling in opening.siblings):
        raise OpeningError(f"a sibling of sector {opening.sector} is not {HASH} bytes long")
    node, siblings = leaf_hash(ctx, opening.sector, opening.data), iter(opening.siblings)
    i, m = opening.sector, sectors
    while m > 1:
        if i & 1:
            node = node_hash(next(siblings), node)
        elif i + 1 < m:
            node = node_hash(node, next(siblings))
        i, m = i // 2, (m + 1) // 2
    return root_hash(ctx, sectors, node)


def verify_opening(ctx: bytes, sectors: int, root: bytes, opening: Opening) -> None:
    """Check an opening against a root. `ctx`, `sectors` and `root` must come from the chain, never from the prover.

    Raises OpeningError, saying what is wrong.
    """
    if opening_root(ctx, sectors, opening) != root:
        raise OpeningError(f"the opening of sector {opening.sector} does not lead to the root {root.hex()}")


class Frontier:
    """The right edge of a growing tree. Sectors are appended in order, and the root can be computed at any time.

    It holds one node per perfect subtree, at most 30. `on_node(height, hash)` is called for each perfect subtree once
    it is complete, children before parents; height 0 is a leaf.
    """

    def __init__(self, ctx: bytes, on_node: Callable[[int, bytes], None] | None = None) -> None:
        self.ctx = ctx
        self.sectors = 0
        self.on_node = on_node
        self._peaks: list[tuple[int, bytes]] = []

    def append(self, data: bytes) -> None:
        """Add whole sectors at the end. Raises SectorError for a partial sector or a segment that becomes too long."""
        for leaf in leaf_hashes(self.ctx, self.sectors, data):
            self.push(0, leaf)

    def append_leaves(self, leaves: bytes) -> None:
        """Add whole sectors by their leaf hashes, one after another. Raises SectorError for a part of a hash."""
        if len(leaves) % HASH:
            raise SectorError(f"{len(leaves)} bytes are no hashes of {HASH}")
        for at in range(0, len(leaves), HASH):
            self.push(0, leaves[at : at + HASH])

    def push(self, height: int, node: bytes) -> None:
        """Add a perfect subtree of 2^height sectors, which must begin at a multiple of its size."""
        if self.sectors % (1 << height) or self.sectors + (1 << height) > MAX_SECTORS:
            raise SectorError(f"a subtree of {1 << height} sectors cannot begin at sector {self.sectors}")
        self.sectors += 1 << height
        while True:
            if self.on_node is not None:
                self.on_node(height, node)
            if not self._peaks or self._peaks[-1][0] != height:
                break
            node = node_hash(self._peaks.pop()[1], node)
            height += 1
        self._peaks.append((height, node))

    def to_bytes(self) -> bytes:
        """Return u8 format (1) | u64 sectors | one hash per perfect subtree, the largest first; at most 969 bytes."""
        return struct.pack("<BQ", _FORMAT, self.sectors) + b"".join(node for _, node in self._peaks)

    @classmethod
    def from_bytes(cls, ctx: bytes, data: bytes) -> Frontier:
        """Restore the frontier from `to_bytes`. Raises SectorError for bytes that it cannot have written."""
        if len(data) < 9 or data[0] != _FORMAT:
            raise SectorError("these bytes are not a tree's frontier, or one of a later format")
        sectors = struct.unpack_from("<Q", data, 1)[0]
        if sectors > MAX_SECTORS or len(data) != 9 + HASH * sectors.bit_count():
            raise SectorError(f"a frontier of {sectors} sectors cannot have {len(data)} bytes")
        tree = cls(ctx)
        heights = [height for height in range(sectors.bit_length() - 1, -1, -1) if sectors >> height & 1]
        for place, height in enumerate(heights):
            tree.push(height, data[9 + HASH * place : 9 + HASH * (place + 1)])
        return tree

    def tail(self, height: int) -> bytes | None:
        """Return the node over what follows the last perfect subtree of 2^height sectors, or None if nothing does."""
        node: bytes | None = None
        for size, peak in reversed(self._peaks):
            if size >= height:
                break
            node = peak if node is None else node_hash(peak, node)
        return node

    def root(self) -> bytes:
        """Return the root over all sectors so far. Raises SectorError if there are none."""
        if not self._peaks:
            raise SectorError("a tree without sectors has no root")
        top = self._peaks[-1][1]
        for _, peak in reversed(self._peaks[:-1]):
            top = node_hash(peak, top)
        return root_hash(self.ctx, self.sectors, top)
