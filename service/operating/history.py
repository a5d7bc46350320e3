"""Pages of a node that rest on its journal: one copy with its history, money by era, the pulse of the chain."""

from __future__ import annotations

import asyncio

from service.address import ss58
from service.chain_client.pallet.types import Copy

from .checks import checks_of
from .copy_history import CHALLENGES, NOT_LIFE, challenges_of, grid_of, reports_of, verdicts_of
from .detail import CopyDetail, MoneyTable, NodeCheck, Pulse
from .earnings import by_era, by_reason
from .facts import NodeFacts
from .lines import line_of
from .objects import NodeStatus, ShownLine
from .standing import STALE_SECONDS
from .table import Numbered

MOST_OF_COPY = 2_000
"""Entries of one copy that its page rests on: the newest."""
MOST_CHALLENGES = 5_000
"""Entries of challenges that are looked through for those of one copy: the newest."""
MOST_SHOWN = 200
"""Challenges, reports and lines of its life that are shown of a copy."""
MOST_ERAS = 30
"""Eras that are shown of money."""


class NotHere(LookupError):
    """What was asked for does not exist, or not on this node. The message says what does."""


def pulse_of(facts: NodeFacts, block: int) -> Pulse:
    """Return where the chain is, at a block that was read."""
    era = facts.sources.client.times.era
    return Pulse(block, round(facts.age, 1), facts.age > STALE_SECONDS, block // era, block % era, era)


async def read_checks(facts: NodeFacts) -> tuple[NodeStatus, Pulse, list[NodeCheck]]:
    """Return how the node stands, and what was looked at. Raises ChainError and TimeoutError."""
    status = await facts.status()
    pulse = pulse_of(facts, status.block)
    return status, pulse, checks_of(status, pulse, facts.sources.client.times.proof_window)


async def read_copy(facts: NodeFacts, number: int) -> CopyDetail:
    """Return everything about a copy. Raises NotHere, ChainError, TimeoutError and DatabaseError."""
    found, source = await facts.snapshot(), facts.sources
    copy = found.copies.get(number)
    rows, money, asked = await asyncio.gather(
        asyncio.to_thread(source.table.of_copy, number, MOST_OF_COPY),
        asyncio.to_thread(source.table.money_of_copy, number),
        asyncio.to_thread(source.table.named, CHALLENGES, MOST_CHALLENGES),
    )
    if copy is None and not rows:
        raise NotHere(f"There is no copy {number} on this node")
    challenges = challenges_of([one.entry for one in asked], number)
    entries = [one.entry for one in rows]
    window = source.client.times.proof_window
    roots = [] if copy is None else await _roots(facts, copy, found.block.hash)
    return CopyDetail(
        found.block.number,
        None if copy is None else facts.held_copy(number, copy),
        number,
        None if copy is None else ss58(copy.hoster),
        _encoder_of(copy),
        None if copy is None else copy.offered,
        None if copy is None else copy.active_since,
        roots,
        None if copy is None else grid_of(challenges, copy.segments),
        window,
        [one.shown() for one in challenges[-MOST_SHOWN:]],
        reports_of(entries)[-MOST_SHOWN:],
        verdicts_of(entries)[-MOST_SHOWN:],
        _life(rows, ss58(source.account)),
        sum(change for change in money if change > 0),
        -sum(change for change in money if change < 0),
    )


async def _roots(facts: NodeFacts, copy: Copy, at: bytes) -> list[str]:
    numbers = [one.segment for one in copy.segments]
    found = await facts.sources.client.storage.segments_of(numbers, at)
    return [found[number].root.hex() for number in numbers if number in found]


def _encoder_of(copy: Copy | None) -> str | None:
    if copy is None or not (copy.encoder or copy.encoders):
        return None
    return ss58(copy.encoder or copy.encoders[-1])


def _life(rows: list[Numbered], account: str) -> list[ShownLine]:
    life = [line_of(one.entry, account, one.id) for one in rows if one.entry.name not in NOT_LIFE]
    return life[-MOST_SHOWN:]


async def read_money_table(facts: NodeFacts) -> MoneyTable:
    """Return money by era and by reason. Raises ChainError, TimeoutError and DatabaseError."""
    found, source = await facts.snapshot(), facts.sources
    era = source.client.times.era
    last = found.block.number // era
    first = max(0, last - MOST_ERAS + 1)
    rows = await asyncio.to_thread(source.table.money_since, first * era)
    if rows:
        first = max(first, rows[0].entry.block // era)
    eras = by_era([one.entry for one in rows], first, last, era)
    return MoneyTable(found.block.number, era, first * era, eras, by_reason(await facts.sums()))
