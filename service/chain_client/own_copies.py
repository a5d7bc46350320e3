"""Which copies are an account's: by a hoster's slots and by how many the chain counts of it, never by reading all copies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from .pallet.items import COPY_SLOTS
from .pallet.types import Copy, CopyState
from .storage import PAGE, Storage

MOST_NEWEST = 10_000
"""Numbers of copies, the newest first, among which those are looked for that stand in no slot."""
SLOT = 4


async def read_hosted(
    storage: Storage, account: bytes, many: int, at: bytes | None, with_ended: bool = False
) -> dict[int, Copy]:
    """Return the copies that an account hosts, by number; `many` is how many the chain counts. Raises ChainError.

    A copy of which something is confirmed stands in one of the account's slots. One that is offered or first made, or has
    ended (`with_ended`: these are counted and returned, too), stands in none: it is looked for among the newest
    `MOST_NEWEST`, until as many are found. What is older than those and stands in no slot is not returned.
    """

    def counts(copy: Copy) -> bool:
        return copy.hoster == account and (with_ended or copy.state is not CopyState.ENDED)

    found = _those(await storage.copies_of(await _slots(storage, account, at), at), counts)
    return await _with_newest(storage, found, counts, many, at, MOST_NEWEST)


async def own_hosted(storage: Storage, account: bytes, kept: Iterable[int], at: bytes) -> dict[int, Copy]:
    """Return all live copies of a hoster, and those that ended of which something is `kept`, by number. Raises ChainError."""
    hoster = await storage.hoster(account, at)
    if hoster is None:
        return {}

    def counts(copy: Copy) -> bool:
        return copy.hoster == account and copy.state is not CopyState.ENDED

    first = await storage.copies_of({*kept, *await _slots(storage, account, at)}, at)
    ended = _those(first, lambda copy: copy.hoster == account and copy.state is CopyState.ENDED)
    return ended | await _with_newest(storage, _those(first, counts), counts, hoster.copies, at)


async def own_jobs(storage: Storage, account: bytes, kept: Iterable[int], at: bytes) -> dict[int, Copy]:
    """Return the copies of which an encoder makes the next segment, and all those of which something is `kept`, by number.

    Raises ChainError. No table of the chain names copies by their encoder, but it counts an encoder's jobs.
    """
    first = await storage.copies_of(kept, at)
    encoder = await storage.encoder(account, at)
    if encoder is None:
        return first

    def counts(copy: Copy) -> bool:
        return copy.encoder == account

    return first | await _with_newest(storage, _those(first, counts), counts, encoder.jobs, at)


async def unpaid_work(storage: Storage, account: bytes, at: bytes | None, most: int) -> set[int]:
    """Return the copies of which an encoder makes a segment, or made one whose second half is not paid. Raises ChainError.

    The chain counts both, but no table of it names the copies: they are looked for among the newest `most`, and no further
    than until all are found.
    """
    encoder = await storage.encoder(account, at)
    jobs, halves = (0, 0) if encoder is None else (encoder.jobs, encoder.halves)
    found = set[int]()
    last = await storage.next_copy(at) if jobs or halves else 0
    first = max(0, last - most)
    while (jobs > 0 or halves > 0) and last > first:
        copies = await storage.copies_of(range(max(first, last - PAGE), last), at)
        own = {number for number, copy in copies.items() if copy.encoder == account}
        unpaid = await _unpaid(storage, account, copies, at) if halves else []
        jobs, halves = jobs - len(own), halves - len(unpaid)
        found |= own | set(unpaid)
        last -= PAGE
    return found


async def _unpaid(storage: Storage, account: bytes, copies: Mapping[int, Copy], at: bytes | None) -> list[int]:
    """Return, for each segment that an account made and of which it is not paid the second half, its copy."""
    parts = [
        part.segment
        for copy in copies.values()
        if copy.halves
        for part in copy.segments
        # who made a copy longer is not among its encoders
        if account in copy.encoders or (copy.active_since is not None and part.since > copy.active_since)
    ]
    segments = await storage.segments_of(parts, at)
    return [one.copy for one in segments.values() if one.encoder == account and one.half]


async def _slots(storage: Storage, account: bytes, at: bytes | None) -> list[int]:
    return [copy async for page in storage.pages(COPY_SLOTS, SLOT, at, account) for copy in page.values()]


def _those(copies: Mapping[int, Copy], counts: Callable[[Copy], bool]) -> dict[int, Copy]:
    return {number: copy for number, copy in copies.items() if counts(copy)}


async def _with_newest(
    storage: Storage,
    found: dict[int, Copy],
    counts: Callable[[Copy], bool],
    many: int,
    at: bytes | None,
    most: int | None = None,
) -> dict[int, Copy]:
    """Add to what was found the newest copies that count, until there are so many; look at `most`, or at all."""
    last = await storage.next_copy(at) if len(found) < many else 0
    first = 0 if most is None else max(0, last - most)
    while len(found) < many and last > first:
        found |= _those(await storage.copies_of(range(max(first, last - PAGE), last), at), counts)
        last -= PAGE
    return dict(sorted(found.items()))
