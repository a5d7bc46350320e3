"""A set of block indices as runs: what a peer claims to have, in bounded memory whatever it claims."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right

MAX_RUNS = 65_536


class Intervals:
    """Disjoint runs [start, end), in order.

    A new run beyond `limit` runs is ignored: less is known, but nothing is wrong.
    """

    def __init__(self, limit: int = MAX_RUNS) -> None:
        self._limit = limit
        self._starts: list[int] = []
        self._ends: list[int] = []

    def __len__(self) -> int:
        return len(self._starts)

    def __contains__(self, index: int) -> bool:
        at = bisect_right(self._starts, index) - 1
        return at >= 0 and index < self._ends[at]

    def runs(self) -> list[tuple[int, int]]:
        """Return all runs."""
        return list(zip(self._starts, self._ends, strict=True))

    def some(self, index: int, most: int) -> list[tuple[int, int]]:
        """Return the first `most` runs that end beyond `index`."""
        at = bisect_right(self._ends, index)
        return list(zip(self._starts[at : at + most], self._ends[at : at + most], strict=True))

    def next(self, index: int) -> int | None:
        """Return the first member that is not below `index`, or None."""
        at = bisect_right(self._ends, index)
        return max(index, self._starts[at]) if at < len(self._starts) else None

    def gap(self, index: int) -> int:
        """Return the first non-member that is not below `index`."""
        at = bisect_right(self._starts, index) - 1
        return max(index, self._ends[at]) if at >= 0 else index

    def add(self, start: int, end: int) -> None:
        """Add [start, end)."""
        if start >= end:
            return
        first, last = bisect_left(self._ends, start), bisect_right(self._starts, end)
        if first < last:
            start, end = min(start, self._starts[first]), max(end, self._ends[last - 1])
        elif len(self) >= self._limit:
            return
        self._starts[first:last], self._ends[first:last] = [start], [end]

    def remove(self, start: int, end: int) -> None:
        """Remove [start, end)."""
        first, last = bisect_right(self._ends, start), bisect_left(self._starts, end)
        if start >= end or first >= last:
            return
        left, right = self._starts[first], self._ends[last - 1]
        kept = ([(left, start)] if left < start else []) + ([(end, right)] if end < right else [])
        self._starts[first:last], self._ends[first:last] = [run[0] for run in kept], [run[1] for run in kept]

    def replace(self, start: int, bits: bytes) -> None:
        """Set [start, start + 8 * len(bits)) to the bits, block `start` first, lowest bit of a byte first."""
        self.remove(start, start + 8 * len(bits))
        room = max(0, self._limit - len(self))
        starts: list[int] = []
        ends: list[int] = []
        for run in _RUN.finditer(bin(int.from_bytes(bits, "little"))[:1:-1]):  # lowest bit first, without the "0b"
            if len(starts) == room:
                break
            starts.append(start + run.start())
            ends.append(start + run.end())
        if not starts:
            return
        first = last = bisect_left(self._starts, start)
        if first > 0 and self._ends[first - 1] == starts[0]:
            first -= 1
            starts[0] = self._starts[first]
        if last < len(self) and self._starts[last] == ends[-1]:
            ends[-1] = self._ends[last]
            last += 1
        self._starts[first:last], self._ends[first:last] = starts, ends


_RUN = re.compile("1+")
