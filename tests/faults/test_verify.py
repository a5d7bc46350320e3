"""`datdot verify`: what it finds of a copy whose sectors, tree or feed are damaged, and that it goes on where it was."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from service.encoding.profiles import SECTOR
from service.hypercore import Corestore
from service.roles.common.database import Database
from service.roles.hoster.sectors import segment_path
from service.roles.hoster.store import HostedCopies, HostedSegment
from service.roles.hoster.verify import CheckNotes, CopyChecker, FaultKind
from tests.support.small_net import Net, copied, is_active


class Checked:
    """A whole copy on the disk of a hoster that was stopped."""

    def __init__(self, net: Net, directory: Path, copy: int) -> None:
        self.net, self.directory, self.copy = net, directory, copy
        (part,) = net.chain.copy(copy).segments
        self.segment, self.sectors = part.segment, part.sectors
        self.path = segment_path(directory, copy, part.segment)

    def check(self, root: bool = True) -> tuple[int, list[tuple[FaultKind, str]]]:
        """Bytes that were read, and what was found."""
        with (
            closing(Database(self.directory / "roles.sqlite")) as database,
            closing(Corestore(self.directory)) as store,
        ):
            hosted = HostedCopies(self.directory, database)
            checker = CopyChecker(self.directory, hosted, store)
            (one,) = hosted.segments(self.copy)
            on_chain = self.net.chain.segment(self.segment) if root else None
            read = sum(checker.check(one, on_chain))  # type: ignore[arg-type]
            assert read <= checker.work(one)
            return read, [(fault.kind, fault.text) for fault in checker.faults]


@asynccontextmanager
async def checked(net: Net) -> AsyncIterator[Checked]:
    async with copied(net) as (_, _, hoster, _, copy):
        await net.chain.until(is_active(net, copy))
        await hoster.stop()
        yield Checked(net, hoster.directory, copy)
        await hoster.start()


async def test_a_whole_copy_is_read_twice_and_is_whole(net: Net) -> None:
    async with checked(net) as one:
        read, faults = one.check()
        assert faults == []
        assert one.sectors * SECTOR < read <= 2 * one.sectors * SECTOR


def flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


async def test_each_sector_counts_against_the_root_and_the_feed(net: Net) -> None:
    async with checked(net) as one:
        for place in (0, one.path.stat().st_size // 2, one.path.stat().st_size - 1):
            flip(one.path, place)
            _, faults = one.check()
            assert faults[0] == (FaultKind.LOST, f"{one.path}: its sectors do not lead to the root on the chain")
            flip(one.path, place)
        flip(one.path, 300 * SECTOR)
        _, ((kind, text),) = one.check(root=False)
        assert kind is FaultKind.UNREADABLE, "a segment that is not confirmed is being made: it is no loss"
        assert "of the feed are not what the sectors decode to" in text
        flip(one.path, 300 * SECTOR)
        assert one.check()[1] == []


async def test_a_file_that_is_short_or_gone_is_a_loss_and_one_that_is_not_given_proves_nothing(
    net: Net, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with checked(net) as one:
        whole = one.path.read_bytes()
        for left in (whole[:-SECTOR], None):
            one.path.unlink() if left is None else one.path.write_bytes(left)
            _, ((kind, text),) = one.check()
            assert kind is FaultKind.LOST
            assert str(one.path) in text
        one.path.write_bytes(whole)

        def broken(*_: object) -> bytes:
            raise OSError(5, "Input/output error", str(one.path))

        with monkeypatch.context() as patched:
            patched.setattr("os.pread", broken)
            _, ((kind, text),) = one.check()
        assert kind is FaultKind.UNREADABLE
        assert "Input/output error" in text


async def test_a_tree_that_says_otherwise_is_no_loss_of_sectors_that_lead_to_their_root(net: Net) -> None:
    async with checked(net) as one:
        sql(one.directory, "UPDATE node SET hash = zeroblob(32) WHERE idx = 2")
        _, ((kind, text),) = one.check()
        assert kind is FaultKind.FEED
        assert "of the feed are not what the sectors decode to" in text


DAMAGES: dict[str, Callable[[Path], None]] = {
    "gone": lambda directory: [path.unlink() for path in directory.glob("corestore.sqlite*")] and None,
    "node": lambda directory: sql(directory, "DELETE FROM node WHERE idx = 2"),
}


def sql(directory: Path, statement: str) -> None:
    with closing(sqlite3.connect(directory / "corestore.sqlite")) as database:
        database.execute(statement)
        database.commit()


@pytest.mark.parametrize("name", DAMAGES)
async def test_a_damaged_tree_of_the_feed_is_no_loss(net: Net, name: str) -> None:
    async with checked(net) as one:
        DAMAGES[name](one.directory)
        _, faults = one.check()
        assert {kind for kind, _ in faults} == {FaultKind.FEED}


async def test_what_was_found_whole_is_noted_and_read_again_if_it_grew(net: Net, tmp_path: Path) -> None:
    async with checked(net) as one:
        with closing(Database(one.directory / "roles.sqlite")) as database:
            (segment,) = HostedCopies(one.directory, database).segments(one.copy)
        notes = CheckNotes(tmp_path)
        notes.load()
        assert not notes.has(segment)
        notes.keep(segment)
        again = CheckNotes(tmp_path)
        again.load()
        assert again.has(segment)
        assert not again.has(grown(segment))
        again.clear()
        third = CheckNotes(tmp_path)
        third.load()
        assert not third.has(segment)
        (tmp_path / "verify.json").write_text("[5")
        third.load()
        assert not third.has(segment)


def grown(segment: HostedSegment) -> HostedSegment:
    from dataclasses import replace

    return replace(segment, progress=replace(segment.progress, sectors=segment.progress.sectors + 1))
