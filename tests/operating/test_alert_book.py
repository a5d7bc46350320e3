"""The book of alerts and its table: debounced, one for each cause, bounded, and kept over a restart."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from service.disk import DiskError
from service.operating.alerts import table as module
from service.operating.alerts.book import MOST_OPEN, RESTART_CALM, Alert, AlertBook, Category, Condition, Severity
from service.operating.alerts.samples import BestOfDay, JournalTail, WorkRates
from service.operating.alerts.table import AlertTable
from service.operating.entries import Followed, JournalEntry
from service.operating.table import JournalTable
from service.roles.common.database import Database
from service.roles.common.troubles import MOST, TroubleKind, Troubles


def condition(about: str = "x", patience: int = 0) -> Condition:
    return Condition(about, Severity.ERROR, Category.DISK, f"text of {about}", "why", "remedy", patience)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database(tmp_path / "roles.sqlite")) as opened:
        yield opened


def test_it_opens_after_its_patience_and_closes_after_as_long() -> None:
    book, stands = AlertBook(), {"disk": [condition(patience=3)]}
    assert [block for block in range(10, 16) for _ in book.step(stands, block, 0)] == [13]
    assert book.open[0].block == 10
    assert [block for block in range(16, 30) for _ in book.step({"disk": []}, block, 0)] == [19]


def test_what_flickers_opens_nothing_and_closes_nothing() -> None:
    book, stands = AlertBook(), {"disk": [condition(patience=3)]}
    for block in range(0, 100, 2):
        assert book.step(stands, block, 0) == []
        assert book.step({"disk": []}, block + 1, 0) == []
    for block in range(100, 110):
        book.step(stands, block, 0)
    for block in range(110, 200, 2):
        assert book.step({"disk": []}, block, 0) == []
        assert book.step(stands, block + 1, 0) == []
    assert len(book.open) == 1


def test_a_chain_that_stands_still_opens_what_needs_no_block() -> None:
    book = AlertBook()
    assert book.step({"silent": [condition()]}, 7, 50.9)[0].opened == 50
    assert book.step({"silent": [condition()]}, 7, 60) == []
    assert book.step({"silent": []}, 7, 70)[0].closed == 70


def test_their_number_is_bounded() -> None:
    book = AlertBook()
    many = [condition(str(number)) for number in range(MOST_OPEN + 50)]
    assert len(book.step({"disk": many}, 1, 0)) == MOST_OPEN
    assert len(book.step({"disk": many[50:]}, 2, 0)) == 50, "those that are over"
    assert len(book.step({"disk": many[50:]}, 3, 0)) == 50, "make room"


def test_a_restart_tells_nothing_twice_and_closes_what_is_over(database: Database) -> None:
    table = AlertTable(database)
    first = AlertBook()
    changed = first.step({"disk": [condition("a"), condition("b")]}, 100, 5)
    table.save(changed, changed)
    again = AlertBook(table.open(), table.next_id())
    assert [one.cause for one in again.open] == ["disk/a", "disk/b"]
    assert again.step({"disk": []}, 200, 6) == [], "what failed before has had no time to fail again"
    assert again.step({"disk": [condition("a")]}, 201, 7) == []
    closed = [one for block in range(202, 240) for one in again.step({"disk": [condition("a")]}, block, block)]
    assert [(one.cause, one.closed) for one in closed] == [("disk/b", 200 + RESTART_CALM)]
    table.save(closed)
    assert [one.cause for one in table.open()] == ["disk/a"]
    (new,) = [one for one in again.step({"disk": [condition("c")]}, 300, 9) if one.closed is None]
    assert new.id == 3


def test_what_was_not_told_is_found_after_a_restart(database: Database) -> None:
    table, book = AlertTable(database), AlertBook()
    a, b, c = book.step({"disk": [condition("a"), condition("b"), condition("c")]}, 1, 0)
    table.save([a, b, c], [a, b])
    assert table.untold() == [c]
    gone = book.step({"disk": [condition("b")]}, 2, 8)
    table.save(gone)
    assert [(one.id, one.closed) for one in table.untold()] == [(1, 8)], "c opened and closed, and nobody heard of it"
    table.save([], gone)
    assert table.untold() == []


def test_pages_meet_and_closed_ones_are_kept_up_to_a_number(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT", 5)
    table = AlertTable(database)
    for number in range(1, 11):
        table.save([alert(number, closed=None if number == 1 else 9)])
    assert [one.id for one in table.page()] == [10, 9, 8, 7, 6, 1], "an open one is never forgotten"
    assert [one.id for one in table.page(2)] == [10, 9]
    assert [one.id for one in table.page(2, before=9)] == [8, 7]
    assert [one.id for one in table.page(only_open=True)] == [1]
    assert table.page()[0] == alert(10, closed=9)


def alert(number: int, closed: int | None = None) -> Alert:
    return Alert(
        number, f"disk/{number}", Severity.CRITICAL, Category.DISK, "text", "why", "remedy", 4, 5, closed
    )  # fmt: skip


# ---- samples


def test_a_rate_is_that_of_the_last_minute_and_falls_when_nothing_comes() -> None:
    rates = WorkRates()
    assert rates.of(7, 0) == (0, None)
    for second in range(120):
        rates.look({"segment": 7, "sectors": 10 * second}, second)
    done, rate = rates.of(7, 119)
    assert done == 1190
    assert rate == pytest.approx(10, rel=0.05)
    assert (rates.of(7, 1000)[1] or 0) < 1
    rates.look({"segment": "x", "sectors": 5}, 0)
    rates.look({"event": "begun"}, 0)
    for segment in range(1000):
        rates.look({"segment": segment, "sectors": 1}, 2000)
    assert len(rates._works) == 256


def test_the_best_of_a_day_is_forgotten_after_it() -> None:
    best = BestOfDay()
    assert best.look(500, 0) == 500
    assert best.look(450, 600) == 500
    assert best.look(450, 80_000) == 500
    assert best.look(450, 87_001) == 450
    for second in range(0, 10_000_000, 100):
        best.look(1, second + 90_000)
    assert len(best._samples) <= 146


def test_the_journals_tail_is_read_once_and_ends_at_its_first_block(database: Database) -> None:
    table, tail = JournalTable(database), JournalTail(JournalTable(database))
    assert tail.look(0) == ()

    def add(*blocks: int) -> None:
        with database.transaction() as db:
            table.add(db, [JournalEntry(block, 0, "DatDot", "Paid", {}) for block in blocks], Followed())

    add(*range(1, 1501))
    assert [one.block for one in tail.look(1400)] == list(range(1400, 1501))
    add(1501, 1502)
    assert [one.block for one in tail.look(1500)] == [1500, 1501, 1502]
    fresh = JournalTail(table)
    assert [one.block for one in fresh.look(1500)] == [1500, 1501, 1502]
    assert len(fresh.look(1502)) == 1


def test_troubles_are_of_a_kind_bounded_and_over_when_they_are() -> None:
    troubles = Troubles()
    for number in range(MOST + 10):
        troubles.failed(("hoster", number), DiskError("full"))
    assert len(troubles.now) == MOST
    assert troubles.now[-1].kind is TroubleKind.DISK
    troubles.failed(("hoster", MOST + 9), ValueError("no kind: it is another failure now"))
    assert len(troubles.now) == MOST - 1
    troubles.over(("hoster", MOST + 8))
    assert len(troubles.now) == MOST - 2
    troubles.failed("x", ConnectionError("the network is not the disk"))
    assert len(troubles.now) == MOST - 2
