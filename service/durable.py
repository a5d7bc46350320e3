"""Durable writes. This is the only module that makes them: what its functions wrote survives a power loss."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


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


def write_new(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Write a file that must not exist yet. It appears whole or not at all. Raises FileExistsError and OSError."""
    temporary = _temporary(path, data, mode)
    try:
        os.link(temporary, path)
    finally:
        temporary.unlink()
    sync_directory(path.parent)


def replace(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Replace the file at `path`. A reader sees the old content or the new, never a part."""
    put_in_place(_temporary(path, data, mode), path)


def put_in_place(written: Path, path: Path) -> None:
    """Rename a file whose content is durable to its final name in the same directory, replacing what is there."""
    try:
        os.replace(written, path)
    except BaseException:
        written.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def _temporary(path: Path, data: bytes, mode: int) -> Path:
    """Write the data to a new file beside `path` and return its path. Nothing is left behind if that fails."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            sync_file(file.fileno())
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return temporary
