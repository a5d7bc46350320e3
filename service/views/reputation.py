"""Why an account's reputation last changed: found in the states and events of the chain, which keeps no such note."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from service.chain_client import BlockRef, ChainClient, StateDiscarded, UnknownRuntime
from service.chain_client.pallet import events
from service.chain_client.pallet.events import Event
from service.chain_client.pallet.types import Verdict

SUSPENDS = 2
"""The step whose deadline lowers reputation again."""

ReputationIn = Callable[[int], Awaitable[int | None]]
"""Returns an account's reputation in a block; None: it was no peer yet, or the block's state cannot be read."""


@dataclass(frozen=True, slots=True)
class ReputationChange:
    """The block in which reputation became what it is, and what it was before; None: it was none, or nobody can tell."""

    block: int
    before: int | None


async def find_change(reputation_in: ReputationIn, best: int) -> ReputationChange:
    """Return the last change: first in ever longer strides back, then by halving.

    A change that was taken back exactly between two looks is not seen.
    """
    now, same, other, step = await reputation_in(best), best, -1, 1
    before: int | None = None
    while same - other > 1:
        # no block with another one is known yet: stride back; else halve what is between
        look = max(0, best - step) if other < 0 else (same + other) // 2
        found = await reputation_in(look)
        if found == now:
            same, step = look, 2 * step
        else:
            other, before = look, found
    return ReputationChange(same, before)


def reasons(found: Iterable[Event], account: bytes, hosted: frozenset[int], encoded: frozenset[int]) -> list[str]:
    """Return what a block's events did to an account's reputation, in words, in their order.

    `hosted` are the copies that it hosts, `encoded` the segments that it made, among those that the events name.
    """
    return [reason for event in found if (reason := _reason(event, account, hosted, encoded)) is not None]


def _reason(event: Event, account: bytes, hosted: frozenset[int], encoded: frozenset[int]) -> str | None:
    match event:
        case events.PeerRegistered() if event.account == account:
            return "registered: everybody begins with it"
        case events.StorageProved() if event.hoster == account:
            return f"the storage challenge of block {event.issued} was answered"
        case events.StorageMissed() if event.hoster == account:
            return (
                f"the storage challenge of block {event.issued} was not answered in time, or a copy that it asks for was "
                "declared lost"
            )
        case events.HosterOverdue() if event.hoster == account and event.step == SUSPENDS:
            return f"the storage challenge of block {event.issued} was not answered by its second deadline either"
        case events.RetrievalSettled() if event.verdict is Verdict.FAILED and event.copy in hosted:
            return f"attesters found copy {event.copy} not served in era {event.era}"
        case events.EncodingReported() if event.copy in hosted or event.segment in encoded:
            return f"copy {event.copy} was shown not to decode to its feed"
    return None


async def show_change(client: ChainClient, account: bytes, best: BlockRef) -> dict[str, Any]:
    """Return the last change as it is shown: `block`, `before` and `why`. Raises ChainError."""

    async def hash_of(number: int) -> bytes | None:
        return best.hash if number == best.number else await client.block_hash(number)

    async def reputation_in(number: int) -> int | None:
        block = await hash_of(number)
        if block is None:
            return None
        try:
            peer = await client.storage.peer(account, block)
        except (StateDiscarded, UnknownRuntime):
            return None  # what came before it is not known
        return None if peer is None else peer.reputation

    change = await find_change(reputation_in, best.number)
    block = await hash_of(change.block)
    told = [] if block is None else await _told(client, account, block)
    why = "; ".join(told) or f"not since block {change.block}, the oldest state that this chain node shows"
    return {"block": change.block if told else None, "before": change.before if told else None, "why": why}


async def _told(client: ChainClient, account: bytes, block: bytes) -> list[str]:
    """Return the reasons in a block."""
    found = [record.event for record in await client.events(block) if record.event is not None]
    named = [one for one in found if isinstance(one, events.RetrievalSettled | events.EncodingReported)]
    segments = [one.segment for one in named if isinstance(one, events.EncodingReported)]
    copies = await client.storage.copies_of({one.copy for one in named}, block)
    made = await client.storage.segments_of(segments, block)
    hosted = frozenset(number for number, copy in copies.items() if copy.hoster == account)
    return reasons(
        found, account, hosted, frozenset(one for one, made_by in made.items() if made_by.encoder == account)
    )
