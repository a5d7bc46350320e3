"""A feed that npm hypercore wrote goes through the whole job, and npm hypercore reads it back when its writer is gone."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from service.chain_client.pallet import events
from service.chain_client.pallet.types import Verdict
from service.hypercore import Corestore
from service.hypercore.swarm.dht.address import Address
from service.units import UNIT
from tests.support.cli_process import done
from tests.support.npm_dht import npm
from tests.support.npm_peer import node_peer
from tests.support.whole_network import BLOCK, POT, SMALL, Network, Published, network

pytestmark = [pytest.mark.slow, pytest.mark.node, pytest.mark.asyncio(loop_scope="module")]

BLOCKS = 20
ATTESTERS = ("attester", 3, 100 * UNIT)


@pytest.fixture(scope="module")
def chain() -> str:
    """One backend will do: the peers are what matters here."""
    return "wasm"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(chain: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Network]:
    """A network with attesters, as they belong to the whole job."""
    async with network(tmp_path_factory.mktemp("npm"), chain, (*SMALL, ATTESTERS)) as made:
        yield made


async def cli(*arguments: object) -> dict[str, object]:
    """Run a command that must succeed."""
    return await asyncio.to_thread(done, *arguments)


@pytest.mark.parametrize("compat", [False, True], ids=["manifest", "compat"])
async def test_a_feed_made_by_npm_hypercore(net: Network, compat: bool, tmp_path: Path) -> None:
    author = net.net.peers[0]
    chance = random.Random(compat)
    blocks = [chance.randbytes(chance.randrange(1, BLOCK)) for _ in range(BLOCKS)]
    async with node_peer("11", tmp_path / "writer") as writer:
        made = await writer("core", name="feed", compat=compat)
        await writer("append", core="feed", blocks=[block.hex() for block in blocks])
        listening = await writer("listen")
        peer = f"{listening['key']}@127.0.0.1:{listening['port']}"
        fetched = await cli("feed", "fetch", made["key"], "--dir", author.directory, "--peer", peer)
        assert fetched["length"] == BLOCKS
        hashed = await writer("hash", core="feed", length=BLOCKS)
        assert fetched["tree_hash"] == hashed["hash"]

    terms = ("--replicas", 2, "--pot", POT, "--until", net.now + 50 * net.client.times.era)
    account = ("--chain", net.net.rpc, "--key", author.key_path)
    published = await cli("plan", "publish", made["key"], "--dir", author.directory, *terms, *account)
    plan = published["plan"]
    assert isinstance(plan, int)
    copies = await net.active(plan, 2)
    for number, copy in copies.items():
        await net.event(events.StorageProved, after=copy.active_since or 0, hoster=copy.hoster)
        await net.event(events.RetrievalSettled, copy=number, verdict=Verdict.PASSED)
    store = Corestore(author.directory)
    try:
        core = store.known(bytes.fromhex(made["key"]))
        assert core is not None
        await net.check_stored(Published(plan, core, b"".join(blocks)))
    finally:
        store.close()
    await net.check_books()

    assert author.child is not None
    await author.child.stop()
    for copy in copies.values():
        hoster = net.peer(copy.hoster)
        async with node_peer("11", tmp_path / f"reader-{hoster.port}") as reader:
            await reader("core", name="feed", key=made["key"])
            await reader("connect", port=hoster.port)
            await reader("length", core="feed", length=BLOCKS)
            assert (await reader("hash", core="feed", length=BLOCKS))["hash"] == fetched["tree_hash"]
            for index, block in enumerate(blocks):
                assert (await reader("get", core="feed", index=index))["block"] == block.hex()
            assert not [event for event in reader.events if event["event"] == "verification-error"]
    digest = hashlib.sha256(b"".join(blocks)).hexdigest()
    await found_by_a_stranger(
        net, fetched, digest, {net.peer(copy.hoster).keys.swarm_key for copy in copies.values()}, tmp_path
    )


async def found_by_a_stranger(
    net: Network, feed: dict[str, object], digest: str, hosters: set[bytes], directory: Path
) -> None:
    """Read a feed with npm's hyperswarm: it knows the feed's key, and nobody told it an address."""
    async with npm(Address.parse(net.net.bootstrap[0])) as stranger:
        await stranger("share", directory=str(directory), key=feed["key"])
        await stranger("join", topic=feed["discovery_key"], server=False, client=True)
        assert (await stranger("shared", length=feed["length"]))["sha256"] == digest
        assert {bytes.fromhex(key) for key in await stranger("met", count=1)} <= hosters
