"""The author's part: a file or a folder becomes a feed, and the feeds that are kept here are served to any reader."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

from service.hypercore.core import Core
from service.hypercore.corestore import Corestore
from service.hypercore.crypto import discovery_key
from service.hypercore.net.connection import Connection
from service.hypercore.net.replication import Replication

from .archive.format import BLOCK_SIZE, ArchiveError, cut, pack, packed_size

BATCH_BYTES = 2 * 1024 * 1024

OnBytes = Callable[[int, int], None]
"""Called with (bytes done, bytes in all)."""


class ImportInterrupted(Exception):
    """A feed of that name holds something else than the beginning of what is imported; says from where on."""


def check_apart(path: Path, directory: Path) -> None:
    """Raises ArchiveError when ``directory``, in which secret keys lie, would be packed with ``path``."""
    if directory.resolve().is_relative_to(path.resolve()):
        raise ArchiveError(f"{path} holds {directory}: the secret keys that lie there would be published with it")


async def import_path(
    store: Corestore,
    path: Path,
    on_progress: OnBytes | None = None,
    *,
    name: str | None = None,
    block_size: int = BLOCK_SIZE,
) -> Core:
    """Pack a file or a folder into a new feed of ours; durable on return. A failed import leaves no feed behind.

    With a `name`, what was durable stays, and the same import goes on from there: blocks that are there are compared,
    not written again. Raises ArchiveError for what cannot be packed, ImportInterrupted when the feed of that name holds
    something else.
    """
    total = packed_size(path)
    core = store.create() if name is None else store.named(name)
    try:
        await _import(core, path, cut(pack(path), block_size), total, on_progress)
    except BaseException:
        if name is None:
            store.remove(core)
        raise
    return core


async def _import(core: Core, path: Path, blocks: Iterator[bytes], total: int, on_progress: OnBytes | None) -> None:
    done = 0
    for index, batch in _batches(blocks):
        there = max(0, min(len(batch), core.length - index))
        for block, data in enumerate(batch[:there], index):
            if core.get(block) != data:
                raise ImportInterrupted(
                    f"feed {core.key.hex()} holds something else than {path}, from block {block} on"
                )
        core.append(batch[there:])
        done += sum(map(len, batch))
        if on_progress is not None:
            on_progress(done, total)
        await asyncio.sleep(0)
    if core.byte_length != done:
        raise ImportInterrupted(f"feed {core.key.hex()} holds {core.byte_length} bytes, {path} has {done} packed")


def _batches(blocks: Iterator[bytes]) -> Iterator[tuple[int, list[bytes]]]:
    """Blocks with the index of the first, as many as one transaction takes."""
    index, batch, size = 0, list[bytes](), 0
    for block in blocks:
        batch.append(block)
        size += len(block)
        if size >= BATCH_BYTES:
            yield index, batch
            index, batch, size = index + len(batch), [], 0
    if batch:
        yield index, batch


class AuthorRole:
    """Serves feeds by their discovery keys; `attach` it to every connection."""

    def __init__(self, store: Corestore) -> None:
        self._store = store
        self._withheld: set[bytes] = set()

    def withhold(self, key: bytes) -> None:
        """Do not serve this feed from here on to new channels."""
        self._withheld.add(discovery_key(key))

    def find(self, discovery: bytes) -> Core | None:
        """The feed of that discovery key, if it is here, has a head and is not withheld."""
        core = None if discovery in self._withheld else self._store.find(discovery)
        return core if core is not None and core.length else None

    def attach(self, connection: Connection) -> None:
        """Serve what is here on this connection."""
        Replication.of(connection).serve(self.find)
