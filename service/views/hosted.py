"""Which copies a hoster has: by its table of copies and by how many the chain says there are, never by reading all copies."""

from __future__ import annotations

from service.chain_client.pallet.items import COPY_SLOTS
from service.chain_client.pallet.types import Copy, CopyState
from service.chain_client.storage import PAGE, Storage

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

    slots = [copy async for page in storage.pages(COPY_SLOTS, SLOT, at, account) for copy in page.values()]
    found = {number: copy for number, copy in (await storage.copies_of(slots, at)).items() if counts(copy)}
    if len(found) < many:
        last = await storage.next_copy(at)
        first = max(0, last - MOST_NEWEST)
        while len(found) < many and last > first:
            page = await storage.copies_of(range(max(first, last - PAGE), last), at)
            found |= {number: copy for number, copy in page.items() if counts(copy)}
            last -= PAGE
    return dict(sorted(found.items()))
