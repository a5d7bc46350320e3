"""The rule for names in an archive, for both ways: what is packed can be written again, and nothing else is packed."""

from __future__ import annotations

import os
from pathlib import Path

MAX_PATH = 4096
"""Bytes of a path below the archive's folder."""


def wrong_name(path: str) -> str | None:
    """Return why an archive cannot hold a path below its folder, or None if it can."""
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts):
        return "it could lead out of the folder"
    if "\x00" in path:
        return "it contains a NUL byte"
    if "\\" in path:
        return "it contains a backslash, which separates folders on other systems"
    if len(path.encode("utf-8", "surrogateescape")) > MAX_PATH:
        return f"it is longer than {MAX_PATH} bytes"
    return None


def encoded(path: str) -> bytes | str:
    """Return the bytes under which a path is packed, or a text that says why it cannot be."""
    try:
        data = path.encode("utf-8")
    except UnicodeEncodeError:
        return "the name is not UTF-8"
    reason = wrong_name(path)
    return data if reason is None else f"the name is not allowed: {reason}"


def shown(path: Path | str) -> str:
    """Return a path for a message: bytes that are not UTF-8 as escapes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
