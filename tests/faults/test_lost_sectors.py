"""What a hoster takes for a loss: sectors that are gone or not what they were; not a tree, nor a disk that reads nothing now."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from service.encoding import EncodingError, Frontier, SectorError, verify_opening
from service.encoding.profiles import SECTOR
from service.protocols.copy.receiver import Store, Stored
from service.protocols.copy.stream import Position
from service.roles.common.database import Database
from service.roles.hoster.losses import shows_loss
from service.roles.hoster.sectors import SectorFile, SectorsMissing, segment_path, tree_path
from service.roles.hoster.store import HostedCopies
from tests.support.copy_world import make_feed, make_job

SECTORS = 600
"""Two groups of 256, and 88 after them."""


class Shelf:
    """A hoster's store with a whole segment. The sectors are random bytes: nothing here decodes them."""

    def __init__(self, directory: Path) -> None:
        self.job = make_job(make_feed([100_000, SECTORS * SECTOR - 100_000]))
        self.database = Database(directory / "roles.sqlite")
        self.hosted = HostedCopies(directory, self.database)
        self.data = Random(1).randbytes(SECTORS * SECTOR)
        progress = Stored(SECTORS, Position(2, SECTORS * SECTOR))
        with self.hosted.tree(self.hosted.begin(self.job)) as tree:
            self.hosted.store(self.job, Store(0, self.data, (), (), progress), tree)
        self.hosted.advance(self.job, progress)
        frontier = Frontier(self.job.ctx)
        frontier.append(self.data)
        self.root = frontier.root()
        self.sectors = segment_path(directory, self.job.copy, self.job.segment)
        self.tree = tree_path(directory, self.job.copy, self.job.segment)

    def open(self, sector: int) -> str | None:
        """Open a sector as a challenge does, and return what it says if that is a loss. Raises OSError."""
        try:
            opening = self.hosted.open_sector(self.job.segment, sector, self.root, SECTORS)
        except (SectorsMissing, EncodingError) as error:
            if not shows_loss(error):
                raise
            return str(error)
        verify_opening(self.job.ctx, SECTORS, self.root, opening)
        return None

    def fault(self) -> str | None:
        """Look the whole segment through, as before a copy is declared lost. Raises OSError."""
        return self.hosted.fault(self.job.segment, self.root, SECTORS)


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    found = Shelf(tmp_path)
    yield found
    found.database.close()


def folder_gone(shelf: Shelf) -> None:
    shutil.rmtree(shelf.sectors.parent)


def all_folders_gone(shelf: Shelf) -> None:
    shutil.rmtree(shelf.sectors.parent.parent)


def sectors_gone(shelf: Shelf) -> None:
    shelf.sectors.unlink()


def both_files_gone(shelf: Shelf) -> None:
    shelf.sectors.unlink()
    shelf.tree.unlink()


def emptied(shelf: Shelf) -> None:
    os.truncate(shelf.sectors, 0)


def without_tree_and_short(shelf: Shelf) -> None:
    shelf.tree.unlink()
    os.truncate(shelf.sectors, 100)


def zeros(shelf: Shelf) -> None:
    shelf.sectors.write_bytes(bytes(SECTORS * SECTOR))


def zeros_without_a_tree(shelf: Shelf) -> None:
    zeros(shelf)
    shelf.tree.unlink()


LOSSES = (
    folder_gone, all_folders_gone, sectors_gone, both_files_gone, emptied, without_tree_and_short, zeros,
    zeros_without_a_tree,
)  # fmt: skip


@pytest.mark.parametrize("damage", LOSSES, ids=lambda damage: damage.__name__)
def test_it_is_a_loss(shelf: Shelf, damage: Callable[[Shelf], None]) -> None:
    damage(shelf)
    for sector in (0, 300, SECTORS - 1):
        why = shelf.open(sector)
        assert why is not None, sector
    assert shelf.fault() is not None
    assert not shelf.tree.with_name(shelf.tree.name + ".new").exists(), "nothing is left of a rebuilding"
    shelf.hosted.forget(shelf.job.copy)
    assert not shelf.sectors.parent.exists()


def test_a_file_that_was_cut_short_has_lost_what_is_behind_the_cut(shelf: Shelf) -> None:
    os.truncate(shelf.sectors, 300 * SECTOR + 7)
    assert shelf.open(255) is None, "the first group is whole"
    for sector in (256, 300, SECTORS - 1):
        assert "missing" in (shelf.open(sector) or "")
    assert "missing" in (shelf.fault() or "")


def test_a_question_for_a_sector_that_never_was_is_no_loss(shelf: Shelf) -> None:
    for sector in (-1, SECTORS, 1 << 32):
        with pytest.raises(SectorError, match=f"sector {sector} is not among the {SECTORS}") as found:
            shelf.hosted.open_sector(shelf.job.segment, sector, shelf.root, SECTORS)
        assert not shows_loss(found.value)


def tree_gone(shelf: Shelf) -> None:
    shelf.tree.unlink()


def tree_emptied(shelf: Shelf) -> None:
    os.truncate(shelf.tree, 0)


def tree_damaged(shelf: Shelf) -> None:
    data = bytearray(shelf.tree.read_bytes())
    for at in range(64, len(data)):
        data[at] ^= 1
    shelf.tree.write_bytes(data)


TREES = (tree_gone, tree_emptied, tree_damaged)


@pytest.mark.parametrize("damage", TREES, ids=lambda damage: damage.__name__)
def test_a_tree_is_no_loss(shelf: Shelf, damage: Callable[[Shelf], None]) -> None:
    before = shelf.tree.read_bytes()
    damage(shelf)
    assert shelf.open(300) is None
    assert shelf.tree.read_bytes() == before, "it was made again"
    assert shelf.fault() is None


@pytest.mark.parametrize("damage", [lambda shelf: None, *TREES], ids=["whole", *(one.__name__ for one in TREES)])
@pytest.mark.parametrize("number", [errno.EIO, errno.EMFILE, errno.EACCES])
def test_an_error_of_reading_is_no_loss(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, damage: Callable[[Shelf], None], number: int
) -> None:
    def fails(file: SectorFile, first: int, count: int) -> bytes:
        raise OSError(number, os.strerror(number), str(file.path))

    damage(shelf)
    with monkeypatch.context() as patch:
        patch.setattr(SectorFile, "read", fails)
        for look in (lambda: shelf.open(3), shelf.fault):
            with pytest.raises(OSError, match=r"11\.sectors") as found:
                look()
            assert found.value.errno == number
            assert not shows_loss(found.value)
    assert shelf.open(3) is None
    assert shelf.fault() is None
