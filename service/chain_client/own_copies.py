"""Which copies are an account's, never by reading all copies: the chain counts them, and names them in slots and in waits.

A copy of which something is confirmed stands in a slot of its hoster. Every other one is armed with a wait until it is gone, so
it stands in a queue of the chain: those queues are as long as what is in the making or has ended lately.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping

from .pallet.items import COPY_SLOTS, DEADLINES
from .pallet.types import Copy, CopyState, Wait
from .storage import PAGE, WAITS, Storage

SLOT, PLACE = 4, 8
AT_ENCODERS = (Wait.BEGIN, Wait.LEASE)
"""Waits of which one is armed while an encoder makes a copy."""
IN_THE_MAKING = (Wait.DECLINE, Wait.ENCODER_DRAW, *AT_ENCODERS)
"""Waits of which one is armed while a copy is offered or made."""


async def read_hosted(
    storage: Storage, account: bytes, many: int, at: bytes | None, with_ended: bool = False
) -> dict[int, Copy]:
    """Return the copies that an account hosts, by number; `many` is how many the chain counts. Raises ChainError.

    A copy of which something is confirmed stands in one of the account's slots. One that is offered or first made, or has
    ended (`with_ended`: these are counted and returned, too), stands in none: it is looked for among the newest and in the
    chain's waits, until as many are found.
    """

    def counts(copy: Copy) -> bool:
        return copy.hoster == account and (with_ended or copy.state is not CopyState.ENDED)

    found = _those(await storage.copies_of(await _slots(storage, account, at), at), counts)
    waits = (*IN_THE_MAKING, Wait.RECORDS) if with_ended else IN_THE_MAKING
    return await _with_armed(storage, found, counts, many, at, waits)


async def own_hosted(storage: Storage, account: bytes, kept: Iterable[int], at: bytes) -> dict[int, Copy]:
    """Return all live copies of a hoster, and those that ended of which something is `kept`, by number. Raises ChainError."""
    hoster = await storage.hoster(account, at)
    if hoster is None:
        return {}

    def counts(copy: Copy) -> bool:
        return copy.hoster == account and copy.state is not CopyState.ENDED

    first = await storage.copies_of({*kept, *await _slots(storage, account, at)}, at)
    ended = _those(first, lambda copy: copy.hoster == account and copy.state is CopyState.ENDED)
    return ended | await _with_armed(storage, _those(first, counts), counts, hoster.copies, at, IN_THE_MAKING)


async def own_jobs(storage: Storage, account: bytes, kept: Iterable[int], at: bytes) -> dict[int, Copy]:
    """Return the copies of which an encoder makes the next segment, and all those of which something is `kept`, by number.

    Raises ChainError. No table of the chain names copies by their encoder, but it counts an encoder's jobs, and each is armed with
    a wait.
    """
    first = await storage.copies_of(kept, at)
    encoder = await storage.encoder(account, at)
    if encoder is None:
        return first

    def counts(copy: Copy) -> bool:
        return copy.encoder == account

    return first | await _with_armed(storage, _those(first, counts), counts, encoder.jobs, at, AT_ENCODERS)


async def unpaid_work(storage: Storage, account: bytes, at: bytes | None) -> set[int]:
    """Return the copies of which an encoder makes a segment, or made one whose second half is not paid. Raises ChainError.

    The chain counts both, and both are armed with a wait; no more of these is read than until all are found.
    """
    encoder = await storage.encoder(account, at)
    if encoder is None:
        return set()

    def counts(copy: Copy) -> bool:
        return copy.encoder == account

    copies = set(await _with_armed(storage, {}, counts, encoder.jobs, at, AT_ENCODERS))
    owing = set[int]()
    if encoder.halves:
        async for numbers in _armed(storage, Wait.HALF, at):
            segments = await storage.segments_of(numbers, at)
            own = {number: one.copy for number, one in segments.items() if one.encoder == account and one.half}
            owing |= own.keys()
            copies |= set(own.values())
            if len(owing) >= encoder.halves:
                break
    return copies


async def _slots(storage: Storage, account: bytes, at: bytes | None) -> list[int]:
    return [copy async for page in storage.pages(COPY_SLOTS, SLOT, at, account) for copy in page.values()]


def _those(copies: Mapping[int, Copy], counts: Callable[[Copy], bool]) -> dict[int, Copy]:
    return {number: copy for number, copy in copies.items() if counts(copy)}


async def _armed(storage: Storage, wait: Wait, at: bytes | None) -> AsyncIterator[list[int]]:
    """Yield the copies or segments of which a wait is armed, some hundred numbers at a time."""
    kind = WAITS.index(wait).to_bytes(1, "little")
    async for page in storage.pages(DEADLINES, PLACE, at, kind):
        # of Records those with a tag are of an attester's slot
        yield [one.id for one in page.values() if wait is not Wait.RECORDS or one.tag == 0]


async def _with_armed(
    storage: Storage,
    found: dict[int, Copy],
    counts: Callable[[Copy], bool],
    many: int,
    at: bytes | None,
    waits: Iterable[Wait],
) -> dict[int, Copy]:
    """Add to what was found copies that count, until there are so many: among the newest, then among those with a wait."""
    last = await storage.next_copy(at) if len(found) < many else 0
    looked = set(range(max(0, last - PAGE), last))
    found |= _those(await storage.copies_of(looked, at), counts)
    for wait in waits:
        if len(found) >= many:
            break
        async for numbers in _armed(storage, wait, at):
            found |= _those(await storage.copies_of(set(numbers) - looked, at), counts)
            looked.update(numbers)
            if len(found) >= many:
                break
    return dict(sorted(found.items()))
