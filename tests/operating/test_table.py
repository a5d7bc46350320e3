"""The journal on the disk: in pages, with sums, in one transaction with the cursor; old entries without money go."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from service.address import ss58
from service.operating import table as module
from service.operating.earnings import by_era, by_reason
from service.operating.entries import Followed, JournalEntry
from service.operating.table import PAGE, EventSum, JournalTable
from service.roles.common.database import Database


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database(tmp_path / "roles.sqlite")) as opened:
        yield opened


def paid(block: int, change: int = 0, held: int = 0) -> JournalEntry:
    return JournalEntry(block, 1, "DatDot", "Paid", {"copy": block}, change, held)


def add(database: Database, *entries: JournalEntry, followed: Followed | None = None) -> JournalTable:
    table = JournalTable(database)
    with database.transaction() as db:
        table.add(db, entries, followed or Followed())
    return table


def test_pages_are_bounded_and_meet(database: Database) -> None:
    table = add(database, *(paid(block) for block in range(1, PAGE + 8)))
    first = table.page(10**9)
    assert len(first) == PAGE
    assert [one.entry.block for one in first[:2]] == [PAGE + 7, PAGE + 6]
    rest = table.page(PAGE, before=first[-1].id)
    assert [one.entry.block for one in rest] == list(range(7, 0, -1))
    assert table.page(0) == table.page(-5) == table.page(5, before=0) == table.page(5, before=-(10**30)) == []
    assert len(table.page(5, before=10**30)) == 5
    assert [one.entry.block for one in table.all()] == list(range(1, PAGE + 8))


def test_sums_are_exact_also_of_more_than_sqlite_counts(database: Database) -> None:
    much = 10**24 + 1
    table = add(database, paid(1, much), paid(2, -much - 2), paid(3, much), paid(4))
    assert table.sums() == [EventSum("DatDot.Paid", 4, 2 * much, much + 2)]
    assert [one.entry.change for one in table.page(with_money=True)] == [much, -much - 2, much]
    assert [one.entry.block for one in table.all(with_money=True)] == [1, 2, 3]


def test_what_an_operator_paid_is_summed_apart_and_kept_as_money_is(database: Database) -> None:
    fees = [JournalEntry(n, 1, "TransactionPayment", "OperatorFeePaid", {}, by_operator=10**24 + n) for n in (1, 2)]
    table = add(database, *fees, paid(3), paid(4, 5))
    assert table.sums() == [
        EventSum("DatDot.Paid", 2, 5, 0), EventSum("TransactionPayment.OperatorFeePaid", 2, 0, 0, 2 * 10**24 + 3),
    ]  # fmt: skip
    for found in (list(table.all(with_money=True)), table.money_since(1), table.page(with_money=True)[::-1]):
        assert [(one.entry.block, one.entry.by_operator) for one in found] == [(1, 10**24 + 1), (2, 10**24 + 2), (4, 0)]
    eras = by_era([one.entry for one in table.all()], 0, 1, 2)
    assert [(one.era, one.by_operator, one.fees, one.work) for one in eras] == [
        (0, 10**24 + 1, 0, 0),
        (1, 10**24 + 2, 0, 0),
    ]
    (reason, _) = by_reason(table.sums())
    assert (reason.text, reason.count, reason.lost, reason.by_operator) == (
        "Fees of the chain that its operator paid", 2, 0, 2 * 10**24 + 3,
    )  # fmt: skip


def test_who_was_named_operator_is_known_again(database: Database) -> None:
    named = [
        JournalEntry(block, 1, "DatDot", "OperatorSet", {"account": ss58(bytes(32)), "operator": operator})
        for block, operator in enumerate((ss58(bytes([1]) * 32), None, ss58(bytes([2]) * 32)))
    ]
    assert add(database, *named).followed().operators == {bytes([1]) * 32, bytes([2]) * 32}


def test_what_is_followed_is_what_was_last_followed(database: Database) -> None:
    add(database, followed=Followed({1, 2}, {3}, {4}))
    assert JournalTable(database).followed() == Followed({1, 2}, {3}, {4})
    add(database, followed=Followed({2}, set(), {4, 5}))
    assert JournalTable(database).followed() == Followed({2}, set(), {4, 5})


def test_a_transaction_that_fails_leaves_no_entry(database: Database) -> None:
    table = JournalTable(database)

    def failing() -> None:
        with database.transaction() as db:
            table.add(db, [paid(1, 5)], Followed({1}))
            raise ValueError("the cursor cannot be saved")

    with pytest.raises(ValueError, match="the cursor"):
        failing()
    assert (table.page(), table.sums(), table.followed()) == ([], [], Followed())


def test_old_entries_without_money_go_and_those_with_money_stay(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT", 10)
    monkeypatch.setattr(module, "TRIM_EVERY", 20)
    table = add(database, *(paid(block, int(block % 5 == 0), int(block == 3)) for block in range(1, 41)))
    assert [one.entry.block for one in table.all()] == [3, 5, 10, 15, 20, 25, *range(30, 41)]
    assert table.sums() == [EventSum("DatDot.Paid", 40, 8, 0)], "sums are of all that ever was"


def test_it_is_one_table_of_the_roles_database(database: Database, tmp_path: Path) -> None:
    add(database, paid(1, 5))
    with closing(sqlite3.connect(tmp_path / "roles.sqlite")) as raw:
        assert raw.execute("SELECT block, name, change FROM journal").fetchall() == [(1, "Paid", "5")]
