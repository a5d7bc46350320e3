"""Peers that know of each other only the key: ours and npm's dial each other through a network of nodes, and replicate a feed."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from service.hypercore import Core, Corestore
from service.hypercore.crypto import KeyPair
from service.hypercore.net import Connection, Replication, fetch
from service.hypercore.swarm import DHT, DhtError, DhtServer, Reason, Unreachable
from service.hypercore.swarm.reach.dial import Dial
from tests.support.npm_dht import ANY, MOST_SECONDS, network, npm

BLOCKS, SIZE = 120, 20_000
OURS, THEIRS = KeyPair(b"\x21" * 32), KeyPair(b"\x22" * 32)


def digest(core: Core) -> str:
    return hashlib.sha256(b"".join(core.get(index) or b"" for index in range(core.length))).hexdigest()


@contextlib.asynccontextmanager
async def serving(dht: DHT, core: Core, pair: KeyPair = OURS, **options: Any) -> AsyncIterator[list[Connection]]:
    """A server that replicates a core with whoever comes."""
    taken: list[Connection] = []

    async def serve(server: DhtServer) -> None:
        async for connection in server:
            Replication.of(connection).add(core)
            taken.append(connection)

    async with dht.listen(pair, **options) as server:
        task = asyncio.create_task(serve(server))
        try:
            yield taken
        finally:
            task.cancel()


@pytest.fixture
def store() -> AsyncIterator[Corestore]:
    found = Corestore()
    yield found
    found.close()


def made(store: Corestore) -> Core:
    core = store.create("ours")
    core.append([bytes([number & 255]) * SIZE for number in range(BLOCKS)])
    return core


@pytest.mark.parametrize("count", [1, 4])
async def test_ours_dials_ours(store: Corestore, count: int) -> None:
    core, there = made(store), Corestore()
    async with (
        network(count) as nodes, DHT(ANY, [nodes[0].address]) as here, DHT(ANY, [nodes[0].address]) as reader,
        serving(here, core) as taken,
    ):  # fmt: skip
        connection = await reader.connect(OURS.public, pair=THEIRS)
        assert (connection.remote_key, connection.initiator, connection.path) == (OURS.public, True, "direct")
        copy = there.get(core.key)
        await fetch(copy, connection)
        assert digest(copy) == digest(core)
        (incoming,) = taken
        assert (incoming.remote_key, incoming.initiator, incoming.path) == (THEIRS.public, False, "direct")
        connection.close("enough")
        await incoming.wait_closed()
    there.close()


async def test_ours_dials_npm(store: Corestore, tmp_path: Path) -> None:
    async with network(4) as nodes, DHT(ANY, [nodes[0].address]) as reader, npm(nodes[0].address) as there:
        told = await there("serveFeed", seed="03" * 32, directory=str(tmp_path), blocks=BLOCKS, size=SIZE)
        connection = await reader.connect(bytes.fromhex(told["peer"]), pair=OURS)
        core = store.get(bytes.fromhex(told["key"]))
        await fetch(core, connection)
        assert (core.length, digest(core)) == (BLOCKS, told["sha256"])


async def test_npm_dials_ours(store: Corestore, tmp_path: Path) -> None:
    core = made(store)
    async with (
        network(4) as nodes, DHT(ANY, [nodes[0].address]) as here, npm(nodes[0].address) as there,
        serving(here, core) as taken,
    ):  # fmt: skip
        told = await there(
            "fetchFeed", peer=OURS.public.hex(), directory=str(tmp_path), key=core.key.hex(), length=BLOCKS
        )
        assert told == {"key": core.key.hex(), "length": BLOCKS, "sha256": digest(core)}
        assert [one.initiator for one in taken] == [False]


@pytest.mark.parametrize(("server", "client"), [("ours", "ours"), ("ours", "npm"), ("npm", "ours")])
async def test_a_hole_is_agreed_on(
    store: Corestore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: str, client: str
) -> None:
    """As in one network, but none of ours tells its address there, or asks at the other's."""
    monkeypatch.setattr(DHT, "_local", lambda self: ())
    monkeypatch.setattr(Dial, "_try_nearby", lambda self, payload, now: None)
    async with contextlib.AsyncExitStack() as stack:
        nodes = await stack.enter_async_context(network(4))
        here = await stack.enter_async_context(DHT(ANY, [nodes[0].address], firewalled=True))
        if server == "npm":
            there = await stack.enter_async_context(npm(nodes[0].address))
            told = await there("serveFeed", seed="03" * 32, directory=str(tmp_path), blocks=BLOCKS, size=SIZE)
            connection = await here.connect(bytes.fromhex(told["peer"]), pair=OURS)
            core = store.get(bytes.fromhex(told["key"]))
            await fetch(core, connection)
            assert (connection.path, digest(core)) == ("punched", told["sha256"])
            return
        core = made(store)
        taken = await stack.enter_async_context(serving(here, core))
        if client == "npm":
            there = await stack.enter_async_context(npm(nodes[0].address))
            given = {"peer": OURS.public.hex(), "directory": str(tmp_path), "key": core.key.hex(), "length": BLOCKS}
            assert (await there("fetchFeed", **given))["sha256"] == digest(core)
        else:
            reader = await stack.enter_async_context(DHT(ANY, [nodes[0].address], firewalled=True))
            connection = await reader.connect(OURS.public, pair=THEIRS)
            assert connection.path == "punched"
            other = Corestore()
            stack.callback(other.close)
            copy = other.get(core.key)
            await fetch(copy, connection)
            assert digest(copy) == digest(core)
        assert [one.path for one in taken] == ["punched"]


