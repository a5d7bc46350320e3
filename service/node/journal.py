"""A log of every finalized event that concerns this account, including those from while the node was down."""

from __future__ import annotations

import asyncio
from dataclasses import fields
from enum import Enum
from typing import Any

import structlog

from service.address import ss58
from service.chain_client import (
    Block,
    BlockRef,
    ChainClient,
    ConnectionLost,
    CursorStore,
    Follower,
    RpcError,
    StateDiscarded,
    UnknownRuntime,
)
from service.chain_client.pallet import events
from service.chain_client.pallet.events import Event
from service.chain_client.pallet.types import Verdict
from service.disk import DISK_ERRORS
from service.roles.common.database import Database

log = structlog.get_logger(__name__)

KEEP_EVERY = 64
"""Blocks after which the cursor is saved even though nothing was logged."""

RETRY_SECONDS = 1.0
"""Pause between two tries to read the chain at the start."""

PENALTIES = (
    events.BeginMissed,
    events.CopyStruck,
    events.Forfeited,
    events.HosterEvicted,
    events.HosterOverdue,
    events.SeatEmptyHanded,
    events.Stalled,
    events.StorageMissed,
)

ACCOUNTS = frozenset({"account", "encoder", "hoster", "sponsor"})

OTHERWISE = {"block": "in_block"}
"""Names in the log of fields whose own name a line has for something else: its block is the one of the event."""


def shown(event: Event) -> dict[str, Any]:
    """Return an event's fields for a log: accounts in SS58, other bytes in hex."""
    names = [one.name for one in fields(event)]
    return {OTHERWISE.get(name, name): _shown(name, getattr(event, name)) for name in names}


def _shown(name: str, value: object) -> object:
    if isinstance(value, bytes):
        return ss58(value) if name in ACCOUNTS else value.hex()
    if isinstance(value, Enum):
        return value.value
    return value if isinstance(value, int | str) else repr(value)


class Journal:
    """A log of each event, once, in the order of the chain.

    After a crash only the events since the last saved cursor are logged again. The cursor and the copies that the
    account hosts are in the roles' database, and change in one transaction.
    """

    def __init__(self, client: ChainClient, follower: Follower, account: bytes, database: Database) -> None:
        self._client, self._follower, self._account, self._db = client, follower, account, database
        with database.transaction() as db:
            self._cursor = CursorStore(db)
        self._hosted = {row[0] for row in database.rows("SELECT copy FROM journal_copies")}
        self._unkept = False
        """Whether the cursor could not be saved: the disk is full or fails."""

    async def run(self) -> None:
        """Log until cancelled. Raises WrongChain if the database belongs to another genesis."""
        blocks = self._follower.blocks(await self._start())
        while True:
            try:
                block = await anext(blocks)
            except UnknownRuntime as error:
                # These blocks predate an upgrade and are lost to us. Newer ones are the follower's business.
                log.warning("cannot read old blocks; logging events from now on", error=str(error))
                blocks.skip_to(await self._follower.wait_for(0))
                continue
            told = self._tell(block)
            if told or self._unkept or block.number % KEEP_EVERY == 0:
                self._keep(block.ref)

    async def _start(self) -> BlockRef | None:
        """Return the cursor if the chain still has it and shows what comes after it, or None to start from now."""
        cursor = await self._load()
        if cursor is None:
            return None
        await self._follower.wait_for(cursor.number)
        while True:
            try:
                return await self._resume(cursor)
            except (ConnectionLost, RpcError) as error:
                log.warning("cannot read the chain yet; retrying", cursor=cursor.number, error=str(error))
                await asyncio.sleep(RETRY_SECONDS)

    async def _load(self) -> BlockRef | None:
        told = False
        while True:
            try:
                return self._cursor.load(self._client.genesis)
            except DISK_ERRORS as error:
                if not told:
                    log.error("cannot read the journal's position; trying again", error=str(error))
                told = True
                await asyncio.sleep(RETRY_SECONDS)

    async def _resume(self, cursor: BlockRef) -> BlockRef | None:
        if await self._client.block_hash(cursor.number) != cursor.hash:
            log.warning("the chain was restarted from its genesis; logging events from now on", cursor=cursor.number)
            return None
        following = await self._client.block_hash(cursor.number + 1)
        try:
            if following is not None:
                await self._client.events(following)
        except StateDiscarded as error:
            log.warning("the chain node has pruned old states; logging events from now on", error=str(error))
            return None
        except UnknownRuntime:
            pass  # `run` handles this when the block's turn comes
        return cursor

    def _tell(self, block: Block) -> bool:
        """Log the block's events that concern us. Return whether there were any."""
        told = False
        for record in block.events:
            event = record.event
            if event is None or not self._concerns(event):
                continue
            bad = isinstance(event, PENALTIES) or (
                isinstance(event, events.RetrievalSettled) and event.verdict is Verdict.FAILED
            )
            (log.warning if bad else log.info)(record.name, block=block.number, **shown(event))
            told = True
        return told

    def _concerns(self, event: Event) -> bool:
        if isinstance(event, events.CopyOffered) and event.hoster == self._account:
            self._hosted.add(event.copy)
        mine = getattr(event, "copy", None) in self._hosted
        if mine and isinstance(event, events.CopyRemoved):
            self._hosted.discard(event.copy)
        return mine or any(getattr(event, one.name) == self._account for one in fields(event))

    def _keep(self, block: BlockRef) -> None:
        """Save the cursor. If that fails it is told once and tried again with the next block: no duty rests on it."""
        try:
            self._save(block)
            if self._unkept:
                log.info("the journal's position is saved again", block=block.number)
            self._unkept = False
        except DISK_ERRORS as error:
            if not self._unkept:
                log.error("cannot save the journal's position; trying again with each block", error=str(error))
            self._unkept = True

    def _save(self, block: BlockRef) -> None:
        with self._db.transaction() as db:
            db.execute("DELETE FROM journal_copies")
            db.executemany("INSERT INTO journal_copies VALUES (?)", [(copy,) for copy in self._hosted])
            self._cursor.save(self._client.genesis, block)
