"""A follower of the finalized chain: every block once, in order, by parent hash, from a cursor kept with the effects."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import structlog

from .block import Block, BlockRef
from .client import ChainClient
from .errors import ChainError, ConnectionLost, RpcError, WrongChain

log = structlog.get_logger(__name__)

WATCHDOG_SECONDS = 60.0
"""Time without a finalized block after which the connection is rebuilt: a subscription can die silently."""
RETRY_SECONDS = 1.0
"""Pause before following or reading is tried again."""
KEPT_BLOCKS = 256
"""Finalized blocks kept in memory for readers."""
LOADED_AT_ONCE = 16
"""Blocks read concurrently while catching up."""


class CursorStore:
    """The last block whose effects are done, in its own SQLite file or in the caller's connection and transaction."""

    def __init__(self, database: sqlite3.Connection | Path) -> None:
        self._owned = isinstance(database, Path)
        if isinstance(database, Path):
            database.parent.mkdir(parents=True, exist_ok=True)
            database = sqlite3.connect(database, isolation_level=None)
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")
        self._db = database
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS chain_cursor "
            "(one INTEGER PRIMARY KEY CHECK (one = 1), genesis BLOB NOT NULL, number INTEGER NOT NULL, hash BLOB NOT NULL)"
        )

    def close(self) -> None:
        """Close the file if this store opened it."""
        if self._owned:
            self._db.close()

    def load(self, genesis: bytes) -> BlockRef | None:
        """Return the cursor, or None at the first start. Raises WrongChain if it belongs to another genesis."""
        row = self._db.execute("SELECT genesis, number, hash FROM chain_cursor").fetchone()
        if row is None:
            return None
        if row[0] != genesis:
            raise WrongChain(f"this state belongs to chain {row[0].hex()}, but the node is on {genesis.hex()}")
        return BlockRef(row[1], row[2])

    @staticmethod
    def peek(path: Path) -> tuple[bytes, BlockRef] | None:
        """Return genesis and cursor in a file that somebody else may use, None if there are none. Raises sqlite3.Error."""
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'chain_cursor'").fetchone() is None:
                return None
            row = db.execute("SELECT genesis, number, hash FROM chain_cursor").fetchone()
        return None if row is None else (row[0], BlockRef(row[1], row[2]))

    def save(self, genesis: bytes, block: BlockRef) -> None:
        """Move the cursor, within the caller's transaction if there is one."""
        self._db.execute(
            "INSERT INTO chain_cursor VALUES (1, ?, ?, ?)"
            " ON CONFLICT (one) DO UPDATE SET number = excluded.number, hash = excluded.hash",
            (genesis, block.number, block.hash),
        )


