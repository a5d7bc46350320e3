"""What roles do by themselves when something of a plan's life fails: each a life of real roles on the simulated network."""

from __future__ import annotations

from contextlib import suppress

import pytest
from structlog.testing import capture_logs

from runtime_mock.model.datdot import items
from runtime_mock.model.datdot.params import amounts
from runtime_mock.model.datdot.records import CopyState
from service.chain_client.pallet import events
from service.chain_client.pallet.types import CopyEnd
from service.encoding import EncodingError, SectorDecoder
from service.hypercore import Core
from service.hypercore.net import Replicator
from service.protocols.probe.messages import Ask
from service.roles.encoder.role import EncoderRole
from service.roles.hoster.role import HosterRole
from service.roles.hoster.sectors import SectorFile, segment_path
from service.roles.hoster.store import HostedCopies
from tests.support.small_net import LivePeer, Net, author, blocks, check_copy, is_active, read_back


def fined(net: Net) -> list[object]:
    """Return the events by which a hoster or an encoder lost money."""
    return [
        event for kind in (events.BeginMissed, events.Stalled, events.Forfeited) for event in net.chain.events(kind)
    ]


async def test_a_feed_that_is_gone_costs_its_encoder_nothing_and_its_copy_is_made_when_it_is_back(net: Net) -> None:
    writer, core = await author(net)
    hoster = await net.start("Hoster", HosterRole)
    encoder = await net.start("Encoder", EncoderRole)
    await net.leave(writer)
    plan = await net.publish(core)
    await net.chain.until(lambda: len(net.chain.events(events.JobDeclined)) == 3)
    assert {event.encoder for event in net.chain.events(events.JobDeclined)} == {encoder.account}
    restarted = await net.start("Author")
    assert restarted.store.get(core.key).length == core.length
    await net.chain.until(lambda: net.chain.plan(plan).confirmed)
    (copy,) = net.chain.plan(plan).live
    await net.chain.until(is_active(net, copy))
    check_copy(net, hoster, restarted.store.get(core.key), copy)
    assert fined(net) == []
    assert not net.chain.refused


async def test_an_encoder_that_was_away_knows_since_when_it_is_drawn(net: Net) -> None:
    writer, core = await author(net)
    await net.start("Hoster", HosterRole)
    encoder = await net.start("Encoder", EncoderRole)
    await net.leave(writer)
    await net.place(core)
    drawn = net.chain.number
    await net.chain.wait_for(drawn + 6)
    await encoder.restart()
    await net.chain.until(lambda: net.chain.events(events.JobDeclined))
    assert net.chain.number <= drawn + 15, "it did not begin to count anew"
    assert fined(net) == []


async def test_a_job_of_which_only_the_head_is_served_is_declined(net: Net) -> None:
    writer, core = await author(net)
    reader = await net.start("Reader")
    connection = await reader.transport.connect(writer.keys.swarm_key)
    with Replicator(reader.store.get(core.key)) as replicator:
        replicator.attach(connection)
        assert await replicator.update() == core.length
    await net.leave(writer)
    await net.start("Hoster", HosterRole)
    await net.start("Encoder", EncoderRole)
    await net.place(core)
    await net.chain.until(lambda: net.chain.events(events.JobDeclined))
    assert net.chain.begun == []
    assert fined(net) == []


def check_segments(net: Net, hoster: LivePeer, core: Core, copy: int) -> None:
    """Check that the segments of a copy, and nothing else, are on the hoster's disk and decode to the feed."""
    plain, folder = b"", segment_path(hoster.directory, copy, 0).parent
    parts = net.chain.copy(copy).segments
    assert {path.stem for path in folder.iterdir()} == {str(part.segment) for part in parts}
    for part in parts:
        data, segment = segment_path(hoster.directory, copy, part.segment).read_bytes(), net.chain.segment(part.segment)
        assert segment.salt is not None
        plain += SectorDecoder(segment.salt, net.chain.modulus(part.segment)).decode(0, data)[: segment.bytes]
    assert plain == b"".join(blocks(core))


