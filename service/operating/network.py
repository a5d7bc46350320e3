"""Pages of the whole network: plans, one plan with its copies and its money, and the peers. Lists are bounded."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from service.address import ss58
from service.chain_client.pallet.constants import PPM
from service.chain_client.pallet.items import SHARES
from service.chain_client.pallet.types import Copy, CopyState, Plan
from service.chain_client.storage import u64
from service.roles.common.ratio import ratio_ppm
from service.units import EXISTENTIAL_DEPOSIT
from service.views.outlook import GONE, placement, runway

from .facts import NodeFacts
from .history import NotHere
from .network_objects import (
    AttesterRow,
    EncoderRow,
    HosterRow,
    NetworkState,
    PlanCopy,
    PlanDetail,
    PlanDonor,
    PlanPage,
    PlanRow,
)
from .whole import SECONDS, WholeNetwork

MOST_PLANS_SHOWN = 200
"""Plans of one page at most."""
MOST_PEERS_SHOWN = 500
"""Hosters, encoders and attesters that are listed at most, each."""
MOST_DONORS = 500
"""Donors of a plan that are read at most."""


async def read_plans(facts: NodeFacts, limit: int, before: int | None) -> PlanPage:
    """Return plans with smaller numbers than `before`, the newest first. Raises ChainError and TimeoutError."""
    found = await facts.whole.read()
    numbers = [one for one in sorted(found.plans, reverse=True) if before is None or one < before]
    page = numbers[: min(limit, MOST_PLANS_SHOWN)]
    rows = await _rows(facts, found, page)
    return PlanPage(found.block.number, rows, len(found.plans), page[-1] if len(page) < len(numbers) else None)


async def _rows(facts: NodeFacts, found: WholeNetwork, numbers: Iterable[int]) -> list[PlanRow]:
    wanted = list(numbers)
    client = facts.sources.client
    async with asyncio.timeout(SECONDS):
        pots = await asyncio.gather(*(client.balance(client.pot_account(one), found.block.hash) for one in wanted))
    return [_row(facts, found, one, pot) for one, pot in zip(wanted, pots, strict=True)]


def _row(facts: NodeFacts, found: WholeNetwork, number: int, balance: int) -> PlanRow:
    plan, era = found.plans[number], facts.sources.client.times.era
    copies = [one for one in found.copies_of(number).values() if one.state not in GONE]
    pot, now = max(0, balance - EXISTENTIAL_DEPOSIT), found.block.number
    money = runway(plan, pot, now, era)
    served = sum(1 for one in copies if one.state is CopyState.ACTIVE)
    return PlanRow(
        number,
        plan.feed.hex(),
        plan.state.value,
        ss58(plan.sponsor),
        plan.bytes,
        plan.terms.replicas,
        served,
        len(copies) - served,
        pot,
        plan.burned,
        money.burned_per_era,
        money.lasts_eras,
        plan.terms.until,
        money.ends_in_eras,
    )


async def read_plan(facts: NodeFacts, number: int) -> PlanDetail:
    """Return a plan. Raises NotHere, ChainError and TimeoutError."""
    found = await facts.whole.read()
    plan = found.plans.get(number)
    if plan is None:
        raise NotHere(f"There is no plan {number} on this chain")
    storage, at = facts.sources.client.storage, found.block.hash
    async with asyncio.timeout(SECONDS):
        (row,) = await _rows(facts, found, [number])
        donors = await _donors(facts, number, plan, at)
        is_peer = await storage.peer(plan.sponsor, at) is not None
        ratio = ratio_ppm(await storage.ratio(plan.sponsor, at), is_peer)
    copies = found.copies_of(number)
    times, now = facts.sources.client.times, found.block.number
    placed = placement(number, plan, copies, found.hosters, found.peers, ratio, times, now)
    terms = plan.terms
    return PlanDetail(
        found.block.number,
        row,
        [_copy(facts, one, copy) for one, copy in sorted(copies.items())],
        donors,
        plan.donors,
        terms.max_ask_disk,
        terms.max_ask_encoding,
        terms.max_ask_receiving,
        terms.report_price,
        terms.min_reputation,
        [one.decode(errors="replace") for one in terms.regions],
        terms.live,
        placed.missing,
        placed.fitting,
        placed.why_not,
        placed.outlook,
        placed.remedy,
    )


async def _donors(facts: NodeFacts, number: int, plan: Plan, at: bytes) -> list[PlanDonor]:
    shares: dict[bytes, int] = {}
    async for page in facts.sources.client.storage.pages(SHARES, 32, at, u64(number)):
        shares |= page
        if len(shares) >= MOST_DONORS:
            break
    ranked = sorted(shares.items(), key=lambda one: -one[1])[:MOST_DONORS]
    whole = plan.shares or 1
    return [PlanDonor(ss58(account), many * PPM // whole, account == plan.sponsor) for account, many in ranked]


def _copy(facts: NodeFacts, number: int, copy: Copy) -> PlanCopy:
    account = facts.sources.account
    encoder = copy.encoder or (copy.encoders[-1] if copy.encoders else None)
    return PlanCopy(
        number,
        copy.state.value,
        ss58(copy.hoster),
        None if encoder is None else ss58(encoder),
        account in (copy.hoster, copy.encoder, *copy.encoders),
        copy.strikes,
        copy.leaving,
        copy.sectors,
        copy.stored,
        copy.offered,
        copy.active_since,
    )


async def read_network(facts: NodeFacts) -> NetworkState:
    """Return the network. Raises ChainError and TimeoutError."""
    found, me = await facts.whole.read(), facts.sources.account
    active = [one for one in found.copies.values() if one.state is CopyState.ACTIVE]
    hosters = [_hoster(found, account, me) for account in found.hosters]
    hosters.sort(key=lambda one: (-one.reputation, one.account))
    encoders = [
        EncoderRow(ss58(account), account == me, one.open, one.ask, one.jobs, one.confirmed)
        for account, one in sorted(found.encoders.items())
    ]
    attesters = [
        AttesterRow(ss58(account), account == me, len(one.slots)) for account, one in sorted(found.attesters.items())
    ]
    return NetworkState(
        found.block.number,
        len(found.plans),
        len(active),
        sum(one.bytes for one in active),
        sum(one.capacity for one in found.hosters.values() if one.open),
        found.minted,
        found.burned,
        hosters[:MOST_PEERS_SHOWN],
        len(hosters),
        encoders[:MOST_PEERS_SHOWN],
        len(encoders),
        attesters[:MOST_PEERS_SHOWN],
        len(attesters),
    )


def _hoster(found: WholeNetwork, account: bytes, me: bytes) -> HosterRow:
    one, peer = found.hosters[account], found.peers.get(account)
    return HosterRow(
        ss58(account),
        account == me,
        one.open,
        one.step,
        0 if peer is None else peer.reputation,
        one.passed,
        one.missed,
        one.ask_disk,
        one.ask_receiving,
        one.capacity,
        one.used,
        one.copies,
        one.region.decode(errors="replace"),
    )
