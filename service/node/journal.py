"""The journal's filling: every finalized block that concerns this account, including those from while the node was down."""

from __future__ import annotations

import asyncio
from dataclasses import replace
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
from service.chain_client.call import PALLET
from service.chain_client.pallet.events import StorageChallenged
from service.disk import DISK_ERRORS
from service.operating.entries import GAP, NODE, RESTARTED, Followed, JournalEntry, entries_of
from service.operating.following import read_followed
from service.operating.meaning import cost_in_words, explain
from service.operating.moves import TRANSFER
from service.operating.table import JournalTable
from service.operating.words import Level
from service.roles.common.database import Database
from service.roles.common.troubles import Troubles

log = structlog.get_logger(__name__)

KEEP_EVERY = 64
"""Blocks after which the cursor is saved even though nothing was added."""
MOST_UNKEPT = 10_000
"""Entries in memory while the disk takes none. With more, no block is read until it does: the chain keeps them."""
RETRY_SECONDS = 1.0
"""Pause between two tries to read the chain at the start, or to write to a disk that takes nothing."""

SAVING = "saving the journal"
"""What fails while the disk takes none, as its alert names it."""
OTHERWISE = {"block": "in_block", "event": "of_event", "level": "of_level"}
"""Names in the log of fields whose own name a line has for something else: its block is the one of the event."""


