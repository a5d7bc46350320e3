"""Twenty plans of different ratios, and too few hosters for all: who gave less waits longer."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from statistics import mean

from service.chain_client.pallet import events
from service.chain_client.pallet.constants import PPM
from service.roles.common.registration import register
from service.roles.sponsor import plans
from service.units import UNIT

from .catalogue import Cast, act, dear
from .stage import Published, Stage

SIZE = 8_000
CONFIG, AMOUNTS = dear(capacity=40_000)
ASKS = (90, 120, 150, 180)
"""Percent of the usual ask: what each hoster asks for."""
CAP = 2 * CONFIG.hosting.ask_disk
"""It holds 1.05 times any of these asks (ratio 1), 1.57 times the two lower ones (0.67), 2.1 times the lowest (0.5)."""
CAST = Cast(
    hosters=len(ASKS),
    encoders=5,
    sponsors=3,
    config=CONFIG,
    configs={
        f"hoster-{i + 1}": replace(
            CONFIG, hosting=replace(CONFIG.hosting, ask_disk=CONFIG.hosting.ask_disk * percent // 100)
        )
        for i, percent in enumerate(ASKS)
    },
    amounts=AMOUNTS,
)
PLANS = {"sponsor-1": 6, "sponsor-2": 6, "sponsor-3": 8}
"""In all more than the hosters have room for: four copies each."""
COMPETE_BLOCKS = 100
TAKEN = 1.4


@act("scenarios", "twenty-plans-compete", CAST)
async def twenty_plans_compete(stage: Stage) -> None:
    """Twenty plans compete for sixteen places: the mean wait grows as the sponsor's ratio falls from 1 to 0.5."""
    for name in ("sponsor-1", "sponsor-2"):
        async with stage.session(name) as session:
            await register(session.client, session.signer, session.follower, session.keys)
    await _take(stage, "sponsor-2")
    ratios = {name: await _ratio(stage, name) for name in PLANS}
    published = await asyncio.gather(*(_publish(stage, name, count) for name, count in PLANS.items()))
    await stage.passed(COMPETE_BLOCKS)
    lowest = replace(CONFIG.hosting, capacity=1 << 18, ask_disk=CONFIG.hosting.ask_disk * ASKS[0] // 100)
    for peer in stage.peers("hoster"):  # then there is room for all: at the lowest ask
        await stage.kill(peer)
        await stage.start(peer, replace(CONFIG, hosting=lowest))
    waits: dict[str, float] = {}
    for name, found in zip(PLANS, published, strict=True):
        blocks = [await _waited(stage, one.plan) for one in found]
        waits[name] = mean(blocks)
        at_once = sum(one < COMPETE_BLOCKS // 2 for one in blocks)
        stage.notes.append(
            f"ratio {ratios[name]:.2f}: {len(blocks)} plans, {at_once} placed while room was short; "
            f"mean wait {mean(blocks):.0f} blocks"
        )
    assert waits["sponsor-1"] < waits["sponsor-2"] < waits["sponsor-3"], waits


async def _take(stage: Stage, name: str) -> None:
    """Let a sponsor's plan take so much that its ratio falls to about two thirds, and end it."""
    taking = await stage.publish(16_000, by=name, max_ask_disk=CAP)

    async def read(at: bytes) -> bool | None:
        async with stage.session(name) as session:
            found = await stage.client.storage.ratio(session.signer.account, at)
        return True if found.taken > TAKEN * UNIT else None

    await stage.until_state("its plan has taken enough", read)
    async with stage.session(name) as session:
        await plans.end_plan(session.client, session.signer, taking.plan)
    await stage.event(events.PlanEnded, plan=taking.plan)


async def _publish(stage: Stage, name: str, count: int) -> list[Published]:
    """So many plans of a sponsor, as fast as the chain takes them."""
    found = []
    async with stage.session(name) as session:
        cores = [stage.create(SIZE) for _ in range(count)]
        terms = stage.terms(1, max_ask_disk=CAP)
        sent = (plans.publish_plan(session.client, session.signer, core, terms, 20 * UNIT) for core in cores)
        for core, done in zip(cores, await asyncio.gather(*sent), strict=True):
            found.append(Published(done.plan, core))
    return found


async def _waited(stage: Stage, plan: int) -> int:
    """Blocks from a plan's publication to its first copy."""
    await stage.event(events.CopyOffered, plan=plan)
    (published, _), (offered, _) = (
        stage.happened(kind, plan=plan)[0] for kind in (events.PlanPublished, events.CopyOffered)
    )
    return offered - published


async def _ratio(stage: Stage, name: str) -> float:
    """An account's ratio, as placement counts it: at most 1, and 0.5 for who is no peer."""
    async with stage.session(name) as session:
        account = session.signer.account
    if await stage.client.storage.peer(account) is None:
        return 0.5
    found = await stage.client.storage.ratio(account)
    whole = (found.given + 4 * UNIT) * PPM // (found.taken + 4 * UNIT)
    return min(max(whole, PPM // 2), PPM) / PPM
