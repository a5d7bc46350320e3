"""What is on disk: nothing acknowledged is lost by kill -9, nothing half is there, and a damaged file is named."""

from __future__ import annotations

import random
import sqlite3
import stat
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from service.hypercore import Corestore, StorageError
from service.hypercore.corestore import FILE
from service.hypercore.store import nodes
from service.hypercore.store.bitfield import PAGE_BITS, Bitfield
from service.hypercore.store.storage import CoreStorage
from service.hypercore.tree.proof import BlockRequest, Request

WRITER = """
import sys
from pathlib import Path
from service.hypercore import Corestore
core = Corestore(Path(sys.argv[1])).named("feed")
while True:
    first = core.length
    length = core.append([b"%d-%d" % (first, number) * 50 for number in range(1 + first % 7)])
    print(length, flush=True)
"""


def expected(length: int) -> list[bytes]:
    found: list[bytes] = []
    while len(found) < length:
        first = len(found)
        found += [b"%d-%d" % (first, number) * 50 for number in range(1 + first % 7)]
    return found


def test_kill_9_during_appends_loses_nothing_acknowledged(tmp_path: Path) -> None:
    chance = random.Random(3)
    acknowledged = 0
    for _ in range(6):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        for _ in range(chance.randrange(1, 40)):
            acknowledged = int(writer.stdout.readline())
        writer.kill()
        acknowledged = max([acknowledged, *map(int, writer.stdout.read().split())])
        writer.stdout.close()
        writer.wait()
        store = Corestore(tmp_path)
        core = store.named("feed")
        assert core.length >= acknowledged
        assert expected(core.length) == [core.get(index) for index in range(core.length)]
        assert core.contiguous_length == core.length
        assert core.head_is_signed()
        assert core.byte_length == sum(map(len, expected(core.length)))
        store.check_file()
        store.close()
    assert acknowledged > 0


def test_the_file_is_for_its_owner_only(tmp_path: Path) -> None:
    Corestore(tmp_path).close()
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600


def test_a_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"not a database " * 500)
    with pytest.raises(StorageError, match=FILE):
        Corestore(tmp_path)


def test_a_file_of_another_version(tmp_path: Path) -> None:
    Corestore(tmp_path).close()
    database = sqlite3.connect(tmp_path / FILE)
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(StorageError, match="the storage has version 99, but this program reads version 1"):
        Corestore(tmp_path)


def test_a_damaged_manifest_is_named(tmp_path: Path) -> None:
    store = Corestore(tmp_path)
    key = store.create("a").key
    store.close()
    database = sqlite3.connect(tmp_path / FILE)
    database.execute("UPDATE core SET manifest = x'09'")
    database.commit()
    database.close()
    again = Corestore(tmp_path)
    with pytest.raises(StorageError, match=f"the stored manifest of core {key.hex()} is damaged"):
        again.get(key)
    again.close()


def test_bitfield_beside_a_set() -> None:
    chance = random.Random(5)
    bits, model = Bitfield(), set[int]()
    for _ in range(300):
        start = chance.choice([0, 5, 100, PAGE_BITS - 40, PAGE_BITS, 3 * PAGE_BITS]) + chance.randrange(80)
        end = start + chance.randrange(60)
        if chance.random() < 0.7:
            fresh = bits.set_range(start, end)
            assert [index for first, last in fresh for index in range(first, last)] == sorted(
                {*range(start, end)} - model
            )
            assert all(last < first for (_, last), (first, _) in pairwise(fresh)), "whole runs"
            model |= set(range(start, end))
        else:
            bits.clear_range(start, end)
            model -= set(range(start, end))
        gap = next(index for index in range(len(model) + 1) if index not in model)
        assert bits.contiguous == gap
    found = {index for first, last in bits.ranges() for index in range(first, last)}
    assert found == model
    low = {index for first, last in bits.ranges(20, 110) for index in range(first, last)}
    assert low == {index for index in model if 20 <= index < 110}
    assert all(bits.get(index) == (index in model) for index in range(4 * PAGE_BITS + 10))
    again = Bitfield((number, page) for number in range(5) if (page := bits.page(number)) is not None)
    assert list(again.ranges()) == list(bits.ranges())
    assert again.contiguous == bits.contiguous


def test_a_full_run_over_pages() -> None:
    bits = Bitfield()
    bits.set_range(0, 2 * PAGE_BITS + 7)
    assert bits.contiguous == 2 * PAGE_BITS + 7
    assert list(bits.ranges()) == [(0, 2 * PAGE_BITS + 7)]
    assert bits.dirty == {0, 1, 2}


def test_a_long_feed_is_proven_in_a_row_and_in_leaps_from_what_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodes, "MAX_KEPT", 300)
    store = Corestore(tmp_path)
    core = store.create("feed")
    core.append([bytes([index % 251]) for index in range(1000)])
    expected = [core.prove(Request(BlockRequest(index, index % 9 if index < 512 else 0))) for index in range(1000)]
    store.close()
    reads: list[str] = []
    row, rows = CoreStorage.node, CoreStorage.nodes

    def one_read(*args: Any) -> Any:
        reads.append("one")
        return row(*args)

    def many_read(*args: Any) -> Any:
        reads.append("many")
        return rows(*args)

    monkeypatch.setattr(CoreStorage, "node", one_read)
    monkeypatch.setattr(CoreStorage, "nodes", many_read)
    for step in (1, 7, 389):  # in a row, and in leaps
        store = Corestore(tmp_path)
        core = store.named("feed")
        reads.clear()
        for index in (index * step % 1000 for index in range(1000)):
            request = expected[index].block
            assert request is not None
            assert core.prove(Request(BlockRequest(index, len(request.nodes)))) == expected[index]
        if step == 1:
            assert len(reads) < 300, "not one for each of some 2,000"
        if step == 389:
            assert reads.count("many") < 100, "what is around a node is not what comes next"
        store.close()