class Journal:
    """The entries of the account, each once, in the order of the chain, and a log line for each of an event of ours.

    Entries, the cursor and what the account has to do with are in the roles' database, and change in one transaction. After a
    crash what came since is logged again, and is in the table once.
    """

    def __init__(
        self,
        client: ChainClient,
        follower: Follower,
        account: bytes,
        database: Database,
        troubles: Troubles | None = None,
        payer: bytes | None = None,
    ) -> None:
        """Fill that of an account. `payer` is who pays the fees, if not the account itself: its operator."""
        self._client, self._follower, self._account, self._db = client, follower, account, database
        self._troubles = Troubles() if troubles is None else troubles
        self.waits_for: int | None = None
        """The block that an earlier run has seen, until the chain's node has it."""
        with database.transaction() as db:
            self._cursor = CursorStore(db)
        self._table = JournalTable(database)
        self._payers = set() if payer is None else {payer}
        self._followed = self._table.followed()
        self._unread = False
        """Whether what is followed must be read from the chain, because blocks were not seen."""
        self._unseen: int | None = None
        """The first block of those in a row whose events are not known."""
        self._unkept: list[JournalEntry] = []
        self._failing = False
        """Whether the last try to save failed: the disk is full or fails."""
        self.seen = -1
        """The last block that was taken in."""

    async def run(self) -> None:
        """Fill until cancelled. Raises WrongChain if the database belongs to another genesis."""
        start = await self._start()
        self._unread = start is None
        blocks = self._follower.blocks(start)
        while True:
            try:
                block = await anext(blocks)
            except UnknownRuntime as error:
                # These blocks predate an upgrade and are lost to us. Newer ones are the follower's business.
                log.warning("cannot read old blocks; logging events from now on", error=str(error))
                newest = await self._follower.wait_for(0)
                await self._skip(start, newest)
                blocks.skip_to(newest)
                continue
            start = block.ref
            await self._look(block)

    async def _look(self, block: Block) -> None:
        """Take in one block."""
        if block.discarded:
            self._unseen = block.number if self._unseen is None else self._unseen
            return
        if self._unseen is not None:
            self._note(block.number, GAP, self._unseen, block.number - 1)
            self._unseen, self._unread = None, True
        if self._unread:
            await self._read_followed(block)
        self._tell(block, await self._named_sectors(block))
        due = bool(self._unkept) or self._failing or block.number % KEEP_EVERY == 0
        if due and not self._unread:  # a run that began behind a gap would not know that there was one
            self._keep(block.ref)
        while len(self._unkept) > MOST_UNKEPT:
            await asyncio.sleep(RETRY_SECONDS)
            if self._unread:  # at the newest block: of this one the state may be gone for good
                await self._read_followed(await self._follower.wait_for(0))
            if not self._unread:
                self._keep(block.ref)
        self.seen = block.number

    async def _skip(self, last: BlockRef | None, newest: Block) -> None:
        """Note that no block after `last` up to the newest one is known."""
        first = self._unseen or (newest.number if last is None else last.number + 1)
        self._note(newest.number, GAP, first, newest.number)
        self._unseen, self._unread = None, True
        await self._read_followed(newest)
        if not self._unread:
            self._keep(newest.ref)

    def _note(self, block: int, name: str, first: int, last: int) -> None:
        self._unkept.append(JournalEntry(block, 0, NODE, name, {"first": first, "last": last}))

    async def _read_followed(self, block: Block) -> None:
        """Read what the account has to do with from the chain. If that fails, what is known already goes on."""
        try:
            found = await read_followed(self._client, self._account, block.hash)
        except (ConnectionLost, RpcError, StateDiscarded, UnknownRuntime) as error:
            log.warning("cannot read which copies and plans this account has; trying again", error=str(error))
            return
        self._unread = False
        self._followed = Followed(
            self._followed.hosted | found.hosted,
            self._followed.encoded | found.encoded,
            self._followed.plans | found.plans,
            self._followed.operators,
        )

    async def _start(self) -> BlockRef | None:
        """Return the cursor if the chain still has it and shows what comes after it, or None to start from now."""
        cursor = await self._load()
        if cursor is None:
            return None
        self.waits_for = cursor.number
        await self._follower.wait_for(cursor.number)
        self.waits_for = None
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
            self._followed = Followed(operators=self._followed.operators)
            self._note(cursor.number, RESTARTED, 0, cursor.number)
            return None
        following = await self._client.block_hash(cursor.number + 1)
        try:
            if following is not None:
                await self._client.events(following)
        except StateDiscarded as error:
            log.warning("the chain node has pruned old states; logging events from now on", error=str(error))
            newest = await self._follower.wait_for(0)
            self._note(newest.number, GAP, cursor.number + 1, newest.number)
            return None
        except UnknownRuntime:
            pass  # `run` handles this when the block's turn comes
        return cursor

    async def _named_sectors(self, block: Block) -> list[list[int]] | None:
        """Return copy, segment and sector of each sample that a block's challenge of this account names, or None.

        The chain forgets them with the proof, so they are read in the block of the challenge.
        """
        asked = [one.event for one in block.events if isinstance(one.event, StorageChallenged)]
        if all(one.hoster != self._account for one in asked):
            return None
        try:
            found = await self._client.storage.storage_challenge(self._account, block.hash)
        except (ConnectionLost, RpcError, StateDiscarded, UnknownRuntime) as error:
            log.warning("cannot read which sectors are to be proved; the journal lacks them", error=str(error))
            return None
        return None if found is None else [[one.copy, one.segment, one.sector] for one in found.samples]

    def _tell(self, block: Block, sectors: list[list[int]] | None = None) -> bool:
        """Take in the block's entries and log them. Return whether there were any."""
        self._followed.operators |= self._payers
        entries = entries_of(block, self._account, self._followed)
        for entry in entries:
            if entry.pallet == PALLET or entry.name == TRANSFER:
                _log(entry, ss58(self._account))
        self._unkept += [
            replace(one, fields=one.fields | {"sectors": sectors})
            if sectors is not None and one.name == StorageChallenged.__name__
            else one
            for one in entries
        ]
        return bool(entries)

    def _keep(self, block: BlockRef) -> None:
        """Save entries and cursor. If that fails it is told once and tried again with the next block: no duty rests on it."""
        try:
            self._save(block)
            if self._failing:
                log.info("the journal is saved again", block=block.number)
            self._failing = False
            self._troubles.over(SAVING)
        except DISK_ERRORS as error:
            if not self._failing:
                log.error("cannot save the journal; trying again with each block", error=str(error))
            self._failing = True
            self._troubles.failed(SAVING, error)

    def _save(self, block: BlockRef) -> None:
        with self._db.transaction() as db:
            self._table.add(db, self._unkept, self._followed)
            self._cursor.save(self._client.genesis, block)
        self._unkept.clear()


def _log(entry: JournalEntry, account: str) -> None:
    words = explain(entry, account)
    shown: dict[str, Any] = {OTHERWISE.get(name, name): value for name, value in entry.fields.items()}
    cost = cost_in_words(entry)
    if cost:
        shown["money"] = cost
    if words.level is Level.NOTE:
        log.info(entry.name, block=entry.block, **shown)
    else:
        log.warning(entry.name, block=entry.block, **shown, why=words.why, remedy=words.remedy)
