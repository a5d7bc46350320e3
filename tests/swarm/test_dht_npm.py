"""npm's hyperdht on a network of our nodes: what either of them stores the other finds, and peers of npm meet through ours."""

from __future__ import annotations

import asyncio

import pytest

from service.hypercore.crypto import KeyPair, blake2b
from service.hypercore.swarm import DHT, DhtError
from service.hypercore.swarm.dht.address import Address
from service.hypercore.swarm.dht.messages import Announcement, Command, FoundPeer, sign_announcement
from service.hypercore.swarm.dht.query import Answerer
from tests.support.needs import free_port
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


async def test_a_chain_of_hashes_renews_what_npm_announced_at_our_nodes() -> None:
    chain = hashes(3)
    async with network(3) as nodes, npm(nodes[0].address) as there:
        given = {"topic": TOPIC.hex(), "seed": "02" * 32}
        assert await there("announceRefresh", **given, refresh=chain[2].hex()) == 3
        assert await there("announceRefresh", **given, shown=chain[0].hex()) == 0  # not its turn
        assert await there("announceRefresh", **given, shown=chain[1].hex()) == 3
        assert await there("announceRefresh", **given, shown=chain[0].hex()) == 3
        assert len(await there("lookup", topic=TOPIC.hex())) == 1


async def test_a_chain_of_hashes_renews_what_we_announced_at_npms_nodes() -> None:
    """Here npm's node is the only one: what it takes it can take from our messages alone."""
    chain, pair = hashes(3), KeyPair(bytes([1]) * 32)
    async with network(1) as nodes, npm(nodes[0].address) as there:
        port = free_port()
        await there("node", port=port)
        async with DHT(ANY, [Address("127.0.0.1", port)]) as here:

            async def put(peer: FoundPeer | None, link: bytes) -> int:
                query, _ = await here.query(Command.LOOKUP, TOPIC)

                def value(node: Answerer) -> bytes:
                    if peer is None:
                        return Announcement(refresh=link).encode()
                    signature = sign_announcement(pair, TOPIC, node.id, node.reply.token or b"", peer, link)
                    return Announcement(peer, link, signature).encode()

                try:
                    return await here._commit(query.closest, Command.ANNOUNCE, TOPIC, value)
                except DhtError:
                    return 0

            assert await put(FoundPeer(pair.public), chain[2]) == 1
            await here.unannounce(TOPIC, pair)
            assert await here.lookup(TOPIC) == []
            assert await put(None, chain[1]) == 1  # npm's nodes bring back even who left: ours do not
            assert [one.key for one in await here.lookup(TOPIC)] == [pair.public]
            assert await put(None, chain[0]) == 1


def hashes(count: int) -> list[bytes]:
    """A chain of which each is the hash of the one before it."""
    chain = [bytes(32)]
    while len(chain) < count:
        chain.append(blake2b(chain[-1]))
    return chain


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