@pytest.mark.parametrize("restart", [False, True])
async def test_an_encoder_that_is_lost_halfway_is_followed_by_another(net: Net, restart: bool) -> None:
    _, core = await author(net, [30_000] * 10)
    hoster = await net.start("Hoster", HosterRole)
    one = await net.start("One", EncoderRole)
    copy = await net.place(core)
    await net.chain.until(lambda: len(hoster.stored()) > 0 and hoster.stored()[-1] >= 600)
    await net.leave(one)
    begun = net.chain.number
    two = await net.start("Two", EncoderRole)
    if restart:
        await hoster.restart()
    await net.chain.until(lambda: net.chain.copy(copy).segments)
    assert net.chain.number < begun + 100, "long before the lease passes"
    await net.chain.until(is_active(net, copy))
    encoders = [net.chain.segment(part.segment).encoder for part in net.chain.copy(copy).segments]
    assert encoders == [one.account, two.account]
    check_segments(net, hoster, core, copy)
    assert fined(net) == [], "its place was all that it lost"
    expected = blocks(core)
    await net.leave(net.peers["Author"])
    assert await read_back(net, "Reader", core, hoster) == expected


async def test_a_hoster_that_is_lost_halfway_is_salvaged_by_its_encoder_and_goes_on_when_it_is_back(net: Net) -> None:
    _, core = await author(net, [30_000] * 10)
    hoster = await net.start("Hoster", HosterRole)
    encoder = await net.start("Encoder", EncoderRole)
    copy = await net.place(core)
    await net.chain.until(lambda: len(hoster.stored()) > 0 and hoster.stored()[-1] >= 600)
    await hoster.stop(crash=True)
    await net.chain.until(lambda: net.chain.copy(copy).segments)
    assert "confirm_segment" in [heard.name for heard in net.chain.heard]
    assert net.chain.copy(copy).state in (CopyState.ACCEPTED, CopyState.ASSIGNED)
    await hoster.start()
    other = await net.start("Two", EncoderRole)
    await net.chain.until(is_active(net, copy))
    encoders = [net.chain.segment(part.segment).encoder for part in net.chain.copy(copy).segments]
    assert encoders == [encoder.account, other.account]
    check_segments(net, hoster, core, copy)


async def test_a_segment_whose_lease_passed_after_a_salvage_leaves_nothing_behind(net: Net) -> None:
    _, core = await author(net, [30_000] * 10)
    hoster = await net.start("Hoster", HosterRole)
    one = await net.start("One", EncoderRole)
    copy = await net.place(core)
    await net.chain.until(lambda: len(hoster.stored()) > 0 and hoster.stored()[-1] >= 600)
    await net.leave(one)
    await net.chain.until(lambda: net.chain.copy(copy).segments)
    two = await net.start("Two", EncoderRole)
    await net.chain.until(lambda: "encoding" in {event["event"] for event in two.told})
    await net.leave(two)
    three = await net.start("Encoder", EncoderRole)
    await net.chain.until(lambda: net.chain.events(events.Stalled))
    await net.chain.until(
        lambda: any(net.chain.copy(live).state == CopyState.ACTIVE for live in net.chain.plan(0).live)
    )
    (live,) = net.chain.plan(0).live
    assert live != copy, "helped once, it ended"
    check_segments(net, hoster, core, live)
    assert net.chain.segment(net.chain.copy(live).segments[0].segment).encoder == three.account


# ---- a hoster that lost something


async def two_copies(net: Net) -> tuple[LivePeer, tuple[int, int]]:
    """Return a hoster of two active copies of two plans of one feed."""
    _, core = await author(net)
    hoster = await net.start("Hoster", HosterRole)
    await net.start("Encoder", EncoderRole)
    copies = await net.place(core), await net.place(core)
    for copy in copies:
        await net.chain.until(is_active(net, copy))
    return hoster, copies


