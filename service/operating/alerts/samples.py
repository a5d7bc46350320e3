"""What changes with time, as the rules need it: the rate of work, the best reputation of a day, the journal's last era."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable

from ..entries import JournalEntry
from ..table import JournalTable, Numbered

SPAN = 60.0
"""Seconds over which the rate of work is taken."""
MOST_WORKS = 256
MOST_SAMPLES = 64
DAY, STEP = 86_400.0, 600.0
MOST_ENTRIES = 2_000
"""Entries of the last era that are looked at: the newest."""


class WorkRates:
    """The rates at which segments are made and received, from what the roles tell of their progress."""

    def __init__(self) -> None:
        self._works: OrderedDict[int, deque[tuple[float, int]]] = OrderedDict()

    def look(self, event: dict[str, object], now: float) -> None:
        """Take what a role tells, at `now` in seconds of one clock."""
        segment, done = event.get("segment"), event.get("sectors")
        if not isinstance(segment, int) or not isinstance(done, int):
            return
        samples = self._works.setdefault(segment, deque(maxlen=MOST_SAMPLES))
        if samples and now - samples[-1][0] < SPAN / MOST_SAMPLES and len(samples) > 1:
            samples.pop()
        samples.append((now, done))
        while len(samples) > 2 and samples[1][0] <= now - SPAN:
            samples.popleft()
        self._works.move_to_end(segment)
        while len(self._works) > MOST_WORKS:
            self._works.popitem(last=False)

    def of(self, segment: int, now: float) -> tuple[int, float | None]:
        """Return the sectors of a segment that are done, and sectors per second up to now, None if that is not known."""
        samples = self._works.get(segment)
        if not samples:
            return 0, None
        (start, first), (_, done) = samples[0], samples[-1]
        return done, (done - first) / (now - start) if now - start >= SPAN / 4 else None


class BestOfDay:
    """The highest value of a day, from samples of ten minutes."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque(maxlen=int(DAY / STEP) + 2)

    def look(self, value: int, now: float) -> int:
        """Take a value at `now`, in seconds of one clock. Return the highest of the last day."""
        while self._samples and self._samples[0][0] < now - DAY:
            self._samples.popleft()
        if self._samples and now - self._samples[-1][0] < STEP:
            since, before = self._samples.pop()
            self._samples.append((since, max(before, value)))
        else:
            self._samples.append((now, value))
        return max(one for _, one in self._samples)


class JournalTail:
    """The entries of the last blocks, read once each."""

    def __init__(self, table: JournalTable) -> None:
        self._table = table
        self._last: int | None = None
        self._entries: deque[JournalEntry] = deque(maxlen=MOST_ENTRIES)

    def look(self, first_block: int) -> tuple[JournalEntry, ...]:
        """Return the entries from a block on, oldest first. Raises DatabaseError."""
        if self._last is None:
            self._take(self._newest(first_block))
        while page := self._table.after(self._last or 0):
            self._take(page)
        while self._entries and self._entries[0].block < first_block:
            self._entries.popleft()
        return tuple(self._entries)

    def _newest(self, first_block: int) -> list[Numbered]:
        found: list[Numbered] = []
        before: int | None = None
        while len(found) < MOST_ENTRIES and (page := self._table.page(before=before)):
            found += page
            before = page[-1].id
            if page[-1].entry.block < first_block:
                break
        return found[::-1]

    def _take(self, entries: Iterable[Numbered]) -> None:
        for one in entries:
            self._entries.append(one.entry)
            self._last = one.id
