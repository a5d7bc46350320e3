"""Cheats of encoders and sponsors, and floods: jobs that are not done, money that goes in circles, room that is held."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import replace
from statistics import mean

from service.chain_client.pallet import calls, events
from service.chain_client.pallet.constants import MAX_OFFER_CHANGES
from service.chain_client.pallet.types import CopyEnd
from service.roles.common.registration import register
from service.roles.common.terms import AttesterTerms
from service.units import UNIT

from .catalogue import Cast, act, dear
from .cheats_hosters import POT, SIZE
from .stage import Stage

CONFIG, AMOUNTS = dear()


@act(
    "cheats",
    "stalling-encoder",
    Cast(
        hosters=3,
        encoders=3,
        cheats={"encoder-1": "stalls"},
        times={"lease": 40},
        config=CONFIG,
        amounts=AMOUNTS,
    ),
)
async def stalling_encoder(stage: Stage) -> int:
    """An encoder that begins and never sends pays a fine at each lease and is out; its twins make the copies."""
    encoders = stage.peers("encoder")
    before = await stage.wealth_of(encoders)
    # Each copy wants an encoder of its own, and there are three: this one is drawn, sooner or later.
    published = await stage.publish(SIZE, 3, pot=POT)
    stalled = await stage.event(events.Stalled)
    assert stalled.encoder == encoders[0].account
    fine = (await stage.client.storage.amounts()).stall_fine
    assert (stalled.bond, stalled.collateral, stalled.pot) == (fine, fine, fine)
    await stage.active(published.plan, 2)
    after = await stage.wealth_of(encoders)
    cheat, *honest = (after[one.name] - before[one.name] for one in encoders)
    twin = mean(honest)
    number = len(stage.happened(events.Stalled))
    stage.notes.append(f"{number} stalls; cheat {cheat / UNIT:+.4f} UNIT, twin {twin / UNIT:+.4f}")
    assert cheat <= -number * fine, "it pays for each"
    assert twin > 0, "its twins earn"
    return round(cheat - twin)


@act(
    "cheats",
    "sponsor-with-sybils",
    Cast(
        hosters=3,
        encoders=3,
        attesters=3,
        config=replace(CONFIG, attesting=AttesterTerms(UNIT // 10, 3)),
        amounts=AMOUNTS | {"report_price": UNIT // 10},
    ),
)
async def sponsor_with_sybils(stage: Stage) -> int:
    """A sponsor that is all hosters, encoders and attesters of its plan too gets back less than its pot burns."""
    async with stage.session("sponsor-1") as session:
        sponsor = session.signer.account
    group = [sponsor, *(one.account for role in ("hoster", "encoder", "attester") for one in stage.peers(role))]

    async def wealth() -> int:
        at = stage.blocks[-1].hash
        return sum([await stage.wealth(account, at) for account in group])

    before = await wealth()
    published = await stage.publish(SIZE, 3, pot=50 * UNIT)
    await stage.active(published.plan, 3)
    await stage.passed(8 * stage.client.times.era)
    paid = sum(event.amount for _, event in stage.happened(events.Paid))
    extra = sum(event.amount for _, event in stage.happened(events.Surcharged))
    pot = await stage.client.balance(stage.client.pot_account(published.plan), stage.blocks[-1].hash)
    gain = await wealth() + pot - before
    assert extra >= paid // 20, "at least the twentieth part of what is paid is burned besides"
    assert gain <= -extra, f"circles gained {gain}"
    stage.notes.append(f"paid to itself {paid / UNIT:.4f} UNIT, surcharged {extra / UNIT:.4f}")
    return gain


@act("cheats", "sponsor-without-data", Cast(hosters=3, encoders=3, config=CONFIG, amounts=AMOUNTS), short=True)
async def sponsor_without_data(stage: Stage) -> int:
    """A plan for a feed that nobody serves: encoders decline the job, nobody is fined, and only the sponsor pays."""
    async with stage.session("sponsor-1") as session:
        owner = session.signer.account
    honest = [*stage.peers("hoster"), *stage.peers("encoder")]
    before, others = await stage.wealth(owner), await stage.wealth_of(honest)
    core = stage.create(SIZE)
    await stage.kill(stage.peers("author")[0])
    published = await stage.publish_core(core, 2, pot=POT)
    await stage.until("jobs are declined", lambda: len(stage.happened(events.JobDeclined)) >= 6)
    await stage.passed(stage.client.times.era)
    for kind in (events.BeginMissed, events.Stalled, events.Forfeited, events.CopyActive):
        assert not stage.happened(kind), kind.__name__
    now = await stage.wealth_of(honest)
    lost = {name: others[name] - now[name] for name in now}
    pot = await stage.client.balance(stage.client.pot_account(published.plan), stage.blocks[-1].hash)
    gain = await stage.wealth(owner, stage.blocks[-1].hash) + pot - before
    declined = len(stage.happened(events.JobDeclined))
    stage.notes.append(
        f"{declined} jobs declined in {stage.now} blocks; sponsor {gain / UNIT:+.4f} UNIT, "
        f"an honest peer at most {-max(lost.values()) / UNIT:+.4f} (fees)"
    )
    assert max(lost.values()) <= declined * UNIT // 100, lost
    assert gain < 0
    return gain


@act(
    "cheats",
    "capacity-held-by-a-cap-of-0",
    Cast(hosters=4, encoders=3, sponsors=2, config=CONFIG, amounts=AMOUNTS),
)
async def capacity_held(stage: Stage) -> int:
    """A plan whose cap for encoding is 0 holds a few percent of the capacity, and pays more from stall to stall."""
    capacity = CONFIG.hosting.capacity
    async with stage.session("sponsor-2") as session:
        owner = session.signer.account
    before = await stage.wealth(owner)
    held = await stage.publish(capacity, 4, by="sponsor-2", pot=POT, max_ask_encoding=0)
    since, shares = stage.now, []
    while stage.now < since + 10 * stage.client.times.era:
        found = [await stage.client.storage.hoster(one.account) for one in stage.peers("hoster")]
        shares.append(sum(one.used for one in found if one is not None) / (len(found) * capacity))
        await stage.passed(4)
    plan = await stage.plan(held.plan)
    pot = await stage.client.balance(stage.client.pot_account(held.plan), stage.blocks[-1].hash)
    fine = (await stage.client.storage.amounts()).stall_fine
    ended = [event.reason for _, event in stage.happened(events.CopyEnded)]
    assert set(ended) == {CopyEnd.NO_ENCODER}, ended
    stalls = len(ended)
    assert plan.burned >= sum(fine << min(i, 3) for i in range(stalls)), "each costs more than the one before"
    stage.notes.append(
        f"{mean(shares):.1%} of the capacity held on average, {plan.burned / UNIT:.3f} UNIT burned of the pot"
    )
    assert mean(shares) < 0.25, "the room stays free"
    honest = await stage.publish(SIZE, 2, pot=POT)
    await stage.active(honest.plan, 2)
    gain = await stage.wealth(owner, stage.blocks[-1].hash) + pot - before
    assert gain < -plan.burned // 2
    return gain


ATTACKERS, OFFERS = 12, 240
"""So many accounts, as one has few transactions under way at a time; and as many offers of each."""


@act(
    "cheats",
    "256-offers-a-block",
    Cast(
        hosters=3,
        encoders=3,
        sponsors=1 + ATTACKERS,
        times={"proof_window": 8, "mean_gap": 2},
        config=CONFIG,
        amounts=AMOUNTS,
    ),
)
async def offers_flood(stage: Stage) -> int:
    """256 offers in each block for longer than a proof's window: no proof of the honest is refused, and each offer costs."""
    published = await stage.publish(SIZE, 3, pot=POT)
    await stage.active(published.plan, 3)
    async with AsyncExitStack() as stack:
        names = [f"sponsor-{i + 2}" for i in range(ATTACKERS)]
        sessions = [await stack.enter_async_context(stage.session(name)) for name in names]
        await asyncio.gather(*(register(one.client, one.signer, one.follower, one.keys) for one in sessions))
        accounts = [one.signer.account for one in sessions]
        since, before = stage.now, [await stage.wealth(account) for account in accounts]
        offer = calls.offer_hosting(0, 0, 0, b"")
        sent = [one.signer.submit(offer) for one in sessions for _ in range(OFFERS)]
        answers = await asyncio.gather(*sent, return_exceptions=True)
    refused = Counter(type(answer).__name__ for answer in answers if isinstance(answer, BaseException))
    assert set(refused) <= {"DispatchError"}, refused
    gain = sum([await stage.wealth(account) for account in accounts]) - sum(before)
    taken = Counter(at for at, event in stage.happened(events.HostingOffered, since) if event.account in accounts)
    during = sum(min(taken) <= at <= max(taken) for at, _ in stage.happened(events.StorageProved, since))
    stage.notes.append(
        f"{len(answers)} offers in {max(taken) - min(taken) + 1} blocks for {-gain / UNIT:.2f} UNIT, {refused.total()} refused, "
        f"at most {max(taken.values())} taken in a block; {during} proofs meanwhile"
    )
    assert max(taken.values()) == MAX_OFFER_CHANGES, "blocks were as full of offers as they can be"
    assert max(taken) - min(taken) > stage.client.times.proof_window, "it lasted longer than a proof may take"
    assert during >= 3, "there was something to prove"
    assert not stage.happened(events.HosterOverdue), "an honest hoster missed"
    assert gain < 0
    return gain
