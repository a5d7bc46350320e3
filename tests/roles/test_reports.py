"""Probes and reports on disk: a report that is fixed stays as it is, whatever comes after it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.encoding import Opening
from service.roles.attester.probe import Measured, lower_median
from service.roles.attester.rules import NO_LEAF, NOT_SERVED, Measurement
from service.roles.attester.store import ReportStore
from service.roles.common.database import Database
from tests.support.copy_world import digest

ERA, COPY = 7, 3
LINK, LEAF = digest("link"), digest("leaf")


def answer(number: int, latency: int = 10, rate: int = 100) -> Measured:
    siblings = tuple(digest("sibling", number, i) for i in range(number))
    return Measured(latency, rate, Opening(40 + number, bytes([number]) * 256, siblings))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(tmp_path / "roles.sqlite")
    yield made
    made.close()


def keep(store: ReportStore, *numbers: int) -> None:
    for number in numbers:
        store.keep_probe(ERA, COPY, number, 11, answer(number, 10 * (number + 1), 100 - number))


@pytest.mark.parametrize("numbers", [(), (0,), (0, 1), (1, 2, 3)])
def test_not_served(database: Database, numbers: tuple[int, ...]) -> None:
    store = ReportStore(database)
    keep(store, *numbers)
    fixed = store.fix(ERA, COPY, LINK, LEAF)
    assert fixed is not None
    assert (fixed.report, fixed.leaf, fixed.opening) == (NOT_SERVED, NO_LEAF, None)
    assert len(fixed.salt) == 32


@pytest.mark.parametrize(("numbers", "latency", "rate"), [((0, 1, 3), 20, 99), ((0, 1, 2, 3), 20, 98)])
def test_served_with_lower_medians(database: Database, numbers: tuple[int, ...], latency: int, rate: int) -> None:
    store = ReportStore(database)
    keep(store, *numbers)
    assert store.answered() == {(ERA, COPY, number) for number in numbers}
    fixed = store.fix(ERA, COPY, LINK, LEAF)
    assert fixed is not None
    assert fixed.report == Measurement(True, latency, rate)
    assert (fixed.leaf, fixed.link, fixed.opening) == (LEAF, LINK, answer(0).opening)


def test_an_answer_that_came_after_the_leaf_was_looked_for(database: Database) -> None:
    store = ReportStore(database)
    keep(store, 0, 1, 2)
    assert store.fix(ERA, COPY, LINK, NO_LEAF) is None
    assert not store.reported()
    fixed = store.fix(ERA, COPY, LINK, LEAF)
    assert fixed is not None
    assert (fixed.report.served, fixed.leaf) == (True, LEAF)


def test_a_fixed_report_stays(tmp_path: Path, database: Database) -> None:
    store = ReportStore(database)
    first = store.fix(ERA, COPY, LINK, LEAF)
    keep(store, 0, 1, 2, 3)
    opened = Database(tmp_path / "roles.sqlite")
    again = ReportStore(opened)
    assert again.report(ERA, COPY) == first == again.fix(ERA, COPY, digest("other link"), LEAF)
    assert again.reported() == {(ERA, COPY)}
    opened.close()


def test_what_is_over_is_forgotten(database: Database) -> None:
    store = ReportStore(database)
    for era in (3, 4, 5):
        store.keep_probe(era, COPY, 0, 11, answer(0))
        store.fix(era, COPY, LINK, LEAF)
    store.forget(5, COPY)
    assert store.reported() == {(3, COPY), (4, COPY)}
    store.forget_before(4)
    assert store.reported() == {(4, COPY)}
    assert store.answered() == {(4, COPY, 0)}


def test_figures_past_32_bits_count_as_the_largest(database: Database) -> None:
    store = ReportStore(database)
    for number in range(3):
        store.keep_probe(ERA, COPY, number, 11, answer(number, 1 << 40, 1 << 40))
    fixed = store.fix(ERA, COPY, LINK, LEAF)
    assert fixed is not None
    assert fixed.report == Measurement(True, 2**32 - 1, 2**32 - 1)


def test_lower_median() -> None:
    assert [lower_median(values) for values in ([], [5], [9, 1], [3, 1, 2], [4, 3, 2, 1])] == [0, 5, 1, 2, 2]
