"""Cases of imports and exports: full disks, files that change, names, links, secrets, and what is there already."""

from __future__ import annotations

import os
import resource
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from service import durable
from service.feeds.archive import ArchiveError, ArchiveHeader, FileData, FileStart, TreeWriter
from service.feeds.archive.format import MAGIC
from service.feeds.archive.writer import remove_tree
from service.feeds.export import export_feed
from service.feeds.imports import import_once
from service.hypercore import Core, Corestore, StorageError
from tests.support.cli_process import Ran, datdot, done, environment, many

FOLDER = MAGIC + b"\x01\x01"


def entry(path: bytes, data: bytes = b"", tag: int = 1) -> bytes:
    head = struct.pack("<BBH", tag, 0, len(path)) + path
    return head if tag == 2 else head + struct.pack("<Q", len(data)) + data


def feed_of(stream: bytes) -> Core:
    core = Corestore().create()
    core.append([stream[start : start + 60_000] for start in range(0, len(stream), 60_000)])
    return core


# ---- full disks


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 8 MiB, for those who may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", place], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("only root may mount a small disk")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def free(path: Path) -> int:
    disk = os.statvfs(path)
    return disk.f_bavail * disk.f_frsize


@pytest.mark.case("feeds/full-disk")
def test_an_import_that_cannot_fit_is_refused_at_once_and_a_smaller_one_fits(tmp_path: Path, small_disk: Path) -> None:
    (tmp_path / "big").write_bytes(os.urandom(20 << 20))
    (tmp_path / "small").write_bytes(os.urandom(3 << 20))
    failed = datdot("feed", "import", tmp_path / "big", "--dir", small_disk / "a", "--json").failure("storage")
    assert "make room" in failed["message"]
    assert str(small_disk) in failed["message"]
    key = done("feed", "import", tmp_path / "small", "--dir", small_disk / "a")["key"]
    assert done("feed", "verify", key, "--dir", small_disk / "a")["length"] == 49


@pytest.mark.case("feeds/full-disk")
@pytest.mark.parametrize("taken", range(0, 1500, 250), ids="{} KiB".format)
async def test_an_import_that_fills_the_disk_leaves_nothing(tmp_path: Path, small_disk: Path, taken: int) -> None:
    """Another program takes the last room meanwhile."""
    (tmp_path / "big").write_bytes(os.urandom(5 << 20))
    (tmp_path / "small").write_bytes(os.urandom(3 << 20))
    with closing(Corestore(small_disk)) as store:
        before = free(small_disk)

        def take(done: int, total: int) -> None:
            with (small_disk / "other").open("wb", buffering=0) as other:
                os.posix_fallocate(other.fileno(), 0, max(4096, free(small_disk) - (taken << 10)))

        with pytest.raises(StorageError):
            await import_once(store, small_disk, tmp_path / "big", take)
        assert store.cores() == []
        assert (small_disk / "import.json").read_bytes() == b""
        assert not (small_disk / "import.reserve").exists()
        (small_disk / "other").unlink()
        assert free(small_disk) > before - (300 << 10), "the disk has its room back"
        assert (await import_once(store, small_disk, tmp_path / "small")).length == 49


LIMITED = """
import asyncio, os, sys
from contextlib import closing
from pathlib import Path
from service.feeds.imports import import_once
from service.hypercore import Corestore, StorageError
place = Path(sys.argv[1])
with closing(Corestore(place)) as store:
    try:
        asyncio.run(import_once(store, place, Path(sys.argv[2])))
    except StorageError:
        print([len(store.cores()), (place / "import.json").stat().st_size])
"""


@pytest.mark.case("feeds/full-disk")
@pytest.mark.parametrize("kib", [700, 1500, 2300, 3000, 4500, 6000])
def test_a_limit_on_the_size_of_files_leaves_nothing_either(tmp_path: Path, kib: int) -> None:
    (tmp_path / "big").write_bytes(os.urandom(12 << 20))
    ran = subprocess.run(
        [sys.executable, "-c", LIMITED, tmp_path / "store", tmp_path / "big"],
        capture_output=True, text=True, check=True, env=environment(), timeout=120,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (kib << 10, kib << 10)),
    )  # fmt: skip
    assert ran.stdout == "[0, 0]\n", ran.stderr
    assert (tmp_path / "store" / "corestore.sqlite").stat().st_size < 200_000


