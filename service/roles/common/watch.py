"""The copies of the chain that matter to a peer, block after block, without reading all of them each time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

import structlog

from service.chain_client import (
    Block,
    ChainClient,
    ChainError,
    Follower,
    StateDiscarded,
    UnknownRuntime,
    WrongChain,
)
from service.chain_client.pallet.events import GrowthBegun
from service.chain_client.pallet.types import Copy, CopyState
from service.chain_client.runtime.events import EventRecord
from service.disk import DISK_ERRORS

log = structlog.get_logger(__name__)

IsMine = Callable[[int, Copy], bool]
MAX_BEHIND = 2
"""Blocks a reader may lag behind the chain before it skips ahead."""
MOST_MISSED = 64
"""Blocks that were skipped whose events are read. After more all copies are read again, as at the start."""


class CopyWatch:
    """The copies for which `mine` holds. Other copies are read again until they are active or ended, and when they grow."""

    def __init__(self, client: ChainClient, mine: IsMine) -> None:
        self._client, self._mine = client, mine
        self._watched: set[int] = set()
        self._next: int | None = None
        self._last = 0

    @property
    def next(self) -> int:
        """The first copy number that was not yet assigned at the block read last."""
        return self._next or 0

    async def copies(self, block: Block) -> dict[int, Copy]:
        """Return the copies that are ours at a block."""
        storage, at = self._client.storage, block.hash
        following = await storage.next_copy(at)
        grown = None if self._next is None else await self._grown(block)
        if self._next is None or grown is None:
            found = await storage.all_copies(at)
        else:
            found = await storage.copies_of(sorted(self._watched | grown | set(range(self._next, following))), at)
        self._next, self._last = following, block.number
        mine = {number: copy for number, copy in found.items() if self._mine(number, copy)}
        open_ones = {n for n, copy in found.items() if copy.state not in (CopyState.ACTIVE, CopyState.ENDED)}
        self._watched = open_ones | set(mine)
        return mine

    async def _grown(self, block: Block) -> set[int] | None:
        """Return the active copies that began to grow since the last look, or None if too much has passed to tell."""
        if block.number - self._last > MOST_MISSED:
            return None
        found = _growing(block.events)
        for number in range(self._last + 1, block.number):
            missed = await self._client.block_hash(number)
            if missed is None:
                return None
            try:
                found |= _growing(await self._client.events(missed))
            except StateDiscarded:
                return None
        return found


def _growing(records: Iterable[EventRecord]) -> set[int]:
    return {record.event.copy for record in records if isinstance(record.event, GrowthBegun)}


async def latest_blocks(follower: Follower) -> AsyncIterator[Block]:
    """Yield finalized blocks, starting with the current one.

    A slow reader skips ahead to the latest: decisions rest on state, so nothing is lost.
    """
    await follower.wait_for(0)
    assert follower.latest is not None
    yield follower.latest
    blocks = follower.blocks()
    async for block in blocks:
        latest = follower.latest
        if block.discarded:
            continue  # its state is gone as well
        if latest is not None and latest.number > block.number + MAX_BEHIND:
            blocks.skip_to(latest)
            yield latest
        else:
            yield block


async def each_block(follower: Follower, step: Callable[[Block], Awaitable[None]]) -> None:
    """Take a step with each finalized block, and skip a block whose state cannot be read. Raises WrongChain.

    A disk that is full or fails costs this step only, and is told once: the next block is another try. So is a runtime
    that this service does not know: it may be upgraded again.
    """
    failing = False
    unknown = ""
    async for block in latest_blocks(follower):
        try:
            await step(block)
            if failing:
                log.info("the disk can be used again", block=block.number)
            if unknown:
                log.info("this role goes on: it can read the chain again", block=block.number)
            failing, unknown = False, ""
        except DISK_ERRORS as error:
            if not failing:
                log.error("cannot use the disk; trying again with each block", block=block.number, error=str(error))
            failing = True
        except WrongChain:
            raise
        except UnknownRuntime as error:
            if str(error) != unknown:
                log.error(
                    "this role stands still, but for storage proofs: it cannot read the chain's new runtime",
                    block=block.number,
                    error=str(error),
                    remedy="update datdot",
                )
            unknown = str(error)
        except ChainError as error:
            log.warning(
                "cannot read the chain; trying again with the next block",
                block=block.number,
                error=f"{type(error).__name__}: {error}",
            )
