"""Which tree nodes `publish_plan` opens to prove the bytes of a plan's ranges (pallet-spec/README.md section 7)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from service.chain_client.pallet.constants import MAX_RANGES
from service.hypercore.tree import flat


class RangeError(Exception):
    """Ranges that no plan can have. The message says which, and why."""


def check_ranges(ranges: Sequence[tuple[int, int]], length: int) -> None:
    """Raise RangeError unless the block ranges are ones that the chain accepts.

    They must be ascending, disjoint, not touching, inside the feed, and bounded by even block indices or the feed's
    length.
    """
    if not 1 <= len(ranges) <= MAX_RANGES:
        raise RangeError(f"{len(ranges)} ranges: a plan has 1 to {MAX_RANGES}")
    reached = -1
    for start, end in ranges:
        if not 0 <= start < end <= length:
            raise RangeError(f"range {start} to {end} is empty or outside the feed of {length} blocks")
        if start <= reached:
            raise RangeError(f"range {start} to {end} must start after the end of the previous range, with a gap")
        for bound in (start, end):
            if bound % 2 and bound != length:
                raise RangeError(f"range {start} to {end}: {bound} is neither even nor the feed's length {length}")
        reached = end


def tiles(start: int, end: int) -> Iterator[int]:
    """Yield the maximal full subtrees inside blocks [start, end), left to right, by their flat-tree index."""
    while start < end:
        height = (start & -start).bit_length() - 1 if start else (end - start).bit_length() - 1
        while start + (1 << height) > end:
            height -= 1
        yield flat.index(height, start >> height)
        start += 1 << height


def opened(length: int, ranges: Sequence[tuple[int, int]]) -> list[int]:
    """Return the nodes to open, ascending: each tile that is not a root, and its ancestors up to the root."""
    roots = set(flat.full_roots(2 * length))
    wanted: set[int] = set()
    for start, end in ranges:
        for tile in tiles(start, end):
            node = tile
            if node in roots:
                continue
            while node not in roots:
                wanted.add(node)
                node = flat.parent(node)
            wanted.add(node)
    return sorted(wanted)
