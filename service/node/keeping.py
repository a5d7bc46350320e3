"""A node's directory as a whole: backed up while the node runs, restored, and moved to another disk.

A backup never has an encoder's private keys: they must be erased, and a copy of them elsewhere would not be.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service import durable
from service.disk import explained

from .settings import KEY_FILE, NODE_FILE, ROLES_FILE, SIGNER_FILE, NodeError, NodeSettings, check_mounted

MANIFEST = "backup.json"
TOML_FILE = "node.toml"
"""The settings as `datdot init` writes them."""
VERSION = 1
STORE_FILE = "corestore.sqlite"
DATABASES = (ROLES_FILE, STORE_FILE)
"""In this order: what the roles count as stored is in the feeds' store before, so a store of a later moment has it."""
COPIES, KEYS, LINKS, SECTORS = "copies", "keys", ".link", ".sectors"
CHUNK = 1 << 20
OnCopied = Callable[[int, int], None]


def _ignore(done: int, total: int) -> None:
    pass


@dataclass(frozen=True, slots=True)
class NodeBackup:
    """What a backup has: its files by their names in it, and what is not in it and was in the directory."""

    account: str
    made: int
    files: dict[str, int]
    left_out: list[str]

    @property
    def bytes(self) -> int:
        """Bytes of all its files."""
        return sum(self.files.values())


def backup(directory: Path, target: Path, copies: bool, key: bool, on_copied: OnCopied = _ignore) -> NodeBackup:
    """Back up a node's directory to a new one, which appears whole or not at all. The node may run.

    With `copies`, the sectors that it hosts, too; with `key`, its key file, if that lies in the directory. Raises NodeError
    and DISK_ERRORS.
    """
    settings = NodeSettings.load(directory)
    if settings is None or settings.account is None:
        raise NodeError(f"{directory} is of no node that ever ran: there is nothing to back up")
    if target.exists():
        raise NodeError(f"{target} exists: a backup goes to a new directory")
    check_mounted(target)
    partial = _partial(target)
    if partial.exists():
        shutil.rmtree(partial)
    durable.make_private(partial)
    for name in DATABASES:
        if (directory / name).exists():
            _copy_database(directory / name, partial / name)
    own = _key_of(directory, settings)
    wanted = [NODE_FILE, *(name for name in (TOML_FILE,) if (directory / name).exists())]
    wanted += [str(own.relative_to(directory))] if key and own.is_relative_to(directory) else []
    wanted += [str(path.relative_to(directory)) for path in sorted((directory / KEYS).glob(f"*{LINKS}"))]
    if copies:
        wanted += [str(path.relative_to(directory)) for path in sorted((directory / COPIES).glob(f"*/*{SECTORS}"))]
    gone = _copy_all(directory, partial, [name for name in wanted if (directory / name).exists()], on_copied)
    found = _files(partial)
    sums = {name: _digest(partial / name) for name in found}
    left_out = [*_left_out(directory, own, copies, key), *(f"{name}: the node dropped it meanwhile" for name in gone)]
    made = int(time.time())
    manifest = {"version": VERSION, "account": settings.account, "made": made, "left_out": left_out}
    durable.write_new(partial / MANIFEST, json.dumps(manifest | {"files": sums}, indent=1).encode())
    os.rename(partial, target)
    durable.sync_directory(target.parent)
    return NodeBackup(settings.account, made, found, left_out)


def _key_of(directory: Path, settings: NodeSettings) -> Path:
    return directory / KEY_FILE if settings.key is None else directory / settings.key


