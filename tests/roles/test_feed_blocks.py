"""Blocks that a hoster decoded for one reader are there for the next, within a bound, and never in place of others."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from service.encoding.inline import InlineCodec
from service.hypercore import Core, Corestore
from service.protocols.copy.stream import StreamRange
from service.roles.common.database import Database
from service.roles.hoster import blocks as module
from service.roles.hoster.blocks import ENTRY_COST, MAX_TOLD, FeedBlocks, KeptBlocks
from service.roles.hoster.store import HostedCopies


class Disk:
    """A hoster's copies, which count what is decoded."""

    def __init__(self, blocks: list[bytes]) -> None:
        self.stream, self.decoded, self.blocks = b"".join(blocks), 0, len(blocks)
        self.damaged: list[tuple[int, str]] = []
        self.gate = asyncio.Event()

    def reached(self, copy: int) -> int:
        return self.blocks

    def tell(self, copy: int, why: str) -> None:
        self.damaged.append((copy, why))

    def plain(self, copy: int, start: int, end: int) -> bytes:
        self.decoded += 1
        return self.stream[start:end]

    async def fetch(
        self, codec: object, copy: int, start: int, end: int, digest: Callable[[bytes], bytes]
    ) -> tuple[bytes, bytes]:
        self.decoded += 1
        await self.gate.wait()
        data = self.stream[start:end]
        return data, digest(data)


def hosted(blocks: list[bytes], kept: KeptBlocks | None = None) -> tuple[Core, Disk, FeedBlocks]:
    core, disk = Corestore().create(), Disk(blocks)
    core.append(blocks)
    source = FeedBlocks(core, disk, InlineCodec(), KeptBlocks() if kept is None else kept, disk.tell)  # type: ignore[arg-type]
    ranges = (StreamRange(0, len(blocks), 0, len(disk.stream)),)
    job: Any = SimpleNamespace(copy=1, ranges=ranges, head=SimpleNamespace(length=len(blocks), fork=0))
    source.add(job)
    return core, disk, source


def test_a_block_is_decoded_once_for_many_readers() -> None:
    blocks = [bytes([number]) * 1000 for number in range(10)]
    _, disk, source = hosted(blocks)
    for _ in range(3):
        assert [source.get(number) for number in range(10)] == blocks
    assert disk.decoded == 10


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT_BYTES", 3 * (1000 + ENTRY_COST))
    blocks = [bytes([number]) * 1000 for number in range(10)]
    kept = KeptBlocks()
    core, disk, source = hosted(blocks, kept)
    assert [source.get(number) for number in (0, 1, 2, 0, 3)] == [blocks[number] for number in (0, 1, 2, 0, 3)]
    assert [kept.get(core.key, core.node(2 * number)) for number in range(4)] == [blocks[0], None, blocks[2], blocks[3]]
    assert kept.cost == 3 * (1000 + ENTRY_COST)
    assert disk.decoded == 4


def test_what_is_kept_of_many_feeds_and_of_tiny_blocks_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader may ask for all feeds of a hoster, and a feed may have many blocks of next to nothing."""
    monkeypatch.setattr(module, "KEPT_BYTES", 20 * ENTRY_COST)
    kept = KeptBlocks()
    feeds = [hosted([bytes([number, feed]) for number in range(30)], kept) for feed in range(3)]
    for _, _, source in feeds:
        assert all(source.get(number) is not None for number in range(30))
    assert kept.cost <= module.KEPT_BYTES
    assert len(kept) < 20
    core, _, source = feeds[2]
    assert kept.get(core.key, core.node(58)) is not None
    source.drop(1)
    assert len(kept) == kept.cost == 0


def test_a_damaged_block_that_is_asked_for_again_and_again_does_not_fill_the_log(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, disk, source = hosted([bytes([number]) * 1000 for number in range(10)])
    disk.stream = bytes(len(disk.stream))
    for number in range(10 * MAX_TOLD):
        source.get(1 + number % 9)
    told = capsys.readouterr().out
    assert told.count("damaged") == MAX_TOLD
    assert "no more of this copy is told" in told


def test_what_is_kept_of_another_tree_is_not_served() -> None:
    blocks = [bytes([number]) * 1000 for number in range(4)]
    core, disk, source = hosted(blocks)
    assert source.get(3) == blocks[3]
    core.truncate(3)
    core.append(b"other")
    disk.stream = b"".join(blocks[:3]) + b"other"
    job: Any = SimpleNamespace(
        copy=1,
        ranges=(StreamRange(0, 4, 0, 3005),),
        head=SimpleNamespace(length=4, fork=1),
    )
    source.add(job)
    assert source.get(3) == b"other"


def test_what_no_copy_holds_is_not_here() -> None:
    blocks = [bytes([number]) * 1000 for number in range(4)]
    _, disk, source = hosted(blocks)
    assert source.get(1) == blocks[1]
    source.drop(1)
    assert source.get(1) is None
    assert disk.decoded == 1


LONG = [bytes([number]) * 9000 for number in range(4)]


async def test_a_long_block_is_decoded_once_for_all_who_ask_meanwhile() -> None:
    _, disk, source = hosted(LONG)
    assert not source.is_quick(2)
    asked = [asyncio.create_task(source.fetch(2)) for _ in range(20)]
    await asyncio.sleep(0)
    disk.gate.set()
    assert await asyncio.gather(*asked) == [LONG[2]] * 20
    assert disk.decoded == 1
    assert source.is_quick(2)
    assert not source.is_quick(1)


async def test_who_asked_first_and_goes_leaves_the_block_to_the_next() -> None:
    _, disk, source = hosted(LONG)
    first, second = (asyncio.create_task(source.fetch(2)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    disk.gate.set()
    assert await second == LONG[2]
    assert first.cancelled()


async def test_a_damaged_long_block_is_told_and_given_to_nobody() -> None:
    _, disk, source = hosted(LONG)
    disk.stream = bytes(len(disk.stream))
    disk.gate.set()
    assert await source.fetch(1) is None
    ((copy, why),) = disk.damaged
    assert (copy, why) == (1, "block 1 is not what it decodes to")


async def test_a_copy_that_is_dropped_while_it_is_decoded_is_not_damaged() -> None:
    _, disk, source = hosted(LONG)
    asked = asyncio.create_task(source.fetch(1))
    await asyncio.sleep(0)
    source.drop(1)
    disk.stream = bytes(len(disk.stream))
    disk.gate.set()
    assert await asked is None
    assert disk.damaged == []


def test_what_is_recorded_of_a_copy_is_read_while_a_thread_stores(tmp_path: Path) -> None:
    """The event loop asks for it, and a tree that is rebuilt takes long."""
    with closing(Database(tmp_path / "roles.sqlite")) as database:
        hosted = HostedCopies(tmp_path, database)
        held, done = threading.Event(), threading.Event()

        def store() -> None:
            with hosted._lock:
                held.set()
                done.wait(60)

        thread = threading.Thread(target=store)
        thread.start()
        held.wait(60)
        try:
            assert hosted.reached(7) == 0
            assert hosted.segments(7) == []
        finally:
            done.set()
            thread.join()
