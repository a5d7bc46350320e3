"""Streams that go the way of an earlier one (npm: `reusableSocket`): through NATs in virtual time, and with npm's peers."""

from __future__ import annotations

import asyncio

import pytest

from service.hypercore.crypto import KeyPair
from service.hypercore.net import Connection
from service.hypercore.swarm import DHT, DhtServer
from service.hypercore.swarm.dht.address import Address
from service.hypercore.swarm.dht.punches import PUNCH
from service.hypercore.swarm.dht.requests import Port, Via
from service.hypercore.swarm.reach.dial import ROUTE_SENDS
from service.hypercore.swarm.reach.routes import MAX_ROUTES, Route, Routes
from tests.support.npm_dht import ANY, network, npm
from tests.swarm.nat_net import NatNet, Peer

SERVER, CLIENT = KeyPair(b"\x31" * 32), KeyPair(b"\x32" * 32)
BOTH, NEITHER = (True, True), (False, False)


def test_the_newest_route_counts_and_there_are_not_too_many() -> None:
    routes = Routes()
    old, new = (Route(number, Address("44.10.1.2", number), "punched") for number in (1, 2))
    routes.add(CLIENT.public, old)
    routes.add(CLIENT.public, new)
    routes.drop(CLIENT.public, old.port, old.remote)  # that is another one
    assert routes.get(CLIENT.public) == new
    for number in range(MAX_ROUTES):
        routes.add(number.to_bytes(32), new)
    assert (len(routes), routes.get(CLIENT.public)) == (MAX_ROUTES, None)


def met(server: str, client: str, allowed: tuple[bool, bool]) -> tuple[NatNet, Peer, Peer]:
    """A server and a client that met, and dial and listen on."""
    net = NatNet(seed=3)
    there, here = net.peer(server, 1), net.peer(client, 2)
    there.listen(SERVER, reusable=allowed[0])
    here.dial(SERVER.public, pair=CLIENT, reusable=allowed[1])
    assert net.run(lambda: here.connected and there.connected)
    net.sent.clear()
    return net, there, here


def again(net: NatNet, here: Peer, *, reusable: bool) -> float:
    """Dial once more. Return how long it took."""
    count, begun = len(here.paths), net.now
    here.dial(SERVER.public, pair=CLIENT, reusable=reusable)
    assert net.run(lambda: len(here.paths) > count and here.connected)
    return net.now - begun


@pytest.mark.parametrize(("server", "client"), [("cons", "cons"), ("cons", "rand"), ("rand", "cons"), ("pub", "cons")])
def test_a_second_stream_goes_the_way_of_the_first(server: str, client: str) -> None:
    net, there, here = met(server, client, BOTH)
    # a handshake there and back, a packet there and back
    assert again(net, here, reusable=True) <= 4 * net.delay + 0.001
    first, second = here.paths.values()
    assert (second.port, second.remote, second.kind) == (first.port, first.remote, first.kind)
    assert len({path.port for path in there.paths.values()}) == 1
    assert not [one for _, _, one in net.sent if one.data == PUNCH]
    assert there.connected


@pytest.mark.parametrize("allowed", [NEITHER, (True, False), (False, True)])
def test_both_have_to_allow_it(allowed: tuple[bool, bool]) -> None:
    net, there, here = met("cons", "cons", allowed)
    assert len(there.hub.routes) == len(here.hub.routes) == 0
    again(net, here, reusable=allowed[1])
    assert [one for _, _, one in net.sent if one.data == PUNCH]
    first, second = here.paths.values()
    assert first.port != second.port


def test_whose_way_is_closed_is_looked_for() -> None:
    net, there, here = met("cons", "cons", BOTH)
    there.gateway.mapped.clear()  # it was started again: what it knew is gone
    there.gateway.back.clear()
    there.gateway.sent.clear()
    there.gateway.host = "44.10.9.2"
    there.node.moved(net.now)
    there.listen(SERVER, reusable=True)
    assert ROUTE_SENDS <= again(net, here, reusable=True) < ROUTE_SENDS + 2
    assert here.failures == []
    route = here.hub.routes.get(SERVER.public)
    assert route is not None
    assert route.remote.host == "44.10.9.2"


def test_another_peer_at_the_address_is_no_way() -> None:
    """It answers as nodes do whose help is asked for with a key that they do not know."""
    net, there, here = met("pub", "cons", BOTH)
    there.hub.servers.clear()
    other = net.peer("pub", 5)
    other.listen(SERVER)
    seconds = again(net, here, reusable=True)
    assert seconds < 1
    assert list(here.paths.values())[-1].remote.host == other.gateway.host


