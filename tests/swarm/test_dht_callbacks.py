"""What a node of the DHT does with callers that break, and with those that come after its end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from service.hypercore.crypto import KeyPair
from service.hypercore.swarm import DHT, DhtError, Unreachable
from service.hypercore.swarm.dht.messages import FoundPeer
from tests.support.npm_dht import ANY, MOST_SECONDS, network

TOPIC = bytes(range(32))
ONE, TWO = KeyPair(b"\x01" * 32), KeyPair(b"\x02" * 32)


def breaks(given: object) -> bool:
    raise RuntimeError("a bug")


async def test_what_breaks_on_what_was_found_ends_that_lookup_alone() -> None:
    async with network(3) as nodes, DHT(ANY, [nodes[0].address]) as here:
        told: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))
        await here.announce(TOPIC, ONE)

        def broken(peer: FoundPeer) -> None:
            breaks(peer)

        with pytest.raises(RuntimeError, match="a bug"):
            await asyncio.wait_for(here.lookup(TOPIC, broken), MOST_SECONDS)
        with pytest.raises(RuntimeError, match="a bug"):
            await asyncio.wait_for(here.announce(TOPIC, TWO, on_found=broken), MOST_SECONDS)
        assert [peer.key for peer in await here.lookup(TOPIC)] == [ONE.public]
        assert not told


async def test_a_firewall_that_breaks_refuses_and_ends_nothing_else() -> None:
    async with network(3) as nodes, DHT(ANY, [nodes[0].address]) as here, DHT(ANY, [nodes[0].address]) as there:
        told: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))

        def firewall(key: bytes) -> bool:
            return key == TWO.public and breaks(key)

        async with here.listen(ONE, firewall=firewall):
            with pytest.raises(Unreachable):
                await asyncio.wait_for(there.connect(ONE.public, pair=TWO), MOST_SECONDS)
            connection = await there.connect(ONE.public, pair=KeyPair.generate())
            assert connection.is_open
        assert not told


async def test_who_asks_a_node_that_was_closed_is_told() -> None:
    async with network(1) as nodes:
        async with DHT(ANY, [nodes[0].address]) as here:
            server = here.listen(ONE)
        asking: list[Callable[[], Awaitable[Any]]] = [
            lambda: here.lookup(TOPIC),
            lambda: here.announce(TOPIC, ONE),
            lambda: here.unannounce(TOPIC, ONE),
            lambda: here.mutable_get(ONE.public),
            lambda: here.immutable_put(b"x"),
            server.__aenter__,
        ]
        for asked in asking:
            with pytest.raises(DhtError, match="closed"):
                await asyncio.wait_for(asked(), MOST_SECONDS)
        with pytest.raises(Unreachable):
            await here.connect(ONE.public, pair=TWO)
        assert not here._open
