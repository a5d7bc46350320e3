"""npm's hyperdht on a network of our nodes: what either of them stores the other finds, and peers of npm meet through ours."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from service.hypercore.crypto import KeyPair
from service.hypercore.swarm import DHT, DhtError
from service.hypercore.swarm.dht.address import Address
from tests.support.npm_peer import HERE, node_command

MOST_SECONDS = 60
ANY = Address("127.0.0.1", 0)
TOPIC = bytes(range(32))


class NpmDht:
    """A node of npm's, which does what it is told."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        found: dict[str, Any] = json.loads(await asyncio.wait_for(self._process.stdout.readline(), MOST_SECONDS))
        return found

    async def __call__(self, command: str, **given: Any) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"command": command} | given).encode() + b"\n")
        told = await self.line()
        assert "error" not in told, told
        return told["answer"]


@contextlib.asynccontextmanager
async def npm(bootstrap: Address) -> AsyncIterator[NpmDht]:
    process = await asyncio.create_subprocess_exec(
        node_command(), "dht.mjs", str(bootstrap.port),
        cwd=HERE, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        one = NpmDht(process)
        assert (await one.line())["ready"] is True
        yield one
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@contextlib.asynccontextmanager
async def network(count: int) -> AsyncIterator[list[DHT]]:
    """Nodes that stay, of which the first is what the others begin with."""
    async with contextlib.AsyncExitStack() as stack:
        nodes: list[DHT] = []
        for _ in range(count):
            bootstrap = [nodes[0].address] if nodes else []
            nodes.append(await stack.enter_async_context(DHT(ANY, bootstrap, ANY)))
        yield nodes


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
