"""Cases of imports: full disks, files that change, links, what is left out, and secrets."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from service.feeds.archive import ArchiveError
from service.feeds.imports import import_once, remove_feed
from service.hypercore import Corestore, StorageError
from tests.support.cli_process import Ran, datdot, done, environment, many
from tests.support.needs import missing

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
        missing("only root may mount a small disk")
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
from service.feeds.imports import import_once, remove_feed
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


@pytest.mark.case("feeds/rewritten-while-imported")
async def test_a_write_that_leaves_the_same_times_is_seen_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a file system that counts in seconds."""
    monkeypatch.setattr("service.feeds.archive.packing._moment", lambda status: (status.st_size, 0, 0))
    (tmp_path / "db.bin").write_bytes(bytes(6 << 20))

    def rewrite(done: int, total: int) -> None:
        with (tmp_path / "db.bin").open("r+b") as file:
            file.write(b"new head")

    with closing(Corestore(tmp_path / "store")) as store:
        with pytest.raises(ArchiveError, match=r"db\.bin was changed while it was being packed"):
            await import_once(store, tmp_path / "store", tmp_path / "db.bin", rewrite)
        assert store.cores() == []
        assert (await import_once(store, tmp_path / "store", tmp_path / "db.bin")).length == 97


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
    for what in (
        "a key file",
        "a vault",
        "store of feeds",
        "node's state",
        "signed transactions",
        "an encoder",
        "an attester",
    ):
        assert what in message
    alone = [path for path in sorted(source.iterdir()) if path.name != "fine"]
    for ran in many([("feed", "import", path, "--dir", tmp_path / "other", "--json") for path in alone]):
        assert "it would be published" in ran.failure("archive")["message"]
    assert exported(imported(source, "--exclude", "*renamed", "--exclude", "*.link"), source) == {"fine"}


def secrets_of_ours(base: Path) -> list[Path]:
    """One file of each kind that holds secrets, made by what makes them."""
    from service.chain_client.sent import SentTable
    from service.encoding import PrivateKey
    from service.roles.attester.links import LinkStore
    from service.roles.common.database import Database
    from service.roles.encoder.store import EncoderStore
    from service.vault import Locker, PeerKeys, Vault, create_key_file
    from service.vault.vaultfile import Cost

    base.mkdir()
    create_key_file(base / "key.json")
    Vault(PeerKeys.generate()).create(base / "peer.vault", b"x", Cost(8192, 1))
    Corestore(base).close()
    with closing(Database(base / "roles.sqlite")) as database:
        LinkStore(base, database, bytes(32), bytes(32)).unused(None)
        EncoderStore(database, base, Locker(bytes(32))).make_key(1, 0)
        (live,) = [path for path in base.iterdir() if path.name == "roles.sqlite-wal"]
        copied = base / "copied.log"
        copied.write_bytes(live.read_bytes())
    SentTable(base / "signer.sqlite").close()
    (key,), (link,) = (base / "keys").glob("*.key"), (base / "keys").glob("*.link")
    key.write_bytes(PrivateKey.generate().to_bytes())  # as older versions left it, in the open
    stores = [base / f"{name}.sqlite" for name in ("corestore", "roles", "signer")]
    return [base / "key.json", base / "peer.vault", *stores, copied, key, link]


@pytest.mark.parametrize("primes", [2, 3, 4])
def test_the_keys_of_encoders_are_told_in_both_formats(primes: int) -> None:
    from service.encoding import PrivateKey
    from service.feeds.archive.secrets import SecretScan

    def found(data: bytes) -> str | None:
        scan = SecretScan("renamed", len(data))
        scan.feed(data)
        return scan.found

    data = PrivateKey.generate(primes=primes).to_bytes()
    assert found(data) == "the private key of an encoder"
    for other in (data + b"\0", data[:-1], b"\x03" + data[1:], data[:3], bytes(len(data)), b"\x02\x01\x03\0\0\0\0\0\0"):
        assert found(other) is None


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


def test_a_store_of_an_older_version_gives_room_back_when_it_is_written_anew(tmp_path: Path) -> None:
    import sqlite3

    (tmp_path / "big").write_bytes(os.urandom(3 << 20))
    (tmp_path / "store").mkdir()
    db = sqlite3.connect(tmp_path / "store" / "corestore.sqlite")
    db.execute("PRAGMA auto_vacuum = NONE")
    db.execute("CREATE TABLE of_then (x)")
    db.execute("DROP TABLE of_then")
    db.commit()
    db.close()
    kept = done("feed", "create", "--dir", tmp_path / "store")["key"]
    key = done("feed", "import", tmp_path / "big", "--dir", tmp_path / "store")["key"]
    assert (tmp_path / "store" / "corestore.sqlite").stat().st_size > 3 << 20
    done("feed", "remove", key, "--dir", tmp_path / "store")
    assert (tmp_path / "store" / "corestore.sqlite").stat().st_size < 200_000
    assert done("feed", "info", kept, "--dir", tmp_path / "store")["length"] == 0


async def test_a_hosted_feed_is_not_removed_under_its_copy(tmp_path: Path) -> None:
    (tmp_path / "copies" / "0").mkdir(parents=True)
    with closing(Corestore(tmp_path)) as store:
        core = store.create()
        core.append([b"block"] * 4)
        core.clear(0, 4)
        core.mark(0, 4)
        core.flush()
        with pytest.raises(ArchiveError, match="is hosted by the node"):
            await remove_feed(store, tmp_path, core)
        assert store.cores() == [core]
