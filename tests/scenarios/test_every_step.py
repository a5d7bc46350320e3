"""kill -9 at each step of a copy's making, and of everything at once: what was begun is finished, once."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from service.chain_client.pallet import events
from service.devnet.network import NetPeer
from tests.support.whole_network import Network, network

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module"), pytest.mark.case("network/kill_loop")]

SIZE = 200_000


async def again(net: Network, *peers: NetPeer) -> None:
    """Kill these at once, and start them again."""
    await asyncio.gather(*(net.kill(peer) for peer in peers))
    await asyncio.gather(*(net.restart(peer) for peer in peers))


async def told(net: Network, event: str, copy: int) -> None:
    """Wait until a peer has told of a step."""
    await net.line(f"{event} of copy {copy}", lambda _, line: (line.get("event"), line.get("copy")) == (event, copy))


async def test_both_parties_killed_at_every_step(net: Network) -> None:
    published = await net.publish(SIZE)
    offer = await net.event(events.CopyOffered, plan=published.plan)
    copy, hoster = offer.copy, net.peer(offer.hoster)
    encoder = net.peer((await net.event(events.EncoderDrawn, copy=copy)).encoder)
    await again(net, encoder)  # a key may be made, a begin on its way
    segment = (await net.event(events.SegmentBegun, copy=copy)).segment
    await again(net, encoder, hoster)  # both wait for the salt
    await net.event(events.SaltDrawn, copy=copy)
    await again(net, hoster, encoder)  # the first sectors may be on their way
    await told(net, "encoded", copy)
    await again(net, encoder, hoster)  # the checkpoint is signed, the confirmation may be on its way
    await net.event(events.SegmentConfirmed, copy=copy)
    await again(net, encoder, hoster)  # the key is to be erased
    ((number, found),) = (await net.active(published.plan)).items()
    assert number == copy
    assert [part.segment for part in found.segments] == [segment]
    assert len(net.happened(events.SegmentBegun, copy=copy)) == 1
    assert found.strikes == 0
    await net.event(events.StorageProved, after=net.now, hoster=found.hoster)
    await net.until("the private key is erased", lambda: not list((encoder.directory / "keys").glob("*")))
    await net.check_stored(published)
    await net.check_books()
    assert await net.read(published.core, [hoster]) == published.data


async def test_power_loss(chain: str, tmp_path: Path) -> None:
    """The chain and all peers die at once, while one copy is encoded and one is hosted; on the same disks all goes on."""
    async with network(tmp_path / "net", chain) as before:
        hosted = await before.publish(SIZE, seed=1)
        await before.active(hosted.plan)
        making = await before.publish(1 << 20, seed=2)
        offer = await before.event(events.CopyOffered, plan=making.plan)

        def midway(peer: NetPeer, line: dict[str, Any]) -> bool:
            return line.get("event") == "stored" and line["copy"] == offer.copy

        await before.line("a hoster has stored something", midway)
        await before.kill_everything()
        shown = before.net.describe()
    async with network(tmp_path / "net", chain) as net:
        assert [peer["account"] for peer in net.net.describe()["peers"]] == [peer["account"] for peer in shown["peers"]]
        assert net.client.genesis == before.client.genesis
        await net.until("the old blocks are read again", lambda: net.now >= before.now)
        back = net.now
        assert [block.hash for block in net.blocks[: before.now]] == [block.hash for block in before.blocks]
        for published in (hosted, making):
            ((number, copy),) = (await net.active(published.plan)).items()
            assert [number] == list(await net.copies(published.plan))
            assert len(net.happened(events.SegmentBegun, copy=number)) == 1
            await net.event(events.StorageProved, after=net.now, hoster=copy.hoster)
            await net.check_stored(published)
            assert await net.read(published.core, [net.peer(copy.hoster)]) == published.data
        assert not [event for _, event in net.happened(events.StorageMissed) if event.issued >= back]
        await net.check_books()
