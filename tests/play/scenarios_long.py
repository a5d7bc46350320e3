"""Scenarios that take long: an outage at production times, a hoster of a hundred copies."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from service.chain_client.pallet import events
from service.chain_client.pallet.types import CopyEnd, CopyState, Role
from service.roles.sponsor import plans
from service.units import UNIT

from .catalogue import Cast, act, dear
from .scenarios_hosters import collateral
from .stage import Published, Stage

OUTAGE_BLOCKS = 27 * 600
CONFIG, AMOUNTS = dear()


@act(
    "scenarios",
    "away-27-hours",
    Cast(hosters=1, encoders=1, preset="production", config=CONFIG, amounts=AMOUNTS, money=20_000 * UNIT),
)
async def away_27_hours(stage: Stage) -> None:
    """At production times a hoster is away for 27 hours: it loses pay and reputation, but no collateral and no copy."""
    published = await stage.publish(4_000)
    ((number, copy),) = (await stage.active(published.plan, 1, 2_000)).items()
    peer = stage.peer_of(copy.hoster)
    held = await stage.client.held(peer.account, Role.HOSTING)
    await stage.event(events.StorageProved, blocks=20_000)
    for one in (peer, *stage.peers("author"), *stage.peers("encoder")):  # the others have nothing to do
        await stage.kill(one)
    left = stage.now
    await stage.passed(OUTAGE_BLOCKS)
    assert [event.step for _, event in stage.happened(events.HosterOverdue, left)] == [1, 2]
    await stage.start(peer)
    await stage.event(events.HosterCleared, left)
    back = stage.now
    await stage.event(events.StorageProved, back, blocks=20_000)
    assert await stage.client.held(peer.account, Role.HOSTING) == held, "no collateral is lost"
    assert not stage.happened(events.Forfeited)
    assert (await stage.copies(published.plan))[number].state is CopyState.ACTIVE
    missed = stage.happened(events.StorageMissed, left)
    stage.notes.append(
        f"away {back - left} blocks; reputation when it was back {missed[-1][1].reputation / 10_000:.1f} %"
    )


COPIES = 100
HUNDRED = replace(CONFIG, hosting=replace(CONFIG.hosting, region=b"u09"))


@act(
    "scenarios",
    "one-of-a-hundred-lost",
    Cast(hosters=2, encoders=8, config=CONFIG, configs={"hoster-1": HUNDRED}, amounts=AMOUNTS),
)
async def one_of_a_hundred_lost(stage: Stage) -> None:
    """A hoster of a hundred copies whose disk lost one says so: that one's tenth is all it loses, and it is trusted again."""
    published = await _publish(stage, COPIES)
    await stage.until("all are whole", lambda: len(stage.happened(events.CopyActive)) >= COPIES)
    hoster = next(one for one in stage.peers("hoster") if one.name == "hoster-1")
    ((number, copy),) = (await stage.copies(published[40].plan)).items()
    assert copy.hoster == hoster.account
    held, since = await stage.client.held(hoster.account, Role.HOSTING), stage.now
    stage.damage(hoster, number)
    ended = await stage.event(events.CopyEnded, since, blocks=1_000)
    assert (ended.copy, ended.reason) == (number, CopyEnd.LOST)
    await stage.passed(4 * stage.client.times.era)
    assert [event.copy for _, event in stage.happened(events.CopyEnded, since)] == [number], "the others stay"
    (lost,) = [event for _, event in stage.happened(events.Forfeited, since)]
    paid = lost.burned + lost.pot
    assert paid == await collateral(stage, copy.sectors) // 10
    assert await stage.client.held(hoster.account, Role.HOSTING) == held - paid
    assert not stage.happened(events.HosterEvicted)
    assert stage.happened(events.StorageProved, stage.now - 60, hoster=hoster.account), "it proves the others"
    again = await stage.publish(500, regions=(b"u",))
    (new,) = (await stage.active(again.plan, 1)).values()
    assert new.hoster == hoster.account, "and is given new ones"
    stage.notes.append(f"lost {paid / UNIT:.4f} of {held / UNIT:.2f} UNIT of collateral")


async def _publish(stage: Stage, count: int) -> list[Published]:
    """So many small plans for the hoster's region."""
    cores = [stage.create(500) for _ in range(count)]
    terms = stage.terms(1, regions=(b"u",))
    async with stage.session("sponsor-1") as session:
        sent = (plans.publish_plan(session.client, session.signer, core, terms, 2 * UNIT) for core in cores)
        return [Published(done.plan, core) for done, core in zip(await asyncio.gather(*sent), cores, strict=True)]
