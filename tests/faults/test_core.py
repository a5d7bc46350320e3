"""A write of a core fails at any statement: every core of the store is then as it is stored, and a reader hears of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from service.hypercore import Core, Corestore, StorageError
from service.hypercore.corestore import FILE
from service.hypercore.heads import Appended, Available, Change, Dropped
from service.hypercore.tree.proof import BlockRequest, Request, UpgradeRequest
from tests.support.full_disk import FullDisk

BLOCKS = [bytes([number]) * 700 for number in range(40)]
KEY = bytes(range(32))


def fetch_head(source: Core, copy: Core) -> None:
    copy.apply(source.prove(Request(upgrade=UpgradeRequest(0, source.length), manifest=True)))


def fetch_block(source: Core, copy: Core, index: int) -> None:
    copy.apply(source.prove(Request(block=BlockRequest(index, copy.missing_nodes(2 * index)))))


def fetch_all(source: Core, copy: Core) -> None:
    for index in range(source.length):
        fetch_block(source, copy, index)


def holes(core: Core) -> list[int]:
    """Blocks that are said to be here and are not."""
    return [index for start, end in core.ranges() for index in range(start, end) if core.raw(index) is None]


def state(core: Core) -> object:
    """All that a core says of itself."""
    return core.fork, core.length, core.ranges(), core.roots(), [core.get(index) for index in range(core.length)]


@pytest.mark.case("feeds/failed-write-hurts-other-feeds")
def test_a_failed_write_of_one_feed_loses_no_block_of_another_that_it_claims(tmp_path: Path) -> None:
    """With SQLite's own end of the file: an INSERT fails, and takes the other feed's blocks with it."""
    source = Corestore()
    originals = [source.create(), source.create()]
    for core in originals:
        core.append([bytes([number]) * 65_536 for number in range(60)])
    store = Corestore(tmp_path)
    copies = [store.get(core.key) for core in originals]
    for original, copy in zip(originals, copies, strict=True):
        fetch_head(original, copy)
    database = store._storage._db
    (pages,) = database.execute("PRAGMA page_count").fetchone()
    database.execute(f"PRAGMA max_page_count = {pages + 400}")
    heard = [list[Change](), list[Change]()]
    for copy, told in zip(copies, heard, strict=True):
        copy.on_change(told.append)
    for index in range(5):
        fetch_block(originals[1], copies[1], index)
    with pytest.raises(StorageError, match=rf"{FILE}: cannot be written: .* free there: make room on that disk"):
        fetch_all(originals[0], copies[0])
    assert heard[1][-1] == Dropped(0, 5), "so that they are fetched again"
    assert all(copy.ranges() == [] for copy in copies)
    database.execute("PRAGMA max_page_count = 1000000")
    store.flush()
    store.close()
    store = Corestore(tmp_path)
    for original in originals:
        copy = store.get(original.key)
        assert holes(copy) == []
        fetch_all(original, copy)
        assert state(copy) == state(original)
    store.close()


def test_a_commit_that_fails_is_told(disk: FullDisk) -> None:
    store = Corestore()
    source = Corestore().create()
    source.append(BLOCKS)
    copy, ours = store.get(source.key), store.create()
    fetch_head(source, copy)
    heard: list[Change] = []
    copy.on_change(heard.append)
    for index in (4, 5):
        fetch_block(source, copy, index)
    disk.fill()
    with pytest.raises(StorageError, match="disk is full"):
        ours.append(b"block")
    assert not copy.has(4)
    assert heard == [Available(4, 5), Available(5, 6), Dropped(4, 6)]


def append(store: Corestore, source: Core) -> None:
    del source
    store.named("ours").append(BLOCKS[:3])


def truncate(store: Corestore, source: Core) -> None:
    del source
    store.named("ours").truncate(1)


def clear(store: Corestore, source: Core) -> None:
    store.get(source.key).clear(3, 9)


def encrypt(store: Corestore, source: Core) -> None:
    store.get(source.key).use_encryption(KEY)


def create(store: Corestore, source: Core) -> None:
    del source
    store.create("another")


def remove(store: Corestore, source: Core) -> None:
    del source
    store.remove(store.named("ours"))


def mark(store: Corestore, source: Core) -> None:
    core = store.get(source.key)
    core.mark(20, 30)
    core.flush()


def unmark(store: Corestore, source: Core) -> None:
    core = store.get(source.key)
    core.unmark(2, 7)
    core.flush()


def more_blocks(store: Corestore, source: Core) -> None:
    for index in range(12, 20):
        fetch_block(source, store.get(source.key), index)
    store.flush()


def longer_head(store: Corestore, source: Core) -> None:
    core = store.get(source.key)
    source.append(BLOCKS[:5])
    core.apply(source.prove(Request(upgrade=UpgradeRequest(core.length, source.length - core.length))))


CHANGES = [append, truncate, clear, encrypt, create, remove, mark, unmark, more_blocks, longer_head]


@pytest.mark.parametrize("rolls_back", [True, False], ids=["rolled back", "left open"])
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_at_every_statement_memory_and_disk_stay_together(
    tmp_path: Path, disk: FullDisk, change: Callable[[Corestore, Core], None], rolls_back: bool
) -> None:
    """The nth writing statement fails, for all n until none fails any longer. The disk is full from then on."""
    disk.rolls_back = rolls_back
    failed = 0
    while True:
        directory = tmp_path / str(failed)
        disk.free()
        source = Corestore().create()
        source.append(BLOCKS)
        store = Corestore(directory)
        ours, copy = store.named("ours"), store.get(source.key)
        ours.append(BLOCKS[:4])
        fetch_head(source, copy)
        for index in range(12):
            fetch_block(source, copy, index)
        store.flush()
        before = [state(core) for core in (ours, copy)]
        heard: list[Change] = []
        copy.on_change(heard.append)
        disk.fill(after=failed)
        try:
            change(store, source)
        except StorageError:
            assert [state(core) for core in (ours, copy)] == before
            assert {core.key for core in store.cores()} == {ours.key, copy.key}
            assert not any(isinstance(one, Appended) for one in heard)
        else:
            break
        disk.free()
        store.close()
        again = Corestore(directory)
        assert [state(again.get(core.key)) for core in (ours, copy)] == before
        change(again, source)
        assert holes(again.get(source.key)) == ([*range(20, 30)] if change is mark else [])
        again.close()
        failed += 1
    assert failed > 0, "it writes nothing"


def test_a_disk_that_cannot_be_read_either_is_looked_at_again(
    tmp_path: Path, disk: FullDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is committed before memory is as the disk is."""
    source = Corestore().create()
    source.append(BLOCKS)
    store = Corestore(tmp_path)
    copy = store.get(source.key)
    fetch_head(source, copy)
    for index in range(3):
        fetch_block(source, copy, index)
    disk.fill()
    with monkeypatch.context() as patch:

        def unreadable(*_: object) -> None:
            raise StorageError("input/output error")

        patch.setattr(store._storage, "find", unreadable)
        with pytest.raises(StorageError, match="disk is full"):
            fetch_block(source, copy, 3)
        disk.free()
        with pytest.raises(StorageError, match="input/output error"):
            store.flush()
    store.flush()
    assert copy.ranges() == []
    store.close()


def test_a_store_that_has_holes_says_so_and_is_mended(tmp_path: Path) -> None:
    """As an older version left them: marked as here, without a byte."""
    source = Corestore().create()
    source.append(BLOCKS)
    store = Corestore(tmp_path)
    copy = store.get(source.key)
    fetch_head(source, copy)
    fetch_all(source, copy)
    store.flush()
    store._storage.delete_blocks(1, 5, 9)
    store._storage.delete_blocks(1, 30, 40)
    store.close()
    store = Corestore(tmp_path)
    copy = store.get(source.key)
    assert copy.ranges() == [(0, 5), (9, 30)]
    assert (copy.contiguous_length, holes(copy)) == (5, [])
    for index in (*range(5, 9), *range(30, 40)):
        fetch_block(source, copy, index)
    store.close()
    store = Corestore(tmp_path)
    assert state(store.get(source.key)) == state(source)
    store.close()
