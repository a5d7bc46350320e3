"""A node of Alice's that follows a chain in this process: what its server reads from, without its roles."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from service.hypercore import Corestore
from service.node.journal import Journal
from service.operating.alerts.table import AlertTable
from service.operating.facts import NodeFacts, Sources
from service.operating.objects import SettingRow
from service.operating.table import JournalTable
from service.roles.common.database import Database
from tests.support.chain_world import ALICE, Peer, World, following_peer, load_runtime, load_spec


@dataclass
class FollowedNode:
    """The chain, the peer on it, the node's database, and the facts' sources."""

    world: World
    peer: Peer
    database: Database
    sources: Sources


@asynccontextmanager
async def followed_node(
    directory: Path, store: Corestore | None = None, settings: Callable[[], tuple[SettingRow, ...]] = tuple
) -> AsyncIterator[FollowedNode]:
    """Run it."""
    world = World(load_runtime(), load_spec())
    await world.start()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(world.stop)
        peer = await stack.enter_async_context(following_peer(world.url, directory / "a.sqlite"))
        database = Database(directory / "roles.sqlite")
        stack.callback(database.close)
        journal = Journal(peer.client, peer.follower, ALICE.public_key, database)
        yield FollowedNode(world, peer, database, Sources(
            peer.client, peer.follower, ALICE.public_key, ALICE.public_key, ("author", "hoster"), JournalTable(database),
            directory, lambda: 5, list, lambda: journal.seen, AlertTable(database), store, settings,
        ))  # fmt: skip


@asynccontextmanager
async def kept_up(facts: NodeFacts) -> AsyncIterator[None]:
    """Let facts note the blocks that come."""
    task = asyncio.create_task(facts.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
