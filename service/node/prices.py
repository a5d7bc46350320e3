"""What a machine earns at today's asks: read from the chain, and worked out."""

from __future__ import annotations

from collections.abc import Collection
from statistics import median

from service.chain_client import ChainClient, ChainError
from service.chain_client.pallet.items import ENCODERS, HOSTERS
from service.chain_client.pallet.types import Encoder, Hoster
from service.disk import shown_size
from service.roles.common.terms import RolesConfig
from service.units import GIB, decimal

from .findings import Finding, good, warning_of

MOST_OFFERS = 2_000
"""Offers of one kind whose prices are looked at."""
DAY = 86_400.0


def earnings(config: RolesConfig, hosters: Collection[Hoster], era_seconds: float | None) -> Finding:
    """Return what the disk can earn at its ask, and how that stands beside what others ask."""
    ask, size = config.hosting.ask_disk, config.hosting.capacity
    an_era = ask * size // GIB
    a_day = "" if not era_seconds else f", {decimal(int(an_era * DAY / era_seconds))} a day"
    text = (
        f"{shown_size(size)} at {decimal(ask)} UNIT earn {decimal(an_era)} UNIT an era{a_day}, when all of it is used"
    )
    others = [one for one in hosters if one.open]
    if not others:
        return good("earnings", f"{text}; nobody else offers now")
    middle = int(median(one.ask_disk for one in others))
    capacity, used = sum(one.capacity for one in others), sum(one.used for one in others)
    share = 100 * used // max(1, capacity)
    text += f"; {len(others)} hosters offer, in the middle for {decimal(middle)} UNIT, and {share} % of that is used"
    if ask > 2 * middle:
        return warning_of("earnings", text, "plans with a lower highest price pass this node by: see --ask-disk")
    return good("earnings", text)


async def read_hosters(client: ChainClient, at: bytes) -> list[Hoster]:
    """Return hosters of a block, `MOST_OFFERS` or some more of them. Raises ChainError."""
    found: list[Hoster] = []
    async for page in client.storage.pages(HOSTERS, 32, at):
        found += page.values()
        if len(found) >= MOST_OFFERS:
            break
    return found


async def block_seconds(client: ChainClient, best: int, blocks: int = 20) -> float | None:
    """Return the time of a block by the chain's own clock, None if that is not known."""
    first = max(1, best - blocks)
    if best <= first:
        return None
    moments = []
    for number in (first, best):
        found = await client.block_hash(number)
        try:
            moments.append(None if found is None else await client.timestamp(found))
        except ChainError:
            return None  # its state is gone: what follows needs no exact figure
    start, end = moments
    return None if start is None or end is None else (end - start) / 1000 / (best - first)


async def read_encoders(client: ChainClient, at: bytes) -> list[Encoder]:
    """Return encoders of a block, `MOST_OFFERS` or some more of them. Raises ChainError."""
    found: list[Encoder] = []
    async for page in client.storage.pages(ENCODERS, 32, at):
        found += page.values()
        if len(found) >= MOST_OFFERS:
            break
    return found


def encoding_earnings(ask: int, encoders: Collection[Encoder], rate: float) -> Finding:
    """Return what a machine that encodes `rate` bytes a second can earn at its ask, and what others ask."""
    a_day = int(ask * rate * DAY / GIB)
    text = (
        f"{rate * DAY / GIB:.1f} GiB can be encoded a day, for {decimal(a_day)} UNIT at {decimal(ask)} UNIT per GiB, "
        "when there is always a job"
    )
    others = [one.ask for one in encoders if one.open]
    if not others:
        return good("encoding", f"{text}; nobody else offers now")
    middle = int(median(others))
    text += f"; {len(others)} encoders offer, in the middle for {decimal(middle)} UNIT"
    if ask > 2 * middle:
        return warning_of("encoding", text, "plans with a lower highest price pass this encoder by: see --ask-encoding")
    return good("encoding", text)
