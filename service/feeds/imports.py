"""Crash-safe imports.

Restarting the same import resumes it. Starting another one first removes what the interrupted one left.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from service.durable import sync_file
from service.hypercore.core import Core
from service.hypercore.corestore import Corestore
from service.hypercore.store.storage import StorageError

from .archive import BLOCK_SIZE, EVERYTHING, ArchiveError, Selection, cut, left_out, pack, packed_size, rules_of
from .progress import OnBytes
from .reserve import Reserve, check_room

log = structlog.get_logger(__name__)

NOTE = "import.json"
COPIES = "copies"
"""The folder in which a hoster keeps the sectors of its copies."""
POLL_SECONDS = 0.1
"""Interval between two tries for the lock; `flock` cannot be awaited."""


@dataclass(slots=True)
class _Note:
    """A note on disk of what is being imported. Its importer holds the file locked."""

    fd: int

    def read(self) -> tuple[str, str] | None:
        """Return path and feed name of an interrupted import, or None if the last one ended."""
        text = os.pread(self.fd, 1 << 16, 0)
        try:
            fields = json.loads(text) if text else None
            return None if fields is None else (str(fields["path"]), str(fields["name"]))
        except (ValueError, KeyError, TypeError):
            return None  # interrupted while the note was written: nothing was imported yet

    def write(self, path: str, name: str) -> None:
        self._replace(json.dumps({"version": 1, "path": path, "name": name}).encode())

    def clear(self) -> None:
        self._replace(b"")

    def _replace(self, data: bytes) -> None:
        os.ftruncate(self.fd, 0)
        os.pwrite(self.fd, data, 0)
        sync_file(self.fd)


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


async def import_once(
    store: Corestore,
    directory: Path,
    path: Path,
    on_progress: OnBytes | None = None,
    selection: Selection = EVERYTHING,
) -> Core:
    """Pack a file or a folder into a new feed of ours in `directory`. It is durable on return.

    A crash or Ctrl-C loses nothing: the same import resumes from what was durable, unless the files have changed. Any
    other failure leaves nothing behind, also on a full disk. Raises ArchiveError, and StorageError if there is no room.
    """
    wanted = _absolute(path)
    total = packed_size(path, selection)
    async with _only_importer(directory) as note:
        before = note.read()
        if before is not None and before[0] != wanted:
            _remove(store, before[1], note)
            before = None
        check_room(store, directory, total, 0 if before is None else store.named(before[1]).byte_length)
        work = _Work(store, directory, path, selection, total, on_progress, note)
        if before is not None:
            try:
                return await work.run(before[1])
            except ImportInterrupted as reason:
                log.info("import starts over", reason=str(reason))
        name = f"import/{secrets.token_hex(16)}"
        note.write(wanted, name)
        return await work.run(name)


@dataclass(frozen=True, slots=True)
class _Work:
    """One import that is noted, or to be noted."""

    store: Corestore
    directory: Path
    path: Path
    selection: Selection
    total: int
    on_progress: OnBytes | None
    note: _Note

    async def run(self, name: str) -> Core:
        """Import into the feed of a name. What fails is removed, in the room that was reserved for that."""
        with Reserve(self.directory, self.total) as reserve:
            core = self.store.named(name)
            try:
                await _import(core, self.path, _blocks(self.path, self.selection), self.total, self._settled)
            except Exception:
                reserve.release()
                _give_up(self.store, name, self.note)
                raise
        self.note.clear()
        return core

    def _settled(self, done: int, total: int) -> None:
        self.store.settle()
        if self.on_progress is not None:
            self.on_progress(done, total)


async def remove_feed(store: Corestore, directory: Path, core: Core) -> None:
    """Remove a feed from the store of a directory, and give the disk its room back. Raises StorageError.

    An import that runs there is waited for; the note of one that was cut off is cleared if this is its feed. Raises
    ArchiveError for a feed whose blocks a hoster's copies in that directory hold.
    """
    copies = directory / COPIES
    if copies.is_dir() and any(copies.iterdir()) and any(core.raw(start) is None for start, _ in core.ranges()):
        raise ArchiveError(
            f"feed {core.key.hex()} is hosted by the node of {directory}: its copy needs the feed's tree"
        )
    async with _only_importer(directory) as note:
        before, name = note.read(), core.name
        store.remove(core)
        if before is not None and before[1] == name:
            note.clear()
        store.give_back(rewrite=True)


def _remove(store: Corestore, name: str, note: _Note) -> None:
    """Remove what an import left. Raises StorageError."""
    store.remove(store.named(name))
    note.clear()
    store.give_back()


def _give_up(store: Corestore, name: str, note: _Note) -> None:
    """Do the same while another error is on its way, which is the one to raise."""
    try:
        _remove(store, name, note)
    except StorageError as error:
        gone = note.read() is None
        what = (
            "the room is used again, but not given back yet" if gone else "the next import removes what this one left"
        )
        log.warning(what, error=str(error))


BATCH_BYTES = 2 * 1024 * 1024
"""Bytes per transaction: each costs a sync to disk, and the event loop waits for it."""


class ImportInterrupted(Exception):
    """A feed of that name holds something other than the start of what is imported.

    The message says from which block on.
    """


def check_apart(path: Path, directory: Path, selection: Selection = EVERYTHING) -> None:
    """Raise ArchiveError if `directory`, which holds secret keys, would be packed along with `path`."""
    outer, inner = path.resolve(), directory.resolve()
    if inner.is_relative_to(outer):
        parts, rules = inner.relative_to(outer).parts, rules_of(selection)
        if any(left_out(rules, "/".join(parts[:depth]), True) for depth in range(1, len(parts) + 1)):
            return
        raise ArchiveError(f"{path} contains {directory}: the secret keys stored there would be published with it")


async def import_path(
    store: Corestore,
    path: Path,
    on_progress: OnBytes | None = None,
    *,
    name: str | None = None,
    block_size: int = BLOCK_SIZE,
    selection: Selection = EVERYTHING,
) -> Core:
    """Pack a file or a folder into a new feed of ours. It is durable on return; a failed import leaves no feed behind.

    With a `name`, what was durable stays and the same import resumes there: stored blocks are compared, not written
    again. Raises ArchiveError for what cannot be packed, and ImportInterrupted if the feed of that name holds something
    else.
    """
    total = packed_size(path, selection)
    core = store.create() if name is None else store.named(name)
    try:
        await _import(core, path, _blocks(path, selection, block_size), total, on_progress)
    except BaseException:
        if name is None:
            store.remove(core)
        raise
    return core


def _blocks(path: Path, selection: Selection, block_size: int = BLOCK_SIZE) -> Iterator[bytes]:
    return cut(pack(path, selection), block_size)


async def _import(core: Core, path: Path, blocks: Iterator[bytes], total: int, on_progress: OnBytes | None) -> None:
    done = 0
    for index, batch in _batches(blocks):
        there = max(0, min(len(batch), core.length - index))
        for block, data in enumerate(batch[:there], index):
            if core.get(block) != data:
                raise ImportInterrupted(f"feed {core.key.hex()} differs from {path} from block {block} on")
        core.append(batch[there:])
        done += sum(map(len, batch))
        if on_progress is not None:
            on_progress(done, total)
        await asyncio.sleep(0)
    if core.byte_length != done:
        raise ImportInterrupted(
            f"feed {core.key.hex()} holds {core.byte_length} bytes, but {path} has {done} when packed"
        )


def _batches(blocks: Iterator[bytes]) -> Iterator[tuple[int, list[bytes]]]:
    """Yield batches of blocks for one transaction each, with the index of the first block."""
    index, batch, size = 0, list[bytes](), 0
    for block in blocks:
        batch.append(block)
        size += len(block)
        if size >= BATCH_BYTES:
            yield index, batch
            index, batch, size = index + len(batch), [], 0
    if batch:
        yield index, batch
