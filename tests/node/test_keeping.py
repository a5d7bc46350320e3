"""A node's directory is backed up while it is written to, restored as it was, and moved; no encoder's key is in a backup."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from service.disk import unmounted_at
from service.hypercore import Corestore
from service.node import keeping, settings
from service.node.keeping import backup, move, restore, stopped
from service.node.run import run_node
from service.node.settings import NodeError, NodeSettings
from service.roles.common.database import Database
from service.vault import create_key_file, load_keys
from tests.node.test_roles_files import check, fill
from tests.support.needs import missing

SECRET = b"\x01a private modulus"


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """The directory of a node that ran."""
    home = tmp_path / "node"
    home.mkdir()
    keys = create_key_file(home / "key.json")
    NodeSettings("ws://127.0.0.1:1", ("hoster", "encoder"), "127.0.0.1", 1, account=keys.address).save(home)
    with closing(Database(home / "roles.sqlite")) as database:
        fill(home, database)
    with closing(Corestore(home)) as store:
        store.create("a").append([b"one", b"two"])
    (home / "keys" / "9-0.key").write_bytes(SECRET)
    with closing(sqlite3.connect(home / "signer.sqlite")) as db:
        db.execute("CREATE TABLE sent (x)")
    return home


def bytes_below(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in directory.rglob("*") if path.is_file())


def feeds(directory: Path) -> list[bytes | None]:
    with closing(Corestore(directory)) as store:
        (core,) = store.cores()
        return [core.raw(index) for index in range(core.length)]


def test_what_is_restored_is_what_was_backed_up(node: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    kept = backup(node, tmp_path / "kept", copies=True, key=True, on_copied=lambda *one: told.append(one))
    assert told[-1][0] == told[-1][1] > 0
    again = restore(tmp_path / "kept", tmp_path / "again")
    assert (again.account, again.files) == (kept.account, kept.files)
    with closing(Database(tmp_path / "again" / "roles.sqlite")) as database:
        database.execute("DELETE FROM encoding WHERE copy = 9")
        check(tmp_path / "again", database)
    assert feeds(tmp_path / "again") == [b"one", b"two"]
    assert load_keys(tmp_path / "again" / "key.json").address == kept.account
    assert (tmp_path / "again").stat().st_mode & 0o777 == 0o700
    secret = [
        path
        for path in (tmp_path / "kept").rglob("*")
        if path.suffix in (".sqlite", ".link") or path.name == "key.json"
    ]
    assert len(secret) >= 4
    assert all(path.stat().st_mode & 0o077 == 0 for path in secret)
    assert (tmp_path / "kept").stat().st_mode & 0o777 == 0o700


def test_no_private_key_of_an_encoder_is_in_a_backup(node: Path, tmp_path: Path) -> None:
    kept = backup(node, tmp_path / "kept", copies=True, key=True)
    assert SECRET in bytes_below(node)
    assert SECRET not in bytes_below(tmp_path / "kept")
    assert not [name for name in kept.files if name.endswith(".key")]
    assert any("private keys are never copied" in one for one in kept.left_out)


def test_the_account_is_in_it_only_if_that_is_wanted(node: Path, tmp_path: Path) -> None:
    kept = backup(node, tmp_path / "kept", copies=False, key=False)
    assert "key.json" not in kept.files
    assert not [name for name in kept.files if name.startswith("copies")]
    assert [one.partition(":")[0] for one in kept.left_out] == ["key.json", "copies", "keys/*.key", "signer.sqlite"]
    assert json.loads((node / "key.json").read_text())["account"] not in bytes_below(tmp_path / "kept").decode("latin1")


def test_a_database_that_is_written_to_is_backed_up_as_it_was_at_one_moment(node: Path, tmp_path: Path) -> None:
    """Each transaction of the writer adds to two tables: a backup never has one of the two alone."""
    stop = threading.Event()
    with closing(Database(node / "roles.sqlite")) as database:

        def write() -> None:
            number = 100
            while not stop.is_set():
                number += 1
                with database.transaction() as db:
                    db.execute("INSERT INTO journal_copies VALUES (?)", (number,))
                    db.execute("INSERT INTO journal_followed VALUES ('plan', ?)", (number,))

        writer = threading.Thread(target=write)
        writer.start()
        try:
            for turn in range(3):
                backup(node, tmp_path / f"kept-{turn}", copies=False, key=False)
                with closing(sqlite3.connect(tmp_path / f"kept-{turn}" / "roles.sqlite")) as raw:
                    assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
                    counts = [
                        raw.execute(f"SELECT count(*) FROM {table} WHERE {column} > 100").fetchone()[0]
                        for table, column in (("journal_copies", "copy"), ("journal_followed", "id"))
                    ]
                    assert counts[0] == counts[1]
        finally:
            stop.set()
            writer.join()


def test_a_backup_that_is_damaged_restores_nothing(node: Path, tmp_path: Path) -> None:
    backup(node, tmp_path / "kept", copies=True, key=True)
    path = tmp_path / "kept" / "corestore.sqlite"
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    with pytest.raises(NodeError, match=r"corestore\.sqlite is missing, or is not what was backed up"):
        restore(tmp_path / "kept", tmp_path / "again")
    path.unlink()
    with pytest.raises(NodeError, match="is missing"):
        restore(tmp_path / "kept", tmp_path / "again")
    assert not (tmp_path / "again").exists()
    manifest = tmp_path / "kept" / "backup.json"
    for text, told in (
        ("{", "is damaged"),
        ("[]", "is damaged"),
        (json.dumps(json.loads(manifest.read_text()) | {"version": 2}), "another version"),
        (json.dumps(json.loads(manifest.read_text()) | {"files": {"../../x": "0"}}), "another version"),
    ):
        manifest.write_text(text)
        with pytest.raises(NodeError, match=told):
            restore(tmp_path / "kept", tmp_path / "again")
    with pytest.raises(NodeError, match="is no backup"):
        restore(node, tmp_path / "again")


def test_nothing_is_overwritten(node: Path, tmp_path: Path) -> None:
    backup(node, tmp_path / "kept", copies=False, key=False)
    with pytest.raises(NodeError, match="exists: a backup goes to a new directory"):
        backup(node, tmp_path / "kept", copies=False, key=False)
    with pytest.raises(NodeError, match="is not empty"):
        restore(tmp_path / "kept", node)
    with pytest.raises(NodeError, match="move to a new directory"):
        move(node, tmp_path / "kept")
    with pytest.raises(NodeError, match="lies in"):
        move(node, node / "inside")
    with pytest.raises(NodeError, match="is of no node"):
        backup(tmp_path / "none", tmp_path / "other", copies=False, key=False)


def test_what_a_cut_off_run_left_is_begun_anew(node: Path, tmp_path: Path) -> None:
    (tmp_path / "kept.partial").mkdir()
    (tmp_path / "kept.partial" / "stray").write_text("x")
    kept = backup(node, tmp_path / "kept", copies=False, key=False)
    assert "stray" not in kept.files
    assert not (tmp_path / "kept.partial").exists()


def test_a_directory_is_moved_with_all_that_is_in_it(node: Path, tmp_path: Path) -> None:
    before = keeping._files(node)
    assert move(node, tmp_path / "far" / "node") is None
    assert keeping._files(tmp_path / "far" / "node") == before
    assert not node.exists()


def test_to_another_disk_it_is_copied_compared_and_the_old_one_is_no_node_any_more(
    node: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "_same_disk", lambda *_: False)
    before = keeping._files(node)
    copy, copied = keeping._copy, list[str]()

    def interrupted(one: Path, other: Path) -> None:
        if len(copied) == 3:
            raise OSError(28, "No space left on device", str(other))
        copied.append(one.name)
        copy(one, other)

    with monkeypatch.context() as patched:
        patched.setattr(keeping, "_copy", interrupted)
        with pytest.raises(OSError, match="No space left"):
            move(node, tmp_path / "far")
    assert keeping._files(node) == before, "nothing is lost"
    assert not (tmp_path / "far").exists()
    left = move(node, tmp_path / "far")
    assert left == tmp_path / "node.moved"
    assert not node.exists()
    assert keeping._files(tmp_path / "far") == keeping._files(left)
    assert bytes_below(tmp_path / "far") == bytes_below(left)


@pytest.fixture
def fstab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A table of disks with one that is not mounted, and one that is."""
    table = tmp_path / "fstab"
    away = tmp_path / "mnt" / "big disk"
    written = str(away).replace(" ", "\\040")
    table.write_text(
        f"# UUID=1 {tmp_path} ext4 defaults 0 2\n\nUUID=2 / ext4 errors=remount-ro 0 1\nUUID=3 none swap sw 0 0\n"
        f"UUID=4 {written} ext4 defaults,nofail 0 2\nproc /proc proc defaults 0 0\nbroken\n"
    )
    monkeypatch.setattr(settings, "unmounted_at", lambda path: unmounted_at(path, table))
    return away


