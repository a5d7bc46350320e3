"""Our swarm and npm's hyperswarm on real sockets: they meet by topic and by key, either way, and replicate a feed."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from service.hypercore import Core, Corestore
from service.hypercore.net import Connection, Replication, fetch
from service.hypercore.swarm import DHT, Swarm
from tests.support.npm_dht import ANY, MOST_SECONDS, NpmDht, network, npm

TOPIC = bytes(range(32))
BLOCKS, SIZE = 40, 20_000


@dataclass
class Side:
    """Our swarm, and the core that it replicates with whoever it meets."""

    swarm: Swarm
    store: Corestore
    core: Core | None = None

    def made(self) -> Core:
        self.core = self.store.create("own")
        self.core.append([bytes([number & 255]) * SIZE for number in range(BLOCKS)])
        return self.core

    def copy(self, key: bytes) -> Core:
        self.core = self.store.get(key)
        return self.core

    def serve(self, connection: Connection) -> None:
        if self.core is not None:
            Replication.of(connection).add(self.core)

    async def met(self, count: int = 1) -> list[bytes]:
        """Wait for so many connections. Return the keys."""
        async with asyncio.timeout(MOST_SECONDS):
            if len(self.swarm.connections) < count:
                async for _ in self.swarm:
                    if len(self.swarm.connections) >= count:
                        break
        return sorted(one.remote_key for one in self.swarm.connections)


@contextlib.asynccontextmanager
async def ours(bootstrap: DHT) -> AsyncIterator[Side]:
    store = Corestore()
    async with DHT(ANY, [bootstrap.address]) as dht:
        found: list[Side] = []
        async with Swarm(dht, on_connection=lambda connection: found[0].serve(connection)) as swarm:
            found.append(Side(swarm, store))
            yield found[0]
    store.close()


def digest(core: Core) -> str:
    return hashlib.sha256(b"".join(core.get(index) or b"" for index in range(core.length))).hexdigest()


async def both_have_it(side: Side, there: NpmDht, ours_made: bool) -> None:
    """Wait for the copy of the one that was made, on whichever side it is."""
    assert side.core is not None
    if ours_made:
        told = await there("shared", length=BLOCKS)
        assert told == {"key": side.core.key.hex(), "length": BLOCKS, "sha256": digest(side.core)}
    else:
        (connection,) = side.swarm.connections
        await fetch(side.core, connection)
        assert side.core.length == BLOCKS


async def share(side: Side, there: NpmDht, ours_make: bool, directory: Path) -> str | None:
    """Make a core on one side, of which the other wants a copy. Return the digest of npm's."""
    if ours_make:
        await there("share", directory=str(directory), key=side.made().key.hex())
        return None
    told = await there("share", directory=str(directory), blocks=BLOCKS, size=SIZE)
    side.copy(bytes.fromhex(told["key"]))
    sha256: str = told["sha256"]
    return sha256


@pytest.mark.parametrize("modes", [("server", "client"), ("client", "server"), ("both", "both")], ids="-".join)
@pytest.mark.parametrize("ours_make", [True, False], ids=["our-feed", "npm-feed"])
async def test_they_meet_under_a_topic(modes: tuple[str, str], ours_make: bool, tmp_path: Path) -> None:
    here, remote = ({"server": mode != "client", "client": mode != "server"} for mode in modes)
    async with network(3) as nodes, ours(nodes[0]) as side, npm(nodes[0].address) as there:
        sha256 = await share(side, there, ours_make, tmp_path)
        join = [lambda: side.swarm.join(TOPIC, **here).flushed(), lambda: there("join", topic=TOPIC.hex(), **remote)]
        first, second = join if modes[0] == "server" else reversed(join)
        await first()
        await second()
        ((key,), (told,)) = await asyncio.gather(side.met(), there("met", count=1))
        assert bytes.fromhex(told) == side.swarm.pair.public
        await both_have_it(side, there, ours_make)
        assert side.core is not None
        assert sha256 in (None, digest(side.core))
        assert len(side.swarm.connections) == 1, "one with each other"
        info = side.swarm.peer(key)
        assert info is not None
        assert info.topics == ({TOPIC} if modes[0] == "client" else info.topics)


async def test_we_dial_npm_by_its_key(tmp_path: Path) -> None:
    async with network(3) as nodes, ours(nodes[0]) as side, npm(nodes[0].address) as there:
        sha256 = await share(side, there, False, tmp_path)
        key = bytes.fromhex(await there("listen"))
        side.swarm.join_peer(key)
        assert await side.met() == [key]
        await both_have_it(side, there, False)
        assert side.core is not None
        assert digest(side.core) == sha256


async def test_npm_dials_us_by_our_key(tmp_path: Path) -> None:
    async with network(3) as nodes, ours(nodes[0]) as side, npm(nodes[0].address) as there:
        await share(side, there, True, tmp_path)
        await side.swarm.listen()
        key = bytes.fromhex(await there("joinPeer", key=side.swarm.pair.public.hex()))
        assert await side.met() == [key]
        await both_have_it(side, there, True)


async def test_both_dial_each_other_by_key_and_keep_one() -> None:
    async with network(3) as nodes, ours(nodes[0]) as side, npm(nodes[0].address) as there:
        key = bytes.fromhex(await there("listen"))
        await side.swarm.listen()
        await there("joinPeer", key=side.swarm.pair.public.hex())
        side.swarm.join_peer(key)
        assert await side.met() == [key]
        assert await there("met", count=1) == [side.swarm.pair.public.hex()]


async def test_ours_and_npm_in_one_crowd() -> None:
    """Two of ours and two of npm's: each meets each."""
    async with network(3) as nodes, contextlib.AsyncExitStack() as stack:
        sides = [await stack.enter_async_context(ours(nodes[0])) for _ in range(2)]
        others = [await stack.enter_async_context(npm(nodes[0].address)) for _ in range(2)]
        for side in sides:
            await side.swarm.join(TOPIC).flushed()
        for other in others:
            await other("join", topic=TOPIC.hex(), server=True, client=True)
        keys = await asyncio.gather(*(side.met(3) for side in sides))
        told = await asyncio.gather(*(other("met", count=3) for other in others))
        everybody = {side.swarm.pair.public for side in sides} | {bytes.fromhex(key) for key in told[0] + told[1]}
        assert len(everybody) == 4
        assert [set(one) | {side.swarm.pair.public} for one, side in zip(keys, sides, strict=True)] == [everybody] * 2


async def test_who_left_is_not_found() -> None:
    async with network(3) as nodes, ours(nodes[0]) as side, npm(nodes[0].address) as there:
        await side.swarm.join(TOPIC, client=False).flushed()
        assert await there("lookup", topic=TOPIC.hex()) == [side.swarm.pair.public.hex()]
        await side.swarm.leave(TOPIC)
        assert await there("lookup", topic=TOPIC.hex()) == []
        await side.swarm.join(TOPIC, client=False).flushed()
        await side.swarm.suspend()
        assert await there("lookup", topic=TOPIC.hex()) == []
        await side.swarm.resume()
        assert await side.swarm.join(TOPIC, client=False).flushed()
        assert await there("lookup", topic=TOPIC.hex()) == [side.swarm.pair.public.hex()]
