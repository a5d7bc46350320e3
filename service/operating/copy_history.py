"""A copy's history from the journal's entries: challenges and what they opened, reports, verdicts, its life. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from service.chain_client.pallet.constants import PPM
from service.chain_client.pallet.types import CopySegment

from .detail import CopyChallenge, CopyReport, CopyVerdict, SectorGrid
from .entries import JournalEntry

MOST_CELLS = 768
"""Cells of a grid at most."""
CHALLENGED, PROVED, MISSED = "StorageChallenged", "StorageProved", "StorageMissed"
CHALLENGES = (CHALLENGED, PROVED, MISSED)
REVEALED, SETTLED, COMMITTED = "RetrievalRevealed", "RetrievalSettled", "RetrievalCommitted"
NOT_LIFE = frozenset({*CHALLENGES, REVEALED, SETTLED, COMMITTED, "Paid"})
"""Events that come again and again, and are shown as figures."""


@dataclass(slots=True)
class AskedSectors:
    """A challenge, with the sectors of one copy that it named: number of the segment, and the sector in it."""

    issued: int
    sectors: list[tuple[int, int]]
    proved: int | None = None
    missed: bool = False
    reputation: int | None = None

    def shown(self) -> CopyChallenge:
        """Return it as it is shown."""
        return CopyChallenge(self.issued, len(self.sectors), self.proved, self.missed, self.reputation)


def challenges_of(entries: Iterable[JournalEntry], copy: int) -> list[AskedSectors]:
    """Return the challenges that named a copy, oldest first. `entries` are those of CHALLENGES, oldest first."""
    found: dict[int, AskedSectors] = {}
    for entry in entries:
        issued = int(entry.fields.get("issued", -1))
        if entry.name == CHALLENGED:
            named = [(one[1], one[2]) for one in entry.fields.get("sectors") or () if one[0] == copy]
            if named:
                found[issued] = AskedSectors(issued, named)
        elif issued in found:
            asked = found[issued]
            asked.reputation = entry.fields.get("reputation")
            if entry.name == PROVED:
                asked.proved = entry.block
            else:
                asked.missed = True
    return list(found.values())


@dataclass(slots=True)
class Cells:
    """The counting of opened sectors by cell."""

    total: int
    each: int
    counts: list[int] = field(default_factory=list)
    missed: set[int] = field(default_factory=set)
    opened: set[int] = field(default_factory=set)
    shown: int = 0


def grid_of(challenges: Sequence[AskedSectors], segments: Sequence[CopySegment]) -> SectorGrid | None:
    """Return the grid of a copy's sectors, or None as long as it has none. What was opened of replaced segments is not in it."""
    starts = [0, *accumulate(one.sectors for one in segments)]
    place = {one.segment: start for one, start in zip(segments, starts, strict=False)}
    total = starts[-1]
    if not total:
        return None
    cells = Cells(total, -(-total // MOST_CELLS))
    cells.counts = [0] * -(-total // cells.each)
    for asked in challenges:
        for segment, sector in asked.sectors:
            if segment in place and place[segment] + sector < total:
                _count(cells, place[segment] + sector, asked)
    return SectorGrid(
        cells.each,
        cells.counts,
        sorted(cells.missed),
        len(cells.opened),
        _chance(cells.shown, 0.99),
        _chance(cells.shown, 0.999),
    )


def _count(cells: Cells, sector: int, asked: AskedSectors) -> None:
    if asked.proved is not None:
        cells.counts[sector // cells.each] += 1
        cells.opened.add(sector)
        cells.shown += 1
    elif asked.missed:
        cells.missed.add(sector // cells.each)


def _chance(samples: int, whole: float) -> int:
    """Return the chance, in millionths, that `samples` of a copy of which only a part is whole would have shown it."""
    return int((1 - whole**samples) * PPM)


def reports_of(entries: Iterable[JournalEntry]) -> list[CopyReport]:
    """Return the reports among a copy's entries, in their order."""
    found = []
    for entry in entries:
        report = entry.fields.get("report")
        if entry.name == REVEALED and isinstance(report, dict):
            found.append(
                CopyReport(
                    entry.block,
                    int(entry.fields["era"]),
                    bool(report["served"]),
                    int(report["latency_ms"]),
                    int(report["kib_per_s"]),
                )
            )
    return found


def verdicts_of(entries: Iterable[JournalEntry]) -> list[CopyVerdict]:
    """Return the verdicts among a copy's entries, in their order."""
    return [
        CopyVerdict(
            one.block,
            int(one.fields["era"]),
            str(one.fields["verdict"]),
            int(one.fields["reports"]),
            int(one.fields["fails"]),
            int(one.fields["latency_ms"]),
            int(one.fields["kib_per_s"]),
        )
        for one in entries
        if one.name == SETTLED
    ]


def median(values: Sequence[int]) -> int | None:
    """Return the lower median, or None of nothing."""
    return sorted(values)[(len(values) - 1) // 2] if values else None


def bins_of(values: Iterable[int], edges: Sequence[int]) -> list[int]:
    """Return how many values lie in each bin that begins at an edge; the last is open."""
    found = [0] * len(edges)
    for value in values:
        found[max(0, bisect_right(edges, value) - 1)] += 1
    return found
