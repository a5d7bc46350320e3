"""Scenarios of copies in the making: an encoder that is lost on its way, and feeds that grow."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from service.chain_client.pallet import events
from service.chain_client.pallet.types import Copy, CopyEnd, CopyState, Verdict

from .catalogue import Cast, act
from .scenarios_hosters import SIZE, unique, whole
from .stage import Stage

SECTORS = 2_000
RATE = 32
"""Sectors that an encoder makes in a second: one run of its codec."""
SIGNED_SECONDS = 0.5
"""A run that is stored is signed by both within this time, and before the next one is made."""
MAKING = Cast(
    hosters=2,
    encoders=3,
    times={"lease": 120, "checkpoint": 32},
    sectors_per_second=RATE,
)


async def lose_encoder(stage: Stage, percent: int) -> None:
    """Kill an encoder when its hoster has so much of the copy; another one goes on from the last checkpoint."""
    published = await stage.publish(SECTORS * 256)
    drawn = await stage.event(events.SegmentBegun)
    lost, number = stage.peer_of(drawn.encoder), drawn.copy
    hoster = stage.peer_of((await stage.copies(published.plan))[number].hoster)
    before = await stage.wealth(lost.account)
    while stage.stored(hoster, number) < SECTORS * percent // 100:  # noqa: ASYNC110 - it is a disk that is watched
        await asyncio.sleep(SIGNED_SECONDS / 2)
    await asyncio.sleep(SIGNED_SECONDS)
    at = stage.stored(hoster, number)
    await stage.kill(lost)
    (found,) = (await stage.active(published.plan, 1)).items()
    await _two_encoders(stage, found, number, at)
    assert await stage.wealth(lost.account) >= before, "the lost one loses nothing but its place"
    assert not stage.happened(events.Stalled), "no lease passed"
    stage.notes.append(f"salvaged {at} of {SECTORS} sectors")
    await stage.kill(stage.peers("author")[0])
    assert await stage.read(published.core, [hoster]) == whole(published.core)


async def _two_encoders(stage: Stage, found: tuple[int, Copy], number: int, sectors: int) -> None:
    """Fail unless a copy is the one that was begun, and has one segment of so many sectors and one of another encoder."""
    assert found[0] == number, "the copy is another one"
    first, second = found[1].segments
    assert (first.sectors, first.sectors + second.sectors) == (sectors, SECTORS)
    segments = await stage.client.storage.segments_of([first.segment, second.segment])
    assert len({one.encoder for one in segments.values()}) == 2
    assert len({one.pk_hash for one in segments.values()}) == 2, "each has its own key"


@act("scenarios", "encoder-lost-at-50", MAKING)
async def encoder_lost_at_50(stage: Stage) -> None:
    """An encoder is lost when half is made: that half is confirmed, and another encoder makes the rest with its own key."""
    await lose_encoder(stage, 50)


@act("scenarios", "encoder-lost-at-99", MAKING)
async def encoder_lost_at_99(stage: Stage) -> None:
    """An encoder is lost when all but a hundredth is made: nothing of it is made again."""
    await lose_encoder(stage, 99)


@act("scenarios", "encoder-lost-at-0", replace(MAKING, hosters=3, sectors_per_second=1_400.0, times={"lease": 40}))
async def encoder_lost_at_0(stage: Stage) -> None:
    """An encoder is lost right after its begin: the lease passes, all three pay the small fine, and another copy is made."""
    published = await stage.publish(SIZE)
    drawn = await stage.event(events.SegmentBegun)
    await stage.kill(stage.peer_of(drawn.encoder))
    stalled = await stage.event(events.Stalled)
    fine = (await stage.client.storage.amounts()).stall_fine
    assert stalled.encoder == drawn.encoder
    assert max(stalled.collateral, stalled.bond, stalled.pot) <= fine
    (copy,) = (await stage.active(published.plan, 1)).values()
    assert copy.encoders[0] != drawn.encoder


async def grown(stage: Stage, plan: int, size: int, replicas: int) -> dict[int, Copy]:
    """Wait until all copies of a plan have so many bytes."""

    async def read(at: bytes) -> dict[int, Copy] | None:
        copies = await stage.client.storage.all_copies(at)
        found = {n: c for n, c in copies.items() if c.plan == plan and c.state is CopyState.ACTIVE}
        return found if len(found) == replicas and all(c.bytes == size for c in found.values()) else None

    return await stage.until_state(f"the copies of plan {plan} have {size} bytes", read)


@act("scenarios", "feed-grows", Cast(hosters=2, encoders=4, attesters=3), real=True)
async def feed_grows(stage: Stage) -> None:
    """A feed grows again and again while it is hosted: its copies grow by a segment each time, and are served throughout."""
    published = await stage.publish(SIZE, 2, live=True)
    before = await stage.active(published.plan, 2)
    await stage.event(events.RetrievalSettled)
    for _ in range(3):
        stage.append(published.core, 5_000)
        copies = await grown(stage, published.plan, published.bytes, 2)
    assert copies.keys() == before.keys(), "they are the same copies"
    assert {len(copy.segments) for copy in copies.values()} == {4}
    await stage.passed(2 * stage.client.times.era)
    await unique(stage, copies)
    verdicts = {event.verdict for _, event in stage.happened(events.RetrievalSettled)}
    assert Verdict.FAILED not in verdicts, verdicts
    assert Verdict.PASSED in verdicts, verdicts
    assert not stage.happened(events.CopyEnded)
    assert not stage.happened(events.HosterOverdue)
    await stage.kill(stage.peers("author")[0])
    for copy in copies.values():
        assert await stage.read(published.core, [stage.peer_of(copy.hoster)]) == whole(published.core)


@act("scenarios", "head-moves-while-made", replace(MAKING, sectors_per_second=64.0))
async def head_moves_while_made(stage: Stage) -> None:
    """A feed grows while its first copy is made: the copy is finished as it was begun, and grows then."""
    published = await stage.publish(1_600 * 256, live=True)
    await stage.event(events.SegmentBegun)
    stage.append(published.core, 5_000)
    await stage.event(events.HeadUpdated, plan=published.plan)
    assert not stage.happened(events.CopyActive), "the copy was made before the head moved"
    ((number, copy),) = (await grown(stage, published.plan, published.bytes, 1)).items()
    assert number == 0
    assert copy.segments[0].sectors == 1_600
    assert len(copy.segments) == 2
    assert not stage.happened(events.CopyEnded)


@act("scenarios", "disk-lost-a-copy", Cast(hosters=3, encoders=4))
async def disk_lost_a_copy(stage: Stage) -> None:
    """A hoster whose disk lost a copy finds it out by a challenge, says so by itself, and the copy is made anew."""
    published = await stage.publish(SIZE, 2)
    ((number, copy), *_) = (await stage.active(published.plan, 2)).items()
    since = stage.now
    stage.damage(stage.peer_of(copy.hoster), number)
    ended = await stage.event(events.CopyEnded, since, copy=number)
    assert ended.reason is CopyEnd.LOST, ended
    await stage.active(published.plan, 2)
    assert not stage.happened(events.HosterEvicted)
