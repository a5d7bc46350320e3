"""A disk fails in a step of a role: the step is tried again, nothing that was stored is deleted, and it is told once."""

from __future__ import annotations

import asyncio
import errno
import io
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from service.chain_client import Block, BlockRef, ChainClient, Follower, UnknownRuntime
from service.cli.output import LogStream
from service.disk import room_at
from service.node.journal import Journal
from service.protocols.copy.job import SegmentJob
from service.protocols.copy.receiver import Store, Stored
from service.protocols.copy.stream import Position
from service.roles.attester.links import LinkStore
from service.roles.common import watch
from service.roles.common.database import Database, DatabaseError
from service.roles.common.runner import Runner
from service.roles.hoster import room as rooms
from service.roles.hoster.room import Room
from service.roles.hoster.store import HostedCopies
from service.units import GIB
from tests.support.copy_world import encode_all, make_feed, make_job
from tests.support.full_disk import FullDisk, full_disk

GENESIS = bytes(32)


def block(number: int) -> Block:
    return Block(number, bytes([number]) * 32, bytes(32), ())


def no_room(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "somewhere")


# ---- the roles' database


@pytest.mark.parametrize("rolls_back", [True, False], ids=["rolled back", "left open"])
@pytest.mark.parametrize("after", range(2))
def test_a_transaction_that_fails_leaves_the_database_usable(
    tmp_path: Path, disk: FullDisk, after: int, rolls_back: bool
) -> None:
    disk.rolls_back = rolls_back
    database = Database(tmp_path / "roles.sqlite")
    disk.fill(after)
    with pytest.raises(DatabaseError, match=r"roles\.sqlite: cannot be written: .* free there: make room on that disk"):
        database.execute("INSERT INTO journal_copies VALUES (1)")
    assert database.rows("SELECT * FROM journal_copies") == []
    disk.free()
    database.execute("INSERT INTO journal_copies VALUES (2)")
    assert database.rows("SELECT * FROM journal_copies") == [(2,)]
    database.close()


# ---- a hoster's sectors


class Shelf:
    """A hoster's store with some sectors of a segment."""

    def __init__(self, directory: Path) -> None:
        feed = make_feed([30_000, 200_000, 5])
        self.database = Database(directory / "roles.sqlite")
        self.hosted = HostedCopies(directory, self.database)
        self.job: SegmentJob = make_job(feed)
        self.data = encode_all(feed, self.job)
        self.progress = Stored(300, Position(1, 30_000))
        with self.hosted.tree(self.hosted.begin(self.job)) as tree:
            self.hosted.store(self.job, Store(0, self.data[: 300 * 256], (), (), self.progress), tree)
        self.hosted.advance(self.job, self.progress)
        self.path = directory / "copies" / "7" / "11.sectors"


@pytest.mark.parametrize("failing", ["open", "pread"])
@pytest.mark.parametrize("number", [errno.EMFILE, errno.EIO])
def test_a_passing_read_error_deletes_no_sectors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str, number: int
) -> None:
    shelf = Shelf(tmp_path)
    (tmp_path / "copies" / "7" / "11.tree").unlink()  # so that the sectors are read
    real = getattr(os, failing)

    def fails(what: Any, *arguments: Any, **options: Any) -> Any:
        path = what if isinstance(what, int | str) else str(what)
        path = os.readlink(f"/proc/self/fd/{path}") if isinstance(path, int) else path
        if str(path).endswith(".sectors"):
            raise OSError(number, os.strerror(number), str(path))
        return real(what, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, failing, fails)
        with pytest.raises(OSError, match=r"11\.sectors") as found:
            shelf.hosted.begin(shelf.job)
        assert found.value.errno == number
    begun = shelf.hosted.begin(shelf.job)
    assert begun.progress == shelf.progress
    assert shelf.path.read_bytes() == shelf.data[: 300 * 256]
    shelf.database.close()


