"""Blocks that a hoster decoded for one reader are there for the next, within a bound, and never in place of others."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from service.hypercore import Core, Corestore
from service.protocols.copy.stream import StreamRange
from service.roles.hoster import blocks as module
from service.roles.hoster.blocks import FeedBlocks


class Disk:
    """A hoster's copies, which count what is decoded."""

    def __init__(self, blocks: list[bytes]) -> None:
        self.stream, self.decoded = b"".join(blocks), 0

    def plain(self, copy: int, start: int, end: int) -> bytes:
        self.decoded += 1
        return self.stream[start:end]


def hosted(blocks: list[bytes]) -> tuple[Core, Disk, FeedBlocks]:
    core, disk = Corestore().create(), Disk(blocks)
    core.append(blocks)
    source = FeedBlocks(core, disk)  # type: ignore[arg-type]
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
    monkeypatch.setattr(module, "KEPT_BYTES", 3000)
    blocks = [bytes([number]) * 1000 for number in range(10)]
    _, disk, source = hosted(blocks)
    assert [source.get(number) for number in (0, 1, 2, 0, 3)] == [blocks[number] for number in (0, 1, 2, 0, 3)]
    assert sorted(source._kept) == [0, 2, 3], "the one not used for longest left"
    assert source._kept_bytes == 3000
    assert disk.decoded == 4


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