def test_a_server_that_dials_goes_the_way_by_which_it_was_reached() -> None:
    net, there, here = met("cons", "cons", BOTH)
    here.listen(CLIENT, reusable=True)
    net.sent.clear()
    there.dial(CLIENT.public, pair=SERVER, reusable=True)
    assert net.run(lambda: len(there.paths) == 2 and there.connected)
    assert not [one for _, _, one in net.sent if one.data == PUNCH]


# ---- on sockets


async def took(server: DhtServer) -> Connection:
    return await asyncio.wait_for(anext(server), 30)


async def test_a_hole_lives_as_long_as_a_stream_goes_through_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DHT, "_local", lambda self: ())
    monkeypatch.setattr("service.hypercore.swarm.reach.links.LINGER_SECONDS", 0.2)
    loop = asyncio.get_running_loop()
    async with (
        network(3) as nodes, DHT(ANY, [nodes[0].address], firewalled=True) as here,
        DHT(ANY, [nodes[0].address], firewalled=True) as reader,
        here.listen(SERVER, reusable_socket=True) as server,
    ):  # fmt: skip
        first = await reader.connect(SERVER.public, pair=CLIENT, reusable_socket=True)
        assert first.path == "punched"
        for node in nodes:
            node.close()  # nobody can be asked any more
        second = await reader.connect(SERVER.public, pair=CLIENT, reusable_socket=True)
        assert second.path == "punched"
        assert reader._links.path_of(first).port == reader._links.path_of(second).port
        for connection in (first, await took(server), second):
            remaining = [port for port in reader._sockets if not isinstance(port, Via)]
            assert len(remaining) == 1
            connection.close("enough")
            await connection.wait_closed()
        assert (await took(server)).path == "punched"
        gone = loop.create_future()
        loop.call_later(0.2, gone.set_result, None)  # after that of the socket, which was asked for before
        await gone
        assert [port for port in reader._sockets if not isinstance(port, Via)] == []
        assert len(reader._hub.routes) == 0


async def test_ours_goes_again_to_npm_without_any_node() -> None:
    async with network(3) as nodes, DHT(ANY, [nodes[0].address]) as reader, npm(nodes[0].address) as there:
        key = bytes.fromhex(await there("serve", seed="03" * 32, reusableSocket=True))
        first = await reader.connect(key, pair=CLIENT, reusable_socket=True)
        for node in nodes:
            node.close()
        second = await reader.connect(key, pair=CLIENT, reusable_socket=True)
        assert (first.remote_key, second.remote_key) == (key, key)
        assert reader._links.path_of(first).remote == reader._links.path_of(second).remote


async def test_npm_goes_again_to_ours_without_any_node() -> None:
    async with (
        network(3) as nodes, DHT(ANY, [nodes[0].address]) as here, npm(nodes[0].address) as there,
        here.listen(SERVER, reusable_socket=True) as server,
    ):  # fmt: skip
        key = await there("dial", key=SERVER.public.hex(), reusableSocket=True)
        first = await took(server)
        for node in nodes:
            node.close()
        assert await there("dial", key=SERVER.public.hex(), reusableSocket=True) == key
        second = await took(server)
        assert first.remote_key == second.remote_key == bytes.fromhex(key)
        assert here._links.path_of(first).remote == here._links.path_of(second).remote


async def test_the_way_of_a_key_ends_with_its_last_stream_though_another_key_is_at_the_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("service.hypercore.swarm.reach.links.LINGER_SECONDS", 0.2)
    other = KeyPair(b"\x33" * 32)
    dropped: asyncio.Queue[bytes] = asyncio.Queue()
    async with (
        network(3) as nodes, DHT(ANY, [nodes[0].address]) as here, DHT(ANY, [nodes[0].address]) as reader,
        here.listen(SERVER, reusable_socket=True), here.listen(other, reusable_socket=True),
    ):  # fmt: skip
        one, two, three = [
            await reader.connect(pair.public, pair=CLIENT, reusable_socket=True) for pair in (SERVER, other, other)
        ]
        routes, drop = reader._hub.routes, reader._hub.routes.drop
        assert len({(way.port, way.remote) for pair in (SERVER, other) if (way := routes.get(pair.public))}) == 1

        def dropping(key: bytes, port: Port, remote: Address) -> None:
            drop(key, port, remote)
            dropped.put_nowait(key)

        monkeypatch.setattr(routes, "drop", dropping)
        two.close("enough")  # the other key has another stream
        await two.wait_closed()
        one.close("enough")
        assert await asyncio.wait_for(dropped.get(), 30) == SERVER.public
        assert routes.get(SERVER.public) is None
        assert routes.get(other.public) is not None
        three.close("enough")
        assert await asyncio.wait_for(dropped.get(), 30) == other.public
        assert len(routes) == 0
