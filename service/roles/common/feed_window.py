"""A sliding window over a feed's blocks, read from its peers. Used blocks are dropped, which bounds memory and disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from service.feeds.connections import PeerConnections
from service.hypercore import Core, CoreError, Corestore
from service.hypercore.crypto import Node, tree_hash
from service.hypercore.net import Replicator, Transport
from service.protocols.copy.stream import PlanHead

WINDOW_BLOCKS = 64
"""Blocks per download. The next download starts when half of this one is read, so that reading does not wait."""


class FeedUnreachable(Exception):
    """No known peer serves a feed's head, or one of its blocks. The message says which, and why."""


class FeedReader:
    """A reader of a replica's blocks in ascending order."""

    def __init__(self, core: Core, replicator: Replicator) -> None:
        self.core, self._replicator = core, replicator
        self._fetched: set[int] = set()
        self._next: asyncio.Task[None] | None = None
        self._ahead = 0

    async def reach(self, head: PlanHead, roots: Sequence[Node] = ()) -> tuple[Node, ...]:
        """Obtain a signed head that covers `head`, and return the roots of `head`.

        `roots` are those that the chain has: it keeps those of a plan's newest head only, so those of an older one come from
        the feed itself, and are right if they hash to the head's tree hash. Raises FeedUnreachable and ReplicationError.
        """
        if self.core.length < head.length:
            await self._replicator.update(head.length)
        if not roots and not self._knows_roots(head.length):
            await self.renew(
                head.length - 1, head.length
            )  # the way from its last block up passes all roots of a length
        require_head(self.core, head, roots)
        return self.core.roots(head.length)

    def _knows_roots(self, length: int) -> bool:
        try:
            return bool(self.core.roots(length))
        except CoreError:
            return False

    async def block(self, index: int, end: int) -> bytes:
        """Return a block as it is in the tree, and prefetch up to `end`, as those blocks are expected to be read next."""
        while not self.core.has(index):
            await self._window(index, end)
        if self._next is None and self._ahead < end and index + WINDOW_BLOCKS // 2 >= self._ahead:
            self._start(max(self._ahead, index + 1), end)
        data = self.core.raw(index)
        if data is None:
            raise FeedUnreachable(f"block {index} of feed {self.core.key.hex()} is missing after its download")
        return data

    async def renew(self, index: int, end: int) -> bytes:
        """Fetch a block that is here once more, for the tree nodes of its proof up to today's roots."""
        if self.core.writable:
            return await self.block(index, end)
        self.core.clear(index, index + 1)
        self.core.whole_paths.add(index)
        try:
            return await self.block(index, end)
        finally:
            self.core.whole_paths.discard(index)

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
        """Note that all blocks up to `index` are read, and drop those fetched for this reader."""
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
        """Stop the download and drop what was fetched for this reader."""
        try:
            if self._next is not None:
                self._next.cancel()
                await asyncio.gather(self._next, return_exceptions=True)
        finally:
            self._drop(sorted(self._fetched))


def require_head(core: Core, head: PlanHead, roots: Sequence[Node] = ()) -> None:
    """Raise FeedUnreachable unless the core's tree contains this head.

    `roots` are the head's, read from the chain. A feed may have grown beyond the head: its peers then show the roots of
    today's tree, and the core need not know a single root of the head.
    """
    if core.length >= head.length and core.fork == head.fork and tree_hash(roots) == head.tree_hash:
        for root in roots:
            if core.node(root.index) not in (None, root):
                raise FeedUnreachable(f"feed {core.key.hex()}: tree node {root.index} is not that of the plan's head")
        core.keep_nodes(roots)
    try:
        found = core.tree_hash(head.length)
    except CoreError as error:
        raise FeedUnreachable(f"feed {core.key.hex()}: {error}") from error
    if core.fork != head.fork or found != head.tree_hash:
        raise FeedUnreachable(
            f"feed {core.key.hex()}: the tree hash of {head.length} blocks is {found.hex()} at fork {core.fork}, "
            f"but the plan's is {head.tree_hash.hex()} at fork {head.fork}"
        )


@asynccontextmanager
async def open_feed(store: Corestore, transport: Transport, key: bytes, through: int = 0) -> AsyncIterator[FeedReader]:
    """Open a reader of a feed, connected to every known peer that can be reached.

    Raises FeedUnreachable if no peer can be reached and the feed is not our own.
    """
    core = store.get(key)
    async with PeerConnections(transport, await transport.providers(core.discovery_key)) as reached:
        if not reached.connections and not core.writable:
            raise FeedUnreachable(f"feed {key.hex()}: {reached.failure}")
        with Replicator(core, through=through) as replicator:
            reader = FeedReader(core, replicator)
            reached.give_to(replicator.attach)
            try:
                yield reader
            finally:
                await reader.close()
