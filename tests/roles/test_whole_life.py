"""What roles do by themselves when something of a plan's life fails: each a life of real roles on the simulated network."""

from __future__ import annotations

from service.chain_client.pallet import events
from service.hypercore.net import Replicator
from service.roles.encoder.role import EncoderRole
from service.roles.hoster.role import HosterRole
from tests.support.small_net import Net, author, check_copy, is_active


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