def test_sectors_that_are_gone_are_received_again(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    shelf.path.unlink()
    assert shelf.hosted.begin(shelf.job).progress.sectors == 0
    assert shelf.path.stat().st_size == 0
    shelf.database.close()


def test_a_restart_that_cannot_be_noted_counts_nothing_that_is_not_there(tmp_path: Path) -> None:
    with full_disk(tmp_path) as disk:
        shelf = Shelf(tmp_path)
        shelf.path.write_bytes(shelf.data[:256])
        disk.fill()
        with pytest.raises(DatabaseError):
            shelf.hosted.begin(shelf.job)
        assert shelf.path.read_bytes() == shelf.data[:256]
        disk.free()
        assert shelf.hosted.begin(shelf.job).progress.sectors == 0
        shelf.database.close()


# ---- the room


def test_receiving_pauses_and_goes_on_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room = Room(tmp_path, rooms.RESERVE)
    free = room_at(tmp_path)
    assert free is not None
    assert room.look() == pytest.approx(free - rooms.RESERVE, abs=1 << 30)
    with capture_logs() as logs:
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", no_room)
            for _ in range(3):
                room.failed(OSError(errno.ENOSPC, "No space left on device"))
                assert room.look() == 0
                assert room.paused
        assert (room.look() or 0) > 0
    assert [(line["event"].split(":")[0], line["log_level"]) for line in logs if line["log_level"] != "debug"] == [
        ("cannot store sectors", "error"),
        ("there is room again", "info"),
    ]
    told = next(line["error"] for line in logs if "error" in line)
    assert re.match(
        rf"{tmp_path}/copies: cannot be written: No space left on device; \d+ MiB are free there: make room", told
    )
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_tried_while_there_is_little_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room = Room(tmp_path, rooms.RESERVE)
    room.failed(OSError(errno.ENOSPC, "No space left on device"))
    monkeypatch.setattr(rooms, "room_at", lambda path: rooms.RESERVE - 1)
    assert room.look() == 0
    monkeypatch.setattr(rooms, "room_at", lambda path: rooms.RESERVE + 5)
    assert room.look() == 5


def test_a_part_of_the_disk_stays_free_if_its_operator_says_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = {100 * GIB: GIB, 1024 * GIB: rooms.MOST_RESERVE, GIB: rooms.RESERVE, None: rooms.RESERVE}
    for size, reserve in sizes.items():
        monkeypatch.setattr(rooms, "size_of_disk", lambda path, size=size: size)
        assert Room(tmp_path).reserve == reserve
    assert Room(tmp_path, 5 * GIB).reserve == 5 * GIB
    assert Room(tmp_path, 0).reserve == rooms.RESERVE, "proofs and journals must be written whatever an operator says"


# ---- steps


class Blocks:
    """A follower that has some blocks."""

    def __init__(self, count: int) -> None:
        self.latest = block(0)
        self._blocks = [block(number) for number in range(1, count)]

    async def wait_for(self, number: int) -> Block:
        del number
        return self.latest

    async def blocks(self) -> AsyncIterator[Block]:
        for one in self._blocks:
            yield one


@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), DatabaseError("roles.sqlite: full")])
async def test_a_step_whose_disk_fails_is_tried_with_the_next_block(error: Exception) -> None:
    done: list[int] = []

    async def step(at: Block) -> None:
        if 1 <= at.number < 4:
            raise error
        done.append(at.number)

    with capture_logs() as logs:
        await watch.each_block(cast(Follower, Blocks(6)), step)
    assert done == [0, 4, 5]
    assert [line["event"].split(";")[0] for line in logs] == ["cannot use the disk", "the disk can be used again"]
    assert str(error) in logs[0]["error"]


@pytest.mark.parametrize("error", [DatabaseError("roles.sqlite: full"), UnknownRuntime("runtime 9 has no such call")])
async def test_an_action_that_keeps_failing_alike_is_told_once(error: Exception) -> None:
    runner = Runner("test", longest=1)

    async def perform() -> int | None:
        raise error

    with capture_logs() as logs:
        for now in range(1, 9):
            runner.apply(now, [("a", perform)])
            await asyncio.sleep(0)
            await asyncio.sleep(0)
    assert [line["log_level"] for line in logs] == ["error", *["debug"] * 7]


async def test_the_journal_outlives_a_full_disk(tmp_path: Path, disk: FullDisk) -> None:
    database = Database(tmp_path / "roles.sqlite")
    client = cast(ChainClient, type("Client", (), {"genesis": GENESIS}))
    journal = Journal(client, cast(Follower, None), bytes(32), database)
    disk.fill()
    with capture_logs() as logs:
        for number in (1, 2, 3):
            journal._keep(BlockRef(number, bytes(32)))
        disk.free()
        journal._keep(BlockRef(4, bytes(32)))
    assert [line["log_level"] for line in logs] == ["error", "info"]
    assert await journal._load() == BlockRef(4, bytes(32))
    database.close()


def test_links_that_cannot_be_read_now_are_not_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new anchor would cost the attester its seats."""
    database = Database(tmp_path / "roles.sqlite")
    links = LinkStore(tmp_path, database, GENESIS, bytes(32))
    anchor = links.unused(None)

    def unreadable(path: Path) -> bytes:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", unreadable)
        with pytest.raises(OSError, match="Too many open files"):
            links._chain(anchor)
    assert links._chain(anchor).anchor == anchor
    database.close()


def test_a_log_that_cannot_be_written_ends_nothing() -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        def flush(self) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    stream = LogStream(Full())
    assert stream.write("a line\n") == 7
    stream.flush()
    assert stream.dropped == 2
