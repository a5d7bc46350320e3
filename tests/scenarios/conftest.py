"""Networks for the scenarios: one for all tests of a module, as a start takes longer than most of them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.whole_network import Network, network

CHAINS = ["model", "wasm"]


@pytest.fixture(params=CHAINS, scope="module")
def chain(request: pytest.FixtureRequest) -> str:
    """The mock's backends in turn."""
    found: str = request.param
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(chain: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Network]:
    """A small network that runs while the tests of a module do."""
    async with network(tmp_path_factory.mktemp("net"), chain) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def net(shared: Network) -> Network:
    """The network with all peers running, whatever the test before did to them."""
    for peer in shared.net.peers:
        if peer.child is None or not peer.child.running:
            await shared.restart(peer)
    return shared
