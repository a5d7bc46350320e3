"""An attester's disk is full at any of its writes: it goes on, reports once or not at all, and reports again afterwards."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from structlog.testing import capture_logs

from service.chain_client.pallet import events
from service.roles.attester.role import AttesterRole
from tests.support.full_disk import full_disk
from tests.support.small_net import LivePeer, Net, copied, is_active

FULL_SECONDS = 60.0
"""Of the virtual clock: ten blocks."""
SIZES = [10_000, 20_001]
WRITES = 24
"""More than an attester makes from the first era of a copy to the end of the next."""


def served(net: Net, after: int) -> bool:
    """Whether a challenge of a later era was settled with a report that says so."""
    settled = {event.era for event in net.chain.events(events.RetrievalSettled) if event.era > after}
    return any(event.era in settled and event.report.served for event in net.chain.events(events.RetrievalRevealed))


def check_once(net: Net, attester: LivePeer) -> None:
    """It committed to one report in each era, and revealed that one."""
    heard = [call.arguments for call in net.chain.heard if call.name == "commit_retrievals"]
    commits = {(era, said.copy, said.commit) for era, several in heard for said in several}
    assert all(count == 1 for count in Counter((era, copy) for era, copy, _ in commits).values())
    revealed = Counter(event.era for event in net.chain.events(events.RetrievalRevealed))
    assert all(count == 1 for count in revealed.values())
    assert attester.task is not None
    assert not attester.task.done()


@pytest.mark.parametrize("after", range(WRITES))
async def test_a_full_disk_at_any_write(net: Net, after: int) -> None:
    with capture_logs() as logs, full_disk(net.directory / "One") as disk:
        attester = await net.start("One", AttesterRole)
        async with copied(net, SIZES) as (_, _, _, _, copy):
            await net.chain.until(is_active(net, copy))
            disk.fill(after)
            await net.chain.until(lambda: disk.refused)
            await asyncio.sleep(FULL_SECONDS)
            disk.free()
            era = net.chain.era
            await net.chain.until(lambda: served(net, era))
            check_once(net, attester)
    assert not [one for one in logs if "exc_info" in one], logs
