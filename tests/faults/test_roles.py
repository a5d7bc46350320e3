"""A peer's disk is full at any of its writes: its node goes on, nothing is lost, and nobody is paid twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from service.hypercore import Core
from service.roles.encoder.role import EncoderRole
from service.roles.hoster.role import HosterRole
from tests.support.full_disk import FullDisk, full_disk
from tests.support.small_net import LivePeer, Net, author, blocks, check_copy, is_active, read_back

FULL_SECONDS = 48.0
"""Of the virtual clock: 8 blocks. A copy whose plan has no encoder for much longer ends, and its plan waits for a tick."""
SIZES = [700, 20_000, 0, 17]


@asynccontextmanager
async def disk_of(net: Net, name: str) -> AsyncIterator[FullDisk]:
    """The disk of a peer that is still to be started."""
    with full_disk(net.directory / name) as disk:
        yield disk


async def proves_again(net: Net, hoster: LivePeer) -> None:
    now = net.chain.number
    await net.chain.until(lambda: max(net.chain.proved(hoster.account), default=0) > now)


async def placed(net: Net, core: Core, hoster: LivePeer, encoder: LivePeer) -> int:
    """Publish when both offers stand: a plan that finds no encoder soon waits for its next tick."""
    await net.chain.until(lambda: net.chain.offers_stand(hoster.account, encoder.account))
    return await net.place(core)


async def life_with_a_full_disk(net: Net, whose: str, after: int) -> int:
    """Make, confirm and prove a copy, while a peer's disk is full for a while; how many writes that took."""
    with capture_logs() as logs:
        async with disk_of(net, whose) as disk:
            _, core = await author(net, SIZES)
            hoster = await net.start("Hoster", HosterRole)
            encoder = await net.start("Encoder", EncoderRole)
            begun = disk.written
            disk.fill(after)
            placing = asyncio.create_task(placed(net, core, hoster, encoder))
            await net.chain.until(lambda: disk.reached or bool(net.chain.proved(hoster.account)))
            await asyncio.sleep(FULL_SECONDS)
            for peer in (hoster, encoder):
                assert peer.task is not None
                assert not peer.task.done(), f"{peer.name} ended"
            used = disk.written - begun
            disk.free()
            copy = await placing
            await net.chain.until(is_active(net, copy))
            await proves_again(net, hoster)
            check_copy(net, hoster, core, copy)
            await hoster.restart()
            await proves_again(net, hoster)
            assert await read_back(net, "Reader", core, hoster) == blocks(core)
    assert not [one for one in logs if "exc_info" in one or one["event"] == "channel failed"], logs
    return used


WRITES = {"Hoster": 48, "Encoder": 48}
"""At least as many as a copy takes from the draw to its first proof."""


@pytest.mark.parametrize(("whose", "after"), [(one, after) for one, count in WRITES.items() for after in range(count)])
async def test_a_full_disk_at_any_write(net: Net, whose: str, after: int) -> None:
    """The nth write and all after it fail for a while, for all n of a copy's way from the draw to its first proof."""
    await life_with_a_full_disk(net, whose, after)


@pytest.mark.parametrize("whose", WRITES)
async def test_these_are_all_writes(net: Net, whose: str) -> None:
    assert WRITES[whose] // 2 < await life_with_a_full_disk(net, whose, 10_000) <= WRITES[whose]
