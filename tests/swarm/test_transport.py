"""The transport of datdot's peers: static ones by their address, all others by their key."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import ClassVar

import pytest

from service.cli.feed import transport_of as command_transport
from service.hypercore import Corestore, KeyPair
from service.hypercore.net import ConnectError, Connection, PeerAddress, Replication, TcpTransport, fetch
from service.hypercore.net.upload import UploadLimit
from service.hypercore.swarm import DHT, DhtError, spares
from service.hypercore.swarm.dht.address import Address
from service.hypercore.swarm.dht.messages import NoisePayload
from service.hypercore.swarm.reach import handshakes
from service.hypercore.swarm.transport import ANYWHERE, MAX_PROVIDERS, SwarmTransport
from service.node.run import transport_of as node_transport
from service.node.settings import NodeSettings
from tests.support.needs import free_port

ANY = Address("127.0.0.1", 0)
FEED, OTHER = bytes(32), b"\1" * 32


@pytest.fixture
async def node() -> AsyncIterator[Address]:
    """A node of the DHT to begin with."""
    async with DHT(ANY, (), ANY) as first:
        yield first.address


class Side:
    """A peer, and the connections that others made to it."""

    def __init__(self, *nodes: Address, peers: tuple[PeerAddress, ...] = ()) -> None:
        self.pair = KeyPair.generate()
        self.incoming: asyncio.Queue[Connection] = asyncio.Queue()
        self.transport = SwarmTransport(self.pair, nodes, peers, self.incoming.put_nowait)

    async def listen(self) -> PeerAddress:
        host, port = await self.transport.listen("127.0.0.1", 0)
        await self.transport.join(Address(host, port), listen=True)
        return PeerAddress(self.pair.public, host, port)


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as found:
        yield found


async def test_who_offers_a_feed_is_found_and_dialled_by_key(node: Address, stack: AsyncExitStack) -> None:
    server, reader = Side(node), Side(node)
    for one in (server, reader):
        await stack.enter_async_context(one.transport)
    await server.listen()
    server.transport.offer([FEED])
    assert await server.transport.offered()
    await reader.transport.join(ANY)
    assert await reader.transport.providers(FEED) == [server.pair.public]
    assert await server.transport.providers(FEED) == [], "nobody asks himself"
    assert await reader.transport.providers(OTHER) == []
    connection = await reader.transport.connect(server.pair.public)
    assert (connection.path, connection.remote_key) == ("direct", server.pair.public)
    taken = await server.incoming.get()
    assert (taken.remote_key, taken.initiator) == (reader.pair.public, False)
    throw_away = KeyPair.generate()
    await reader.transport.connect(server.pair.public, key_pair=throw_away)
    assert (await server.incoming.get()).remote_key == throw_away.public
    server.transport.offer([OTHER])
    assert await server.transport.offered()
    assert await reader.transport.providers(OTHER) == [server.pair.public]


async def test_a_static_peer_is_dialled_at_its_address_and_else_by_its_key(
    node: Address, stack: AsyncExitStack
) -> None:
    server = Side(node)
    await stack.enter_async_context(server.transport)
    right = await server.listen()
    moved = PeerAddress(server.pair.public, "127.0.0.1", free_port())
    for address, path in ((right, "static"), (moved, "direct")):
        reader = Side(node, peers=(address,))
        await stack.enter_async_context(reader.transport)
        await reader.transport.join(ANY)
        assert await reader.transport.providers(FEED) == [server.pair.public]
        assert (await reader.transport.connect(server.pair.public)).path == path


class Heard(NoisePayload):
    """What a server is told within handshakes."""

    said: ClassVar[list[NoisePayload]] = []

    @classmethod
    def decode(cls, data: bytes) -> NoisePayload:
        found = NoisePayload.decode(data)
        cls.said.append(found)
        return found


def without_numbers(payload: NoisePayload) -> NoisePayload:
    """Return a payload without what is drawn for each: ports and the number of the stream."""
    assert payload.udx is not None
    here = tuple(Address(one.host, 0) for one in payload.addresses4)
    return replace(payload, addresses4=here, udx=replace(payload.udx, id=0))


async def test_a_transport_apart_shows_what_a_readers_does_and_nothing_of_the_nodes_own(
    node: Address, stack: AsyncExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As seen by the peer that it dials: identity, ports, what is said in the handshake, and that it leaves."""
    monkeypatch.setattr(handshakes, "NoisePayload", Heard)
    monkeypatch.setattr(Heard, "said", [])
    server, attester, reader = Side(node), Side(node), Side(node)
    for one in (server, attester, reader):
        await stack.enter_async_context(one.transport)
    await server.listen()
    server.transport.offer([FEED])
    assert await server.transport.offered()
    own = await attester.listen()
    await reader.transport.join(ANYWHERE)  # as `datdot feed fetch` does
    assert await reader.transport.providers(FEED) == [server.pair.public]
    await reader.transport.connect(server.pair.public)
    read = await server.incoming.get()
    seen: list[Connection] = []
    for _ in range(2):
        async with attester.transport.apart() as other:
            assert await other.providers(FEED) == [server.pair.public]
            await other.connect(server.pair.public)
            seen.append(await server.incoming.get())
        await seen[-1].wait_closed()
    keys = {one.remote_key for one in seen}
    assert len(keys) == 2
    assert not keys & {attester.pair.public, reader.pair.public}
    ports = {one.address.rpartition(":")[2] for one in seen}
    assert len(ports) == 2
    inner = attester.transport._dht
    assert inner is not None
    assert not ports & {str(own.port), *(str(opened.address[1]) for opened in inner._sockets.values())}
    assert {(one.path, one.host) for one in seen} == {(read.path, read.host)}
    as_reader, *apart = map(without_numbers, Heard.said)
    assert apart == [as_reader] * 2
    assert (await attester.transport.connect(server.pair.public)).is_open, "the node itself goes on"


