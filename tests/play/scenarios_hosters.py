"""Scenarios of hosters that go away: for good, for a pause, by notice, with a broken disk."""

from __future__ import annotations

from service.chain_client.pallet import events
from service.chain_client.pallet.constants import PPM
from service.chain_client.pallet.types import Copy, CopyEnd, Verdict
from service.hypercore.core import Core
from service.roles.hoster import notices
from service.units import GIB

from .catalogue import Cast, act, dear
from .stage import Stage

SIZE = 12_000
LADDER_BLOCKS = 200
"""From the last sign of a hoster to its eviction: a challenge, two windows and an era."""


def whole(core: Core) -> bytes:
    """All bytes of a feed."""
    return b"".join(core.get(block) or b"" for block in range(core.length))


def ends(stage: Stage, plan_copies: dict[int, Copy], after: int = 0) -> list[CopyEnd]:
    """Why those of these copies ended that did so after a block."""
    return [event.reason for _, event in stage.happened(events.CopyEnded, after) if event.copy in plan_copies]


async def unique(stage: Stage, copies: dict[int, Copy]) -> None:
    """Fail if two copies have a root in common."""
    numbers = [part.segment for copy in copies.values() for part in copy.segments]
    roots = [one.root for one in (await stage.client.storage.segments_of(numbers)).values()]
    assert len(set(roots)) == len(roots) == len(numbers), "two copies have the same root"


async def lose(stage: Stage, count: int) -> None:
    """Kill so many hosters of a plan of three copies for good, and see that others take their place."""
    published = await stage.publish(SIZE, 3)
    before = await stage.active(published.plan, 3)
    gone = [stage.peer_of(copy.hoster) for copy in before.values()][:count]
    since = stage.now
    for peer in gone:
        await stage.kill(peer)
    await stage.until("their copies end", lambda: len(ends(stage, before, since)) >= count, LADDER_BLOCKS)
    assert ends(stage, before, since) == [CopyEnd.EVICTED] * count, ends(stage, before, since)
    after = await stage.active(published.plan, 3)
    assert not {one.account for one in gone} & {copy.hoster for copy in after.values()}, "the lost ones hold none"
    await unique(stage, after)
    # without the author: what is read comes from the hosters
    await stage.kill(stage.peers("author")[0])
    assert await stage.read(published.core, [stage.peer_of(copy.hoster) for copy in after.values()]) == whole(
        published.core
    )


@act("scenarios", "hoster-lost", Cast(hosters=4, encoders=5), real=True, short=True)
async def hoster_lost(stage: Stage) -> None:
    """A hoster that is gone for good is evicted, and its copy is made anew on another one."""
    await lose(stage, 1)


@act("scenarios", "two-of-three-lost", Cast(hosters=5, encoders=5), real=True)
async def two_of_three_lost(stage: Stage) -> None:
    """Two of three hosters are gone: the third keeps the feed readable, and two others take their place."""
    await lose(stage, 2)


@act("scenarios", "pause", Cast(hosters=2, encoders=2, attesters=4, times={"pause": 30}))
async def pause(stage: Stage) -> None:
    """A hoster that announced a pause is away for it, and neither misses a challenge nor fails a retrieval."""
    published = await stage.publish(SIZE, 2)
    copies = await stage.active(published.plan, 2)
    await stage.event(events.RetrievalSettled, verdict=Verdict.PASSED)
    peer = stage.peer_of(next(iter(copies.values())).hoster)
    async with stage.session(peer.name) as session:
        paused = await notices.pause(session.client, session.signer)
        await stage.until("it may go", lambda: stage.now >= paused.first, paused.first)
        await stage.kill(peer)
        await stage.until("it is over", lambda: stage.now >= paused.last, paused.last)
        await stage.start(peer)
        try:
            await notices.pause(session.client, session.signer)
        except notices.HosterRefused:
            pass
        else:
            raise AssertionError("a second pause was accepted at once")
    await stage.passed(3 * stage.client.times.era)
    assert not stage.happened(events.HosterOverdue), "it missed nothing"
    assert not stage.happened(events.RetrievalSettled, verdict=Verdict.FAILED), "it failed nobody"
    asked = [at for at, _ in stage.happened(events.StorageChallenged, hoster=peer.account)]
    assert any(at > paused.last for at in asked), "it is asked again"
    assert not [at for at in asked if paused.block.number < at <= paused.last], "nothing new is asked of it"


SHORT_ERAS = {
    "era": 8,
    "probe_blocks": 4,
    "reveal_from": 1,
    "settle_from": 3,
    "settle_to": 16,
    "proof_window": 20,
    "end_notice": 60,
}
YOUNG_ERAS = 60


@act("scenarios", "leave", Cast(hosters=4, encoders=4, times=SHORT_ERAS, block_seconds=3.0))
async def leave(stage: Stage) -> None:
    """A copy that its hoster leaves is replaced first; a young one costs a tenth of its collateral, an old one nothing."""
    published = await stage.publish(SIZE, 2)
    copies = await stage.active(published.plan, 2)

    async def leave_one(number: int, copy: Copy) -> list[tuple[int, events.Forfeited]]:
        since = stage.now
        async with stage.session(stage.peer_of(copy.hoster).name) as session:
            await notices.leave_copy(session.client, session.signer, number)
        await stage.event(events.CopyEnded, since, copy=number)
        (ended,) = stage.happened(events.CopyEnded, since, copy=number)
        (made,) = [at for at, _ in stage.happened(events.CopyActive, since)]
        assert ended[1].reason is CopyEnd.REPLACED, ended
        assert made < ended[0], "another was whole before it went"
        return stage.happened(events.Forfeited, since, copy=number)

    (young, old) = copies.items()
    (forfeited,) = await leave_one(*young)
    assert forfeited[1].burned + forfeited[1].pot == await collateral(stage, young[1].sectors) // 10
    await stage.passed(YOUNG_ERAS * stage.client.times.era)
    assert await leave_one(*old) == [], "who stayed long enough owes nothing"


async def collateral(stage: Stage, sectors: int) -> int:
    """The collateral of so many sectors, in the smallest unit."""
    amounts = await stage.client.storage.amounts()
    return amounts.collateral * 256 * sectors // GIB


LOST_CONFIG, LOST_AMOUNTS = dear()


@act(
    "scenarios",
    "declare-lost",
    Cast(hosters=3, encoders=4, config=LOST_CONFIG, amounts=LOST_AMOUNTS),
    short=True,
)
async def declare_lost(stage: Stage) -> None:
    """A hoster that says that it lost a copy loses a tenth of its collateral, and the copy is made anew."""
    published = await stage.publish(SIZE, 2)
    copies = await stage.active(published.plan, 2)
    (number, copy) = next(iter(copies.items()))
    peer, since = stage.peer_of(copy.hoster), stage.now
    stage.damage(peer, number)
    async with stage.session(peer.name) as session:
        await notices.declare_lost(session.client, session.signer, number)
    ended = await stage.event(events.CopyEnded, since, copy=number)
    assert ended.reason is CopyEnd.LOST, ended
    forfeited = await stage.event(events.Forfeited, since, copy=number)
    assert forfeited.burned + forfeited.pot == await collateral(stage, copy.sectors) // 10
    await stage.active(published.plan, 2)
    await stage.passed(60)
    assert not stage.happened(events.HosterEvicted), "an honest word costs nobody its place"
    found = await stage.client.storage.peer(peer.account, stage.blocks[-1].hash)
    assert found is not None
    assert found.reputation > PPM // 10
