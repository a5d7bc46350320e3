"""Imports of which a crash leaves no rest behind: the same one goes on, another one removes it first."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from service.hypercore import Core, Corestore

from .serving import ImportInterrupted, OnBytes, import_path

log = structlog.get_logger(__name__)

NOTE = "import.json"
POLL_SECONDS = 0.1


@dataclass(slots=True)
class _Note:
    """What is being imported, in a file that its importer holds locked."""

    fd: int

    def read(self) -> tuple[str, str] | None:
        """The path and the feed's name of an import that was cut off; None after one that ended."""
        text = os.pread(self.fd, 1 << 16, 0)
        try:
            fields = json.loads(text) if text else None
            return None if fields is None else (str(fields["path"]), str(fields["name"]))
        except (ValueError, KeyError, TypeError):
            return None  # cut off while it was written: nothing had been imported yet

    def write(self, path: str, name: str) -> None:
        self._replace(json.dumps({"version": 1, "path": path, "name": name}).encode())

    def clear(self) -> None:
        self._replace(b"")

    def _replace(self, data: bytes) -> None:
        os.ftruncate(self.fd, 0)
        os.pwrite(self.fd, data, 0)
        os.fsync(self.fd)


@asynccontextmanager
async def _only_importer(directory: Path) -> AsyncIterator[_Note]:
    fd = os.open(directory / NOTE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        told = False
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not told:
                    log.info("waiting for another import", dir=str(directory))
                    told = True
                await asyncio.sleep(POLL_SECONDS)
        yield _Note(fd)
    finally:
        os.close(fd)


def _absolute(path: Path) -> str:
    return str(path.absolute())


async def import_once(store: Corestore, directory: Path, path: Path, on_progress: OnBytes | None = None) -> Core:
    """Pack a file or a folder into a new feed of ours in ``directory``; durable on return.

    A crash or Ctrl-C loses nothing: the same import goes on from what was durable, unless the files have changed. Any
    other failure leaves no feed behind. Raises ArchiveError.
    """
    wanted = _absolute(path)
    async with _only_importer(directory) as note:
        before = note.read()
        if before is not None and before[0] == wanted:
            try:
                core = await import_path(store, path, on_progress, name=before[1])
            except ImportInterrupted as reason:
                log.info("import begins anew", reason=str(reason))
            else:
                note.clear()
                return core
        if before is not None:
            store.remove(store.named(before[1]))
        name = f"import/{secrets.token_hex(16)}"
        note.write(wanted, name)
        try:
            core = await import_path(store, path, on_progress, name=name)
        except Exception:
            store.remove(store.named(name))
            note.clear()
            raise
        note.clear()
        return core
