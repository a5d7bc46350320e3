"""Feeds that are kept here, and the files in them."""

from __future__ import annotations

import asyncio

from service.feeds.archive.format import ArchiveError
from service.feeds.browse import ArchivedFile, ArchiveTable, FeedStream, MissingBlock, archive_table
from service.feeds.held import held
from service.hypercore import Core, CoreError

from .facts import MOST_TABLES, NodeFacts
from .history import NotHere
from .network_objects import FeedDetail, FeedFile, FeedPage, FeedRow

MOST_FEEDS = 500
"""Feeds that are listed at most."""
MOST_RUNS = 5_000
"""Runs of blocks that are listed at most."""
UNREADABLE_FEED = (ArchiveError, MissingBlock, CoreError)


def read_feeds(facts: NodeFacts, limit: int) -> FeedPage:
    """Return the feeds. Raises StorageError."""
    cores = _cores(facts)
    return FeedPage([_row(core) for core in cores[: min(limit, MOST_FEEDS)]], len(cores))


def _cores(facts: NodeFacts) -> list[Core]:
    store = facts.sources.store
    return [] if store is None else sorted(store.cores(), key=lambda core: core.key)


def has_feed(facts: NodeFacts, key: str) -> bool:
    """Return whether a feed is stored here. Raises StorageError."""
    store = facts.sources.store
    return store is not None and store.known(bytes.fromhex(key)) is not None


def core_of(facts: NodeFacts, key: str) -> Core:
    """Return the feed of a key in hex. Raises NotHere and StorageError."""
    store = facts.sources.store
    core = store.known(bytes.fromhex(key)) if store is not None and len(key) == 64 else None
    if core is None:
        raise NotHere(f"There is no feed {key[:8]} on this node")
    return core


def _row(core: Core) -> FeedRow:
    return FeedRow(core.key.hex(), core.length, held(core).here, core.byte_length, core.fork, core.writable)


async def read_feed(facts: NodeFacts, key: str, limit: int) -> FeedDetail:
    """Return a feed with its files. Raises NotHere, StorageError and TimeoutError."""
    core = core_of(facts, key)
    try:
        table = await table_of(facts, core)
        why = "" if table is not None else "Its blocks are no archive of files."
    except UNREADABLE_FEED as error:
        table, why = None, f"{error}."
    if not core.length:
        table, why = None, "It is empty, or nothing of it is here yet."
    files = [] if table is None else table.files
    return FeedDetail(
        _row(core),
        core.discovery_key.hex(),
        core.tree_hash().hex() if core.length else None,
        [list(one) for one in core.ranges()[:MOST_RUNS]],
        [FeedFile(one.path, one.size, one.executable) for one in files[:limit]],
        len(files),
        why,
    )


async def table_of(facts: NodeFacts, core: Core) -> ArchiveTable | None:
    """Return the files of a feed, or None if it is no archive. Raises UNREADABLE_FEED and TimeoutError."""
    if not core.length:
        return None
    tables, kept = facts.tables, (core.key, core.fork, core.length)
    if kept not in tables:
        async with asyncio.timeout(20):
            tables[kept] = await archive_table(core)
        while len(tables) > MOST_TABLES:
            tables.pop(next(iter(tables)))
    return tables[kept]


async def find_file(facts: NodeFacts, core: Core, path: str) -> tuple[FeedStream, ArchivedFile]:
    """Return a file of a feed, and what to read it with. Raises NotHere, UNREADABLE_FEED and TimeoutError."""
    table = await table_of(facts, core)
    for one in [] if table is None else table.files:
        if one.path == path:
            return FeedStream(core), one
    raise NotHere(f"There is no file {path!r} in feed {core.key.hex()[:8]}")
