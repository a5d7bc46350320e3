"""The tree file: openings from disk, crashes at any byte, damage that is found and named, and its frozen format."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from service.encoding import DamagedSectors, DamagedTree, Frontier, SectorError, TreeFileError, verify_opening
from service.encoding.treefile import GROUP, TreeFile, stored_nodes

pytestmark = pytest.mark.usefixtures("codec")

CTX = hashlib.sha256(b"context").digest()
TOTAL = 5 * GROUP + 77


class Disk:
    """The sectors of a segment as they lie on disk, with a count of what was read."""

    def __init__(self, count: int = TOTAL) -> None:
        self.data = bytearray(hashlib.shake_128(b"disk").digest(256 * count))
        self.sectors_read = 0

    def read(self, first: int, count: int) -> bytes:
        self.sectors_read += count
        return bytes(self.data[256 * first : 256 * (first + count)])

    def root(self, count: int) -> bytes:
        tree = Frontier(CTX)
        tree.append(bytes(self.data[: 256 * count]))
        return tree.root()


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "3.tree"


def fill(path: Path, disk: Disk, count: int = TOTAL, step: int = 100) -> None:
    with TreeFile.create(path, CTX) as tree:
        for first in range(0, count, step):
            tree.append(disk.read(first, min(step, count - first)))
        tree.sync()
        assert tree.sectors == count


@pytest.mark.parametrize("count", [1, 2, 255, 256, 257, 511, 512, 513, 768, 1000, 1024, 1025, TOTAL])
def test_openings_from_disk(path: Path, disk: Disk, count: int) -> None:
    fill(path, disk, count)
    root = disk.root(count)
    with TreeFile.open(path, CTX, count, disk.read) as tree:
        assert tree.root() == root
        for sector in {0, 1, 255, 256, 511, 767, count // 2, count - 1} & set(range(count)):
            disk.sectors_read = 0
            opening = tree.open_sector(sector, disk.read, root=root)
            verify_opening(CTX, count, root, opening)
            assert disk.sectors_read <= 2 * GROUP


def test_openings_and_roots_of_an_earlier_length(path: Path, disk: Disk) -> None:
    fill(path, disk)
    with TreeFile.open(path, CTX, TOTAL, disk.read) as tree:
        for count in (1, 100, 256, 300, 512, 600, 1024, 1279, 1280, 1281, TOTAL):
            root = disk.root(count)
            assert tree.root_at(count, disk.read) == root
            opening = tree.open_sector(count - 1, disk.read, sectors=count, root=root)
            verify_opening(CTX, count, root, opening)


def test_wrong_counts_and_indices(path: Path, disk: Disk) -> None:
    fill(path, disk, 300)
    with TreeFile.open(path, CTX, 300, disk.read) as tree:
        for call in (
            lambda: tree.open_sector(300, disk.read),
            lambda: tree.open_sector(-1, disk.read),
            lambda: tree.open_sector(0, disk.read, sectors=301),
            lambda: tree.root_at(0, disk.read),
            lambda: tree.append(bytes(100)),
        ):
            with pytest.raises(SectorError):
                call()
    with pytest.raises(TreeFileError, match="32 bytes, not 3"):
        TreeFile.create(path, b"abc")


@pytest.mark.parametrize("resume", [0, 1, 255, 256, 300, 512, 1023, 1024, TOTAL])
def test_resuming_at_any_acknowledged_count(path: Path, disk: Disk, resume: int) -> None:
    fill(path, disk)
    whole = path.read_bytes()
    with TreeFile.open(path, CTX, resume, disk.read) as tree:
        assert tree.sectors == resume
        tree.append(disk.read(resume, TOTAL - resume))
        assert tree.root() == disk.root(TOTAL)
        tree.sync()
    assert path.read_bytes() == whole


def test_a_file_cut_short_at_any_byte(path: Path, disk: Disk) -> None:
    fill(path, disk)
    whole = path.read_bytes()
    assert len(whole) == 64 + 32 * stored_nodes(5) + 64
    for size in range(0, len(whole), 13):
        path.write_bytes(whole[:size])
        with TreeFile.open(path, CTX, TOTAL, disk.read) as tree:
            assert tree.root() == disk.root(TOTAL)
            tree.sync()
        assert path.read_bytes() == whole


def test_rubbish_beyond_what_was_acknowledged(path: Path, disk: Disk) -> None:
    """After a loss of power the file may be longer than was synced, with anything in it."""
    fill(path, disk, 2 * GROUP)
    with path.open("ab") as file:
        file.write(bytes(1000))
    with TreeFile.open(path, CTX, 2 * GROUP, disk.read) as tree:
        tree.append(disk.read(2 * GROUP, TOTAL - 2 * GROUP))
        assert tree.root() == disk.root(TOTAL)
        tree.open_sector(700, disk.read, root=tree.root())


def absent(path: Path) -> None:
    path.unlink()


def other_version(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:12] + b"\3" + path.read_bytes()[13:])


def other_context(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:32] + bytes(32) + path.read_bytes()[64:])


@pytest.mark.parametrize("harm", [absent, other_version, other_context])
def test_the_file_is_made_again(path: Path, disk: Disk, harm: Callable[[Path], None]) -> None:
    fill(path, disk)
    whole = path.read_bytes()
    harm(path)
    with TreeFile.open(path, CTX, TOTAL, disk.read) as tree:
        assert tree.root() == disk.root(TOTAL)
        tree.open_sector(1, disk.read, root=tree.root())
    assert path.read_bytes() == whole
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("node", range(stored_nodes(5)))
def test_a_damaged_tree_file_is_found_and_mended(path: Path, disk: Disk, node: int) -> None:
    fill(path, disk)
    whole = path.read_bytes()
    harmed = bytearray(whole)
    harmed[64 + 32 * node] ^= 1
    path.write_bytes(harmed)
    root, opened = disk.root(TOTAL), 0
    with TreeFile.open(path, CTX, TOTAL, disk.read) as tree:
        for sector in (0, 300, 600, 900, 1100, TOTAL - 1):
            with contextlib.suppress(DamagedSectors, DamagedTree):
                verify_opening(CTX, TOTAL, root, tree.open_sector(sector, disk.read, root=root))
                opened += 1
    assert opened < 6  # each node is a sibling of some group
    with TreeFile.rebuild(path, CTX, TOTAL, disk.read, root) as tree:
        tree.open_sector(0, disk.read, root=root)
    assert path.read_bytes() == whole


def test_open_mends_a_top_that_does_not_lead_to_the_root(path: Path, disk: Disk) -> None:
    fill(path, disk)
    whole = path.read_bytes()
    path.write_bytes(whole[:-128] + bytes(64) + whole[-64:])  # the nodes of the last complete group
    with TreeFile.open(path, CTX, TOTAL, disk.read, disk.root(TOTAL)) as tree:
        assert tree.root() == disk.root(TOTAL)
    assert path.read_bytes() == whole


@pytest.mark.parametrize("bit", [0, 8 * 256 * 300 + 5, 8 * 256 * 1279])
def test_one_flipped_bit_in_the_sectors_is_named(path: Path, disk: Disk, bit: int) -> None:
    fill(path, disk)
    root = disk.root(TOTAL)
    disk.data[bit // 8] ^= 1 << bit % 8
    group = bit // 8 // 256 // GROUP
    with TreeFile.open(path, CTX, TOTAL, disk.read, root) as tree:
        assert list(tree.damaged(disk.read)) == [(group * GROUP, GROUP)]
        for sector in (group * GROUP, group * GROUP + 255):
            with pytest.raises(
                DamagedSectors, match=f"sectors {group * GROUP} to {group * GROUP + 255} on disk"
            ) as info:
                tree.open_sector(sector, disk.read, root=root)
            assert (info.value.first, info.value.count) == (group * GROUP, GROUP)
        other = (group + 1) % 5 * GROUP
        verify_opening(CTX, TOTAL, root, tree.open_sector(other, disk.read, root=root))
        with pytest.raises(DamagedSectors):
            tree.open_sector(group * GROUP, disk.read)


def test_damage_in_the_last_sectors_costs_them_alone(path: Path, disk: Disk) -> None:
    """One bit after the last complete group: all other sectors are opened, and nothing is read for it beyond its group."""
    fill(path, disk)
    root = disk.root(TOTAL)
    disk.data[-1] ^= 1
    disk.sectors_read = 0
    with TreeFile.open(path, CTX, TOTAL, disk.read, root) as tree:
        assert disk.sectors_read == 0
        for sector in (0, 300, 1279):
            verify_opening(CTX, TOTAL, root, tree.open_sector(sector, disk.read, root=root))
        for sector in (1280, TOTAL - 1):
            with pytest.raises(DamagedSectors, match="sectors 1280 to 1356 on disk") as info:
                tree.open_sector(sector, disk.read, root=root)
            assert (info.value.first, info.value.count) == (1280, 77)
        assert list(tree.damaged(disk.read)) == [(1280, 77)]
        assert tree.root() != root, "that of what is on the disk"


def test_last_sectors_that_are_gone_cost_them_alone(path: Path, disk: Disk) -> None:
    fill(path, disk)
    root = disk.root(TOTAL)
    del disk.data[256 * 1300 :]
    with TreeFile.open(path, CTX, TOTAL, disk.read, root) as tree:
        verify_opening(CTX, TOTAL, root, tree.open_sector(5, disk.read, root=root))
        with pytest.raises(DamagedSectors, match="sectors 1280 to 1356"):
            tree.open_sector(1299, disk.read, root=root)


@pytest.mark.parametrize("byte", range(1, 65))
def test_a_damaged_record_of_the_last_sectors_is_made_again(path: Path, disk: Disk, byte: int) -> None:
    fill(path, disk)
    whole = path.read_bytes()
    harmed = bytearray(whole)
    harmed[-byte] ^= 4
    path.write_bytes(harmed)
    root = disk.root(TOTAL)
    with TreeFile.open(path, CTX, TOTAL, disk.read, root) as tree:
        verify_opening(CTX, TOTAL, root, tree.open_sector(TOTAL - 1, disk.read, root=root))
    assert path.read_bytes() == whole


def old_version(path: Path, disk: Disk) -> bytes:
    """The same tree as version 1 wrote it."""
    fill(path, disk)
    data = path.read_bytes()[:-64]
    data = data[:12] + b"\1" + data[13:]
    path.write_bytes(data)
    return data


def test_the_record_is_added_to_a_file_of_version_1(path: Path, disk: Disk) -> None:
    old_version(path, disk)
    root, disk.sectors_read = disk.root(TOTAL), 0
    with TreeFile.open(path, CTX, TOTAL, disk.read, root) as tree:
        verify_opening(CTX, TOTAL, root, tree.open_sector(9, disk.read, root=root))
    assert disk.sectors_read == 77 + GROUP, "it is not made anew"
    extended = path.read_bytes()
    fill(path, disk)
    assert extended == path.read_bytes()


def test_a_file_of_version_1_that_cannot_be_written_is_opened(
    path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = old_version(path, disk)
    root = disk.root(TOTAL)

    def full(*_: object) -> int:
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with TreeFile.open(path, CTX, TOTAL, disk.read, root) as tree:
        verify_opening(CTX, TOTAL, root, tree.open_sector(9, disk.read, root=root))
    assert path.read_bytes() == data


def test_all_sectors_damaged_or_gone(path: Path, disk: Disk) -> None:
    fill(path, disk)
    root, whole = disk.root(TOTAL), path.read_bytes()
    for data in (bytearray(len(disk.data)), bytearray()):
        good, disk.data = disk.data, data
        with pytest.raises((DamagedTree, DamagedSectors)):
            TreeFile.rebuild(path, CTX, TOTAL, disk.read, root)
        disk.data = good
        with TreeFile.open(path, CTX, TOTAL, disk.read) as tree:
            disk.data = data
            assert len(list(tree.damaged(lambda first, count: bytes(256 * count)))) == 6
            with pytest.raises(DamagedSectors, match="sectors 0 to 255"):
                tree.open_sector(7, disk.read, root=root)
        disk.data = good
    assert path.read_bytes() == whole
    assert list(path.parent.iterdir()) == [path]


def test_an_interrupted_rebuild_leaves_the_old_file(path: Path, disk: Disk) -> None:
    fill(path, disk)
    whole = path.read_bytes()

    def broken(first: int, count: int) -> bytes:
        if first >= 2 * GROUP:
            raise OSError("Input/output error")
        return disk.read(first, count)

    with pytest.raises(OSError, match="Input/output"):
        TreeFile.rebuild(path, CTX, TOTAL, broken)
    assert path.read_bytes() == whole
    assert list(path.parent.iterdir()) == [path]


def test_frozen_format(path: Path, disk: Disk) -> None:
    """The bytes of both versions; if this fails, old files need a migration, not this test a new digest."""
    data = old_version(path, disk)
    assert data[:64] == b"datdot tree\0\1" + bytes(19) + CTX
    assert hashlib.sha256(data).hexdigest() == "2a7953ea4c4ae63c1adf5517ea79f12b21c1fb9e56892747142431e03d85fcea"
    fill(path, disk)
    now = path.read_bytes()
    assert now[:-64] == data[:12] + b"\2" + data[13:]
    assert hashlib.sha256(now).hexdigest() == "b0cc5f5910d7d6cf06f2883bdfab1d355ebbf3c50de1d333874b0c5c8ed9b124"


def test_nothing_stays_of_a_removed_tree(tmp_path: Path) -> None:
    """Nor of one that was being rebuilt by a process that was killed: its copy's folder is to go as well."""
    path = tmp_path / "5.tree"
    with TreeFile.create(path, bytes(32)):
        pass
    (tmp_path / "5.tree.new").write_bytes(b"half")
    (tmp_path / "6.tree").write_bytes(b"another's")
    TreeFile.remove(path)
    TreeFile.remove(path)
    assert [one.name for one in tmp_path.iterdir()] == ["6.tree"]
