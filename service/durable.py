"""Durable writes. This is the only module that makes them: what its functions wrote survives a power loss."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import secrets
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

UNFINISHED = ".datdot-unfinished"
"""Name of a file that is being written."""
TRIAL = ".datdot-trial-"
"""What the name of a file begins with that only tries the disk."""
NO_ROOM = ("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE", "SQLITE_IOERR_SHMMAP", "SQLITE_IOERR_SHMOPEN")
"""What SQLite says where there is no room for the index of its log."""


def sync_file(descriptor: int) -> None:
    """Make the content of an open file durable."""
    os.fsync(descriptor)


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_filesystem(descriptor: int) -> None:
    """Make everything durable that was written to the file system of an open file or folder. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "syncfs"):
        os.sync()  # not Linux
    elif libc.syncfs(descriptor):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def make_directories(path: Path) -> None:
    """Create a directory and its missing parents, and make their names durable."""
    missing = []
    here = path
    while not here.is_dir():
        missing.append(here)
        here = here.parent
    for directory in reversed(missing):
        directory.mkdir(exist_ok=True)
        sync_directory(directory.parent)


def make_private(path: Path) -> None:
    """Create a directory that only its owner may look into, with its missing parents; an existing one is tightened.

    One that belongs to somebody else stays as it is. Raises OSError.
    """
    make_directories(path)
    _tighten(path, 0o700)


def make_private_if_missing(path: Path) -> None:
    """Create a directory that only its owner may look into; an existing one, which may be for other things, stays as it is.

    Raises OSError.
    """
    if not path.is_dir():
        make_private(path)


def tighten_all(folder: Path) -> None:
    """Take a folder and the files in it from everybody but their owner. Raises OSError."""
    _tighten(folder, 0o700)
    for path in folder.iterdir():
        if not path.is_symlink():
            _tighten(path, 0o700 if path.is_dir() else 0o600)


def make_private_database(path: Path) -> None:
    """Create the file of a SQLite database that only its owner may read, if it is missing; looser ones are tightened.

    SQLite gives the files beside it the same permissions. Raises OSError.
    """
    try:
        # An existing one is not opened: closing it again would drop the locks that SQLite holds on it in this process.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        pass
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm", f"{path.name}-journal"):
        if path.with_name(name).exists():
            _tighten(path.with_name(name), 0o600)


def open_log(connect: Callable[[], sqlite3.Connection], *pragmas: str) -> sqlite3.Connection:
    """Connect to a SQLite database, with a write-ahead log and durable commits. Raises sqlite3.Error.

    `pragmas` are set before the log. Other processes share the log's index, a file. Where the disk has no room for it the
    database is opened for this process alone, with its index in memory: what is stored can then be read, served and proved.
    """
    pragmas = (*pragmas, "journal_mode = WAL", "synchronous = FULL")
    try:
        return _set(connect(), *pragmas)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorname not in NO_ROOM:
            raise
    return _set(connect(), "locking_mode = EXCLUSIVE", *pragmas)


def _set(db: sqlite3.Connection, *pragmas: str) -> sqlite3.Connection:
    try:
        for one in pragmas:
            db.execute(f"PRAGMA {one}")
    except sqlite3.Error:
        db.close()
        raise
    return db


def _tighten(path: Path, mode: int) -> None:
    status = path.stat()
    if status.st_mode & 0o777 & ~mode and status.st_uid == os.geteuid():
        path.chmod(status.st_mode & mode)


def write_new(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Write a file that must not exist yet. It appears whole or not at all. Raises FileExistsError and OSError."""
    with _written(path, data, mode) as temporary:
        os.link(temporary, path)
        temporary.unlink()


def replace(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Replace the file at `path`. A reader sees the old content or the new, never a part. Raises OSError."""
    with _written(path, data, mode) as temporary:
        os.replace(temporary, path)


def put_in_place(written: Path, path: Path) -> None:
    """Rename a file whose content is durable to its final name in the same directory, replacing what is there."""
    try:
        os.replace(written, path)
    except BaseException:
        written.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def put_new(folder: int, written: str, name: str) -> None:
    """Rename a file or a folder within an open folder to a name that nothing has, and make the name durable.

    Raises FileExistsError, in which case nothing has changed, and OSError.
    """
    _rename_new(folder, written, name)
    os.fsync(folder)


_RENAME_NOREPLACE = 1


def _rename_new(folder: int, written: str, name: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if hasattr(libc, "renameat2"):
        old, new = os.fsencode(written), os.fsencode(name)
        if not libc.renameat2(folder, old, folder, new, _RENAME_NOREPLACE):
            return
        number = ctypes.get_errno()
        if number not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
            raise OSError(number, os.strerror(number), name)
    _rename_new_without_help(folder, written, name)


def _rename_new_without_help(folder: int, written: str, name: str) -> None:
    """Do the same where the system or the file system has no call for it: what must not exist is made first."""
    if stat.S_ISDIR(os.stat(written, dir_fd=folder, follow_symlinks=False).st_mode):
        os.mkdir(name, dir_fd=folder)  # fails if the name is taken; a folder replaces nothing but an empty folder
        os.rename(written, name, src_dir_fd=folder, dst_dir_fd=folder)
    else:
        os.link(written, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
        os.unlink(written, dir_fd=folder)


def remove(path: Path) -> None:
    """Remove the file at `path`, if there is one. It does not come back after a power loss."""
    path.unlink(missing_ok=True)
    if path.parent.is_dir():
        sync_directory(path.parent)


@contextmanager
def trial(directory: Path) -> Iterator[Path]:
    """Yield the path of a file, which nothing has, to try the disk of a directory with. It is removed in the end.

    Raises OSError.
    """
    path = directory / f"{TRIAL}{secrets.token_hex(8)}"
    try:
        yield path
    finally:
        remove(path)


@contextmanager
def _written(path: Path, data: bytes, mode: int) -> Iterator[Path]:
    """Write the data to a file beside `path` and yield its name. What the caller does with it is then made durable.

    The name is the same for all files of a directory, and the writer that holds the directory's lock uses it. So whatever
    has that name when the lock is ours was left by a writer that was killed, and is removed. A writer that cannot have the
    lock (another one writes, or the file system has no such locks) takes a name of its own. Errors name `path`.
    """
    try:
        with _locked(path.parent) as (directory, ours):
            temporary = path.with_name(UNFINISHED if ours else f"{UNFINISHED}.{secrets.token_hex(8)}")
            # Never truncated: a killed `write_new` may have left it as a second name of the file that it made.
            temporary.unlink(missing_ok=True)
            try:
                descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
                with os.fdopen(descriptor, "wb") as file:
                    file.write(data)
                    file.flush()
                    sync_file(file.fileno())
                yield temporary
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
            sync_file(directory)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


@contextmanager
def _locked(path: Path) -> Iterator[tuple[int, bool]]:
    """Open a directory and try to lock it, without waiting: yield its descriptor, and whether the lock is ours.

    The lock ends with the process, however that ends.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            ours = True
        except OSError:
            ours = False
        yield descriptor, ours
    finally:
        os.close(descriptor)
