"""`roles.sqlite` of each version is read by this one: `tests/fixtures/roles_version_N.sqlite.xz`, of which none ever changes.

Each was made by `fill`, with the code that wrote that version. What a demo of version 1 left is in test_made_before.py.
"""

from __future__ import annotations

import json
import lzma
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from service.chain_client.pallet.types import ChainBlockProof, ChainOpening, Evidence, Root
from service.encoding import Opening
from service.operating.alerts.book import Alert, Category, Severity
from service.operating.alerts.table import AlertTable
from service.operating.entries import Followed, JournalEntry
from service.operating.table import EventSum, JournalTable, Numbered
from service.protocols.copy.feeder import TreePoint
from service.protocols.copy.messages import Checkpoint, SignedRoot
from service.protocols.copy.receiver import Stored
from service.protocols.copy.stream import Position
from service.roles.attester.links import LinkStore
from service.roles.attester.probe import Measured
from service.roles.attester.rules import Measurement
from service.roles.attester.store import ReportStore
from service.roles.common.database import VERSION, Database, DatabaseError
from service.roles.common.findings import Findings
from service.roles.encoder.send import Point
from service.roles.encoder.store import EncoderStore
from service.roles.hoster.store import HostedCopies
from service.vault import Locker
from tests.support.copy_world import digest, make_feed, make_job

REFUSALS_SINCE, JOURNAL_SINCE, ALERTS_SINCE, MOST_SINCE, OPERATORS_SINCE = 3, 4, 5, 6, 7
FIXTURES = Path(__file__).parents[1] / "fixtures"
JOB = make_job(make_feed([700, 300]), modulus=bytes([7]) * 256)
SHORT = replace(JOB, copy=JOB.copy + 1, segment=JOB.segment + 1, most=16 << 20)
"""A segment by the rule of chain version 6: its job says how long it is at most."""
STORED, SIGNED = Stored(3, Position(1, 700)), Checkpoint(2, digest("root"), bytes([4]) * 64)
OPENING = Opening(1, bytes([5]) * 256, (digest("sibling"),))
POINT = Point(TreePoint(512, Position(1, 6)), b"\5" * 32)
RECEIPT = SignedRoot(256, digest("tree"), bytes([6]) * 64)
BLOCK = ChainBlockProof(7, (Root(digest("root"), 9),), 3, b"block", (Root(digest("sibling"), 4),))
PAID = JournalEntry(9, 2, "DatDot", "Paid", {"copy": 7, "amount": "5", "what": "Storage"}, 5)
FEE = JournalEntry(9, 3, "TransactionPayment", "OperatorFeePaid", {"failed": False}, by_operator=7)
ALERT = Alert(3, "disk_low/", Severity.ERROR, Category.DISK, "50 MiB are free", "why", "remedy", 7, 1_800_000_000)
FOLLOWED = Followed({7}, {4}, {1, 2})
EVIDENCE = Evidence(5, 8, ChainOpening(bytes(range(256)), (digest("a"), digest("b"))), BLOCK)


def fill(directory: Path, database: Database) -> None:
    """Put something into each table."""
    hosted = HostedCopies(directory, database)
    hosted.begin(JOB)
    hosted.begin(SHORT)
    hosted.advance(JOB, STORED)
    hosted.keep_checkpoint(JOB, SIGNED)
    reports = ReportStore(database)
    for number in range(3):
        reports.keep_probe(6, 3, number, 11, Measured(10 * number, 90, OPENING))
    assert reports.fix(6, 3, digest("link"), digest("leaf")) is not None
    encoder = EncoderStore(database, directory, Locker(bytes(32)))
    encoder.make_key(4, 1)
    encoder.keep_point(4, 1, POINT)
    encoder.keep_signed_root(4, 1, RECEIPT, 77)
    LinkStore(directory, database, digest("genesis"), digest("account")).unused(None)
    with database.transaction() as db:
        JournalTable(database).add(db, [PAID, FEE], FOLLOWED)
    AlertTable(database).save([ALERT])
    findings = Findings(database)
    findings.keep(3, EVIDENCE)
    findings.refuse(2, 5, 8, "the chain says NotProven")


def check(directory: Path, database: Database, version: int = VERSION) -> None:
    """Check that all is there that a version had."""
    hosted = HostedCopies(directory, database)
    (segment,) = hosted.segments(JOB.copy)
    assert (segment.job, segment.progress, segment.checkpoint) == (JOB, STORED, SIGNED)
    assert segment.job.most == 4 << 30
    since = version >= MOST_SINCE
    assert [one.job for one in hosted.segments(SHORT.copy)] == ([SHORT] if since else [])
    reports = ReportStore(database)
    assert reports.answered() == {(6, 3, number) for number in range(3)}
    fixed = reports.report(6, 3)
    assert fixed is not None
    assert (fixed.report, fixed.link, fixed.leaf) == (Measurement(True, 10, 90), digest("link"), digest("leaf"))
    assert (fixed.opening, len(fixed.salt)) == (OPENING, 32)
    encoder = EncoderStore(database, directory, Locker(bytes(32)))
    (key,) = encoder.records()
    assert (key.copy, key.ordinal, key.receipt, key.receipt_block) == (4, 1, RECEIPT, 77)
    assert encoder.point(4, 1) == POINT
    links = LinkStore(directory, database, digest("genesis"), digest("account"))
    newest = links.newest()
    assert newest is not None
    assert links.unused(None) == newest
    journal = JournalTable(database)
    full = version >= JOURNAL_SINCE
    assert journal.followed() == (FOLLOWED if full else Followed({7}))
    fees = version >= OPERATORS_SINCE
    assert journal.page() == [Numbered(2, FEE)] * fees + [Numbered(1, PAID)] * full
    paid = EventSum("TransactionPayment.OperatorFeePaid", 1, 0, 0, 7)
    assert journal.sums() == [EventSum("DatDot.Paid", 1, 5, 0)] * full + [paid] * fees
    assert AlertTable(database).open() == ([ALERT] if version >= ALERTS_SINCE else [])
    assert Findings(database).all() == {3: EVIDENCE}
    assert Findings(database).refusal(2, 5, 8) == ("the chain says NotProven" if version >= REFUSALS_SINCE else None)


