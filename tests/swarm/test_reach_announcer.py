"""How a server stays findable, in virtual time: where it announces itself, what it does when nodes go, and how it leaves."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from service.hypercore.crypto import KeyPair, blake2b
from service.hypercore.swarm.dht.address import Address, node_id
from service.hypercore.swarm.dht.messages import Command
from service.hypercore.swarm.dht.records import Outcome
from service.hypercore.swarm.dht.requests import Datagram, Port
from service.hypercore.swarm.dht.rpc import DhtReply, DhtRequest, Internal, decode
from service.hypercore.swarm.reach.announcer import CYCLES, MOVED_SECONDS, PING_SECONDS, RELAYS, ROUNDS, Announcer
from tests.swarm.nat_net import NatNet, Peer

SERVER = KeyPair(b"\x31" * 32)
TARGET = blake2b(SERVER.public)


def asked(net: NatNet, peer: Peer, since: int = 0) -> Counter[tuple[Address, bool, int]]:
    """What a peer has asked: whom, and which command (internal or not)."""
    found: Counter[tuple[Address, bool, int]] = Counter()
    for _, sender, datagram in net.sent[since:]:
        if sender.host == peer.gateway.host and datagram.data[:1] == b"\x03":
            request = decode(datagram.data, sender)
            assert isinstance(request, DhtRequest)
            found[datagram.to, request.internal, request.command] += 1
    return found


def relays_of(announcer: Announcer) -> set[Address]:
    return {relay for relay, _ in announcer.relays}


@pytest.fixture
def net() -> NatNet:
    return NatNet(nodes=12)


def test_it_is_announced_at_the_three_nodes_nearest_to_its_key(net: NatNet) -> None:
    there = net.peer("cons", 1)
    announcer = there.listen(SERVER)
    number = int.from_bytes(TARGET, "big")
    addresses = [node.address for node in net.nodes.values() if node.address]
    nearest = sorted(addresses, key=lambda one: int.from_bytes(node_id(one), "big") ^ number)[:RELAYS]
    assert relays_of(announcer) == set(nearest)
    assert all(net.nodes[one.host].records.route(TARGET, net.now) is not None for one in nearest)
    (own,) = {own for _, own in announcer.relays}
    assert own.host == there.gateway.host
    assert not announcer.is_relay(Address("9.9.9.9", 9))


def test_it_keeps_the_way_open_and_renews_what_it_announced(net: NatNet) -> None:
    there = net.peer("cons", 1)
    announcer = there.listen(SERVER)
    before, relay = len(net.sent), announcer.relays[0][0]
    net.run(seconds=60)
    pings = asked(net, there, before)[relay, True, Internal.PING]
    assert abs(pings - 60 / PING_SECONDS) <= 3
    net.run(seconds=ROUNDS * PING_SECONDS)
    assert asked(net, there, before)[relay, False, Command.ANNOUNCE] == 1
    net.run(seconds=3600)
    here = net.peer("cons", 2)
    here.dial(SERVER.public)
    assert net.run(lambda: here.connected)


def test_when_a_node_goes_another_one_takes_its_place(net: NatNet) -> None:
    there = net.peer("cons", 1)
    announcer = there.listen(SERVER)
    gone = announcer.relays[0][0]
    del net.nodes[gone.host]
    assert net.run(lambda: gone not in relays_of(announcer) and len(announcer.relays) == RELAYS, seconds=60)
    assert announcer.is_relay(gone)  # it may pass on what it was told of, for a while
    here = net.peer("cons", 2)
    here.dial(SERVER.public)
    assert net.run(lambda: here.connected)
    for _ in range(CYCLES):
        net.run(seconds=(ROUNDS + 10) * PING_SECONDS)
    assert not announcer.is_relay(gone)


def test_offline_it_goes_on_trying(net: NatNet) -> None:
    there = net.peer("cons", 1)
    announcer = there.listen(SERVER)
    net.lose = lambda datagram: datagram.to.host == there.gateway.host
    before = len(net.sent)
    net.run(seconds=300)
    assert 20 < sum(asked(net, there, before).values()) < 300 * 6  # of twelve nodes, each asked six times a query
    net.lose = lambda datagram: False
    here = net.peer("cons", 2)
    assert net.run(lambda: len(relays_of(announcer)) == RELAYS, seconds=30)
    net.run(seconds=30)
    here.dial(SERVER.public)
    assert net.run(lambda: here.connected)


def test_it_leaves_nothing_behind(net: NatNet) -> None:
    there = net.peer("cons", 1)
    announcer = there.listen(SERVER)
    relays = relays_of(announcer)
    left: list[float] = []
    announcer.stop(left.append, net.now)
    assert net.run(lambda: bool(left), seconds=2)
    assert all(net.nodes[one.host].records.route(TARGET, net.now) is None for one in relays)
    before = len(net.sent)
    net.run(seconds=20)
    assert not any(command == Command.ANNOUNCE for _, _, command in asked(net, there, before))
    assert not asked(net, there, before)[next(iter(relays)), True, Internal.PING]


def test_nodes_that_do_not_answer_do_not_keep_it(net: NatNet) -> None:
    there = net.peer("cons", 1)
    announcer = there.listen(SERVER)
    for relay in relays_of(announcer):
        del net.nodes[relay.host]
    left: list[float] = []
    announcer.stop(left.append, net.now)
    assert net.run(lambda: bool(left), seconds=5)
    Announcer(there.hub, SERVER).stop(left.append, net.now)  # one that was never announced
    assert len(left) == 2


def test_an_address_that_changed_is_noticed_by_the_nodes_answers(net: NatNet) -> None:
    """A router that got another address tells nobody. The nodes pass messages on to where the announcement came from."""
    there = net.peer("cons", 1)
    announcer = there.listen(SERVER)
    there.gateway.host = "44.10.77.2"

    def hosts() -> set[str]:
        routes = [net.nodes[one.host].records.route(TARGET, net.now) for one in relays_of(announcer)]
        return {"" if route is None else route.host for route in routes}

    assert net.run(lambda: hosts() == {"44.10.77.2"}, seconds=2 * PING_SECONDS)
    here = net.peer("cons", 2)
    here.dial(SERVER.public)
    assert net.run(lambda: here.connected)


def test_a_node_that_lies_about_the_address_has_it_announced_seldom(net: NatNet) -> None:
    there = net.peer("cons", 1)
    announcer = there.listen(SERVER)
    liar = net.nodes[announcer.relays[0][0].host]
    chance, answer = random.Random(1), liar._reply

    def lies(request: DhtRequest, to: Address, via: Port, outcome: Outcome, now: float) -> None:
        if not request.internal or request.command != Internal.PING:
            answer(request, to, via, outcome, now)
            return
        false = Address("9.9.9.9", chance.randrange(1, 65_536))
        liar.out.append(Datagram(DhtReply(request.tid, false, liar.id, None, (), 0, None).encode(), to, via))

    liar._reply = lies  # type: ignore[method-assign]
    before = len(net.sent)
    net.run(seconds=300)
    told = asked(net, there, before)
    assert 2 <= max(told[relay, False, Command.ANNOUNCE] for relay, _ in announcer.relays) <= 300 / MOVED_SECONDS + 1
