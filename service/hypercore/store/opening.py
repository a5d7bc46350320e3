"""Open the SQLite file of a corestore: to write, or only to read where the disk or the directory cannot be written."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from service.durable import make_private_database, open_log

BUSY_SECONDS = 30.0
"""How long SQLite waits for another process's transaction."""


def only_readable(path: Path) -> bool:
    """Return whether the file is there but cannot be written, nor the files that SQLite keeps beside it."""
    return path.exists() and not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK))


def open_to_read(path: Path) -> sqlite3.Connection:
    """Open a file that cannot be written. Raises sqlite3.Error.

    What was committed and not yet moved into the file is read as well, if SQLite can. Without it nothing changes the
    file, and SQLite is told so: else it would want to make its side files.
    """
    log = path.with_name(path.name + "-wal")
    whole = not (log.exists() and log.stat().st_size)
    db = _connect(f"{path.absolute().as_uri()}?mode=ro{'&immutable=1' if whole else ''}", uri=True)
    try:
        db.execute("PRAGMA user_version").fetchone()
    except sqlite3.OperationalError as error:
        db.close()
        if whole:
            raise
        raise sqlite3.OperationalError(
            f"{error}: it was not closed properly; copy the directory to a disk that can be written, and read it there"
        ) from error
    return db


def open_to_write(path: Path | None) -> sqlite3.Connection:
    """Open or create a file (None: in memory). Each commit is durable on return. Raises sqlite3.Error and OSError."""
    if path is None:
        return _connect(":memory:")
    path.parent.mkdir(parents=True, exist_ok=True)
    make_private_database(path)  # it holds secret keys
    # a new file gives room back; one that was made without it stays as it is, and to set it again would be a write
    pragmas = () if path.stat().st_size else ("auto_vacuum = INCREMENTAL",)
    db = open_log(lambda: _connect(str(path)), *pragmas)
    db.execute("PRAGMA secure_delete = FAST")  # a full one would need as much room as what is deleted
    return db


def _connect(name: str, uri: bool = False) -> sqlite3.Connection:
    return sqlite3.connect(name, isolation_level=None, timeout=BUSY_SECONDS, check_same_thread=False, uri=uri)


def unused_bytes(db: sqlite3.Connection) -> int:
    """Return how many bytes of the file hold nothing and are written first."""
    ((pages,), (size,)) = (db.execute(f"PRAGMA {name}").fetchone() for name in ("freelist_count", "page_size"))
    return int(pages) * int(size)


def give_back(db: sqlite3.Connection, path: Path, rewrite: bool) -> None:
    """Give the disk back what holds nothing, of the file and of its log. Raises sqlite3.Error.

    A file that was made without this ability keeps its size, and its unused part is written first. With `rewrite` it is
    written anew, if there is room for that.
    """
    (ability,) = db.execute("PRAGMA auto_vacuum").fetchone()
    if not ability and rewrite and _room_to_rewrite(path):
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        db.execute("VACUUM")
    try:
        _shrink(db)
    except sqlite3.OperationalError:
        _empty_log(db)  # the log was what had no room to grow
        _shrink(db)
    _empty_log(db)


def _shrink(db: sqlite3.Connection) -> None:
    db.executescript("PRAGMA incremental_vacuum")  # `execute` would take one step of it, which frees one page


def _empty_log(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _room_to_rewrite(path: Path) -> bool:
    disk = os.statvfs(path.parent)
    return disk.f_bavail * disk.f_frsize > 3 * path.stat().st_size