def made(version: int, directory: Path) -> Path:
    """Return a copy of the file of a version."""
    path = directory / "roles.sqlite"
    path.write_bytes(lzma.decompress((FIXTURES / f"roles_version_{version}.sqlite.xz").read_bytes()))
    return path


def version_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as raw:
        return int(raw.execute("PRAGMA user_version").fetchone()[0])


def tables(path: Path) -> list[tuple[str, str]]:
    """Return the tables and indices of a file, in the words that made them."""
    with closing(sqlite3.connect(path)) as raw:
        return raw.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name").fetchall()


@pytest.mark.parametrize("version", range(2, VERSION + 1))
def test_a_file_of_each_version_is_read(version: int, tmp_path: Path) -> None:
    path = made(version, tmp_path)
    assert version_of(path) == version
    for _ in range(2):
        with closing(Database(path)) as database:
            check(tmp_path, database, version)
    assert version_of(path) == VERSION
    new = tmp_path / "new" / "roles.sqlite"
    Database(new).close()
    assert tables(path) == tables(new), "the same as one that was just made"


def job_of(path: Path, segment: int) -> str:
    """Return the record of a hosted segment's job, as it lies in the file."""
    with closing(sqlite3.connect(path)) as raw:
        (text,) = raw.execute("SELECT job FROM hosted WHERE segment = ?", (segment,)).fetchone()
    return str(text)


def also_hosted(path: Path, segment: int, job: str) -> None:
    """Add the record of another segment of the same kind, as a program wrote it."""
    rest = "plan, ?, sectors, block, offset, checkpoint_sectors, checkpoint_root, checkpoint_signature"
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute(f"INSERT INTO hosted SELECT ?, ?, {rest} FROM hosted", (segment, segment, job))


def test_records_of_version_5_with_and_without_the_most_bytes_of_a_segment(tmp_path: Path) -> None:
    """Early programs of version 5 did not write it, late ones did: what is there stays, what lacks is as it was then."""
    path = made(5, tmp_path)
    early = json.loads(job_of(path, JOB.segment))
    assert "most" not in early
    late = early | {"copy": 20, "segment": 20, "most": 3 << 20}
    also_hosted(path, 20, json.dumps(late))
    with closing(Database(path)) as database:
        hosted = HostedCopies(tmp_path, database)
        assert [one.job for one in hosted.segments(JOB.copy)] == [JOB]
        assert [one.job.most for one in hosted.segments(20)] == [3 << 20]
    assert json.loads(job_of(path, JOB.segment)) == early | {"most": 4 << 30}
    assert json.loads(job_of(path, 20)) == late


def test_a_damaged_record_is_told_where_it_is_read(tmp_path: Path) -> None:
    """It keeps no other from being read, also while an older file is brought up to date."""
    path = made(5, tmp_path)
    also_hosted(path, 20, "{")
    with closing(Database(path)) as database:
        hosted = HostedCopies(tmp_path, database)
        assert [one.job for one in hosted.segments(JOB.copy)] == [JOB]
        with pytest.raises(DatabaseError, match="a record of a hosted segment is damaged"):
            hosted.segments(20)


def test_a_record_of_today_says_how_long_its_segment_is_at_most(tmp_path: Path) -> None:
    path = tmp_path / "roles.sqlite"
    with closing(Database(path)) as database:
        fill(tmp_path, database)
    lacking = json.loads(job_of(path, SHORT.segment))
    assert lacking.pop("most") == SHORT.most
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("UPDATE hosted SET job = ? WHERE segment = ?", (json.dumps(lacking), SHORT.segment))
    with closing(Database(path)) as database, pytest.raises(DatabaseError, match="damaged: KeyError\\('most'\\)"):
        HostedCopies(tmp_path, database).segments(SHORT.copy)


def test_the_file_of_an_older_version_is_kept_beside_the_new_one(tmp_path: Path) -> None:
    path = made(4, tmp_path)
    with closing(sqlite3.connect(path)) as raw:
        before = list(raw.iterdump())
    for _ in range(2):
        Database(path).close()
    old = tmp_path / "roles.sqlite.version-4"
    with closing(sqlite3.connect(old)) as raw:
        assert list(raw.iterdump()) == before
    assert (version_of(old), old.stat().st_mode & 0o777) == (4, 0o600)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["roles.sqlite", "roles.sqlite.version-4"]


def test_without_room_for_the_old_file_nothing_is_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = made(4, tmp_path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("service.roles.common.database.put_in_place", full)
        with pytest.raises(
            DatabaseError, match=r"no room for a copy of the old one: .*No space left on device.*make room"
        ):
            Database(path)
    assert version_of(path) == 4
    Database(path).close()
    assert version_of(path) == VERSION


def test_what_is_filled_now_is_read_now(tmp_path: Path) -> None:
    with closing(Database(tmp_path / "roles.sqlite")) as database:
        fill(tmp_path, database)
        check(tmp_path, database)


def test_a_file_of_a_later_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "roles.sqlite"
    Database(path).close()
    with closing(sqlite3.connect(path)) as raw:
        raw.execute(f"PRAGMA user_version = {VERSION + 1}")
    with pytest.raises(DatabaseError, match=f"written by version {VERSION + 1}"):
        Database(path)