async def test_a_newcomer_that_the_dht_does_not_answer_dials_from_the_nodes_own_sockets(
    node: Address, stack: AsyncExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, attester = Side(node), Side(node)
    for one in (server, attester):
        await stack.enter_async_context(one.transport)
    await server.listen()
    server.transport.offer([FEED])
    assert await server.transport.offered()
    await attester.listen()

    async def refused(*_: object, **__: object) -> None:
        raise DhtError("nobody answers")

    monkeypatch.setattr(SwarmTransport, "join", refused)
    async with attester.transport.apart() as other:
        assert await other.providers(FEED) == [server.pair.public]
        own = await attester.transport.connect(server.pair.public)
        assert (await server.incoming.get()).remote_key == attester.pair.public
        await other.connect(server.pair.public)
        taken = await server.incoming.get()
        assert taken.remote_key != attester.pair.public
        async with other.apart() as another:
            await another.connect(server.pair.public)
            assert (await server.incoming.get()).remote_key not in {attester.pair.public, taken.remote_key}
    await taken.wait_closed()
    assert own.is_open, "the node itself goes on"


async def test_apart_from_a_transport_with_static_peers_only_is_another_with_the_same(stack: AsyncExitStack) -> None:
    incoming: asyncio.Queue[Connection] = asyncio.Queue()
    pair = KeyPair.generate()
    server = await stack.enter_async_context(TcpTransport(pair, on_connection=incoming.put_nowait))
    peer = PeerAddress(pair.public, *await server.listen("127.0.0.1", 0))
    for one in (
        TcpTransport(KeyPair.generate(), [peer], source="127.0.0.2"),
        SwarmTransport(KeyPair.generate(), (), [peer]),
    ):
        await stack.enter_async_context(one)
        async with one.apart() as other:
            assert await other.providers(FEED) == [pair.public]
            await other.connect(pair.public)
            taken = await incoming.get()
            assert taken.remote_key != one.public_key
            assert taken.host == ("127.0.0.2" if type(one) is TcpTransport else "127.0.0.1")
        await taken.wait_closed()


async def test_before_it_has_joined_there_are_static_peers_only(stack: AsyncExitStack) -> None:
    away = Address("127.0.0.1", free_port())
    static = PeerAddress(OTHER, "127.0.0.1", free_port())
    reader = Side(away, peers=(static,))
    await stack.enter_async_context(reader.transport)
    with pytest.raises(DhtError, match=f"none of the nodes {away} answers"):
        await reader.transport.join(ANY)
    assert reader.transport.dht_address is None
    assert await reader.transport.providers(FEED) == [OTHER]
    with pytest.raises(ConnectError, match="is no static peer, and the DHT was not reached yet"):
        await reader.transport.connect(FEED)
    with pytest.raises(ConnectError, match=r"127\.0\.0\.1"):
        await reader.transport.connect(OTHER)


@pytest.mark.slow
async def test_a_crowd_of_providers_is_drawn_from(node: Address, stack: AsyncExitStack) -> None:
    async with DHT(ANY, [node], ANY) as crowd:
        for _ in range(MAX_PROVIDERS + 8):
            await crowd.announce(FEED, KeyPair.generate())
    reader = Side(node)
    await stack.enter_async_context(reader.transport)
    await reader.transport.join(ANY)
    drawn = [tuple(await reader.transport.providers(FEED)) for _ in range(6)]
    assert all(0 < len(one) <= MAX_PROVIDERS for one in drawn)
    assert len(set(drawn)) > 1


async def test_a_change_of_the_network_is_announced(
    node: Address, stack: AsyncExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Side(node)
    await stack.enter_async_context(server.transport)
    server.transport.network_changed()  # nothing is there yet that could be told
    await server.listen()
    server.transport.offer([FEED])
    assert await server.transport.offered()
    told: list[bytes] = []
    announce = DHT.announce

    async def counted(self: DHT, topic: bytes, *more: object) -> int:
        told.append(topic)
        return await announce(self, topic, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(DHT, "announce", counted)
    server.transport.network_changed()
    assert await server.transport.offered()
    assert told == [FEED]


async def dialled(node: Address, stack: AsyncExitStack) -> tuple[Side, Side, Connection, Connection]:
    """A peer, one that dialled it, and both ends of their connection."""
    server, dialler = Side(node), Side(node)
    for one in (server, dialler):
        await stack.enter_async_context(one.transport)
    await server.listen()
    await dialler.transport.join(ANY)
    connection = await dialler.transport.connect(server.pair.public)
    return server, dialler, connection, await server.incoming.get()


async def test_a_peer_of_which_nothing_is_heard_is_dialled_anew_for_who_connects_next(
    node: Address, stack: AsyncExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, dialler, old, _ = await dialled(node, stack)
    monkeypatch.setattr(Connection, "progress", property(lambda _: 7))  # whatever is sent, nothing is acknowledged
    old.fell_silent()
    old.fell_silent()
    again = await server.incoming.get()
    await old.wait_closed()
    assert "nothing was heard of the peer" in old.reason
    new = await dialler.transport.connect(server.pair.public)
    assert new.handshake_hash == again.handshake_hash, "it waited for who wants it"
    assert server.incoming.empty()
    other = await dialler.transport.connect(server.pair.public)
    assert (await server.incoming.get()).handshake_hash == other.handshake_hash


async def test_a_connection_that_lives_stays_when_the_network_has_changed(
    node: Address, stack: AsyncExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spares, "WAITS", (0.0,) * 4)
    server, dialler, connection, taken = await dialled(node, stack)
    heard = asyncio.Event()
    counts = iter(range(1000))
    monkeypatch.setattr(Connection, "progress", property(lambda _: heard.set() or next(counts)))
    dialler.transport._spares.test(connection)
    await asyncio.gather(*dialler.transport._spares._dialling.values())
    assert heard.is_set()
    assert connection.is_open
    assert taken.is_open
    assert server.incoming.empty()


async def test_a_transport_that_closes_dials_nobody(
    node: Address, stack: AsyncExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, dialler, connection, _ = await dialled(node, stack)
    monkeypatch.setattr(Connection, "progress", property(lambda _: 7))
    connection.fell_silent()
    await dialler.transport.close()
    assert not dialler.transport._spares._dialling
    assert server.incoming.empty()


@pytest.mark.parametrize("program", ["feed serve", "node"])
async def test_what_a_program_serves_over_tcp_and_udx_counts_for_one_limit(
    node: Address, stack: AsyncExitStack, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit, size = 1 << 30, 200_000
    counted: dict[UploadLimit, int] = {}
    spend = UploadLimit.spend

    def count(self: UploadLimit, served: int) -> None:
        counted[self] = counted.get(self, 0) + served
        spend(self, served)

    monkeypatch.setattr(UploadLimit, "spend", count)
    store, pair = Corestore(), KeyPair.generate()
    core = store.create()
    core.append([bytes(size // 10)] * 10)

    def accept(connection: Connection) -> None:
        Replication.of(connection).serve(store.find)

    settings = NodeSettings("", ("hoster",), "127.0.0.1", 0, bootstrap=(str(node),), upload_limit=limit)
    server = (
        node_transport(settings, pair, (), accept)
        if program == "node"
        else command_transport(pair, (node,), None, accept, upload_limit=limit)
    )
    assert isinstance(server, SwarmTransport)
    static, by_key = TcpTransport(KeyPair.generate()), SwarmTransport(KeyPair.generate(), (node,))
    for one in (server, static, by_key):
        await stack.enter_async_context(one)
    address = await server.listen("127.0.0.1", 0)
    await server.join(Address(*address), listen=True)
    await by_key.join(ANY)
    static.add_peer(PeerAddress(pair.public, *address))
    for transport, path in ((static, "static"), (by_key, "direct")):
        connection = await transport.connect(pair.public)
        assert connection.path == path
        before = sum(counted.values())
        copy = Corestore().get(core.key)
        await fetch(copy, connection)
        assert copy.contiguous_length == core.length
        assert sum(counted.values()) - before >= size
    assert len(counted) == 1
