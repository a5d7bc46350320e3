"""Scenarios of plans: money that runs out, terms that change or that nobody meets, feeds that fork or are gone."""

from __future__ import annotations

from dataclasses import replace

from service.chain_client.pallet import calls, events
from service.chain_client.pallet.types import CopyEnd, PlanEnd, Role
from service.roles.common.terms import RolesConfig
from service.roles.sponsor import plans
from service.roles.sponsor.amend import Changes, amend_plan
from service.roles.sponsor.refusals import AmendTooWide
from service.units import UNIT

from .catalogue import Cast, act, dear
from .scenarios_hosters import LADDER_BLOCKS, SIZE, ends
from .stage import Stage

FAR = RolesConfig(replace(RolesConfig().hosting, region=b"zz9"))


@act("scenarios", "region-nobody-serves", Cast(hosters=3, encoders=2, configs={"hoster-3": FAR}), short=True)
async def region_nobody_serves(stage: Stage) -> None:
    """A plan for a region where nobody is sleeps for a small fee per era, and wakes when a hoster comes."""
    peer = stage.peers("hoster")[-1]
    await stage.kill(peer)
    async with stage.session(peer.name) as session:
        await session.signer.submit(calls.withdraw_offer(Role.HOSTING))
    published = await stage.publish(SIZE, regions=(b"zz",))
    await stage.event(events.NeedSleeps, plan=published.plan)
    await stage.passed(4 * stage.client.times.era)
    plan = await stage.plan(published.plan)
    fee = (await stage.client.storage.amounts()).retry_fee
    assert 0 < plan.burned <= 5 * fee, plan.burned
    assert not stage.happened(events.CopyOffered), "nobody is drawn outside the region"
    await stage.start(peer)
    (copy,) = (await stage.active(published.plan, 1)).values()
    assert copy.hoster == peer.account


DEAR, DEAR_AMOUNTS = dear()


@act("scenarios", "pot-runs-dry", Cast(hosters=2, encoders=2, sponsors=2, config=DEAR, amounts=DEAR_AMOUNTS))
async def pot_runs_dry(stage: Stage) -> None:
    """A pot that is nearly empty says so a while before; a donation revives one plan, the other ends unpaid."""
    first = await stage.publish(SIZE, pot=2 * UNIT)
    second = await stage.publish(SIZE, pot=2 * UNIT)
    for published in (first, second):
        await stage.active(published.plan, 1)
    low = await stage.event(events.PotLow, plan=first.plan)
    async with stage.session("sponsor-2") as session:
        await plans.donate(session.client, session.signer, first.plan, 50 * UNIT)
    ended = await stage.event(events.PlanEnded, plan=second.plan)
    assert ended.reason is PlanEnd.UNPAID, ended
    assert low.block > 0
    await stage.passed(3 * stage.client.times.era)
    assert not stage.happened(events.PlanEnded, plan=first.plan)
    await stage.active(first.plan, 1, 1)


@act("scenarios", "amend", Cast(hosters=4, encoders=5, sponsors=2))
async def amend(stage: Stage) -> None:
    """A sponsor asks for more while the money is its own, for less at any time; dismissed copies owe nothing."""
    published = await stage.publish(SIZE, 1)
    await stage.active(published.plan, 1)
    async with stage.session("sponsor-1") as session:

        async def change(changes: Changes) -> None:
            await amend_plan(session.client, session.signer, published.plan, changes)

        await change(Changes(replicas=3))
        await stage.active(published.plan, 3)
        async with stage.session("sponsor-2") as other:
            await plans.donate(other.client, other.signer, published.plan, 50 * UNIT)
        try:
            await change(Changes(replicas=4))
        except AmendTooWide:
            pass
        else:
            raise AssertionError("others' money is spent without them")
        since = stage.now
        await change(Changes(replicas=1))
    copies = await stage.copies(published.plan)
    await stage.until("two are dismissed", lambda: len(ends(stage, copies, since)) == 2)
    assert set(ends(stage, copies, since)) == {CopyEnd.LEFT}
    assert not stage.happened(events.Forfeited), "the dismissed owe nothing"
    assert len(await stage.active(published.plan, 1)) == 1


@act("scenarios", "fork", Cast(hosters=2, encoders=2), short=True)
async def fork(stage: Stage) -> None:
    """An author that rewrites its feed ends a live plan of it: whoever shows the head of the new fork brings that about."""
    published = await stage.publish(SIZE, live=True)
    await stage.active(published.plan, 1)
    head = stage.fork(published.core)
    async with stage.session("hoster-1") as session:
        await session.signer.submit(calls.update_head(published.plan, head, ()))
    ended = await stage.event(events.PlanEnded, plan=published.plan)
    assert ended.reason is PlanEnd.FORKED, ended


@act("scenarios", "all-lost-author-back", Cast(hosters=4, encoders=5))
async def all_lost_author_back(stage: Stage) -> None:
    """All copies and the author are gone: the plan waits, and resumes by itself when the author is back."""
    published = await stage.publish(SIZE, 2)
    copies = await stage.active(published.plan, 2)
    author, since = stage.peers("author")[0], stage.now
    await stage.kill(author)
    for copy in copies.values():
        await stage.kill(stage.peer_of(copy.hoster))
    await stage.until("both copies end", lambda: len(ends(stage, copies, since)) == 2, LADDER_BLOCKS)
    assert set(ends(stage, copies, since)) == {CopyEnd.EVICTED}
    await stage.passed(4 * stage.client.times.era)
    assert not stage.happened(events.CopyActive, since), "out of nothing comes nothing"
    await stage.start(author)
    found = await stage.active(published.plan, 2)
    assert not {copy.hoster for copy in copies.values()} & {copy.hoster for copy in found.values()}
