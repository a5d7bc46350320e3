"""An attester's durable memory: answered probes, and reports that are fixed before their hash is sent."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from service.encoding import Opening

from ..common.database import Database
from .decisions import ENOUGH
from .probe import Measured, lower_median
from .rules import NO_LEAF, NOT_SERVED, Measurement

TOP = 2**32 - 1


@dataclass(frozen=True, slots=True)
class FixedReport:
    """A report that can no longer change: it is committed first and revealed later."""

    report: Measurement
    link: bytes
    salt: bytes
    leaf: bytes
    opening: Opening | None


class ReportStore:
    """The tables `probes` and `reports`."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def answered(self) -> frozenset[tuple[int, int, int]]:
        """Return the (era, copy, number) of the probes answered in full."""
        return frozenset(self._db.rows("SELECT era, copy, number FROM probes"))

    def reported(self) -> frozenset[tuple[int, int]]:
        """Return the (era, copy) of the reports that are fixed."""
        return frozenset(self._db.rows("SELECT era, copy FROM reports"))

    def keep_probe(self, era: int, copy: int, number: int, segment: int, measured: Measured) -> None:
        """Keep an answered probe. It is durable on return."""
        opening = measured.opening
        self._db.execute(
            "INSERT OR REPLACE INTO probes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(era, copy, number, measured.latency_ms, measured.kib_per_s, segment),
                *(opening.sector, opening.data, b"".join(opening.siblings)),
            ),
        )

    def probe(self, era: int, copy: int, number: int) -> tuple[int, Opening] | None:
        """Return segment and opening of an answered probe, or None."""
        row = self._db.row(
            "SELECT segment, sector, data, siblings FROM probes WHERE era = ? AND copy = ? AND number = ?",
            (era, copy, number),
        )
        return None if row is None else (int(row[0]), _opening(row[1], row[2], row[3]))

    def report(self, era: int, copy: int) -> FixedReport | None:
        """Return the report that was fixed, or None."""
        row = self._db.row(
            "SELECT served, latency_ms, kib_per_s, link, salt, leaf, sector, data, siblings FROM reports"
            " WHERE era = ? AND copy = ?",
            (era, copy),
        )
        if row is None:
            return None
        served, latency, rate, link, salt, leaf, sector, data, siblings = row
        opening = _opening(sector, data, siblings) if served else None
        return FixedReport(Measurement(bool(served), latency, rate), link, salt, leaf, opening)

    def fix(self, era: int, copy: int, link: bytes, leaf: bytes) -> FixedReport | None:
        """Fix the report from the probes answered so far, and return it.

        The report is durable; one that was fixed earlier is returned unchanged. `leaf` is the leaf hash of the sector
        of probe 0. Returns None, and fixes nothing, if probe 0 was answered after the caller found no leaf: the thread
        that keeps an answer outlives its task. A report that says "served" without the leaf could not be revealed.
        """
        with self._db.transaction() as db:
            known = self.report(era, copy)
            if known is not None:
                return known
            report, opening, segment = self._judge(era, copy)
            if report.served and leaf == NO_LEAF:
                return None
            fixed = FixedReport(
                report,
                link,
                secrets.token_bytes(32),
                leaf if report.served else NO_LEAF,
                opening if report.served else None,
            )
            shown = fixed.opening
            db.execute(
                "INSERT INTO reports VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(era, copy, int(report.served), report.latency_ms, report.kib_per_s, link, fixed.salt, fixed.leaf),
                    *((None,) * 4 if shown is None else (segment, shown.sector, shown.data, b"".join(shown.siblings))),
                ),
            )
            return fixed

    def _judge(self, era: int, copy: int) -> tuple[Measurement, Opening | None, int | None]:
        """Judge by the answered probes. A copy counts as served if probe 0 and two others were answered in full."""
        rows = self._db.rows(
            "SELECT number, latency_ms, kib_per_s FROM probes WHERE era = ? AND copy = ? ORDER BY number", (era, copy)
        )
        first = self.probe(era, copy, 0)
        if first is None or len(rows) < ENOUGH:
            return NOT_SERVED, None, None
        latency, rate = (min(TOP, lower_median([row[column] for row in rows])) for column in (1, 2))
        return Measurement(True, latency, rate), first[1], first[0]

    def forget(self, era: int, copy: int) -> None:
        """Delete the probes and the report of a challenge that is over."""
        with self._db.transaction() as db:
            db.execute("DELETE FROM probes WHERE era = ? AND copy = ?", (era, copy))
            db.execute("DELETE FROM reports WHERE era = ? AND copy = ?", (era, copy))

    def forget_before(self, era: int) -> None:
        """Delete the probes and reports of all eras before `era`."""
        with self._db.transaction() as db:
            db.execute("DELETE FROM probes WHERE era < ?", (era,))
            db.execute("DELETE FROM reports WHERE era < ?", (era,))


def _opening(sector: int, data: bytes, siblings: bytes) -> Opening:
    return Opening(sector, data, tuple(siblings[start : start + 32] for start in range(0, len(siblings), 32)))
