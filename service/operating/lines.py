"""Lines of the journal as they are shown: the entry, what it means and what it cost. Pages, API, CSV and commands show these."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from service.units import decimal

from .entries import JournalEntry
from .meaning import cost_in_words, explain
from .objects import ShownLine


def line_of(entry: JournalEntry, account: str, number: int = 0) -> ShownLine:
    """Return the line of an entry of an account, in SS58."""
    words = explain(entry, account)
    return ShownLine(
        number,
        entry.block,
        entry.name,
        words.level.value,
        words.text,
        cost_in_words(entry),
        words.why,
        words.remedy,
        entry.change,
        entry.held,
        entry.fields,
        entry.by_operator,
    )


CSV_HEAD = (
    "block",
    "event",
    "text",
    "change",
    "held",
    "change_unit",
    "held_unit",
    "why",
    "remedy",
    "by_operator",
    "by_operator_unit",
)


def csv_rows(lines: Iterable[ShownLine]) -> Iterable[str]:
    """Yield CSV (RFC 4180), a row at a time: sums in the smallest unit, and in UNIT."""
    yield _row(CSV_HEAD)
    for one in lines:
        yield _row(
            (
                one.block,
                one.event,
                one.text,
                one.change,
                one.held,
                decimal(one.change),
                decimal(one.held),
                one.why,
                one.remedy,
                one.by_operator,
                decimal(one.by_operator),
            )
        )


def _row(values: Iterable[object]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow([_safe(value) for value in values])
    return out.getvalue()


def _safe(value: object) -> object:
    """Keep a spreadsheet from taking a text for a formula. What begins so is never a sum."""
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+@\t\r" and value else value