def _left_out(directory: Path, own: Path, copies: bool, key: bool) -> list[str]:
    """Return, in words, what of a directory is not in its backup."""
    found = []
    if not own.is_relative_to(directory):
        found.append(f"{own}: the account's keys lie elsewhere; keep a copy of them, too")
    elif not key and own.exists():
        found.append(f"{own.relative_to(directory)}: the account's keys; keep a copy of them elsewhere, or --with-key")
    if not copies and (directory / COPIES).is_dir():
        found.append(f"{COPIES}: the hosted sectors; --copies takes them, too")
    if any((directory / KEYS).glob("*.key")):
        found.append(
            f"{KEYS}/*.key: an encoder's private keys are never copied; segments in the making stall without them"
        )
    for path in sorted(directory.glob("signer*.sqlite")):
        found.append(f"{path.name}: what was sent and is not final yet")
    return found


def restore(source: Path, directory: Path, on_copied: OnCopied = _ignore) -> NodeBackup:
    """Make a node's directory of a backup. It must not exist, or be empty. Raises NodeError and DISK_ERRORS."""
    manifest = _read_manifest(source)
    if directory.exists() and any(directory.iterdir()):
        raise NodeError(f"{directory} is not empty: a backup is restored to a new directory")
    check_mounted(directory)
    for name, expected in manifest["files"].items():
        path = source / name
        if not path.is_file() or _digest(path) != expected:
            raise NodeError(f"{path} is missing, or is not what was backed up: nothing was restored")
    partial = _partial(directory)
    if partial.exists():
        shutil.rmtree(partial)
    durable.make_private(partial)
    _copy_all(source, partial, list(manifest["files"]), on_copied)
    if directory.exists():
        directory.rmdir()
    os.rename(partial, directory)
    durable.sync_directory(directory.parent)
    return NodeBackup(manifest["account"], manifest["made"], _files(directory), list(manifest["left_out"]))


def _read_manifest(source: Path) -> dict[str, Any]:
    path = source / MANIFEST
    try:
        found: dict[str, Any] = json.loads(path.read_text())
        files = found["files"]
        right = found["version"] == VERSION and all(
            isinstance(one, str) and not Path(name).is_absolute() and ".." not in Path(name).parts
            for name, one in files.items()
        )
        found["account"], found["made"], found["left_out"]
    except FileNotFoundError as error:
        raise NodeError(f"{source} is no backup: it has no {MANIFEST}") from error
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise NodeError(f"{path} is damaged: {error!r}") from error
    if not right:
        raise NodeError(f"{path}: written by another version of datdot, or damaged")
    return found


# ---- moving


@contextmanager
def stopped(directory: Path) -> Iterator[None]:
    """Hold the lock of a node's directory for the time of the context. Raises NodeError if its node runs."""
    path = directory / SIGNER_FILE
    if not path.exists():
        yield
        return
    with closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as db:
        try:
            db.execute("PRAGMA locking_mode = EXCLUSIVE")
            db.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            raise NodeError(f"the node of {directory} runs: stop it first") from error
        yield
        db.execute("ROLLBACK")


def move(directory: Path, target: Path, on_copied: OnCopied = _ignore) -> Path | None:
    """Move a stopped node's directory, to another disk as well. Return where the old one is left, None if it is not.

    A move that was cut off goes on when it is called again. Raises NodeError and DISK_ERRORS.
    """
    if target.exists():
        raise NodeError(f"{target} exists: move to a new directory")
    partial, left = _partial(target), _left(directory)
    if not directory.exists() and left.exists() and partial.exists():  # cut off when all was there
        os.rename(partial, target)
        durable.sync_directory(target.parent)
        return left
    before = NodeSettings.load(directory)
    if before is None:
        raise NodeError(f"{directory} is of no node that ever ran")
    if target.resolve().is_relative_to(directory.resolve()):
        raise NodeError(f"{target} lies in {directory}: move it elsewhere")
    check_mounted(target)
    with stopped(directory):
        before.save(directory)  # an older version kept the paths of what lies in it whole
        durable.make_directories(target.parent)
        if _same_disk(directory, target.parent):
            os.rename(directory, target)
            durable.sync_directory(target.parent)
            return None
        return _move_across(directory, target, on_copied)


