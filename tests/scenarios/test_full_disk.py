"""A hoster whose disk is full to the last byte: its process goes on proving and serving, and takes copies again by itself.

Started anew on such a disk it serves, and proves when there is room.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from service.chain_client.pallet import events
from service.chain_client.pallet.types import CopyEnd
from service.units import UNIT
from tests.support.small_disk import filled, small_disk
from tests.support.whole_network import Network, network

pytestmark = pytest.mark.slow

PEERS = (("author,sponsor", 1, 2_000 * UNIT), ("hoster", 1, 20 * UNIT), ("encoder", 1, 250 * UNIT))
SIZE = 96 * 1024
MEGABYTES = 64
PROOFS = 3


@pytest.mark.case("network/disk_full")
async def test_a_full_disk_costs_a_hoster_nothing_that_it_has(tmp_path: Path) -> None:
    with small_disk(tmp_path / "net" / "hoster-1", MEGABYTES) as disk:
        async with network(tmp_path / "net", "model", PEERS) as net:
            first = await net.publish(SIZE)
            await net.active(first.plan)
            (hoster,) = (peer for peer in net.net.peers if peer.role == "hoster")
            assert hoster.child is not None
            pid = hoster.child.pid
            account = hoster.keys.account
            after = net.now
            with filled(disk):
                second = await net.publish(SIZE + 1)
                await not_taken(net, account, second.plan, after)
                await proofs(net, account, after)
                assert await net.read(first.core, [hoster]) == first.data
            third = await net.publish(SIZE + 2)  # what a hoster declined is not offered to it again
            await net.active(third.plan)
            assert await net.read(third.core, [hoster]) == third.data
            assert (hoster.child.pid, hoster.child.running) == (pid, True)
            await (
                hoster.child.stop()
            )  # which gives the room of SQLite's side files back, so that nothing can be noted then
            with filled(disk):
                await net.restart(hoster)
                assert await net.read(first.core, [hoster]) == first.data
            await proofs(net, account, net.now)
            assert not net.happened(events.StorageMissed)
            await net.check_books()


async def not_taken(net: Network, account: bytes, plan: int, after: int) -> None:
    """Wait until the hoster declines a copy, or has said in an offer, once an era, that it has no room for it."""

    def offered() -> list[int]:
        return [event.copy for _, event in net.happened(events.CopyOffered, plan=plan)]

    def has_no_room() -> bool:
        renewed = net.happened(events.HostingOffered, account=account)
        without = any(number > after and event.capacity < 2 * SIZE for number, event in renewed)
        return without and bool(net.happened(events.NeedSleeps, plan=plan))

    await net.until("a copy is declined, or there is no room", lambda: bool(offered()) or has_no_room())
    for copy in offered():
        ended = await net.event(events.CopyEnded, copy=copy)
        assert ended.reason is CopyEnd.DECLINED


async def proofs(net: Network, account: bytes, after: int) -> None:
    """Wait for some proofs after a block."""

    def proved() -> int:
        return sum(number > after for number, _ in net.happened(events.StorageProved, hoster=account))

    await net.until(f"{PROOFS} proofs on a full disk", lambda: proved() >= PROOFS)
