"""The incoming half of a stream: packets are put in order, and what the reader has not taken narrows the window."""

from __future__ import annotations

from bisect import bisect_right

from .packet import DATA, END, MASK, MAX_SACKS, Range, distance

WINDOW = 4 * 1024 * 1024
"""Bytes that may be under way to a reader, less what it has not taken."""
MAX_AHEAD = 65_536
"""Packets that may be missing before one that is kept."""


class Receiver:
    """What has come. Packets are counted from the stream's first one on, without wrapping."""

    def __init__(self) -> None:
        self.ended = False
        """Whether the end has come, and all before it."""
        self.due = 0
        """Packets that are not acknowledged yet."""
        self.duplicates = 0
        self.refused = 0
        """Packets for which there was no room: their sender disregards the window."""
        self._next = 0
        self._ready = bytearray()
        self._held: dict[int, tuple[int, bytes]] = {}
        self._held_bytes = 0
        self._starts: list[int] = []
        self._ends: list[int] = []
        """The ranges of packets that are held."""
        self._told = WINDOW

    @property
    def ack(self) -> int:
        """The sequence number of the next packet that is awaited."""
        return self._next & MASK

    @property
    def unread(self) -> int:
        """Bytes in order that the reader has not taken."""
        return len(self._ready)

    @property
    def gaps(self) -> bool:
        """Whether packets have come after one that has not."""
        return bool(self._held)

    def take(self, seq: int, kind: int, body: bytes | memoryview) -> None:
        """Take a packet of kind DATA or END. It is to be acknowledged, whatever it is."""
        self.due += 1
        ahead = distance(seq, self._next & MASK)
        at = self._next + ahead
        if ahead < 0 or ahead >= MAX_AHEAD or self.ended or at in self._held:
            self.duplicates += 1
        elif body and len(self._ready) + self._held_bytes >= WINDOW:  # a packet may overlap the window's end
            self.refused += 1
        elif ahead:
            self._hold(at, kind, bytes(body))
        else:
            self._append(kind, body)
            if self._starts and self._starts[0] == self._next:
                self._release()

    def _hold(self, at: int, kind: int, body: bytes) -> None:
        self._held[at] = kind, body
        self._held_bytes += len(body)
        starts, ends = self._starts, self._ends
        i = bisect_right(starts, at)
        left = i > 0 and ends[i - 1] == at
        right = i < len(starts) and starts[i] == at + 1
        if left and right:
            ends[i - 1] = ends.pop(i)
            starts.pop(i)
        elif left:
            ends[i - 1] = at + 1
        elif right:
            starts[i] = at
        else:
            starts.insert(i, at)
            ends.insert(i, at + 1)

    def _release(self) -> None:
        """Put the first range that is held behind what is ready."""
        start, end = self._starts.pop(0), self._ends.pop(0)
        for at in range(start, end):
            kind, body = self._held.pop(at)
            self._held_bytes -= len(body)
            if not self.ended:
                self._append(kind, body)

    def _append(self, kind: int, body: bytes | memoryview) -> None:
        self._next += 1
        if kind & DATA:
            self._ready += body
        if kind & END:
            self.ended = True

    def read(self, most: int = WINDOW) -> bytearray:
        """Take what is ready, in order, at most `most` bytes of it."""
        data, self._ready = self._ready, bytearray()
        if len(data) > most:
            self._ready += memoryview(data)[most:]
            del data[most:]
        return data

    def window(self) -> int:
        """Return the bytes that can be taken in, as the sender is about to be told."""
        self._told = max(0, WINDOW - len(self._ready))
        return self._told

    def has_room_to_tell(self) -> bool:
        """Return whether the sender takes the window for much narrower than it is."""
        return self._told < WINDOW // 2 <= WINDOW - len(self._ready)

    def ranges(self) -> list[Range]:
        """Return ranges of packets that have come after a gap: the first and the last ones, at most 50.

        The first say what is missing next, the last that what was sent again lately has come or has not.
        """
        found = [(start & MASK, end & MASK) for start, end in zip(self._starts, self._ends, strict=True)]
        if len(found) > MAX_SACKS:
            found[MAX_SACKS // 2 : -MAX_SACKS // 2] = []
        return found