def test_nothing_goes_to_a_disk_that_is_not_mounted(node: Path, tmp_path: Path, fstab: Path) -> None:
    """The folder of its mount point is on the disk of the system: a newcomer filled that."""
    assert unmounted_at(Path("/proc/x"), tmp_path / "fstab") is None
    assert unmounted_at(fstab / "deep" / "node", tmp_path / "fstab") == fstab
    assert unmounted_at(fstab, tmp_path / "nosuch") is None
    before = bytes_below(node)
    for exists in (False, True):
        if exists:
            fstab.mkdir(parents=True)
        with pytest.raises(NodeError, match="big disk is a mount point in /etc/fstab, and nothing is mounted there"):
            move(node, fstab / "node")
        with pytest.raises(NodeError, match="mount it first"):
            backup(node, fstab / "kept", copies=True, key=True)
        assert fstab.exists() is exists
        assert bytes_below(node) == before
    kept = tmp_path / "kept"
    backup(node, kept, copies=True, key=True)
    with pytest.raises(NodeError, match="nothing was made"):
        restore(kept, fstab / "node")
    assert list(fstab.iterdir()) == []


def test_what_is_mounted_is_what_the_system_says(tmp_path: Path) -> None:
    """A folder that is bound to another one of the same disk looks like any folder, but for the system's table of mounts."""
    bound, away = tmp_path / "my disk", tmp_path / "away"
    table, mounts = tmp_path / "fstab", tmp_path / "mountinfo"
    table.write_text(
        "".join(f"/srv {one} none bind 0 0\n" for one in (f"{tmp_path}/my\\040disk//", f"{away}/", "/proc/"))
    )
    bound_too = str(bound).replace(" ", "\\040")
    mounts.write_text(
        f"22 27 0:21 / /proc rw,relatime - proc proc rw\n40 27 8:1 /srv {bound_too} rw shared:1 - ext4 /dev/sda1 rw\n"
    )
    assert unmounted_at(bound / "node", table, mounts) is None
    assert unmounted_at(away / "node", table, mounts) == away
    assert unmounted_at(Path("/proc/x"), table, tmp_path / "nosuch") is None, (
        "without that table, another way to see it"
    )
    assert unmounted_at(bound, table, tmp_path / "nosuch") == bound