class Follower:
    """A walk over the finalized chain after `start` (None: from the finalized head seen first), by parent hash.

    Each reader of `blocks` has a position of its own, so a slow reader delays nobody and costs no memory: blocks older
    than the last `KEPT_BLOCKS` are read from the node again. Blocks whose state was pruned are delivered as well,
    marked as such: a reader that was away too long continues with the later states.
    """

    def __init__(
        self, client: ChainClient, start: BlockRef | None = None, watchdog_seconds: float = WATCHDOG_SECONDS
    ) -> None:
        self._client, self._watchdog = client, watchdog_seconds
        self._cursor = self._base = start
        self._kept: dict[int, Block] = {}
        self.latest: Block | None = None
        self._ended: Exception | None = None
        """Why `run` ended, if it did."""
        self._new = asyncio.Condition()

    def blocks(self, after: BlockRef | None = None) -> BlockStream:
        """Return a stream of finalized blocks in order: those after `after`, or those from this call on."""
        return BlockStream(self, self._cursor if after is None else after)

    async def wait_for(self, number: int) -> Block:
        """Wait until a finalized block of at least `number` was seen, and return the newest.

        Raises the error that ended `run`, if it ended.
        """

        def seen() -> bool:
            return self.latest is not None and self.latest.number >= number

        async with self._new:
            await self._new.wait_for(lambda: seen() or self._ended is not None)
        if not seen() and self._ended is not None:
            raise self._ended
        assert self.latest is not None
        return self.latest

    async def run(self) -> None:
        """Follow for ever, surviving connection faults. Raises WrongChain if the cursor is not on this chain.

        An error that ends it is also raised to everyone who waits for blocks, because they would wait for ever.
        """
        self._ended = None
        try:
            await self._outlive_faults()
        except Exception as error:
            async with self._new:
                self._ended = error
                self._new.notify_all()
            raise

    async def _outlive_faults(self) -> None:
        while True:
            try:
                await self._follow()
            except WrongChain:
                raise
            except ChainError as error:
                log.warning("following the chain was interrupted; retrying", error=str(error))
                await asyncio.sleep(RETRY_SECONDS)

    async def _follow(self) -> None:
        async with self._client.rpc.subscribe(
            "chain_subscribeFinalizedHeads", "chain_unsubscribeFinalizedHeads"
        ) as heads:
            head = await self._client.finalized()
            await self._check_cursor(head)
            await self._advance(head)
            while True:
                try:
                    # a dead subscription looks like a quiet chain, so silence is limited
                    async with asyncio.timeout(self._watchdog):
                        shown = await heads.next()
                except TimeoutError:
                    reason = f"no finalized block for {self._watchdog:.0f} s"
                    await self._client.rpc.reset(reason)
                    raise ConnectionLost(f"{self._client.url}: {reason}") from None
                # a notification shows one new block; blocks before it may have come without one, so they are read
                await self._advance(self._client.read_header(shown).ref)

    async def _check_cursor(self, head: BlockRef) -> None:
        """Check that the cursor is on this chain. A node that synchronises may be behind, but not on another chain."""
        if self._cursor is None:
            return
        if head.number < self._cursor.number:
            self._check_seen(head)
            log.warning("the chain node is still behind this state", finalized=head.number, cursor=self._cursor.number)
            return
        found = await self._client.block_hash(self._cursor.number)
        if found is not None and found != self._cursor.hash:
            raise WrongChain(
                f"block {self._cursor.number} is {found.hex()} at {self._client.url}, "
                f"but {self._cursor.hash.hex()} in this state"
            )

    def _check_seen(self, head: BlockRef) -> None:
        """Check a finalized block against that of its number which was seen in this run. Raises WrongChain."""
        seen = self._kept.get(head.number)
        if seen is not None and seen.hash != head.hash:
            raise WrongChain(
                f"block {head.number} is {head.hash.hex()} at {self._client.url} now, and was {seen.hash.hex()}: "
                "the chain began anew"
            )

    async def _advance(self, head: BlockRef) -> None:
        self._check_seen(head)
        if self._cursor is None:
            first_seen = await self._client.block(head.hash)
            self._base = BlockRef(first_seen.number - 1, first_seen.parent)
            await self._publish(first_seen)
        while self._cursor is not None and self._cursor.number < head.number:
            first = self._cursor.number + 1
            numbers = range(first, min(head.number + 1, first + LOADED_AT_ONCE))
            hashes = await asyncio.gather(*(self._hash_below(number, head) for number in numbers))
            for block in await asyncio.gather(*map(self._client.block, hashes)):
                _check_parent(block, self._cursor)
                await self._publish(block)

    async def _hash_below(self, number: int, head: BlockRef) -> bytes:
        found = head.hash if number == head.number else await self._client.block_hash(number)
        if found is None:
            raise ConnectionLost(f"{self._client.url} does not know block {number}")
        return found

    async def _publish(self, block: Block) -> None:
        if block.discarded and (self.latest is None or not self.latest.discarded):
            log.warning("the chain node has pruned old states; the events in them are unknown", first=block.number)
        self._cursor = block.ref
        self._kept[block.number] = block
        self._kept.pop(block.number - KEPT_BLOCKS, None)
        async with self._new:
            self.latest = block
            self._new.notify_all()

    async def _finalized_block(self, number: int) -> Block:
        """Return a block up to the latest one, from memory or from the node."""
        kept = self._kept.get(number)
        if kept is not None:
            return kept
        assert self.latest is not None
        return await self._client.block(await self._hash_below(number, self.latest.ref))


class BlockStream:
    """An endless iterator over finalized blocks. It survives connection faults."""

    def __init__(self, follower: Follower, position: BlockRef | None) -> None:
        self._follower, self._position = follower, position

    def __aiter__(self) -> BlockStream:
        return self

    async def __anext__(self) -> Block:
        if self._position is None:
            await self._follower.wait_for(0)
            self._position = self._follower._base
        assert self._position is not None
        number = self._position.number + 1
        await self._follower.wait_for(number)
        while True:
            try:
                block = await self._follower._finalized_block(number)
            except (ConnectionLost, RpcError) as error:
                log.warning("cannot read a block yet", number=number, error=str(error))
                await asyncio.sleep(RETRY_SECONDS)
            else:
                _check_parent(block, self._position)
                self._position = block.ref
                return block

    def skip_to(self, block: Block) -> None:
        """Continue after `block`. This is for readers that fell behind and rest their decisions on state."""
        self._position = block.ref


def _check_parent(block: Block, before: BlockRef) -> None:
    if block.parent != before.hash:
        raise WrongChain(
            f"block {block.number} does not follow block {before.number} ({before.hash.hex()}) of this state"
        )


async def following(follower: Follower) -> asyncio.Task[None]:
    """Start a follower, wait for its first block, and return the task that runs it."""
    task = asyncio.create_task(follower.run())
    first = asyncio.create_task(follower.wait_for(0))
    await asyncio.wait({task, first}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        first.cancel()
        with suppress(asyncio.CancelledError):
            await first
        task.result()
    return task