def test_a_removed_feed_gives_its_room_back(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(os.urandom(3 << 20))
    (tmp_path / "one").write_bytes(b"one")
    key = done("feed", "import", tmp_path / "big", "--dir", tmp_path / "store")["key"]
    other = done("feed", "import", tmp_path / "one", "--dir", tmp_path / "store")["key"]
    assert done("feed", "remove", key, "--dir", tmp_path / "store") == {"key": key, "removed": True, "writable": True}
    datdot("feed", "info", key, "--dir", tmp_path / "store", "--json").failure("no_such_feed")
    assert done("feed", "verify", other, "--dir", tmp_path / "store")["length"] == 1
    assert sum(path.stat().st_size for path in (tmp_path / "store").iterdir()) < 300_000


@contextmanager
def read_only(place: Path) -> Iterator[None]:
    subprocess.run(["mount", "-o", "remount,ro", place], check=True)
    yield
    subprocess.run(["mount", "-o", "remount,rw", place], check=True)


@pytest.mark.case("feeds/full-disk")
def test_a_disk_that_cannot_be_written_is_read(tmp_path: Path, small_disk: Path) -> None:
    (tmp_path / "one").write_bytes(os.urandom(1 << 20))
    imported = done("feed", "import", tmp_path / "one", "--dir", small_disk / "a")
    key, place = imported["key"], ("--dir", small_disk / "a")
    with read_only(small_disk):
        assert done("feed", "info", key, *place) == done("feed", "info", key, *place)
        assert done("feed", "verify", key, *place)["blocks_verified"] == imported["length"]
        done("feed", "export", key, tmp_path / "out", *place)
        refused = datdot("feed", "import", tmp_path / "one", *place, "--json")
        assert refused.code == 1
        assert refused.object["error"]["message"].lower().count("read-only") == 1
    assert (tmp_path / "out").read_bytes() == (tmp_path / "one").read_bytes()


# ---- files that change


@pytest.mark.case("feeds/rewritten-while-imported")
@pytest.mark.parametrize("how", ["rewritten", "shorter", "longer", "a link"])
async def test_a_file_that_changes_while_it_is_packed_is_refused_by_name(tmp_path: Path, how: str) -> None:
    source = tmp_path / "in"
    source.mkdir()
    (source / "db.bin").write_bytes(bytes(6 << 20))
    os.utime(source / "db.bin", ns=(1, 1))

    def rewrite(done: int, total: int) -> None:
        with (source / "db.bin").open("r+b") as file:
            if how == "rewritten":
                file.write(b"new head")
                file.seek(-8, os.SEEK_END)
                file.write(b"new tail")
            elif how == "a link":
                (source / "db.bin").unlink()
                (source / "db.bin").symlink_to("/etc/hostname")
            else:
                file.truncate((6 << 20) + (1 if how == "longer" else -1))

    with closing(Corestore(tmp_path / "store")) as store:
        with pytest.raises(ArchiveError, match=r"db\.bin was changed while it was being packed"):
            await import_once(store, tmp_path / "store", source, rewrite)
        assert store.cores() == []


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


# ---- what is left out, and what is never packed


def imported(path: Path, *options: object, store: Path | None = None) -> Ran:
    return datdot("feed", "import", path, "--dir", store or path.parent / "store", *options, "--json")


def exported(ran: Ran, path: Path) -> set[str]:
    assert ran.code == 0, (ran.out, ran.err)
    out = path.parent / f"out-{ran.object['key'][:8]}"
    done("feed", "export", ran.object["key"], out, "--dir", path.parent / "store")
    return {found.relative_to(out).as_posix() for found in out.rglob("*") if not found.is_dir()}


def test_links_are_told_all_at_once_and_left_out_if_asked(tmp_path: Path) -> None:
    source = tmp_path / "in"
    (source / "sub").mkdir(parents=True)
    (source / "file").write_text("x")
    for name in ("one", "sub/two", "sub/three"):
        (source / name).symlink_to("/etc")
    os.mkfifo(source / "pipe")
    message = imported(source).failure("archive")["message"]
    for name in ("in/one", "in/sub/two", "in/sub/three", "in/pipe", "--skip-links"):
        assert name in message
    assert "pipe" in imported(source, "--skip-links").failure("archive")["message"]
    assert exported(imported(source, "--skip-links", "--exclude", "pipe"), source) == {"file"}


def test_what_is_left_out(tmp_path: Path) -> None:
    source = tmp_path / "in"
    for name in ("a.log", "keep.log", "build/x", "sub/build/y", "sub/a.tmp", "sub/b", "sub/keep.tmp", "c"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(name)
    (source / ".datdotignore").write_text("# comment\n*.log\n!keep.log\n/build/\n")
    (source / "sub" / ".datdotignore").write_text("*.tmp\n!keep.tmp\n")
    ignores = {".datdotignore", "sub/.datdotignore"}
    kept = {"keep.log", "sub/build/y", "sub/b", "sub/keep.tmp", "c"}
    assert exported(imported(source), source) == kept | ignores
    chosen = imported(source, "--exclude", "build", "--exclude", "keep.*")
    assert exported(chosen, source) == {"sub/b", "c"} | ignores
    (source / "sub" / ".datdotignore").write_text("a***[\n")
    (source / ".datdotignore").write_bytes(b"\xff\xfe")
    assert ".datdotignore" in imported(source).failure("archive")["message"]


def test_secrets_of_ours_are_refused_wherever_they_lie(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    (source / "fine").write_text("x")
    made = secrets_of_ours(tmp_path / "made")
    for number, path in enumerate(made):
        (source / f"{number}-{path.name if path.suffix == '.link' else 'renamed'}").write_bytes(path.read_bytes())
        if path.suffix == ".link":
            (source / f"{number}-{path.name}").rename(source / path.name)
    message = imported(source).failure("archive")["message"]
    assert message.startswith(f"{len(made)} entries cannot be packed")
    for what in ("a key file", "store of feeds", "node's state", "signed transactions", "an encoder", "an attester"):
        assert what in message
    alone = [path for path in sorted(source.iterdir()) if path.name != "fine"]
    for ran in many([("feed", "import", path, "--dir", tmp_path / "other", "--json") for path in alone]):
        assert "it would be published" in ran.failure("archive")["message"]
    assert exported(imported(source, "--exclude", "*renamed", "--exclude", "*.link"), source) == {"fine"}


def secrets_of_ours(base: Path) -> list[Path]:
    """One file of each kind that holds secrets, made by what makes them."""
    from service.chain_client.sent import SentTable
    from service.roles.attester.links import LinkStore
    from service.roles.common.database import Database
    from service.roles.encoder.store import EncoderStore
    from service.vault.keyfile import KeyFile

    base.mkdir()
    KeyFile.create(base / "key.json")
    Corestore(base).close()
    with closing(Database(base / "roles.sqlite")) as database:
        LinkStore(base, database, bytes(32), bytes(32)).unused(None)
        EncoderStore(database, base).make_key(1, 0)
        (live,) = [path for path in base.iterdir() if path.name == "roles.sqlite-wal"]
        copied = base / "copied.log"
        copied.write_bytes(live.read_bytes())
    SentTable(base / "signer.sqlite").close()
    (key,), (link,) = (base / "keys").glob("*.key"), (base / "keys").glob("*.link")
    stores = [base / f"{name}.sqlite" for name in ("corestore", "roles", "signer")]
    return [base / "key.json", *stores, copied, key, link]


def test_a_secret_deep_in_a_large_database_is_found_while_it_is_packed(tmp_path: Path) -> None:
    """The schema of a store that was made in another database's file lies behind its first pages."""
    import sqlite3

    source = tmp_path / "in"
    source.mkdir()
    db = sqlite3.connect(source / "app.db")
    db.execute("CREATE TABLE data (x BLOB)")
    db.execute("INSERT INTO data VALUES (?)", (os.urandom(3 << 20),))
    for number in range(200):
        db.execute(f"CREATE TABLE filler_{number} (a, b, c)")
    db.commit()
    assert exported(imported(source), source) == {"app.db"}
    from service.hypercore.store.storage import _SCHEMA

    for statement in _SCHEMA.split(";"):
        db.execute(statement)
    db.commit()
    db.close()
    assert "a store of feeds" in imported(source).failure("archive")["message"]


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
