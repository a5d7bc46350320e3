"""Cores of npm hypercore 11 and 10 read by us, and ours by them: dense, sparse, live, encrypted, over either side's connection."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest

from service.hypercore import Core, KeyPair, default_manifest
from service.hypercore.net import Connection, Replication, Replicator
from tests.support.npm_peer import SECONDS, Here, NodePeer, node_peer, until

pytestmark = [pytest.mark.node, pytest.mark.case("feeds/peer")]

BLOCKS = [hashlib.blake2b(bytes([number])).digest() * (number % 5) + bytes([number]) for number in range(137)]
ENCRYPTION = bytes(range(32))
COMPAT = pytest.mark.parametrize("compat", [True, False], ids=["compat", "manifest"])
DIALLER = pytest.mark.parametrize("who_dials", ["python", "node"])


def hexed(blocks: list[bytes]) -> list[str]:
    return [block.hex() for block in blocks]


async def read_back(node: NodePeer, core: str, count: int) -> list[bytes]:
    return [bytes.fromhex((await node("get", core=core, index=index))["block"]) for index in range(count)]


@COMPAT
@DIALLER
async def test_all_of_a_core_of_npm(here: Here, node: NodePeer, compat: bool, who_dials: str) -> None:
    made = await node("core", name="a", compat=compat)
    await node("append", core="a", blocks=hexed(BLOCKS))
    core = here.store.get(bytes.fromhex(made["key"]))
    with Replicator(core) as replicator:
        replicator.attach(await here.connect(node, who_dials))
        assert await replicator.update() == len(BLOCKS)
        await replicator.download()
    assert [core.get(index) for index in range(core.length)] == BLOCKS
    assert (core.manifest is None) == compat
    assert core.discovery_key.hex() == made["discovery_key"]
    assert core.head_is_signed()
    assert core.byte_length == sum(map(len, BLOCKS))
    assert core.tree_hash().hex() == (await node("hash", core="a", length=len(BLOCKS)))["hash"]


@COMPAT
@DIALLER
async def test_all_of_a_core_of_ours(here: Here, node: NodePeer, compat: bool, who_dials: str) -> None:
    core = here.store.create("ours", compat=compat)
    core.append(BLOCKS)
    await node("core", name="a", key=core.key.hex())
    await here.connect(node, who_dials)
    await node("length", core="a", length=len(BLOCKS))
    got = await node("download", core="a", start=0, end=len(BLOCKS))
    assert got["contiguousLength"] == len(BLOCKS)
    assert await read_back(node, "a", len(BLOCKS)) == BLOCKS
    assert (await node("hash", core="a", length=len(BLOCKS)))["hash"] == core.tree_hash().hex()


@pytest.mark.parametrize("version", [0, 1, 2, 3])
async def test_every_manifest_version_of_npm(here: Here, node11: NodePeer, version: int) -> None:
    made = await node11("core", name="a", manifest=version)
    assert made["manifest"] == version
    await node11("append", core="a", blocks=hexed(BLOCKS[:9]))
    core = here.store.get(bytes.fromhex(made["key"]))
    with Replicator(core) as replicator:
        replicator.attach(await here.dial(node11))
        await replicator.update()
        await replicator.download()
    assert [core.get(index) for index in range(9)] == BLOCKS[:9]
    assert core.head_is_signed()


@pytest.mark.parametrize("more", [0, 4])
async def test_a_core_of_npm_that_begins_with_a_prologue(here: Here, node11: NodePeer, more: int) -> None:
    """Asked for all, npm peers show the prologue, and what is beyond it as additional nodes."""
    await node11("core", name="first", manifest=1)
    await node11("append", core="first", blocks=hexed(BLOCKS[:5]))
    made = await node11("core", name="a", manifest=1, prologue="first")
    assert made["length"] == 5
    if more:
        await node11("append", core="a", blocks=hexed(BLOCKS[5 : 5 + more]))
    core = here.store.get(bytes.fromhex(made["key"]))
    with Replicator(core) as replicator:
        replicator.attach(await here.dial(node11))
        assert await replicator.update() == 5 + more
        await replicator.download()
        await node11("append", core="a", blocks=hexed([b"new"]))
        assert await replicator.update(6 + more) == 6 + more
        await replicator.download()
    assert [core.get(index) for index in range(core.length)] == [*BLOCKS[: 5 + more], b"new"]
    assert core.head_is_signed()


async def test_manifest_of_version_0_with_npm_10(here: Here, node: NodePeer) -> None:
    made = await node("core", name="a", manifest=0)
    await node("append", core="a", blocks=hexed(BLOCKS[:9]))
    core = here.store.get(bytes.fromhex(made["key"]))
    with Replicator(core) as replicator:
        replicator.attach(await here.dial(node))
        await replicator.update()
        await replicator.download()
    assert [core.get(index) for index in range(9)] == BLOCKS[:9]


async def test_a_key_pair_gives_both_kinds_of_key(node: NodePeer) -> None:
    seed = bytes(range(32))
    public = KeyPair(seed).public
    made = await node("core", name="a", seed=seed.hex(), compat=False)
    compat = await node("core", name="b", seed=seed.hex(), compat=True)
    assert made["key"] == default_manifest(public).key.hex()
    assert compat["key"] == public.hex()


async def test_single_blocks_of_a_core_of_npm(here: Here, node: NodePeer) -> None:
    made = await node("core", name="a")
    await node("append", core="a", blocks=hexed(BLOCKS))
    core = here.store.get(bytes.fromhex(made["key"]))
    with Replicator(core) as replicator:
        replicator.attach(await here.dial(node))
        await replicator.update()
        for index in (136, 0, 70, 69, 131):
            assert await replicator.get(index) == BLOCKS[index]
    assert core.ranges() == [(0, 1), (69, 71), (131, 132), (136, 137)]


async def test_single_blocks_of_a_core_of_ours(here: Here, node: NodePeer) -> None:
    core = here.store.create("ours")
    core.append(BLOCKS)
    await node("core", name="a", key=core.key.hex())
    await here.dial(node)
    for index in (136, 0, 70, 69, 131):
        assert bytes.fromhex((await node("get", core="a", index=index))["block"]) == BLOCKS[index]
    assert (await node("has", core="a", start=0, end=137))["blocks"] == [0, 69, 70, 131, 136]


async def test_what_a_sparse_core_of_npm_has(here: Here, node: NodePeer) -> None:
    made = await node("core", name="a")
    await node("append", core="a", blocks=hexed(BLOCKS))
    await node("clear", core="a", start=3, end=60)
    await node("clear", core="a", start=100, end=101)
    core = here.store.get(bytes.fromhex(made["key"]))
    with Replicator(core) as replicator:
        peer = replicator.attach(await here.dial(node))
        await replicator.update()
        await replicator.download(0, 3)
        await replicator.download(60, 100)
        await replicator.download(101)
        assert 3 not in peer.state.has
        assert 100 not in peer.state.has
    assert core.ranges() == [(0, 3), (60, 100), (101, 137)]


async def test_what_a_sparse_core_of_ours_has(here: Here, node: NodePeer) -> None:
    core = here.store.create("ours")
    core.append(BLOCKS)
    core.clear(3, 60)
    await node("core", name="a", key=core.key.hex())
    await here.dial(node)
    await node("length", core="a", length=len(BLOCKS))
    await node("download", core="a", start=60, end=137)
    assert bytes.fromhex((await node("get", core="a", index=2))["block"]) == BLOCKS[2]
    assert (await node("has", core="a", start=0, end=137))["blocks"] == [2, *range(60, 137)]


@DIALLER
async def test_following_a_core_of_npm(here: Here, node: NodePeer, who_dials: str) -> None:
    made = await node("core", name="a")
    core = here.store.get(bytes.fromhex(made["key"]))
    with Replicator(core, live=True) as replicator:
        replicator.attach(await here.connect(node, who_dials))
        for start in range(0, 100, 10):
            await node("append", core="a", blocks=hexed(BLOCKS[start : start + 10]))
            if start % 20:
                await until(core, lambda: core.contiguous_length == start + 10)  # noqa: B023 - awaited at once
        await until(core, lambda: core.contiguous_length == 100)
    assert [core.get(index) for index in range(100)] == BLOCKS[:100]


@DIALLER
async def test_npm_follows_a_core_of_ours(here: Here, node: NodePeer, who_dials: str) -> None:
    core = here.store.create("ours")
    await node("core", name="a", key=core.key.hex())
    await here.connect(node, who_dials)
    await node("follow", core="a")
    for start in range(0, 100, 10):
        core.append(BLOCKS[start : start + 10])
        if start % 20:
            await node("length", core="a", length=start + 10)
    await node("length", core="a", length=100)
    await node("download", core="a", start=0, end=100)
    assert await read_back(node, "a", 100) == BLOCKS[:100]


async def test_both_follow_each_other_on_one_connection(here: Here, node: NodePeer) -> None:
    made = await node("core", name="theirs")
    ours = here.store.create("ours")
    await node("core", name="ours", key=ours.key.hex())
    theirs = here.store.get(bytes.fromhex(made["key"]))
    await node("follow", core="ours")
    with Replicator(theirs, live=True) as replicator:
        replicator.attach(await here.dial(node))
        for number in range(30):
            ours.append(BLOCKS[number])
            await node("append", core="theirs", blocks=hexed([BLOCKS[number + 30]]))
        await until(theirs, lambda: theirs.contiguous_length == 30)
        await node("length", core="ours", length=30)
        await node("download", core="ours", start=0, end=30)
    assert [theirs.get(index) for index in range(30)] == BLOCKS[30:60]
    assert await read_back(node, "ours", 30) == BLOCKS[:30]


@COMPAT
async def test_an_encrypted_core_of_npm(here: Here, node: NodePeer, compat: bool) -> None:
    made = await node("core", name="a", encryption=ENCRYPTION.hex(), compat=compat)
    await node("append", core="a", blocks=hexed(BLOCKS[:20]))
    core = here.store.get(bytes.fromhex(made["key"]), encryption_key=ENCRYPTION)
    with Replicator(core) as replicator:
        replicator.attach(await here.dial(node))
        await replicator.update()
        await replicator.download()
    assert [core.get(index) for index in range(20)] == BLOCKS[:20]
    assert core.byte_length == sum(map(len, BLOCKS[:20]))


@COMPAT
async def test_an_encrypted_core_of_ours(here: Here, node: NodePeer, compat: bool) -> None:
    core = here.store.create("ours", encryption_key=ENCRYPTION, compat=compat)
    core.append(BLOCKS[:20])
    # hypercore 11.39.5 must be told: it cannot decrypt when it finds out by itself that a key is compat
    await node("core", name="a", key=core.key.hex(), encryption=ENCRYPTION.hex(), compat=compat)
    await here.dial(node)
    await node("length", core="a", length=20)
    await node("download", core="a", start=0, end=20)
    assert await read_back(node, "a", 20) == BLOCKS[:20]


async def test_npm_without_the_encryption_key_can_pass_it_on(here: Here, node: NodePeer) -> None:
    core = here.store.create("ours", encryption_key=ENCRYPTION)
    core.append(BLOCKS[:20])
    await node("core", name="a", key=core.key.hex())
    await here.dial(node)
    await node("length", core="a", length=20)
    await node("download", core="a", start=0, end=20)
    reader = Here.alone()
    async with reader as second:
        copy = second.store.get(core.key, encryption_key=ENCRYPTION)
        with Replicator(copy) as replicator:
            replicator.attach(await second.dial(node))
            await replicator.update()
            await replicator.download()
        assert [copy.get(index) for index in range(20)] == BLOCKS[:20]


async def test_npm_seeks_in_a_core_of_ours(here: Here, node: NodePeer) -> None:
    core = here.store.create("ours")
    core.append(BLOCKS)
    await node("core", name="a", key=core.key.hex())
    await here.dial(node)
    await node("length", core="a", length=len(BLOCKS))
    total = core.byte_length
    for wanted in (0, 1, total // 3, total // 2, total - 1):
        found = await node("seek", core="a", bytes=wanted)
        start, size = core.byte_range(found["index"])
        assert start + found["offset"] == wanted
        assert found["offset"] < size


async def test_large_blocks_both_ways(here: Here, node: NodePeer) -> None:
    made = await node("core", name="theirs")
    await node("append", core="theirs", count=12, size=1 << 20)
    ours = here.store.create("ours")
    ours.append([bytes([number]) * (1 << 20) for number in range(12)])
    await node("core", name="ours", key=ours.key.hex())
    theirs = here.store.get(bytes.fromhex(made["key"]))
    with Replicator(theirs) as replicator:
        replicator.attach(await here.dial(node))
        downloaded = node.begin("download", core="ours", start=0, end=12)
        await replicator.update()
        await replicator.download()
        async with asyncio.timeout(SECONDS):
            await downloaded
    assert theirs.get(11) == bytes([11]) * (1 << 20)
    assert bytes.fromhex((await node("get", core="ours", index=11))["block"]) == bytes([11]) * (1 << 20)


async def test_many_cores_on_one_connection(here: Here, node: NodePeer) -> None:
    made = [await node("core", name=f"core{number}") for number in range(8)]
    for number in range(8):
        await node("append", core=f"core{number}", blocks=hexed(BLOCKS[number : number + 10]))
    ours = [here.store.create(f"ours{number}") for number in range(8)]
    connection = await here.dial(node)
    for number, core in enumerate(ours):
        core.append(BLOCKS[number : number + 10])
        await node("core", name=f"ours{number}", key=core.key.hex())

    async def fetch(core: Core) -> None:
        with Replicator(core) as replicator:
            replicator.attach(connection)
            await replicator.update()
            await replicator.download()

    theirs = [here.store.get(bytes.fromhex(one["key"])) for one in made]
    await asyncio.gather(*map(fetch, theirs))
    for number, core in enumerate(theirs):
        assert [core.get(index) for index in range(10)] == BLOCKS[number : number + 10]
        await node("length", core=f"ours{number}", length=10)
        await node("download", core=f"ours{number}", start=0, end=10)
        assert await read_back(node, f"ours{number}", 10) == BLOCKS[number : number + 10]


async def test_a_corestore_of_npm_opens_what_is_asked_for(here: Here, node11: NodePeer) -> None:
    made = await node11("store", names=["one", "two"], append=["-a", "-b"])
    connection = await here.dial(node11)
    for name, info in made.items():
        core = here.store.get(bytes.fromhex(info["key"]))
        with Replicator(core) as replicator:
            replicator.attach(connection)
            await replicator.update()
            await replicator.download()
        assert [core.get(0), core.get(1)] == [f"{name}-a".encode(), f"{name}-b".encode()]


async def test_blocks_from_two_npm_peers(here: Here, node: NodePeer, tmp_path: Path) -> None:
    """One has the first half, the other the second: neither alone is enough."""
    source = here.store.create("source")
    source.append(BLOCKS)
    async with node_peer("11", tmp_path / "second") as other, Here.alone() as reader:
        for peer, start, end in ((node, 0, 70), (other, 70, 137)):
            await peer("core", name="a", key=source.key.hex())
            await here.dial(peer)
            await peer("length", core="a", length=len(BLOCKS))
            await peer("download", core="a", start=start, end=end)
            await peer("disconnect")
        copy = reader.store.get(source.key)
        with Replicator(copy) as replicator:
            replicator.attach(await reader.dial(node))
            replicator.attach(await reader.dial(other))
            await replicator.update(len(BLOCKS))
            await replicator.download()
        assert [copy.get(index) for index in range(len(BLOCKS))] == BLOCKS


async def test_blocks_are_pushed_to_a_reader_of_npm_that_asks_for_none(here: Here, node11: NodePeer) -> None:
    core = here.store.create("ours")
    core.append(BLOCKS[:5])
    await node11("core", name="a", key=core.key.hex(), push=True)
    await node11("follow", core="a")
    connection = await here.dial(node11)
    peer = Replication.of(connection).add(core)
    async with asyncio.timeout(SECONDS):
        while not peer.push(2):  # noqa: ASYNC110  # until its sync allows it
            await asyncio.sleep(0.01)
        while (await node11("info", core="a"))["length"] < 5:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert peer.push(0), "of a head that was pushed before"
    core.append(BLOCKS[5:9])
    assert peer.push(7)
    async with asyncio.timeout(SECONDS):
        while (await node11("has", core="a", start=0, end=9))["blocks"] != [0, 2, 7]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    got = [await node11("get", core="a", index=index) for index in (0, 2, 7)]
    assert [bytes.fromhex(one["block"]) for one in got] == [BLOCKS[0], BLOCKS[2], BLOCKS[7]]
    assert (await node11("info", core="a"))["length"] == 9
    assert not peer.push(7), "once is enough"
    assert not peer.push(9), "there is none"


async def test_nothing_is_pushed_to_a_reader_that_does_not_allow_it(here: Here, node: NodePeer) -> None:
    core = here.store.create("ours")
    core.append(BLOCKS[:5])
    await node("core", name="a", key=core.key.hex())
    connection = await here.dial(node)
    await node("length", core="a", length=5)
    assert not Replication.of(connection).push(core, 2)


@pytest.mark.parametrize("known", [False, True])
async def test_blocks_that_npm_pushes_come_to_a_reader_that_asks_for_none(
    here: Here, node11: NodePeer, known: bool
) -> None:
    info = await node11("core", name="a")
    await node11("append", core="a", blocks=[block.hex() for block in BLOCKS[:5]])
    core = here.store.get(bytes.fromhex(info["key"]))
    if known:
        await fetch_head(core, await here.dial(node11))
    connection = await here.dial(node11)
    with Replicator(core, push_only=True) as replicator:
        peer = replicator.attach(connection)
        async with asyncio.timeout(SECONDS):
            while not core.has(2):
                await node11("push", core="a", blocks=[2])  # until it knows that it may
            await node11("push", core="a", blocks=[0])
            await node11("append", core="a", blocks=[block.hex() for block in BLOCKS[5:9]])
            await node11("push", core="a", blocks=[7, 8])
            await replicator.download(7, 9)
            while not core.has(0):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert core.length == 9
        assert [core.get(index) for index in (0, 2, 7, 8)] == [BLOCKS[index] for index in (0, 2, 7, 8)]
        assert core.ranges() == [(0, 1), (2, 3), (7, 9)]
        assert not peer.state.asked
        assert connection.is_open


async def test_a_reader_that_keeps_all_that_npm_pushes_asks_for_what_was_left_out(here: Here, node11: NodePeer) -> None:
    info = await node11("core", name="a")
    await node11("append", core="a", blocks=[block.hex() for block in BLOCKS[:5]])
    core = here.store.get(bytes.fromhex(info["key"]))
    with Replicator(core, live=True, push_only=True) as replicator:
        connection = await here.dial(node11)
        replicator.attach(connection)
        async with asyncio.timeout(SECONDS):
            while not core.has(3):
                await node11("push", core="a", blocks=[3])  # until it knows that it may
            await replicator.download(0, 3)
            await node11("append", core="a", blocks=[block.hex() for block in BLOCKS[5:9]])
            await node11("push", core="a", blocks=[7])
            await replicator.update(9)
            await replicator.download()
            connection.close()
            await node11("append", core="a", blocks=[block.hex() for block in BLOCKS[9:12]])
            connection = await here.dial(node11)
            replicator.attach(connection)
            await replicator.update(12)
            await replicator.download()
        assert [core.get(index) for index in range(12)] == BLOCKS[:12]
        assert connection.is_open


async def fetch_head(core: Core, connection: Connection) -> None:
    with Replicator(core) as replicator:
        replicator.attach(connection)
        await replicator.update()
    connection.close()


async def test_a_reader_that_allows_pushes_is_shown_the_head_of_npm_from_its_own_length(
    here: Here, node11: NodePeer
) -> None:
    """A peer of npm that may push answers from the length that it pushed itself: 0, or more than is known here."""
    info = await node11("core", name="a")
    await node11("append", core="a", blocks=[block.hex() for block in BLOCKS[:5]])
    core = here.store.get(bytes.fromhex(info["key"]))
    await fetch_head(core, await here.dial(node11))
    await node11("append", core="a", blocks=[block.hex() for block in BLOCKS[5:9]])
    connection = await here.dial(node11)
    with Replicator(core, allow_push=True) as replicator:
        replicator.attach(connection)
        assert await replicator.update(9) == 9
        async with asyncio.timeout(SECONDS):
            while not core.has(3):
                await node11("push", core="a", blocks=[3])
        await node11("append", core="a", blocks=[block.hex() for block in BLOCKS[9:12]])
        await node11("push", core="a", blocks=[11])
        await replicator.update(12)
        await replicator.download()
        assert [core.get(index) for index in range(12)] == BLOCKS[:12]
        assert connection.is_open