def test_a_folder_that_is_bound_to_another_one_is_mounted(tmp_path: Path) -> None:
    """The real thing, in namespaces of this process's own."""
    (tmp_path / "from").mkdir()
    (tmp_path / "to").mkdir()
    table = tmp_path / "fstab"
    table.write_text(f"{tmp_path}/from {tmp_path}/to/ none bind 0 0\n")
    asked = (
        "from pathlib import Path; from service.disk import unmounted_at; "
        f"print(unmounted_at(Path({str(tmp_path / 'to' / 'node')!r}), Path({str(table)!r})))"
    )
    script = f'"$0" -c "$1"; mount --bind {tmp_path}/from {tmp_path}/to && "$0" -c "$1"'
    inside = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-ec", script, sys.executable, asked)
    told = subprocess.run(inside, capture_output=True, text=True, check=False)
    if "unshare failed" in told.stderr:
        missing("this user may not make namespaces (a sysctl of the kernel forbids it)")
    assert told.stdout.splitlines() == [str(tmp_path / "to"), "None"], told.stderr


def test_a_new_node_is_not_made_on_a_disk_that_is_not_mounted(fstab: Path) -> None:
    wanted = NodeSettings("ws://127.0.0.1:1", ("author",), "127.0.0.1", 0)
    with pytest.raises(NodeError, match="mount it first"):
        asyncio.run(run_node(fstab / "node", wanted, print))
    assert not fstab.exists()


def test_a_node_that_runs_is_not_moved(node: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(node / "signer.sqlite", isolation_level=None)) as held:
        held.execute("PRAGMA locking_mode = EXCLUSIVE")
        held.execute("BEGIN IMMEDIATE")
        with pytest.raises(NodeError, match="runs: stop it first"):
            move(node, tmp_path / "far")
    with stopped(node), pytest.raises(NodeError, match="runs: stop it first"), stopped(node):
        pass


def crossing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "_same_disk", lambda one, other: False)


