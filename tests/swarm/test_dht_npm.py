"""npm's hyperdht on a network of our nodes: what either of them stores the other finds, and peers of npm meet through ours."""

from __future__ import annotations

import asyncio

import pytest

from service.hypercore.crypto import KeyPair
from service.hypercore.swarm import DHT, DhtError
from tests.support.npm_dht import ANY, MOST_SECONDS, network, npm

TOPIC = bytes(range(32))


@pytest.mark.parametrize("count", [1, 5])
async def test_npm_finds_what_we_store_and_we_what_npm_does(count: int) -> None:
    async with network(count) as nodes, DHT(ANY, [nodes[0].address]) as here, npm(nodes[0].address) as there:
        pair = KeyPair(bytes([1]) * 32)
        assert await here.lookup(TOPIC) == []
        assert await here.announce(TOPIC, pair) == count
        key = await there("announce", topic=TOPIC.hex(), seed="02" * 32)
        both = sorted([pair.public.hex(), key])
        assert await there("lookup", topic=TOPIC.hex()) == both
        assert sorted(peer.key.hex() for peer in await here.lookup(TOPIC)) == both
        await here.unannounce(TOPIC, pair)
        assert await there("lookup", topic=TOPIC.hex()) == [key]
        await there("unannounce", topic=TOPIC.hex(), seed="02" * 32)
        assert await here.lookup(TOPIC) == []

        assert await here.mutable_put(pair, 7, b"ours") == count
        assert await there("mutableGet", key=pair.public.hex()) == {"seq": 7, "value": b"ours".hex()}
        theirs = bytes.fromhex(await there("mutablePut", seed="02" * 32, value=b"theirs".hex(), seq=3))
        found = await here.mutable_get(theirs)
        assert found is not None
        assert (found.seq, found.value) == (3, b"theirs")
        assert await here.mutable_get(theirs, 4) is None

        digest = await here.immutable_put(b"for good")
        assert await there("immutableGet", hash=digest.hex()) == b"for good".hex()
        digest = bytes.fromhex(await there("immutablePut", value=b"theirs".hex()))
        assert await here.immutable_get(digest) == b"theirs"
        assert await here.immutable_get(bytes(32)) is None


async def test_peers_of_npm_meet_through_our_nodes() -> None:
    """Our nodes pass the handshake on: neither of the two knows more of the other than its key."""
    async with network(3) as nodes, npm(nodes[0].address) as server, npm(nodes[0].address) as client:
        key = await server("serve", seed="03" * 32)
        assert await client("echo", key=key, value=b"hello".hex()) == b"hello".hex()


async def test_without_a_node_to_begin_with_it_says_so() -> None:
    async with DHT(ANY, announce=ANY) as gone:
        address = gone.address
    with pytest.raises(DhtError, match=f"none of the nodes {address} answers"):
        async with asyncio.timeout(MOST_SECONDS), DHT(ANY, [address]):
            pass


async def test_what_is_awaited_ends_with_the_node() -> None:
    async with DHT(ANY, announce=ANY) as silent:
        silent.node.take = lambda *arguments: False  # type: ignore[method-assign]
        async with DHT(ANY, announce=ANY) as node:
            node.node.bootstrap = (silent.address,)
            asking = asyncio.create_task(node.lookup(TOPIC))
            await asyncio.sleep(0)
    with pytest.raises(DhtError, match="the node was closed"):
        await asking
    async with DHT(ANY, announce=ANY) as alone:
        with pytest.raises(DhtError, match="too few nodes responded"):
            await alone.announce(TOPIC, KeyPair(bytes(32)))
