"""Cases of exports: names, depths, what is there already, the disk, and encrypted feeds."""

from __future__ import annotations

import os
import struct
from contextlib import closing
from pathlib import Path

import pytest

from service import durable
from service.feeds.archive import ArchiveError, ArchiveHeader, FileData, FileStart, TreeWriter
from service.feeds.archive.format import MAGIC
from service.feeds.archive.writer import remove_tree
from service.feeds.export import export_feed
from service.feeds.imports import import_once
from service.hypercore import Core, Corestore
from tests.support.cli_process import Ran, datdot

FOLDER = MAGIC + b"\x01\x01"


def entry(path: bytes, data: bytes = b"", tag: int = 1) -> bytes:
    head = struct.pack("<BBH", tag, 0, len(path)) + path
    return head if tag == 2 else head + struct.pack("<Q", len(data)) + data


def feed_of(stream: bytes) -> Core:
    core = Corestore().create()
    core.append([stream[start : start + 60_000] for start in range(0, len(stream), 60_000)])
    return core


# ---- names


@pytest.mark.case("network/export_names")
@pytest.mark.parametrize(
    "name",
    [b"../x", b"/tmp/x", b"./x", b"", b"a\0b", b"..\\x", b"a/", b"\xed\xa0\x80", b"a" * 300, b"a/../../b", b"a" * 5000],
)
async def test_names_that_lead_elsewhere_or_cannot_be_are_refused(tmp_path: Path, name: bytes) -> None:
    with pytest.raises(ArchiveError):
        await export_feed(feed_of(FOLDER + entry(name, b"hello") + b"\0"), tmp_path / "out")
    assert os.listdir(tmp_path) == []


@pytest.mark.case("network/export_names")
async def test_a_link_in_the_place_of_what_is_unfinished_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "out.partial").symlink_to(tmp_path / "victim")
    core = Corestore().create()
    core.append([b"plain bytes"])
    with pytest.raises(ArchiveError, match="left from an earlier export"):
        await export_feed(core, tmp_path / "out")
    assert not (tmp_path / "victim").exists()


async def test_what_is_imported_can_be_exported_and_what_could_not_is_refused_by_name(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    for name in ("new\nline", "tab\t", "-rf", "x" * 255, "colon:", "\u202e", "e\u0301", "\u00e9", " "):
        (source / name).write_bytes(name.encode())
    with closing(Corestore(tmp_path / "store")) as store:
        core = await import_once(store, tmp_path / "store", source)
        await export_feed(core, tmp_path / "out")
        assert {path.name for path in (tmp_path / "out").iterdir()} == {path.name for path in source.iterdir()}
        (source / "back\\slash").write_bytes(b"")
        (source / os.fsdecode(b"caf\xe9")).write_bytes(b"")
        with pytest.raises(ArchiveError, match=r"2 entries .*in/back\\slash: .*backslash.*in/caf\\xe9: .*not UTF-8"):
            await import_once(store, tmp_path / "store", source)


@pytest.mark.case("network/deep_export")
@pytest.mark.parametrize("tag", [1, 2])
def test_a_path_of_1990_folders_is_exported(tmp_path: Path, tag: int) -> None:
    name = b"/".join([b"d"] * 1990)
    with closing(Corestore(tmp_path / "store")) as store:
        core = store.create()
        core.append([FOLDER + entry(name, b"hi", tag=tag) + b"\0"])
        key = core.key.hex()
    ran = datdot("feed", "export", key, tmp_path / "out", "--dir", tmp_path / "store", "--json")
    assert ran.code == 0, (ran.out, ran.err)
    parent = os.open(tmp_path, os.O_RDONLY)
    assert depth(tmp_path / "out") == 1990 - (tag == 1)
    remove_tree(parent, "out")
    os.close(parent)
    assert not (tmp_path / "out").exists()


def depth(top: Path) -> int:
    """How many folders lie in one another."""
    here, count = os.open(top, os.O_RDONLY), 0
    while (names := os.listdir(here)) and os.stat(names[0], dir_fd=here).st_mode & 0o040000:
        below = os.open(names[0], os.O_RDONLY, dir_fd=here)
        os.close(here)
        here, count = below, count + 1
    os.close(here)
    return count


async def test_a_deep_export_that_fails_leaves_nothing(tmp_path: Path) -> None:
    name = b"/".join([b"d"] * 1990)
    with pytest.raises(ArchiveError, match="ends inside"):
        await export_feed(feed_of(FOLDER + entry(name, b"hi") + entry(b"d/d/other")), tmp_path / "out")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("length", [248, 255])
async def test_a_target_with_a_long_name(tmp_path: Path, length: int) -> None:
    core = Corestore().create()
    core.append([b"bytes"])
    await export_feed(core, tmp_path / ("n" * length))
    assert (tmp_path / ("n" * length)).read_bytes() == b"bytes"
    with pytest.raises(ArchiveError, match="longer than 255 bytes"):
        await export_feed(core, tmp_path / ("n" * 256))
    assert len(os.listdir(tmp_path)) == 1


# ---- what is there


@pytest.mark.case("network/export_overwrites")
@pytest.mark.parametrize("folder", [False, True])
@pytest.mark.parametrize("made", ["file", "folder", "link"])
@pytest.mark.parametrize("helped", [True, False])
def test_what_was_made_meanwhile_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: bool, made: str, helped: bool
) -> None:
    if not helped:
        monkeypatch.setattr(durable, "_rename_new", durable._rename_new_without_help)
    writer, out = TreeWriter(tmp_path / "out"), tmp_path / "out"
    for event in (ArchiveHeader(folder), FileStart("a", 5, False), FileData(b"hello", True)):
        writer.write(event)
    match made:
        case "file":
            out.write_text("another program's file")
        case "folder":
            out.mkdir()
        case "link":
            out.symlink_to("nowhere")
    with pytest.raises(ArchiveError, match="was made by another program meanwhile"):
        writer.commit()
    writer.abort()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (out.is_symlink(), out.is_dir(), out.is_file()) == (made == "link", made == "folder", made == "file")
    assert made != "folder" or not list(out.iterdir())


