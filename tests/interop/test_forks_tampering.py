"""Truncation while connected, and data that was tampered with, between npm hypercore and us."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from service.hypercore import BlockProof, Core, Node, Proof, Request
from service.hypercore.net import ReplicationError, Replicator
from tests.support.npm_peer import SECONDS, Here, NodePeer, PeerError, until

pytestmark = pytest.mark.node

BLOCKS = [b"block %d " % number * (number % 7 + 1) for number in range(40)]


CUTS = pytest.mark.parametrize(("length", "compat"), [(1, True), (17, False), (32, False), (39, True)])


def hexed(blocks: list[bytes]) -> list[str]:
    return [block.hex() for block in blocks]


@CUTS
async def test_npm_truncates_and_we_follow(here: Here, node: NodePeer, length: int, compat: bool) -> None:
    made = await node("core", name="a", compat=compat)
    await node("append", core="a", blocks=hexed(BLOCKS))
    core = here.store.get(bytes.fromhex(made["key"]))
    with Replicator(core, live=True) as replicator:
        replicator.attach(await here.dial(node))
        await until(core, lambda: core.contiguous_length == 40)
        await node("truncate", core="a", length=length)
        await node("append", core="a", blocks=hexed([b"new", b"newer"]))
        await until(core, lambda: core.fork == 1 and core.contiguous_length == length + 2)
    assert core.length == length + 2
    assert [core.get(index) for index in range(core.length)] == [*BLOCKS[:length], b"new", b"newer"]
    assert core.head_is_signed()
    assert core.tree_hash().hex() == (await node("hash", core="a", length=length + 2))["hash"]


@CUTS
async def test_we_truncate_and_npm_follows(here: Here, node: NodePeer, length: int, compat: bool) -> None:
    core = here.store.create("ours", compat=compat)
    core.append(BLOCKS)
    await node("core", name="a", key=core.key.hex())
    await here.dial(node)
    await node("follow", core="a")
    await node("length", core="a", length=40)
    await node("download", core="a", start=0, end=40)
    core.truncate(length)
    core.append([b"new", b"newer"])
    await node("length", core="a", length=length + 2, fork=1)
    await node("download", core="a", start=0, end=length + 2)
    found = [bytes.fromhex((await node("get", core="a", index=index))["block"]) for index in range(length + 2)]
    assert found == [*BLOCKS[:length], b"new", b"newer"]
    assert (await node("info", core="a"))["fork"] == 1


async def test_a_fork_of_npm_from_before_we_came(here: Here, node: NodePeer) -> None:
    made = await node("core", name="a")
    await node("append", core="a", blocks=hexed(BLOCKS))
    await node("truncate", core="a", length=10)
    await node("append", core="a", blocks=hexed([b"new"]))
    core = here.store.get(bytes.fromhex(made["key"]))
    with Replicator(core) as replicator:
        replicator.attach(await here.dial(node))
        await replicator.update()
        await replicator.download()
    assert (core.fork, core.length) == (1, 11)
    assert [core.get(index) for index in range(11)] == [*BLOCKS[:10], b"new"]


async def test_a_fork_of_npm_while_we_were_away(here: Here, node: NodePeer) -> None:
    made = await node("core", name="a")
    await node("append", core="a", blocks=hexed(BLOCKS))
    core = here.store.get(bytes.fromhex(made["key"]))
    connection = await here.dial(node)
    with Replicator(core) as replicator:
        replicator.attach(connection)
        await replicator.update()
        await replicator.download()
    connection.close()
    await connection.wait_closed()
    await node("truncate", core="a", length=30)
    await node("append", core="a", blocks=hexed([b"new"]))
    with Replicator(core) as replicator:
        replicator.attach(await here.dial(node))
        await replicator.update()
        await replicator.download()
    assert (core.fork, core.length) == (1, 31)
    assert [core.get(index) for index in range(31)] == [*BLOCKS[:30], b"new"]


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        ("value", "block 7: the path does not lead to tree node"),
        ("node", "block 7: "),
        ("signature", "the signature of the head"),
    ],
)
async def test_what_npm_tampered_with_is_refused(here: Here, node: NodePeer, kind: str, named: str) -> None:
    made = await node("core", name="a")
    await node("append", core="a", blocks=hexed(BLOCKS))
    await node("tamper", core="a", kind=kind)
    core = here.store.get(bytes.fromhex(made["key"]))
    with Replicator(core) as replicator:
        connection = await here.dial(node)
        replicator.attach(connection)
        with pytest.raises(ReplicationError, match=named):
            await replicator.get(7)  # which needs the head first
    await connection.wait_closed()
    assert named in connection.reason
    assert core.get(7) is None
    assert core.length == (0 if kind == "signature" else 40)


class Forger:
    """A core of ours whose answers are false."""

    def __init__(self, core: Core, forge: Callable[[Proof], Proof]) -> None:
        honest = core.prove

        def prove(request: Request, value: bytes | None = None) -> Proof:
            return forge(honest(request, value))

        core.prove = prove  # type: ignore[method-assign]


def flip(data: bytes, at: int = 0) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def forge_value(answer: Proof) -> Proof:
    block = answer.block
    return answer if block is None else Proof(answer.fork, BlockProof(block.index, flip(block.value), block.nodes))


def forge_node(answer: Proof) -> Proof:
    block = answer.block
    if block is None or not block.nodes:
        return answer
    first, *rest = block.nodes
    nodes = (Node(first.index, first.size, flip(first.hash)), *rest)
    return Proof(answer.fork, BlockProof(block.index, block.value, nodes))


@pytest.mark.parametrize("forge", [forge_value, forge_node])
async def test_npm_refuses_what_we_tampered_with(here: Here, node: NodePeer, forge: Callable[[Proof], Proof]) -> None:
    core = here.store.create("ours")
    core.append(BLOCKS)
    await node("core", name="a", key=core.key.hex())
    await here.dial(node)
    await node("length", core="a", length=40)
    Forger(core, forge)
    wanted = node.begin("get", core="a", index=7, options={"timeout": 2000})
    with pytest.raises(PeerError):
        async with asyncio.timeout(SECONDS):
            await wanted
    assert (await node("has", core="a", start=0, end=40))["blocks"] == []


async def test_honest_peer_beside_a_forger(here: Here, node: NodePeer) -> None:
    """A forger is dropped; the same block then comes from the other peer."""
    made = await node("core", name="a")
    await node("append", core="a", blocks=hexed(BLOCKS))
    core = here.store.get(bytes.fromhex(made["key"]))
    async with Here.alone() as forger:
        copy = forger.store.get(core.key)
        connection = await forger.dial(node)
        with Replicator(copy) as replicator:
            replicator.attach(connection)
            await replicator.update()
            await replicator.download()
        Forger(copy, forge_value)
        with Replicator(core) as replicator:
            forging = await here.dial_here(forger)
            bad = replicator.attach(forging)
            await replicator.update()
            replicator.attach(await here.dial(node))
            await replicator.download()
            async with asyncio.timeout(SECONDS):
                await forging.wait_closed()  # what it was asked for may have come from the other peer before its answer
            assert bad.closed
    assert [core.get(index) for index in range(40)] == BLOCKS
