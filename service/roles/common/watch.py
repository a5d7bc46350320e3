"""The copies of the chain that matter to a peer, block after block, without reading all of them each time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import structlog

from service.chain_client import Block, ChainError, Follower, Storage, UnknownRuntime, WrongChain
from service.chain_client.pallet.types import Copy, CopyState
from service.disk import DISK_ERRORS

log = structlog.get_logger(__name__)

IsMine = Callable[[int, Copy], bool]
MAX_BEHIND = 2
"""Blocks a reader may lag behind the chain before it skips ahead."""


class CopyWatch:
    """The copies for which `mine` holds. Other copies are read again until they are active or ended."""

    def __init__(self, storage: Storage, mine: IsMine) -> None:
        self._storage, self._mine = storage, mine
        self._watched: set[int] = set()
        self._next: int | None = None

    @property
    def next(self) -> int:
        """The first copy number that was not yet assigned at the block read last."""
        return self._next or 0

    async def copies(self, at: bytes) -> dict[int, Copy]:
        """Return the copies that are ours at a block."""
        following = await self._storage.next_copy(at)
        if self._next is None:
            found = await self._storage.all_copies(at)
        else:
            found = await self._storage.copies_of(sorted(self._watched | set(range(self._next, following))), at)
        self._next = following
        mine = {number: copy for number, copy in found.items() if self._mine(number, copy)}
        open_ones = {n for n, copy in found.items() if copy.state not in (CopyState.ACTIVE, CopyState.ENDED)}
        self._watched = open_ones | set(mine)
        return mine


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
