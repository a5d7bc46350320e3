"""A feed's blocks from whoever serves them, window by window; what has been used is dropped, so memory and disk stay small."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from service.feeds.fetch import connect_all
from service.hypercore import Core, CoreError, Corestore
from service.hypercore.net import ConnectionClosed, Replicator, Transport
from service.protocols.copy.stream import PlanHead

log = structlog.get_logger(__name__)

WINDOW_BLOCKS = 64


class FeedUnreachable(Exception):
    """Nobody who is known serves a feed's head, or a block of it; says which and why."""


class FeedReader:
    """Reads a replica's blocks in ascending order."""

    def __init__(self, core: Core, replicator: Replicator) -> None:
        self.core, self._replicator = core, replicator
        self._fetched: set[int] = set()
        self._next: asyncio.Task[None] | None = None
        self._ahead = 0

    async def reach(self, head: PlanHead) -> None:
        """Have a signed head that covers `head`. Raises FeedUnreachable, ReplicationError."""
        if self.core.length < head.length:
            await self._replicator.update(head.length)
        require_head(self.core, head)

    async def block(self, index: int, end: int) -> bytes:
        """A block as it is in the tree; the blocks up to before `end` are expected to be read next."""
        while not self.core.has(index):
            await self._window(index, end)
        if self._next is None and self._ahead < end and index + WINDOW_BLOCKS // 2 >= self._ahead:
            self._start(max(self._ahead, index + 1), end)
        data = self.core.raw(index)
        if data is None:
            raise FeedUnreachable(f"block {index} of feed {self.core.key.hex()} is not here")
        return data

    def _start(self, start: int, end: int) -> None:
        stop = min(start + WINDOW_BLOCKS, end)
        self._fetched.update(block for block in range(start, stop) if not self.core.has(block))
        self._ahead = stop
        self._next = asyncio.create_task(self._replicator.download(start, stop))

    async def _window(self, index: int, end: int) -> None:
        if self._next is None:
            self._start(index, max(end, index + 1))
        task, self._next = self._next, None
        assert task is not None
        await task

    def used(self, index: int) -> None:
        """Blocks up to this one are read; those that were fetched for it need not be kept."""
        done = sorted(block for block in self._fetched if block <= index)
        if len(done) >= WINDOW_BLOCKS:
            self._drop(done)

    def _drop(self, blocks: list[int]) -> None:
        start = None
        for block in blocks:
            start = block if start is None else start
            if block + 1 not in self._fetched or block == blocks[-1]:
                self.core.clear(start, block + 1)
                start = None
        self._fetched.difference_update(blocks)

    async def close(self) -> None:
        """Drop what was fetched and not used."""
        try:
            if self._next is not None:
                self._next.cancel()
                await asyncio.gather(self._next, return_exceptions=True)
        finally:
            self._drop(sorted(self._fetched))


def require_head(core: Core, head: PlanHead) -> None:
    """Raises FeedUnreachable unless the core's tree contains this head."""
    try:
        found = core.tree_hash(head.length)
    except CoreError as error:
        raise FeedUnreachable(f"feed {core.key.hex()}: {error}") from error
    if core.fork != head.fork or found != head.tree_hash:
        raise FeedUnreachable(
            f"feed {core.key.hex()}: its head of {head.length} blocks at fork {core.fork} is {found.hex()}, "
            f"the plan's is {head.tree_hash.hex()} at fork {head.fork}"
        )


@asynccontextmanager
async def open_feed(store: Corestore, transport: Transport, key: bytes) -> AsyncIterator[FeedReader]:
    """A reader of a feed, connected to every known peer that can be reached. Raises FeedUnreachable."""
    core = store.get(key)
    connections, reasons = await connect_all(transport, [peer.key for peer in transport.known])
    if not connections and not core.writable:
        raise FeedUnreachable(f"feed {key.hex()}: no peer can be reached: {'; '.join(reasons)[:500]}")
    replicator = Replicator(core)
    reader = FeedReader(core, replicator)
    try:
        for connection in connections:
            try:
                replicator.attach(connection)
            except ConnectionClosed as error:
                log.info("peer left", peer=str(connection), reason=str(error))
        yield reader
    finally:
        try:
            await reader.close()
        finally:
            for connection in connections:
                connection.close("done")
            replicator.close()
