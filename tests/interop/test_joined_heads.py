"""npm hypercore as a reader of a hoster that knew a longer head before its copy, and as the peer that shows the way between."""

from __future__ import annotations

import asyncio

import pytest

from service.hypercore import Core, Corestore, Proof, Request
from service.hypercore.net import fetch
from service.hypercore.tree.proof import MissingNode
from service.roles.hoster.joining import fetch_way
from tests.support.late_copy import late_copy, way_shown
from tests.support.npm_peer import SECONDS, Here, NodePeer

pytestmark = [pytest.mark.node, pytest.mark.case("feeds/peer")]

BLOCKS = [bytes([number]) * 50 for number in range(12)]
SHORT = 10


def refusal(core: Core, monkeypatch: pytest.MonkeyPatch) -> asyncio.Future[int]:
    """Return the tree node for want of which a request is refused next."""
    refused = asyncio.get_running_loop().create_future()
    prove = core.prove

    def noted(request: Request, value: bytes | None = None) -> Proof:
        try:
            return prove(request, value)
        except MissingNode as missing:
            if not refused.done():
                refused.set_result(missing.index)
            raise

    monkeypatch.setattr(core, "prove", noted)
    return refused


async def test_npm_reads_a_copy_under_a_longer_head_once_the_two_are_joined(
    here: Here, node: NodePeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    core = Corestore().create("feed")
    core.append(BLOCKS)
    hosted = late_copy(core, SHORT, here.store)
    await node("core", name="a", key=core.key.hex())
    await here.connect(node, "node")
    await node("length", core="a", length=len(BLOCKS))
    assert bytes.fromhex((await node("get", core="a", index=7))["block"]) == BLOCKS[7]
    refused = refusal(hosted, monkeypatch)
    waiting = node.begin("get", core="a", index=8)
    async with asyncio.timeout(SECONDS):
        assert await refused == 21
    assert not waiting.done()
    assert hosted.join(SHORT, way_shown(core, SHORT))
    await node("disconnect")
    await here.connect(node, "node")
    async with asyncio.timeout(SECONDS):
        assert bytes.fromhex((await waiting)["block"]) == BLOCKS[8]
    got = await node("download", core="a", start=0, end=SHORT)
    assert got["length"] == len(BLOCKS)
    assert (await node("has", core="a", start=0, end=len(BLOCKS)))["blocks"] == list(range(SHORT))


async def test_npm_shows_the_way_between_two_heads(here: Here, node: NodePeer) -> None:
    made = await node("core", name="a")
    await node("append", core="a", blocks=[block.hex() for block in BLOCKS])
    with_all = here.store.get(bytes.fromhex(made["key"]))
    connection = await here.dial(node)
    transport = await here.transport()
    await fetch(with_all, connection)
    hosted = late_copy(with_all, SHORT)
    assert hosted.unjoined(SHORT) == [21]
    await node("append", core="a", blocks=[b"more".hex()])
    await fetch_way(transport, hosted, SHORT)
    assert hosted.unjoined(SHORT) == []
    assert hosted.length == len(BLOCKS)
