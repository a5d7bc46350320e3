"""A bitfield of available blocks: bits in pages, and the length of the run from block 0."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

PAGE_BITS = 32768
PAGE_BYTES = PAGE_BITS // 8
CHUNK_BITS = 1024  # scanned as one integer


class Bitfield:
    """A sparse set of block indices. `dirty` are the pages that changed since they were taken."""

    def __init__(self, pages: Iterable[tuple[int, bytes]] = ()) -> None:
        # what a damaged page lacks counts as not here, and is fetched again
        self._pages: dict[int, bytearray] = {
            number: bytearray(data[:PAGE_BYTES].ljust(PAGE_BYTES, b"\0")) for number, data in pages
        }
        self.dirty: set[int] = set()
        self.contiguous = 0
        self._extend()

    def get(self, index: int) -> bool:
        """Return whether a block is set."""
        page = self._pages.get(index // PAGE_BITS)
        bit = index % PAGE_BITS
        return page is not None and bool(page[bit >> 3] >> (bit & 7) & 1)

    def set(self, index: int) -> bool:
        """Set a block. Return whether it is new."""
        number, bit = divmod(index, PAGE_BITS)
        page = self._pages.get(number)
        if page is None:
            page = self._pages[number] = bytearray(PAGE_BYTES)
        mask = 1 << (bit & 7)
        if page[bit >> 3] & mask:
            return False
        page[bit >> 3] |= mask
        self.dirty.add(number)
        if index == self.contiguous:
            self._extend()
        return True

    def set_range(self, start: int, end: int) -> list[tuple[int, int]]:
        """Set blocks [start, end). Return the runs of them that are new."""
        fresh: list[tuple[int, int]] = []
        for index in range(start, end):
            if not self.set(index):
                continue
            if fresh and fresh[-1][1] == index:
                fresh[-1] = (fresh[-1][0], index + 1)
            else:
                fresh.append((index, index + 1))
        return fresh

    def clear_range(self, start: int, end: int) -> None:
        """Clear blocks [start, end)."""
        for number in [
            number for number in self._pages if start < (number + 1) * PAGE_BITS and number * PAGE_BITS < end
        ]:
            page, base = self._pages[number], number * PAGE_BITS
            for index in range(max(start, base), min(end, base + PAGE_BITS)):
                bit = index - base
                page[bit >> 3] &= ~(1 << (bit & 7)) & 0xFF
            self.dirty.add(number)
        self.contiguous = min(self.contiguous, start) if end > start else self.contiguous

    def _extend(self) -> None:
        while True:
            number, bit = divmod(self.contiguous, PAGE_BITS)
            page = self._pages.get(number)
            if page is None:
                return
            if bit & 7 == 0 and page[bit >> 3] == 0xFF:
                self.contiguous += 8
            elif page[bit >> 3] >> (bit & 7) & 1:
                self.contiguous += 1
            else:
                return

    def differs(self, pages: Iterable[tuple[int, bytes]]) -> bool:
        """Return whether `pages` differ from this bitfield."""
        return {number: bytes(data) for number, data in self._pages.items()} != dict(pages)

    def beyond(self, other: Bitfield) -> Iterator[tuple[int, int]]:
        """Yield runs of blocks that are set here and not in `other`, as [start, end)."""
        more = []
        for number, page in self._pages.items():
            known = int.from_bytes(other._pages.get(number, b""), "little")
            more.append((number, (int.from_bytes(page, "little") & ~known).to_bytes(len(page), "little")))
        yield from Bitfield(more).ranges()

    def page(self, number: int) -> bytes | None:
        """Return a page's bytes, or None if it is empty. Bit b of byte i is block `number * PAGE_BITS + 8 i + b`."""
        found = self._pages.get(number)
        return None if found is None else bytes(found)

    def ranges(self, start: int = 0, end: int | None = None) -> Iterator[tuple[int, int]]:
        """Yield runs of set blocks, as [start, end)."""
        first = last = -1
        for number in sorted(self._pages):
            base = number * PAGE_BITS
            low, high = max(start - base, 0), PAGE_BITS if end is None else min(end - base, PAGE_BITS)
            for run, stop in _runs(self._pages[number], low, high):
                if base + run != last:
                    if first >= 0:
                        yield first, last
                    first = base + run
                last = base + stop
        if first >= 0:
            yield first, last


def _runs(page: bytearray, low: int, high: int) -> Iterator[tuple[int, int]]:
    """Yield runs of set bits within [low, high). A run that crosses a chunk comes in parts."""
    for start in range(low // CHUNK_BITS * CHUNK_BITS, high, CHUNK_BITS):
        bits = int.from_bytes(page[start // 8 : (start + CHUNK_BITS) // 8], "little")
        if high < start + CHUNK_BITS:
            bits &= (1 << (high - start)) - 1
        if start < low:
            bits = bits >> (low - start) << (low - start)
        at = start
        while bits:
            skipped = (bits & -bits).bit_length() - 1
            bits >>= skipped
            run = (~bits & (bits + 1)).bit_length() - 1
            bits >>= run
            at += skipped + run
            yield at - run, at
