"""A hoster that knew a longer head of a feed before its copy of a shorter one serves the copy's blocks under the longer head."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from service.chain_client.pallet import calls
from service.hypercore import Core
from service.hypercore.net import ReplicationError, Replicator
from service.roles.encoder import send
from service.roles.encoder.role import EncoderRole
from service.roles.hoster.joining import HeadJoiner
from service.roles.hoster.receive import _Session
from service.roles.hoster.role import HosterRole
from service.roles.sponsor.checks import check_head
from service.roles.sponsor.heads import extension
from tests.support.copy_world import digest
from tests.support.small_net import LivePeer, Net, is_active

Patch = pytest.MonkeyPatch
SHORT, LONG = 10, 12
"""The last root over 10 blocks is tree node 17, that of 12 is 19: its other half, 21, is of no use for a copy of 10 blocks."""


def block(number: int) -> bytes:
    return digest("block", number) * 30


async def knows(peer: LivePeer, core: Core, *sources: LivePeer) -> Core:
    """Let a peer learn a feed's head of today, as another role on its node does; its core."""
    replica = peer.store.get(core.key)
    with Replicator(replica) as replicator:
        for source in sources:
            replicator.attach(await peer.transport.connect(source.keys.swarm_key))
        await replicator.update(core.length)
    return replica


async def read(net: Net, name: str, core: Core, hoster: LivePeer) -> list[bytes | None]:
    """Read the copy's blocks of a hoster alone, under the head that it announces."""
    reader = await net.start(name)
    replica = await knows(reader, core, hoster)
    assert replica.length == LONG
    with Replicator(replica) as replicator:
        replicator.attach(await reader.transport.connect(hoster.keys.swarm_key))
        await replicator.download(0, SHORT)
    return [replica.get(index) for index in range(SHORT)]


async def grown(net: Net) -> tuple[LivePeer, LivePeer, LivePeer, Core, int]:
    """Author, encoder and hoster, which knows the feed's longer head, and a copy of the shorter one that is not made yet."""
    writer = await net.start("Author")
    core = writer.store.create("feed")
    core.append([block(number) for number in range(SHORT)])
    hoster = await net.start("Hoster", HosterRole)
    encoder = await net.start("Encoder", EncoderRole)
    copy = await net.place(core)
    core.append([block(number) for number in range(SHORT, LONG)])
    await knows(hoster, core, writer)
    assert not net.chain.begun
    return writer, encoder, hoster, core, copy


async def test_a_copy_of_an_older_head_is_read_under_the_head_of_today(net: Net) -> None:
    writer, encoder, hoster, core, copy = await grown(net)
    await net.chain.until(is_active(net, copy))
    await net.leave(writer)
    await net.leave(encoder)
    assert hoster.store.get(core.key).length == LONG
    assert await read(net, "Reader", core, hoster) == [block(number) for number in range(SHORT)]


async def as_before(self: send._Sending) -> bytes:
    """Encoders showed nothing to a hoster whose core was as long as its copy's head."""
    there = self._begin.core_length
    return b"" if there >= self._job.head.length else await self._upgrade(there)


async def test_what_an_encoder_does_not_show_is_asked_of_the_feeds_peers(net: Net, monkeypatch: Patch) -> None:
    monkeypatch.setattr(send._Sending, "_head", as_before)
    writer, encoder, hoster, core, copy = await grown(net)
    replica = hoster.store.get(core.key)
    await net.chain.until(is_active(net, copy))
    await net.chain.until(lambda: not replica.unjoined(SHORT))
    await net.leave(writer)
    await net.leave(encoder)
    await hoster.restart()
    assert await read(net, "Reader", core, hoster) == [block(number) for number in range(SHORT)]


async def test_a_store_that_lacks_nodes_heals_once_a_peer_has_them(net: Net, monkeypatch: Patch) -> None:
    step = HeadJoiner.step
    monkeypatch.setattr(_Session, "_join", lambda self, core, proof: None)  # as hosters took what is shown before
    monkeypatch.setattr(HeadJoiner, "step", lambda self, now: None)
    writer, encoder, hoster, core, copy = await grown(net)
    await net.chain.until(is_active(net, copy))
    await net.leave(encoder)
    await writer.stop()
    monkeypatch.setattr(HeadJoiner, "step", step)
    await hoster.restart()
    with capture_logs() as logs:
        await net.chain.until(lambda: sum("join" in str(line.get("action")) for line in logs) > 2)
    assert hoster.store.get(core.key).unjoined(SHORT) == [21]
    with pytest.raises(ReplicationError, match="block 8: not to be had"):
        await read(net, "Reader", core, hoster)
    await writer.start()
    await net.chain.until(lambda: not hoster.store.get(core.key).unjoined(SHORT))
    await writer.stop()
    await hoster.restart()
    assert await read(net, "Second", core, hoster) == [block(number) for number in range(SHORT)]
    await writer.start()


async def test_a_hoster_that_lacks_the_same_is_no_help_and_no_obstacle(net: Net, monkeypatch: Patch) -> None:
    """Its head is as long, and it has no way to show it; the author's is asked for next."""
    monkeypatch.setattr(send._Sending, "_head", as_before)
    writer, _, hoster, core, copy = await grown(net)
    alike = await net.start("Idle hoster")
    known = await knows(alike, core, writer)
    known.keep_nodes(core.roots(SHORT))
    assert known.unjoined(SHORT) == [21]
    await net.chain.until(is_active(net, copy))
    await net.chain.until(lambda: not hoster.store.get(core.key).unjoined(SHORT))


async def test_a_live_feed_whose_hoster_is_ahead_of_each_of_its_heads(net: Net) -> None:
    """The plan's head follows slowly; the hoster's core is longer than both heads of its copy before these come."""
    writer = await net.start("Author")
    core = writer.store.create("feed")
    core.append([block(number) for number in range(3)])
    hoster = await net.start("Hoster", HosterRole)
    await net.start("Encoder", EncoderRole)
    copy = await net.place(core, live=True)
    core.append([block(number) for number in range(3, SHORT)])
    shown = check_head(core.head()), extension(core, 3)
    core.append([block(number) for number in range(SHORT, LONG)])
    replica = await knows(hoster, core, writer)
    await net.chain.until(is_active(net, copy))
    await net.sponsor.signer.submit(calls.update_head(0, *shown))
    await net.chain.until(lambda: net.chain.copy(copy).head.length == SHORT)
    await net.chain.until(is_active(net, copy))
    assert not replica.unjoined(3)
    assert not replica.unjoined(SHORT)
    await net.leave(writer)
    assert await read(net, "Reader", core, hoster) == [block(number) for number in range(SHORT)]
