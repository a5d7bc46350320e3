"""The copies of the chain that matter to a peer, block after block, without reading all of them each time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Set
from typing import Any

import structlog

from service.chain_client import (
    Block,
    ChainClient,
    ChainError,
    EventRecord,
    Follower,
    StateDiscarded,
    UnknownRuntime,
    WrongChain,
)
from service.chain_client.call import PALLET
from service.chain_client.pallet.types import Copy, CopyState, Plan
from service.disk import DISK_ERRORS

from .troubles import Troubles

log = structlog.get_logger(__name__)

MAX_BEHIND = 2
"""Blocks a reader may lag behind the chain before it skips ahead."""
MOST_MISSED = 64
"""Blocks that were skipped whose events are read. After more the copies are looked for again, as at the start."""
READ_AGAIN = 16
"""Blocks within which what rests is read again in any case: some of its fields change without an event that names it."""


class CopyWatch:
    """The copies of which an account is a party, and those of which something is `kept`, with their plans, in memory.

    Of copies and plans that rest, those are read again that an event names, and a sixteenth with each block; copies in the
    making and their plans are read with each block. A copy becomes the account's only in a block with an event that names
    both. At the start, and after blocks whose events it has not, `find` reads these and those that are kept, by a block's hash.
    """

    def __init__(
        self,
        client: ChainClient,
        account: bytes,
        is_party: Callable[[Copy], bool],
        find: Callable[[bytes], Awaitable[dict[int, Copy]]],
        kept: Callable[[], Set[int]] = frozenset,
    ) -> None:
        self._client, self._account, self._is_party, self._find, self._kept = client, account, is_party, find, kept
        self.copies: dict[int, Copy] = {}
        """The copies that are ours at the block looked at last, by number."""
        self.plans: dict[int, Plan] = {}
        """Their plans."""
        self.next = 0
        """The first copy number that was not yet assigned at that block."""
        self._last: int | None = None

    async def look(self, block: Block) -> None:
        """Read what may have changed up to a block."""
        storage, at, kept = self._client.storage, block.hash, self._kept()
        events = None if self._last is None else await self._events(self._last, block)
        stale: set[int] | None
        self._last = None  # a look that is cut short is followed by one at everything
        if events is None:
            stale = None
            found = await self._find(at)
            self.copies = dict(sorted(self._ours(found, kept).items()))
        else:
            stale = {event.plan for event in events if hasattr(event, "plan")}
            resting = {
                n for n, c in self.copies.items() if not (is_due(n, block) or is_in_the_making(c) or c.plan in stale)
            }
            due = self._named(events) | (self.copies.keys() - resting)
            found = await storage.copies_of(sorted(due), at)
            rest = {number: copy for number, copy in self.copies.items() if number not in due}
            self.copies = dict(sorted(self._ours(rest | found, kept).items()))
        await self._look_at_plans(block, stale)
        self.next, self._last = await storage.next_copy(at), block.number

    def _ours(self, found: dict[int, Copy], kept: Set[int]) -> dict[int, Copy]:
        return {number: copy for number, copy in found.items() if number in kept or self._is_party(copy)}

    async def _look_at_plans(self, block: Block, stale: set[int] | None) -> None:
        """Read the plans of our copies: those of copies in the making, those in `stale`, or all for None."""
        plans = {copy.plan for copy in self.copies.values()}
        if stale is not None:
            making = {copy.plan for copy in self.copies.values() if is_in_the_making(copy)}
            stale |= making | (plans - self.plans.keys()) | {plan for plan in plans if is_due(plan, block)}
        fresh = await self._client.storage.plans_of(sorted(plans if stale is None else plans & stale), block.hash)
        rest = {} if stale is None else {plan: self.plans[plan] for plan in plans - stale}
        self.plans = rest | fresh

    def _named(self, events: Iterable[Any]) -> set[int]:
        """Return the copies that events name, of those that are ours or that an event names together with the account."""
        return {
            event.copy
            for event in events
            if hasattr(event, "copy")
            and (event.copy in self.copies or any(getattr(event, name) == self._account for name in event.__slots__))
        }

    async def _events(self, last: int, block: Block) -> list[Any] | None:
        """Return the pallet's events since block `last`, or None if they cannot be had or are too many.

        None, too, if one that is not typed may name what is ours.
        """
        if not last <= block.number <= last + MOST_MISSED:
            return None
        found = list(block.events)
        for number in range(last + 1, block.number):
            missed = await self._client.block_hash(number)
            if missed is None:
                return None
            try:
                found += await self._client.events(missed)
            except StateDiscarded:
                return None
        if any(record.event is None and record.pallet == PALLET and self._may_name_us(record) for record in found):
            return None
        return [record.event for record in found if record.event is not None]

    def _may_name_us(self, record: EventRecord) -> bool:
        """Return whether an event that a newer runtime tells in another form has our account in it, or a copy or plan of ours."""
        try:
            fields = record.fields
        except ValueError:  # it is not of its type: it may name anything
            return True
        return _holds(fields, "0x" + self._account.hex(), self.copies.keys() | self.plans.keys())


def _holds(form: Any, account: str, numbers: Set[int]) -> bool:
    """Return whether a value in scalecodec's form is, or has in it, the account or one of the numbers."""
    if isinstance(form, dict):
        return any(_holds(one, account, numbers) for one in form.values())
    if isinstance(form, list | tuple):
        return any(_holds(one, account, numbers) for one in form)
    return form == account or (isinstance(form, int) and not isinstance(form, bool) and form in numbers)


def is_in_the_making(copy: Copy) -> bool:
    """Return whether a copy's next segment waits for somebody or is being made."""
    return copy.state not in (CopyState.ACTIVE, CopyState.ENDED) or copy.encoder is not None


def is_due(number: int, block: Block) -> bool:
    """Return whether this is the block at which something that rests is read again."""
    return number % READ_AGAIN == block.number % READ_AGAIN


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


async def each_block(
    follower: Follower,
    step: Callable[[Block], Awaitable[None]],
    troubles: Troubles | None = None,
    about: str = "a role",
) -> None:
    """Take a step with each finalized block, and skip a block whose state cannot be read. Raises WrongChain.

    A disk that is full or fails costs this step only, and is told once: the next block is another try. So is a runtime
    that this service does not know: it may be upgraded again.
    """
    failing = False
    unknown = ""
    troubles = Troubles() if troubles is None else troubles
    async for block in latest_blocks(follower):
        try:
            await step(block)
            troubles.over(about)
            if failing:
                log.info("the disk can be used again", block=block.number)
            if unknown:
                log.info("this role goes on: it can read the chain again", block=block.number)
            failing, unknown = False, ""
        except DISK_ERRORS as error:
            troubles.failed(about, error)
            if not failing:
                log.error("cannot use the disk; trying again with each block", block=block.number, error=str(error))
            failing = True
        except WrongChain:
            raise
        except UnknownRuntime as error:
            troubles.failed(about, error)
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
