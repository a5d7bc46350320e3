"""Files and folders in a feed: packed, cut, unpacked, and hostile streams refused."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.feeds.archive.format import MAGIC, ArchiveError, Event, FileStart, Unpacker, cut, is_archive
from service.feeds.archive.packing import pack
from service.feeds.archive.writer import TreeWriter


def unpack(stream: bytes, step: int, target: Path) -> list[Event]:
    unpacker, writer, events = Unpacker(), TreeWriter(target), []
    for start in range(0, len(stream), step):
        for event in unpacker.feed(stream[start : start + step]):
            events.append(event)
            writer.write(event)
    unpacker.finish()
    writer.commit()
    return events


def build_tree(root: Path) -> None:
    (root / "sub" / "deeper").mkdir(parents=True)
    (root / "empty").mkdir()
    (root / "a.bin").write_bytes(os.urandom(200_000))
    (root / "nothing").write_bytes(b"")
    (root / "sub" / "run.sh").write_text("#!/bin/sh\n")
    (root / "sub" / "run.sh").chmod(0o755)
    (root / "sub" / "deeper" / "ünï.txt").write_text("x" * 70_000)


def contents(root: Path) -> dict[str, tuple[bytes, bool] | None]:
    found: dict[str, tuple[bytes, bool] | None] = {}
    for path in root.rglob("*"):
        name = path.relative_to(root).as_posix()
        found[name] = None if path.is_dir() else (path.read_bytes(), bool(path.stat().st_mode & 0o100))
    return found


@pytest.mark.parametrize("step", [1_000, 65_536, 10_000_000])
def test_folder_comes_back(tmp_path: Path, step: int) -> None:
    build_tree(tmp_path / "in")
    stream = b"".join(pack(tmp_path / "in"))
    assert is_archive(stream)
    unpack(stream, step, tmp_path / "out")
    assert contents(tmp_path / "out") == contents(tmp_path / "in")
    assert stream == b"".join(pack(tmp_path / "out")), "the same folder is the same stream"


def test_single_file_comes_back_under_the_name_asked_for(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"hello" * 99)
    events = unpack(b"".join(pack(tmp_path / "one")), 7, tmp_path / "two")
    assert (tmp_path / "two").read_bytes() == b"hello" * 99
    assert FileStart("one", 495, False) in events


def test_cut_makes_blocks_of_one_size() -> None:
    pieces = [b"a" * 10, b"", b"b" * 25, b"c"]
    assert list(cut(iter(pieces), 8)) == [b"a" * 8, b"aabbbbbb", b"b" * 8, b"b" * 8, b"bbbc"]


def entry(path: bytes, data: bytes = b"", tag: int = 1) -> bytes:
    head = struct.pack("<BBH", tag, 0, len(path)) + path
    return head if tag == 2 else head + struct.pack("<Q", len(data)) + data


FOLDER = MAGIC + b"\x01\x01"


@pytest.mark.parametrize(
    "stream",
    [
        FOLDER + entry(b"../evil") + b"\x00",
        FOLDER + entry(b"/etc/passwd") + b"\x00",
        FOLDER + entry(b"a//b") + b"\x00",
        FOLDER + entry(b"a/./b") + b"\x00",
        FOLDER + entry(b"a\\..\\b") + b"\x00",
        FOLDER + entry(b"nul\x00") + b"\x00",
        FOLDER + entry(b"\xff\xfe") + b"\x00",
        FOLDER + entry(b"") + b"\x00",
        FOLDER + struct.pack("<BBH", 1, 0, 65_535),
        FOLDER + b"\x07",
        FOLDER + b"\x00more",
        MAGIC + b"\x02\x01",
        MAGIC + b"\x01\x09",
        b"something else entirely",
        MAGIC + b"\x01\x00" + b"\x00",
        MAGIC + b"\x01\x00" + entry(b"a/b") + b"\x00",
        MAGIC + b"\x01\x00" + entry(b"a") + entry(b"b") + b"\x00",
        MAGIC + b"\x01\x00" + entry(b"a", tag=2) + b"\x00",
        FOLDER + entry(b"a", b"12345")[:-2],
        FOLDER + entry(b"a") + entry(b"a") + b"\x00",
        FOLDER + entry(b"a") + entry(b"a/b") + b"\x00",
        FOLDER + entry(b"a/b") + entry(b"a") + b"\x00",
        FOLDER + entry(b"a", tag=2) + entry(b"a", tag=2) + b"\x00",
    ],
)
def test_hostile_streams_leave_nothing(tmp_path: Path, stream: bytes) -> None:
    writer, unpacker = TreeWriter(tmp_path / "out"), Unpacker()

    def run() -> None:
        for event in unpacker.feed(stream):
            writer.write(event)
        unpacker.finish()

    with pytest.raises(ArchiveError):
        run()
    writer.abort()
    assert list(tmp_path.iterdir()) == []


def test_links_are_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "link").symlink_to("/etc/passwd")
    with pytest.raises(ArchiveError, match="link"):
        list(pack(tmp_path / "in"))
    with pytest.raises(ArchiveError, match="No such file"):
        list(pack(tmp_path / "absent"))


def test_an_existing_target_is_kept(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(ArchiveError, match="already exists"):
        TreeWriter(tmp_path / "out")


@given(st.binary(max_size=300))
@settings(max_examples=100, deadline=None)
def test_rubbish_never_breaks_more_than_the_stream(tail: bytes) -> None:
    unpacker = Unpacker()
    try:
        unpacker.feed(FOLDER + tail)
        unpacker.finish()
    except ArchiveError:
        pass