@pytest.mark.parametrize("folder", [False, True])
def test_without_help_of_the_system_it_is_put_in_place_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: bool
) -> None:
    monkeypatch.setattr(durable, "_rename_new", durable._rename_new_without_help)
    writer = TreeWriter(tmp_path / "out")
    for event in (ArchiveHeader(folder), FileStart("a", 5, False), FileData(b"hello", True)):
        writer.write(event)
    writer.commit()
    found = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert found == [tmp_path / "out" / "a" if folder else tmp_path / "out"]
    assert found[0].read_bytes() == b"hello"


@pytest.mark.case("feeds/many-small-files")
async def test_an_export_waits_for_the_disk_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"d{number % 20}/f{number}" for number in range(600)]
    core = feed_of(FOLDER + b"".join(entry(name.encode(), b"{}") for name in sorted(names)) + b"\0")
    waits: list[str] = []
    fsync, syncfs = os.fsync, durable.sync_filesystem
    monkeypatch.setattr(os, "fsync", lambda fd: waits.append("fsync") or fsync(fd))

    def counted(descriptor: int) -> None:
        assert not (tmp_path / "out").exists(), "first the bytes, then the name"
        assert sum(path.is_file() for path in (tmp_path / "out.partial").rglob("*")) == len(names)
        waits.append("syncfs")
        syncfs(descriptor)

    monkeypatch.setattr(durable, "sync_filesystem", counted)
    await export_feed(core, tmp_path / "out")
    assert waits == ["syncfs", "fsync"]
    assert sum(path.is_file() for path in (tmp_path / "out").rglob("*")) == len(names)


# ---- encrypted feeds


@pytest.mark.parametrize("compat", [False, True])
def test_an_encrypted_feed_is_written_in_plain_with_its_key_only(tmp_path: Path, compat: bool) -> None:
    secret, plain = os.urandom(32), [b"some ", b"plain ", b"text\n" * 20]
    with closing(Corestore(tmp_path / "author")) as author, closing(Corestore(tmp_path / "reader")) as reader:
        core = author.create(compat=compat, encryption_key=secret)
        core.append(plain)
        key = core.key.hex()
        copy_of(core, reader)

    def export(name: str, *options: object) -> Ran:
        return datdot("feed", "export", key, tmp_path / name, "--dir", tmp_path / "reader", *options, "--json")

    blind = export("blind")
    assert blind.code == 0
    assert "look encrypted" in blind.err
    assert "--encryption-key" in blind.err
    wrong = export("wrong", "--encryption-key", "ab" * 32).failure("encryption_key")
    assert key in wrong["message"]
    assert "64 digits" in export("short", "--encryption-key", "abc").failure("usage", 2)["message"]
    opened = export("plain", "--encryption-key", secret.hex())
    assert (opened.code, opened.err) == (0, "")
    assert (tmp_path / "plain").read_bytes() == b"".join(plain)
    again = export("again")
    assert (again.code, again.err) == (0, ""), "the key is kept"
    assert not (tmp_path / "wrong").exists()


def copy_of(core: Core, store: Corestore) -> None:
    """Put a feed's blocks into another store, as they travel."""
    from service.hypercore import BlockRequest, Request, UpgradeRequest

    replica = store.get(core.key)
    first = Request(block=BlockRequest(0, 0), upgrade=UpgradeRequest(0, core.length), manifest=True)
    replica.apply(core.prove(first))
    for index in range(1, core.length):
        replica.apply(core.prove(Request(block=BlockRequest(index, replica.missing_nodes(2 * index)))))
    replica.flush()


def test_plain_text_is_not_taken_for_ciphertext(tmp_path: Path) -> None:
    with closing(Corestore(tmp_path / "store")) as store:
        core = store.create()
        core.append([b"just some text, long enough to look at", bytes(4000)])
        key = core.key.hex()
    ran = datdot("feed", "export", key, tmp_path / "out", "--dir", tmp_path / "store", "--json")
    assert (ran.code, ran.err) == (0, "")
