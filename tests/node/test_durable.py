"""Durable writes: whole or not at all, whatever ends them, and nothing of theirs stays behind."""

from __future__ import annotations

import errno
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from service import durable

KILLED = 9
KILL = """
import os, sys
from pathlib import Path
from service import durable

step, when, write, path = sys.argv[1:]
real = getattr(os, step)

def kill(*arguments, **options):
    if when == "after":
        real(*arguments, **options)
    os._exit(9)

setattr(os, step, kill)
getattr(durable, write)(Path(path), b"new")
"""


def killed(step: str, when: str, write: str, path: Path) -> None:
    """Write in a process that dies before or after the first call of a function of `os`."""
    ran = subprocess.run([sys.executable, "-c", KILL, step, when, write, str(path)], check=False, timeout=60)
    assert ran.returncode == KILLED


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_killed_replacement_leaves_the_old_or_the_new(tmp_path: Path, step: str, when: str) -> None:
    path = tmp_path / "node.json"
    path.write_bytes(b"old")
    killed(step, when, "replace", path)
    assert path.read_bytes() == (b"new" if (step, when) == ("replace", "after") else b"old")
    durable.replace(path, b"newer")
    assert path.read_bytes() == b"newer"
    assert os.listdir(tmp_path) == ["node.json"], "what the killed one left is gone"


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", ["fsync", "link", "unlink"])
def test_a_killed_write_leaves_a_whole_file_or_none(tmp_path: Path, step: str, when: str) -> None:
    """Also when the next one writes another file: an attester's secrets have names of their own."""
    path = tmp_path / "first.link"
    (tmp_path / durable.UNFINISHED).write_bytes(b"left by another")
    killed(step, when, "write_new", path)
    there = path.exists()
    assert there == ((step, when) == ("link", "after"))
    assert not there or path.read_bytes() == b"new"
    durable.write_new(tmp_path / "second.link", b"two")
    assert sorted(os.listdir(tmp_path)) == ["first.link"] * there + ["second.link"]
    assert not there or path.read_bytes() == b"new"


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("write", [durable.replace, durable.write_new])
def test_a_full_disk_changes_nothing_and_is_told_with_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path, bytes], None]
) -> None:
    path = tmp_path / "file"
    if write is durable.replace:
        path.write_bytes(b"old")
    before = os.listdir(tmp_path)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left on device") as error:
        write(path, b"new")
    assert error.value.filename == str(path)
    assert os.listdir(tmp_path) == before
    assert not before or path.read_bytes() == b"old"


def test_a_file_is_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "key"
    durable.write_new(path, b"precious")
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError) as error:
        durable.write_new(path, b"other")
    assert error.value.filename == str(path)
    assert path.read_bytes() == b"precious"
    assert os.listdir(tmp_path) == ["key"]


def _write_many(path: Path, letter: bytes) -> None:
    for _ in range(100):
        durable.replace(path, letter * 10_000)


def test_writers_of_one_directory_do_not_mix(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    path = tmp_path / "file"
    writers = [context.Process(target=_write_many, args=(path, letter)) for letter in (b"a", b"b")]
    for one in writers:
        one.start()
    for one in writers:
        one.join(60)
    assert [one.exitcode for one in writers] == [0, 0]
    assert path.read_bytes() in (b"a" * 10_000, b"b" * 10_000)
    assert os.listdir(tmp_path) == ["file"]


def test_what_is_removed_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_ino))
    (tmp_path / "secret").write_bytes(b"x")
    durable.remove(tmp_path / "secret")
    assert synced == [tmp_path.stat().st_ino]
    durable.remove(tmp_path / "secret")
    durable.remove(tmp_path / "no folder" / "secret")
    assert not list(tmp_path.iterdir())