async def test_npm_dials_npm_through_our_nodes(tmp_path: Path) -> None:
    async with network(4) as nodes, npm(nodes[0].address) as one, npm(nodes[0].address) as other:
        for name in ("one", "other"):
            (tmp_path / name).mkdir()
        told = await one("serveFeed", seed="03" * 32, directory=str(tmp_path / "one"), blocks=BLOCKS, size=SIZE)
        peer = told.pop("peer")
        found = await other("fetchFeed", peer=peer, directory=str(tmp_path / "other"), key=told["key"], length=BLOCKS)
        assert found == told


async def test_reasons() -> None:
    async with network(3) as nodes, DHT(ANY, [nodes[0].address]) as here, DHT(ANY, [nodes[0].address]) as reader:
        with pytest.raises(Unreachable, match="no node knows the peer") as caught:
            await reader.connect(OURS.public, pair=THEIRS)
        assert caught.value.reason is Reason.NOT_FOUND
        async with here.listen(OURS) as server:
            assert len(server.relays) == 3
            connection = await reader.connect(OURS.public, pair=THEIRS, relays=server.relays)
        await connection.wait_closed()
        with pytest.raises(Unreachable) as caught:  # it has told the nodes that it is gone
            await reader.connect(OURS.public, pair=THEIRS)
        assert caught.value.reason is Reason.NOT_FOUND
        async with here.listen(OURS, firewall=lambda key: key == THEIRS.public):
            with pytest.raises(Unreachable) as caught:
                await reader.connect(OURS.public, pair=THEIRS)
            assert caught.value.reason is Reason.NO_ANSWER
            connection = await reader.connect(OURS.public, pair=KeyPair.generate())
    await connection.wait_closed()
    with pytest.raises(Unreachable) as caught:
        await reader.connect(OURS.public, pair=THEIRS)
    assert caught.value.reason is Reason.CLOSED


async def test_a_server_ends_with_its_node() -> None:
    async with network(3) as nodes, DHT(ANY, [nodes[0].address]) as reader:
        async with DHT(ANY, [nodes[0].address]) as here:
            server = await here.listen(OURS).__aenter__()
            with pytest.raises(DhtError, match="is listened at already"):
                await here.listen(OURS).__aenter__()
            connection = await reader.connect(OURS.public, pair=THEIRS)
            assert (await anext(server)).remote_key == THEIRS.public
        await connection.wait_closed()
        async with asyncio.timeout(MOST_SECONDS):
            assert [one async for one in server] == []
        await server.__aexit__(None, None, None)


async def test_a_dial_ends_with_its_node() -> None:
    async with network(3) as nodes, DHT(ANY, [nodes[0].address]) as here:
        async with here.listen(OURS, firewall=lambda key: True), DHT(ANY, [nodes[0].address]) as reader:
            dialling = asyncio.create_task(reader.connect(OURS.public, pair=THEIRS))
            await asyncio.sleep(0)
        with pytest.raises(Unreachable) as caught:
            async with asyncio.timeout(MOST_SECONDS):
                await dialling
        assert caught.value.reason is Reason.CLOSED
        async with here.listen(OURS) as server:
            assert not here.streams._streams
            assert len(server.handshakes) == 0