@pytest.mark.parametrize("how", ["file", "bit", "away"])
async def test_a_lost_copy_is_declared_costs_a_tenth_and_is_replaced(net: Net, how: str) -> None:
    hoster, (lost, kept) = await two_copies(net)
    (part,) = net.chain.copy(lost).segments
    path = segment_path(hoster.directory, lost, part.segment)
    if how == "away":
        await hoster.stop(crash=True)
    if how == "bit":
        data = path.read_bytes()
        path.write_bytes(bytes([data[0] ^ 1]) + data[1:])
        for sector in range(part.sectors):  # somebody asks for each
            with suppress(EncodingError):
                await hoster.role._open_probe(Ask(lost, part.segment, sector))
    else:
        path.unlink()
    if how == "away":
        await hoster.start()
    await net.start("One", HosterRole)
    await net.chain.until(lambda: net.chain.events(events.Forfeited))
    (forfeited,) = net.chain.events(events.Forfeited)
    assert (forfeited.copy, forfeited.account) == (lost, hoster.account)
    collateral = amounts(net.chain.state).collateral * part.sectors * 256 // 2**30
    assert forfeited.burned + forfeited.pot == collateral // 10
    ended = [event for event in net.chain.events(events.CopyEnded) if event.copy == lost]
    assert [event.reason for event in ended] == [CopyEnd.LOST]
    plan = net.chain.plan(net.chain.copy(lost).plan)
    await net.chain.until(lambda: any(is_active(net, live)() for live in net.chain.plan(0).live))
    assert lost not in plan.live
    hosted = items.Hosters.at(net.chain.state, hoster.account)
    assert hosted.step == 0
    assert net.chain.copy(kept).state == CopyState.ACTIVE
    now = net.chain.number
    await net.chain.until(lambda: max(net.chain.proved(hoster.account), default=0) > now)
    assert not net.chain.refused


async def test_files_that_are_put_back_in_time_are_no_loss(net: Net) -> None:
    hoster, (lost, _) = await two_copies(net)
    (part,) = net.chain.copy(lost).segments
    path = segment_path(hoster.directory, lost, part.segment)
    data = path.read_bytes()
    path.unlink()
    with capture_logs() as logs:
        await net.chain.until(lambda: any("a copy is damaged" in str(line) for line in logs))
        path.write_bytes(data)
        await net.chain.until(lambda: any("is whole again" in str(line) for line in logs))
    now = net.chain.number
    await net.chain.until(lambda: max(net.chain.proved(hoster.account), default=0) > now)
    assert "declare_lost" not in [heard.name for heard in net.chain.heard]


async def test_a_disk_that_cannot_be_read_for_a_while_is_no_loss(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    hoster, (lost, _) = await two_copies(net)
    (part,) = net.chain.copy(lost).segments
    path = segment_path(hoster.directory, lost, part.segment)
    read = SectorFile.read
    broken = True

    def fails(file: SectorFile, first: int, count: int) -> bytes:
        if broken and file.path == path:
            raise OSError(5, "input/output error", str(path))
        return read(file, first, count)

    monkeypatch.setattr(SectorFile, "read", fails)
    await net.chain.until(lambda: net.chain.events(events.StorageMissed))
    broken = False
    await net.chain.until(lambda: net.chain.events(events.HosterCleared))
    assert "declare_lost" not in [heard.name for heard in net.chain.heard]
    assert fined(net) == []


async def test_a_file_that_cannot_be_looked_at_stops_nothing(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    hoster, _ = await two_copies(net)

    def fails(hosted: HostedCopies, segment: int, sectors: int) -> str | None:
        raise OSError(5, "input/output error")

    monkeypatch.setattr(HostedCopies, "short", fails)
    await hoster.restart()
    now = net.chain.number
    await net.chain.until(lambda: max(net.chain.proved(hoster.account), default=0) > now)
    assert fined(net) == []


async def test_a_hoster_that_comes_back_late_answers_the_challenge_that_is_overdue(net: Net) -> None:
    hoster, _ = await two_copies(net)
    await hoster.stop(crash=True)
    await net.chain.until(lambda: [event.step for event in net.chain.events(events.HosterOverdue)] == [1, 2])
    await hoster.start()
    await net.chain.until(lambda: net.chain.events(events.HosterCleared))
    assert items.Hosters.at(net.chain.state, hoster.account).step == 0
    assert fined(net) == []
    assert not net.chain.refused
