"""Reading and writing files that hold secrets."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

from service.durable import write_new

from .keys import KeyFileError

MAX_BYTES = 1 << 20
"""No file with keys is larger: what is, is none."""


def write_secret(path: Path, data: bytes) -> None:
    """Write a file of mode 0600 that must not exist yet, durably. Raises KeyFileError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_new(path, data)
    except FileExistsError:
        raise KeyFileError(f"{path} already exists: key files are never overwritten; choose another path") from None
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}") from error


def read_json(path: Path, what: str = "key file") -> Any:
    """Return a file's JSON. Raises KeyFileError if it is none, saying that it is not `what`."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise KeyFileError(f"{path} is not a {what}: it has more than {MAX_BYTES} bytes")
    try:
        return json.loads(data.decode())
    except UnicodeDecodeError:
        raise KeyFileError(f"{path} is not a {what}") from None
    except (ValueError, RecursionError):
        raise KeyFileError(f"{path} is not a {what}: it is not JSON") from None


def check_private(path: Path) -> None:
    """Raise KeyFileError if others than the file's owner may open it."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise KeyFileError(f"{path} is open to others (mode {mode:04o}): run chmod 600 on it")
