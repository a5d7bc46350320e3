"""Peers that lie, promise, refuse or are silent: what comes of a download."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest

from service.hypercore import (
    BlockProof,
    Core,
    CoreError,
    KeyPair,
    Proof,
    ProofError,
    Request,
)
from service.hypercore.codec import encode_uint
from service.hypercore.crypto import capability
from service.hypercore.net import (
    Channel,
    ConnectError,
    Connection,
    ConnectionClosed,
    PeerAddress,
    ReplicationError,
    Replicator,
    TcpTransport,
    fetch,
    replication,
)
from service.hypercore.wire import messages as m
from service.hypercore.wire import peer as peer_module
from tests.support.replicated import BLOCKS, content, feed, honest, sides
from tests.support.wire_peers import SECONDS, Impostor, closed, side, until

pytestmark = pytest.mark.case("network/evil_server")


def flip(data: bytes) -> bytes:
    return bytes([data[0] ^ 1]) + data[1:]


def no_block(core: Core, change: Callable[[BlockProof], BlockProof]) -> Callable[..., tuple[int, bytes]]:
    def answer(number: int, fork: int, request: Request) -> tuple[int, bytes]:
        proof = core.prove(request)
        if proof.block is None:
            return m.DATA, m.encode_data(number, proof)
        return m.DATA, m.encode_data(number, Proof(proof.fork, change(proof.block)))

    return answer


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda block: BlockProof(block.index, flip(block.value), block.nodes), "block 7: .* that is known here"),
        (lambda block: BlockProof(block.index, block.value, block.nodes[1:]), "block 7: expected node"),
        (lambda block: BlockProof(block.index, block.value, ()), "block 7: the path does not lead to"),
        (
            lambda block: BlockProof(8, block.value, block.nodes),
            "the request was for block 7, but the answer has another",
        ),
    ],
)
async def test_false_blocks_end_the_connection(change: Callable[[BlockProof], BlockProof], named: str) -> None:
    async with side() as one, side() as two:
        core = feed(one)
        Impostor(one, core, no_block(core, change))
        copy = two.store.get(core.key)
        connection = await two.connect(one)
        with Replicator(copy) as replicator:
            replicator.attach(connection)
            with pytest.raises(ReplicationError, match=named):
                await replicator.get(7)
        assert core.key.hex() in await closed(connection)
        assert copy.ranges() == []


async def test_a_false_head_ends_the_connection() -> None:
    async with side() as one, side() as two:
        core = feed(one)
        other = feed(one)
        head = other.prove(Request(upgrade=m.UpgradeRequest(0, 300)))

        def answer(number: int, fork: int, request: Request) -> tuple[int, bytes]:
            return m.DATA, m.encode_data(number, Proof(0, upgrade=head.upgrade, manifest=core.manifest))

        Impostor(one, core, answer)
        copy = two.store.get(core.key)
        with pytest.raises(ReplicationError, match="the signature of the head of 300 blocks at fork 0 is wrong"):
            await fetch(copy, await two.connect(one))
        assert copy.length == 0


async def test_blocks_of_another_fork_for_ever() -> None:
    async with side() as one, side() as two:
        core = feed(one)

        def answer(number: int, fork: int, request: Request) -> tuple[int, bytes]:
            proof = core.prove(request)
            return m.DATA, m.encode_data(number, proof if proof.block is None else Proof(7, proof.block))

        Impostor(one, core, answer)
        with pytest.raises(ReplicationError, match=r"block \d+: the answer is of fork 7, but the core is at fork 0"):
            async with asyncio.timeout(SECONDS):
                await fetch(two.store.get(core.key), await two.connect(one))


async def test_a_length_that_is_claimed_and_never_shown() -> None:
    async with side() as one, side() as two:
        core, claimed = feed(one), feed(one, [b""] * 1000)
        claimed._record.key, claimed._record.discovery_key = core.key, core.discovery_key

        def answer(number: int, fork: int, request: Request) -> tuple[int, bytes]:
            assert request.upgrade is not None
            if request.upgrade.start == 0:
                return honest(core, number, Request(upgrade=m.UpgradeRequest(0, 300), manifest=True))
            proof = m.UpgradeProof(300, 0, (), (), core.head().signature)  # it leads to where we are
            return m.DATA, m.encode_data(number, Proof(0, upgrade=proof))

        Impostor(one, claimed, answer)
        with pytest.raises(ReplicationError, match="the request was for 1000 blocks, but the answer leads to 300"):
            async with asyncio.timeout(SECONDS):
                await fetch(two.store.get(core.key), await two.connect(one))


async def test_a_peer_that_claims_ever_more_and_shows_nothing_holds_up_nobody() -> None:
    async with AsyncExitStack() as stack:
        one, boaster, reader = await sides(stack, 3)
        core = feed(one)
        copy = reader.store.get(core.key)

        def accept(connection: Connection) -> None:
            handshake = encode_uint(1) + capability(core.key, connection.handshake_hash, connection.initiator)
            connection.on_protocol(replication.PROTOCOL, lambda *_: handshake, boast)

        async def boast(channel: Channel) -> None:
            await channel.opened()
            length = 1000
            await channel.send(m.SYNC, m.encode_sync(m.Sync(m.CAN_UPGRADE, 0, length, 0)))
            async for kind, body in channel:
                if kind == m.REQUEST:
                    length += 1
                    await channel.send(m.SYNC, m.encode_sync(m.Sync(m.CAN_UPGRADE, 0, length, 0)))
                    await channel.send(m.NO_DATA, m.encode_no_data(m.decode_request(body)[0], m.NOT_AVAILABLE))

        boaster.accept = accept  # type: ignore[method-assign]
        replicator = stack.enter_context(Replicator(copy))
        replicator.attach(await reader.connect(boaster))
        replicator.attach(await reader.connect(one))
        async with asyncio.timeout(SECONDS):
            await replicator.update()
            await replicator.download()
        assert content(copy) == BLOCKS


async def test_an_old_head_in_place_of_a_fork_for_ever() -> None:
    """It tells of a newer fork, and shows a head that we have had long since."""
    async with side() as one, side() as two:
        core = feed(one)
        copy = two.store.get(core.key)
        copy.apply(core.prove(Request(upgrade=m.UpgradeRequest(0, 50), manifest=True)))
        asked = 0

        def answer(number: int, fork: int, request: Request) -> tuple[int, bytes]:
            nonlocal asked
            asked += 1
            return honest(core, number, request)

        Impostor(one, core, answer, fork=3)
        with pytest.raises(ReplicationError, match="of fork 3, but the answer has another"):
            async with asyncio.timeout(SECONDS):
                await fetch(copy, await two.connect(one))
        assert asked == 1


async def test_a_manifest_alone_is_no_offence() -> None:
    """Npm peers answer so when they cannot show the head that they told: they were truncated meanwhile."""
    async with side() as one, side() as two:
        core = feed(one)

        def answer(number: int, fork: int, request: Request) -> tuple[int, bytes]:
            return m.DATA, m.encode_data(number, Proof(0, manifest=core.manifest))

        Impostor(one, core, answer)
        connection = await two.connect(one)
        with Replicator(two.store.get(core.key)) as replicator:
            replicator.attach(connection)
            assert await replicator.update() == 0
        assert not connection.reason, "the peer did nothing wrong"


async def test_a_mute_peer_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer_module, "OPEN_SECONDS", 0.2)
    async with AsyncExitStack() as stack:
        one, mute, reader = await sides(stack, 3)
        core = feed(one)
        mute.accept = mute.incoming.append  # type: ignore[method-assign]
        silent = await reader.connect(mute)
        mute.incoming[0].mux._offer = lambda *_: None  # type: ignore[method-assign] # accepts nothing, rejects nothing
        copy = reader.store.get(core.key)
        replicator = stack.enter_context(Replicator(copy))
        replicator.attach(silent)
        replicator.attach(await reader.connect(one))
        async with asyncio.timeout(SECONDS):
            await replicator.update()
            await replicator.download()
        assert content(copy) == BLOCKS


async def test_a_peer_that_never_answers_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    async with side() as one, side() as two:
        core = feed(one)
        Impostor(one, core, lambda number, fork, request: None)
        with Replicator(two.store.get(core.key)) as replicator:
            peer = replicator.attach(await two.connect(one))
            updating = asyncio.create_task(replicator.update())
            await until(lambda: bool(peer.state.asked))
            assert peer._timer is not None
            peer._timer.cancel()
            monkeypatch.setattr(peer_module, "ANSWER_SECONDS", 0.0)
            peer._expire()  # as the timer does
            with pytest.raises(ReplicationError, match="no answer to 1 requests within 0 s"):
                await updating


async def test_endless_refusals_come_to_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.hypercore.net.replicator.STALL_SECONDS", 0.2)
    async with side() as one, side() as two:
        core = feed(one)

        def answer(number: int, fork: int, request: Request) -> tuple[int, bytes]:
            if request.block is not None:
                return m.NO_DATA, m.encode_no_data(number, m.NOT_AVAILABLE)
            return honest(core, number, request)

        Impostor(one, core, answer)
        with pytest.raises(ReplicationError, match="not to be had from"):
            await fetch(two.store.get(core.key), await two.connect(one))


async def test_an_unreachable_peer() -> None:
    async with TcpTransport(KeyPair.generate()) as transport:
        key = KeyPair.generate().public
        with pytest.raises(ConnectError, match=f"no address of peer {key.hex()} is known"):
            await transport.connect(key)
        transport.add_peer(PeerAddress(key, "127.0.0.1", 1))
        with pytest.raises(ConnectError, match=f"{key.hex()}@127.0.0.1:1: "):
            await transport.connect(key)


async def test_a_connection_that_has_ended() -> None:
    async with side() as one, side() as two:
        core = feed(one)
        connection = await two.connect(one)
        connection.close("enough")
        await closed(connection)
        with pytest.raises(ConnectionClosed, match="enough"):
            Replicator(two.store.get(core.key)).attach(connection)
        with pytest.raises(ConnectionClosed, match="enough"):
            connection.open("p", None)


async def test_a_head_that_is_here_already() -> None:
    async with side() as one, side() as two:
        core = feed(one)
        copy = two.store.get(core.key)
        with pytest.raises(ProofError, match="an upgrade from 0 blocks, but 300 are here"):
            core.apply(Proof(0, upgrade=m.UpgradeProof(0, 300, (), (), b"")))
        with pytest.raises(CoreError, match="block 4 of a core of 0 blocks"):
            copy.byte_range(4)
