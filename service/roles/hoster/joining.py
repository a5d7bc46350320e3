"""The way from a copy's head to the longer one that its hoster announces.

A hoster's core may have been longer than a copy's head before the copy came: another copy's encoder had shown it the feed's
head of that day, or another role on the node had fetched it. Then it has the roots of both heads, and not the nodes between
them, of which each block of the copy needs some to be proved to a reader. Its encoder shows them; where it does not, they are
asked of the feed's peers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing
from functools import partial

import structlog

from service.feeds.connections import PeerConnections
from service.hypercore import Core, CoreError, Corestore, ProofError
from service.hypercore.net import Replicator, Transport
from service.hypercore.tree import flat
from service.protocols.copy.stream import PlanHead

from ..common.feed_window import FeedUnreachable
from ..common.runner import Runner
from ..common.troubles import Troubles

log = structlog.get_logger(__name__)

AT_ONCE = 4
"""Feeds whose peers are asked at a time."""
LONGEST = 512
"""Blocks of the chain between two tries for one feed: at first 1, and twice as many after each that failed."""
OnHead = Callable[[Core, PlanHead], None]
"""A function called with a core and the head of a copy of it, once the core has the roots of that head."""


class HeadJoiner:
    """Asks for the nodes that hosted feeds lack, until they are here. Call `step` with each block."""

    def __init__(self, transport: Transport, core_of: Callable[[bytes], Core | None], troubles: Troubles) -> None:
        """Prepare. `core_of` returns the core of a feed that is hosted here."""
        self._transport, self._core_of = transport, core_of
        self._runner = Runner("hoster", LONGEST, troubles)
        self._places = asyncio.Semaphore(AT_ONCE)
        self._lengths: dict[bytes, set[int]] = {}
        """By feed: the lengths of the heads of copies from which there is no way to the core's."""

    def look(self, core: Core, head: PlanHead) -> None:
        """Note whether there is a way from a copy's head to the core's. Raises StorageError."""
        # of what a feed shares with another fork of it nothing is known here
        if core.fork == head.fork and head.length <= core.length and core.unjoined(head.length):
            self._lengths.setdefault(core.key, set()).add(head.length)

    def step(self, now: int) -> None:
        """Go on, in a block of the chain."""
        self._lengths = {feed: lengths for feed, lengths in self._lengths.items() if self._core_of(feed) is not None}
        self._runner.look(now)
        self._runner.apply(now, [(("join", feed), partial(self._join, feed)) for feed in self._lengths])

    async def close(self) -> None:
        """Ask for nothing more."""
        await self._runner.close()

    async def _join(self, feed: bytes) -> int | None:
        async with self._places:
            for length in sorted(self._lengths.get(feed, ())):
                core = self._core_of(feed)
                if core is not None:
                    await fetch_way(self._transport, core, length)
                    log.info("a hosted feed's way to its longer head is here now", feed=feed.hex(), blocks=length)
                self._lengths.get(feed, set()).discard(length)
            if not self._lengths.get(feed):
                self._lengths.pop(feed, None)
        return None


async def fetch_way(transport: Transport, core: Core, length: int) -> None:
    """Fetch the tree nodes between a head of `length` blocks and the core's from the feed's peers, durably.

    Raises FeedUnreachable, ReplicationError, CoreError and StorageError.
    """
    missing = core.unjoined(length)
    if not missing:
        return
    reach = max(flat.right_span(index) for index in missing) // 2 + 1
    with closing(Corestore(None)) as store:
        shown = store.get(core.key)  # not ours: that has the longer head already, which nobody would show it again
        async with PeerConnections(transport, await transport.providers(core.discovery_key)) as reached:
            if not reached.connections:
                raise FeedUnreachable(f"feed {core.key.hex()}: {reached.failure}")
            with Replicator(shown, through=length) as replicator:
                reached.give_to(replicator.attach)
                await replicator.update(reach)
        found = [node for node in map(shown.node, missing) if node is not None]
        try:
            joined = core.join(length, found)
        except ProofError as error:
            raise CoreError(f"feed {core.key.hex()}: {error}") from error
        if not joined:
            raise FeedUnreachable(f"feed {core.key.hex()}: its peers did not show tree nodes {missing}")
        core.flush()