def test_what_a_move_that_was_cut_off_copied_and_is_there_no_more_does_not_come_back(
    node: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An old log beside a new database would roll it back; an encoder's key was erased meanwhile."""
    crossing(monkeypatch)
    (node / "roles.sqlite-wal").write_bytes(b"what was not in the database yet")
    with monkeypatch.context() as patched:
        patched.setattr(keeping, "_digest", lambda path: str(path))  # as a disk that fails
        with pytest.raises(NodeError, match="nothing was moved"):
            move(node, tmp_path / "there")
    partial = tmp_path / "there.partial"
    assert (partial / "roles.sqlite-wal").exists()
    assert (partial / "keys" / "9-0.key").exists()
    (node / "roles.sqlite-wal").unlink()
    (node / "keys" / "9-0.key").unlink()
    move(node, tmp_path / "there")
    assert not (tmp_path / "there" / "roles.sqlite-wal").exists()
    assert not (tmp_path / "there" / "keys" / "9-0.key").exists()


def test_a_move_that_was_cut_off_at_its_very_end_is_ended(
    node: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crossing(monkeypatch)
    rename = keeping.os.rename

    def once(one: Path, other: Path) -> None:
        if Path(one) != node:
            raise KeyboardInterrupt
        rename(one, other)

    with monkeypatch.context() as patched:
        patched.setattr(keeping.os, "rename", once)
        with pytest.raises(KeyboardInterrupt):
            move(node, tmp_path / "there")
    assert not node.exists()
    assert move(node, tmp_path / "there") == tmp_path / "node.moved"
    assert feeds(tmp_path / "there") == [b"one", b"two"]


def test_a_link_is_not_left_behind_without_a_word(node: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crossing(monkeypatch)
    (tmp_path / "big").mkdir()
    (node / "more").symlink_to(tmp_path / "big")
    with pytest.raises(NodeError, match="more is a link"):
        move(node, tmp_path / "there")
    assert node.exists()


def test_sectors_that_are_dropped_while_they_are_backed_up_end_no_backup(
    node: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (victim, *_) = sorted((node / "copies").glob("*/*.sectors"))
    copied = keeping._is_copied

    def dropped(one: Path, other: Path) -> bool:
        if one == victim:
            victim.unlink(missing_ok=True)
        return copied(one, other)

    monkeypatch.setattr(keeping, "_is_copied", dropped)
    kept = backup(node, tmp_path / "kept", copies=True, key=False)
    assert f"{victim.relative_to(node)}: the node dropped it meanwhile" in kept.left_out
    assert str(victim.relative_to(node)) not in kept.files


def with_its_key_in_it(node: Path) -> None:
    """As `datdot init --vault` leaves it: another name than key.json, and a file of settings."""
    (node / "key.json").rename(node / "node.vault")
    (node / "node.toml").write_text('roles = ["hoster"]\n')
    before = NodeSettings.load(node)
    assert before is not None
    replace(before, key=str(node / "node.vault")).save(node)


def test_a_key_of_another_name_is_backed_up_if_wanted_and_named_if_not(node: Path, tmp_path: Path) -> None:
    with_its_key_in_it(node)
    kept = backup(node, tmp_path / "kept", copies=False, key=True)
    assert {"node.vault", "node.toml"} <= kept.files.keys()
    without = backup(node, tmp_path / "without", copies=False, key=False)
    assert "node.vault" not in without.files
    assert any(one.startswith("node.vault: the account's keys") for one in without.left_out)
    (node / "node.vault").rename(tmp_path / "elsewhere")
    replace(NodeSettings.load(node), key=str(tmp_path / "elsewhere")).save(node)  # type: ignore[type-var]
    third = backup(node, tmp_path / "third", copies=False, key=True)
    assert any("elsewhere: the account's keys lie elsewhere" in one for one in third.left_out)


@pytest.mark.parametrize("across", [False, True])
def test_what_is_moved_or_restored_finds_its_key(
    node: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, across: bool
) -> None:
    with_its_key_in_it(node)
    path = node / "node.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"key": str(node / "node.vault")}))  # of an older version
    if across:
        crossing(monkeypatch)
    backup(node, tmp_path / "before", copies=False, key=True)
    move(node, tmp_path / "there")
    backup(tmp_path / "there", tmp_path / "kept", copies=False, key=True)
    restore(tmp_path / "kept", tmp_path / "again")
    for place in ("there", "again"):
        found = NodeSettings.load(tmp_path / place)
        assert found is not None
        assert found.key == str(tmp_path / place / "node.vault")
        assert load_keys(found.key).address == found.account
