"""Pages of the whole network: plans, one plan with its copies and its money, and the peers. Lists are bounded."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from service.address import ss58
from service.chain_client import BlockRef
from service.chain_client.pallet.constants import PPM
from service.chain_client.pallet.items import SHARES
from service.chain_client.pallet.types import Copy, CopyState, Plan
from service.chain_client.storage import u64
from service.encoding.profiles import SECTOR
from service.roles.common.ratio import ratio_ppm
from service.units import EXISTENTIAL_DEPOSIT
from service.views.outlook import at_the_end, missing_of, placement, runway

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
MOST_LOOKED_FOR = 2_000
"""Numbers of plans that are looked through for one page: plans that are over and claimed have no record."""
VERDICTS = 8
"""Eras whose verdicts a copy keeps."""
MOST_DONORS = 500
"""Donors of a plan that are read at most."""


async def read_plans(facts: NodeFacts, limit: int, before: int | None) -> PlanPage:
    """Return plans with smaller numbers than `before`, the newest first. Raises ChainError and TimeoutError."""
    block = await facts.whole.block()
    published, most = await facts.whole.published(block.hash), min(limit, MOST_PLANS_SHOWN)
    last = published if before is None else min(before, published)
    lowest, page = max(0, last - MOST_LOOKED_FOR), dict[int, Plan]()
    while len(page) < most and last > lowest:
        first = max(lowest, last - most)
        found = sorted((await facts.whole.plans(range(first, last), block.hash)).items(), reverse=True)
        page |= found[: most - len(page)]
        last = min(page) if len(page) == most else first
    copies = await facts.whole.copies(page.values(), block.hash)
    return PlanPage(block.number, await _rows(facts, block, page, copies), published, last or None)


async def _rows(
    facts: NodeFacts, block: BlockRef, plans: Mapping[int, Plan], copies: Mapping[int, Copy]
) -> list[PlanRow]:
    client = facts.sources.client
    async with asyncio.timeout(SECONDS):
        pots = await asyncio.gather(*(client.balance(client.pot_account(one), block.hash) for one in plans))
    return [
        _row(facts, block, number, plan, pot, [copies[one] for one in plan.live if one in copies])
        for (number, plan), pot in zip(plans.items(), pots, strict=True)
    ]


def _row(facts: NodeFacts, block: BlockRef, number: int, plan: Plan, balance: int, copies: list[Copy]) -> PlanRow:
    era = facts.sources.client.times.era
    pot, now = max(0, balance - EXISTENTIAL_DEPOSIT), block.number
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
    block = await facts.whole.block()
    storage, at = facts.sources.client.storage, block.hash
    plan = (await facts.whole.plans([number], at)).get(number)
    if plan is None:
        raise NotHere(f"There is no plan {number} on this chain")
    copies = await facts.whole.copies([plan], at)
    (row,) = await _rows(facts, block, {number: plan}, copies)
    async with asyncio.timeout(SECONDS):
        donors, begun = await _donors(facts, number, plan, at), await _begun(facts, copies, at)
        is_peer = await storage.peer(plan.sponsor, at) is not None
        ratio = ratio_ppm(await storage.ratio(plan.sponsor, at), is_peer)
    others = await facts.whole.read() if missing_of(plan, copies) else None
    hosters, peers = ({}, {}) if others is None else (others.hosters, others.peers)
    placed = placement(number, plan, copies, hosters, peers, ratio, facts.sources.client.times, block.number)
    terms = plan.terms
    return PlanDetail(
        block.number,
        row,
        [_copy(facts, one, copy, begun.get(one)) for one, copy in sorted(copies.items())],
        plan.records - len(copies),
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
        plan.published,
        plan.fresh,
        facts.sources.client.times.era,
        *at_the_end(plan, row.pot, block.number),
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


async def _begun(facts: NodeFacts, copies: Mapping[int, Copy], at: bytes) -> dict[int, int]:
    """Return the block in which the first segment of each copy was begun, as far as one was."""
    firsts = {number: copy.segments[0].segment if copy.segments else copy.current for number, copy in copies.items()}
    wanted = [one for one in firsts.values() if one is not None]
    found = await facts.sources.client.storage.segments_of(wanted, at)
    return {number: found[one].begun for number, one in firsts.items() if one in found}


def _copy(facts: NodeFacts, number: int, copy: Copy, begun: int | None) -> PlanCopy:
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
        begun,
        copy.active_since,
        sorted(copy.judged - bit for bit in range(VERDICTS) if copy.fails >> bit & 1),
    )


async def read_network(facts: NodeFacts) -> NetworkState:
    """Return the network. Raises ChainError and TimeoutError."""
    found, me = await facts.whole.read(), facts.sources.account
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
        found.published,
        sum(one.copies for one in found.hosters.values()),
        SECTOR * sum(one.stored for one in found.hosters.values()),
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
