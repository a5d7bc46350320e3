"""An account's history as far as a chain node still shows it, for who has no journal of it."""

from __future__ import annotations

from dataclasses import dataclass

from service.chain_client import Block, ChainClient, StateDiscarded, UnknownRuntime

from .entries import JournalEntry, entries_of
from .following import read_followed

MOST_BLOCKS = 100_000
"""Blocks that are read at most for one history."""


@dataclass(frozen=True, slots=True)
class Past:
    """What happened to an account in blocks `first` to `last`. `limit` says in words why it begins where it does."""

    first: int
    last: int
    limit: str
    entries: list[JournalEntry]


async def read_past(client: ChainClient, account: bytes, blocks: int) -> Past:
    """Return an account's history in the last finalized blocks, as many as `blocks`, if the node has their states.

    Copies and plans that were gone before the first block are not known. Raises ChainError.
    """
    last = (await client.finalized()).number
    wanted = max(1, last - min(blocks, MOST_BLOCKS) + 1)
    first = await _first_shown(client, wanted, last)
    if last < 1 or first > last:
        return Past(last + 1, last, "this chain node shows the events of no block", [])
    entries: list[JournalEntry] = []
    before = await _block(client, first)
    followed = await read_followed(client, account, before.hash)
    operator = await client.storage.operator(account, before.hash)
    followed.operators |= set() if operator is None else {operator}
    for number in range(first, last + 1):
        entries += entries_of(await _block(client, number), account, followed)
    if first > wanted:
        limit = f"this chain node has dropped the states before block {first}"
    elif first == 1:
        limit = "this is all since the chain began"
    else:
        limit = f"only the last {last - first + 1} blocks were read; --blocks N reads more"
    return Past(first, last, limit, entries)


async def _block(client: ChainClient, number: int) -> Block:
    found = await client.block_hash(number)
    if found is None:
        raise StateDiscarded(4003, f"{client.url} does not know block {number}")
    return await client.block(found)


async def _first_shown(client: ChainClient, first: int, last: int) -> int:
    """Return the first block whose events can be read, by halving: a node drops states from the oldest on."""
    low, high = first, last + 1
    while low < high:
        middle = (low + high) // 2
        if await _is_shown(client, middle):
            high = middle
        else:
            low = middle + 1
    return low


async def _is_shown(client: ChainClient, number: int) -> bool:
    found = await client.block_hash(number)
    if found is None:
        return False
    try:
        await client.events(found)
    except (StateDiscarded, UnknownRuntime):
        return False
    return True