def _move_across(directory: Path, target: Path, on_copied: OnCopied) -> Path:
    partial, left = _partial(target), _left(directory)
    if left.exists():
        raise NodeError(f"{left} exists, of a move before: remove it first")
    link = next((path for path in sorted(directory.rglob("*")) if path.is_symlink()), None)
    if link is not None:
        raise NodeError(f"{link} is a link: put what it leads to in its place, or move that yourself, first")
    durable.make_private(partial)
    names = list(_files(directory))
    _prune(partial, names)
    # the signer's files last: to close one here drops the lock on it
    for some in (
        [one for one in names if not one.startswith(SIGNER_FILE)],
        [one for one in names if one.startswith(SIGNER_FILE)],
    ):
        _copy_all(directory, partial, some, on_copied)
        for name in some:
            if _digest(directory / name) != _digest(partial / name):
                raise NodeError(f"{partial / name} is not what was written: the disk fails; nothing was moved")
    # the old one first: two directories of one account must never both look like a node's
    os.rename(directory, left)
    durable.sync_directory(left.parent)
    os.rename(partial, target)
    durable.sync_directory(target.parent)
    return left


def _partial(target: Path) -> Path:
    return target.with_name(f"{target.name}.partial")


def _left(directory: Path) -> Path:
    return directory.with_name(f"{directory.name}.moved")


def _prune(partial: Path, names: list[str]) -> None:
    """Remove what an earlier try copied and is there no more: an old log of a database would roll it back."""
    for name in _files(partial).keys() - set(names):
        durable.remove(partial / name)


def _same_disk(one: Path, other: Path) -> bool:
    return one.stat().st_dev == other.stat().st_dev


# ---- files


def _files(directory: Path) -> dict[str, int]:
    """Return the files below a directory with their sizes, without what SQLite makes anew and links that lead out."""
    return {
        str(path.relative_to(directory)): path.stat().st_size
        for path in sorted(directory.rglob("*"))
        if path.is_file()
        and not path.is_symlink()
        and path.name != durable.UNFINISHED
        and not path.name.endswith("-shm")
    }


def _copy_database(source: Path, target: Path) -> None:
    """Copy a database as it is at one moment, whoever writes to it. Raises DiskError."""
    durable.make_private_database(target)
    try:
        with (
            closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as one,
            closing(sqlite3.connect(target)) as other,
        ):
            one.backup(other)
            other.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error as error:
        raise NodeError(explained(source, error)) from error
    _sync(target)


def _copy_all(source: Path, target: Path, names: list[str], on_copied: OnCopied) -> list[str]:
    """Copy files durably, but those that are there already with the same size and time.

    Return the files of sectors that were gone when their turn came: a node that runs ends copies. Raises OSError.
    """
    sizes = {name: _size(source / name) for name in names}
    done, gone = 0, []
    for name in names:
        one, other = source / name, target / name
        durable.make_private(other.parent)
        try:
            if not _is_copied(one, other):
                _copy(one, other)
        except FileNotFoundError:
            if not name.endswith(SECTORS):
                raise
            durable.remove(other)
            gone.append(name)
        done += sizes[name]
        on_copied(done, sum(sizes.values()))
    return gone


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _copy(one: Path, other: Path) -> None:
    with one.open("rb") as reading:
        descriptor = os.open(other, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as writing:
            shutil.copyfileobj(reading, writing, CHUNK)
            writing.flush()
            durable.sync_file(writing.fileno())
    shutil.copystat(one, other)
    durable.sync_directory(other.parent)


def _is_copied(one: Path, other: Path) -> bool:
    if not other.exists():
        return False
    first, second = one.stat(), other.stat()
    return (first.st_size, first.st_mtime_ns) == (second.st_size, second.st_mtime_ns)


def _sync(path: Path) -> None:
    with path.open("rb") as opened:
        durable.sync_file(opened.fileno())
    durable.sync_directory(path.parent)


def _digest(path: Path) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "blake2b").hexdigest()
