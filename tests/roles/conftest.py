"""A network of live peers for the tests of the roles' shells."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service.encoding.pool import CodecPool
from tests.support.fake_chain import FakeChain
from tests.support.live_net import Net


@pytest.fixture
async def net(tmp_path: Path) -> AsyncIterator[Net]:
    chain = FakeChain()
    ticking = asyncio.create_task(chain.run())
    async with CodecPool(2) as pool:
        net = Net(chain, pool, tmp_path)
        yield net
        for peer in net.peers.values():
            await peer.stop()
        ticking.cancel()
