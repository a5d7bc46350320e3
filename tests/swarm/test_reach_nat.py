"""Holes in NATs of every kind, in virtual time: who connects to whom, how, how soon, and what is told if it cannot be."""

from __future__ import annotations

from dataclasses import replace

import pytest

from service.hypercore.crypto import KeyPair
from service.hypercore.swarm.dht.address import Address, node_id
from service.hypercore.swarm.dht.messages import PunchPayload, RelayThrough
from service.hypercore.swarm.dht.nat import Firewall
from service.hypercore.swarm.dht.node import STABLE_TICKS, TICK_SECONDS
from service.hypercore.swarm.dht.punches import PUNCH
from service.hypercore.swarm.dht.requests import Via
from service.hypercore.swarm.reach.hub import RANDOM_REST_SECONDS, UPGRADE_SECONDS
from service.hypercore.swarm.reach.puncher import BIRTHDAY_SOCKETS, RANDOM_SECONDS, RANDOM_TRIES
from service.hypercore.swarm.reach.reasons import Reason
from service.hypercore.swarm.reach.server_punch import ServerPunch
from tests.swarm.nat_net import KINDS, Gateway, NatNet, Peer

MOVED = "44.10.77.2"
SERVER = KeyPair(b"\x31" * 32)


def meet(net: NatNet, server: str, client: str) -> tuple[Peer, Peer, float]:
    """A server and a client that dials it: both, and the seconds until both have a way or the client has given up."""
    there, here = net.peer(server, 1), net.peer(client, 2)
    there.listen(SERVER)
    begun = net.now
    here.dial(SERVER.public)
    assert net.run(lambda: bool(here.failures) or (here.connected and there.connected))
    return there, here, net.now - begun


@pytest.mark.parametrize("client", KINDS)
@pytest.mark.parametrize("server", KINDS)
def test_who_connects_to_whom(server: str, client: str) -> None:
    net = NatNet(seed=3)
    there, here, seconds = meet(net, server, client)
    kinds = {server, client}
    if kinds == {"rand"}:
        assert here.failures == [Reason.BOTH_RANDOM]
        assert seconds < 3
    else:
        assert here.failures == []
        assert here.kinds == there.kinds == ["direct" if kinds & {"pub", "cone"} else "punched"]
        assert seconds < (RANDOM_TRIES * RANDOM_SECONDS + 2 if here.kinds == ["punched"] and "rand" in kinds else 0.5)
    net.run(seconds=120)
    paths = [*there.paths.values(), *here.paths.values()]
    assert net.sockets() == sum(not isinstance(path.port, Via) for path in paths)  # those by which the stream goes
    assert there.handshakes is not None
    assert len(there.handshakes) == 0
    assert not there.waiting
    assert not here.waiting


@pytest.mark.parametrize("client", ["none", "cons", "rand"])
@pytest.mark.parametrize("server", ["pub", "cone"])
def test_who_does_not_know_to_be_open_is_reached_by_a_hole(server: str, client: str) -> None:
    net = NatNet(seed=3)
    there, here = net.peer(server, 1, check=False), net.peer(client, 2, check=False)
    there.listen(SERVER)
    here.dial(SERVER.public)
    assert net.run(lambda: here.connected and there.connected)
    assert here.kinds == there.kinds == ["punched"]


def test_who_is_open_stays_after_20_minutes() -> None:
    net = NatNet(nodes=6)
    open_one, closed = net.peer("pub", 1), net.peer("cons", 2)
    assert open_one.node.open_address == Address("44.10.1.2", 21_000)
    net.run(seconds=STABLE_TICKS * TICK_SECONDS - 10)
    assert (open_one.node.id, closed.node.id) == (None, None)
    net.run(seconds=20)
    assert closed.node.id is None
    assert open_one.node.address == open_one.node.open_address
    assert open_one.node.id == node_id(Address("44.10.1.2", 21_000))
    known = sum(node.table.get(open_one.node.id) is not None for node in net.nodes.values())
    assert known == len(net.nodes)
    closed.listen(SERVER)
    open_one.dial(SERVER.public)
    assert net.run(lambda: open_one.connected)
    assert open_one.kinds == ["direct"]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("server", "client"), [("cons", "rand"), ("rand", "cons")])
def test_the_birthday_of_256_sockets(server: str, client: str, seed: int) -> None:
    net = NatNet(seed=seed)
    there, here, seconds = meet(net, server, client)
    assert here.failures == []
    assert seconds < RANDOM_TRIES * RANDOM_SECONDS + 2
    many, few = (there, here) if server == "rand" else (here, there)
    # the server's own two are its first, the client begins with one of its own
    assert many.most_sockets == 2 + BIRTHDAY_SOCKETS
    assert few.most_sockets <= 3


def test_a_hole_is_there_with_the_answer_to_round_0() -> None:
    """Handshake, round 0, one byte: three times the way through a node, and one more for the packet that both wait for."""
    net = NatNet(delay=0.05)
    _, here, seconds = meet(net, "cons", "cons")
    # FIND_PEER 2 ways, handshake 4, round 0 up to the server 2, its byte 1, the client's packet and its answer 2
    assert seconds <= 12 * 0.05
    punches = [datagram for _, sender, datagram in net.sent if datagram.data == PUNCH]
    assert [one.ttl for one in punches][:2] == [5, 0]
    assert len(punches) <= 3
    assert here.kinds == ["punched"]


def test_without_the_quick_way_both_punch() -> None:
    net = NatNet()
    lost: list[float] = []

    def lose(datagram: object) -> bool:
        first = getattr(datagram, "data", b"") == PUNCH and not getattr(datagram, "ttl", 0) and not lost
        if first:
            lost.append(net.now)
        return first

    net.lose = lose
    there, here, seconds = meet(net, "cons", "cons")
    assert lost
    assert here.failures == []
    assert seconds < 2.5
    assert there.kinds == ["punched"]


def test_peers_that_cannot_reach_each_other_are_told_and_leave_nothing() -> None:
    net = NatNet()
    there, here, seconds = meet(net, "block", "block")
    assert here.failures == [Reason.PUNCH_FAILED]
    assert 9 < seconds < 15
    net.run(seconds=120)
    assert net.sockets() == 0
    assert there.dropped == 1
    assert len(net.sent) < 2000


@pytest.mark.parametrize("nodes", [1, 2])
def test_three_nodes_are_needed_to_know_a_nat(nodes: int) -> None:
    net = NatNet(nodes=nodes)
    there, here, seconds = meet(net, "cons", "cons")
    assert here.failures == [Reason.PROBE_FAILED]
    assert seconds < 20
    assert here.most_sockets <= 4  # a new one is there before the old one is closed
    net.run(seconds=30)
    assert net.sockets() == 0
    assert there.dropped == 1
    with_relay = net.peer("cons", 3)
    with_relay.dial(SERVER.public, through())
    assert net.run(lambda: with_relay.connected, seconds=2)


def test_other_sockets_are_tried_where_both_use_random_ports() -> None:
    """Some gateways keep the port of one socket and not of another: here from the second one of each peer on."""
    net = NatNet()
    there, here = net.peer("rand", 1), net.peer("rand", 2)
    there.listen(SERVER)
    here.dial(SERVER.public)
    assert net.run(lambda: here.node.punches.open > 0)
    first = max(here.ports)
    leave = Gateway.leave

    def keeps(self: Gateway, local: int, to: Address) -> Address:
        if self is here.gateway and local > first:
            self.mapped[local, to] = local
            self.back[local] = local
        return leave(self, local, to)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Gateway, "leave", keeps)
        assert net.run(lambda: here.connected or bool(here.failures))
    assert here.failures == []
    assert here.kinds == ["punched"]


def test_one_punch_at_random_ports_at_a_time() -> None:
    net = NatNet()
    there, here, other = net.peer("rand", 1), net.peer("cons", 2), net.peer("cons", 3)
    there.listen(SERVER)
    here.dial(SERVER.public)
    other.dial(SERVER.public)
    assert net.run(lambda: bool(here.connected or here.failures) and bool(other.connected or other.failures))
    assert sorted([*here.failures, *other.failures]) == [Reason.TRY_LATER]
    refused, served = (here, other) if here.failures else (other, here)
    assert served.kinds == ["punched"]
    refused.dial(SERVER.public)
    assert net.run(lambda: len(refused.failures) == 2)
    net.run(seconds=RANDOM_REST_SECONDS)
    refused.dial(SERVER.public)
    assert net.run(lambda: refused.connected)


def test_the_client_keeps_to_one_punch_at_random_ports_too() -> None:
    net = NatNet()
    here = net.peer("rand", 1)
    pairs = [KeyPair(bytes([number]) * 32) for number in (1, 2)]
    servers = [net.peer("cons", 2 + number) for number in range(2)]
    for peer, pair in zip(servers, pairs, strict=True):
        peer.listen(pair)
        here.dial(pair.public)
    assert net.run(lambda: bool(here.failures) and here.connected)
    assert here.failures == [Reason.TRY_LATER]
    assert here.most_sockets <= 2 + BIRTHDAY_SOCKETS + 1


@pytest.mark.parametrize("kind", ["cons", "rand"])
def test_behind_one_nat_peers_meet_in_their_own_network(kind: str) -> None:
    """They are told each other's address there. From outside their gateway lets nothing back in."""
    net = NatNet()
    there = net.peer(kind, 1, lan="192.168.1.2")
    here = net.peer(kind, 2, lan="192.168.1.3", behind=there)
    there.listen(SERVER)
    begun = net.now
    here.dial(SERVER.public)
    assert net.run(lambda: here.connected and there.connected)
    assert net.now - begun < 0.5
    assert [*here.kinds, *there.kinds] == ["direct", "direct"]
    assert [path.remote.host for path in (*here.paths.values(), *there.paths.values())] == [
        "192.168.1.2",
        "192.168.1.3",
    ]
    assert net.sockets() == 0


def test_behind_one_nat_that_keeps_them_apart_nothing_comes_of_it() -> None:
    net = NatNet()
    there = net.peer("cons", 1)
    here = net.peer("cons", 2, behind=there)
    there.listen(SERVER)
    here.dial(SERVER.public)
    assert net.run(lambda: bool(here.failures))
    assert here.failures == [Reason.PUNCH_FAILED]


def test_a_peer_that_is_gone_in_the_middle() -> None:
    net = NatNet()
    there, here = net.peer("cons", 1), net.peer("cons", 2)
    there.listen(SERVER)
    here.dial(SERVER.public)
    assert net.run(lambda: here.node.punches.open > 0)  # the handshake is done
    net.peers.remove(there)
    assert net.run(lambda: bool(here.failures), seconds=10)
    assert here.failures == [Reason.PROBE_FAILED]
    assert net.sockets() == 0


def test_a_client_that_is_gone_in_the_middle() -> None:
    net = NatNet()
    there, here = net.peer("cons", 1), net.peer("cons", 2)
    there.listen(SERVER)
    here.dial(SERVER.public)
    assert net.run(lambda: bool(there.waiting))
    net.peers.remove(here)
    net.run(seconds=9)
    assert there.waiting
    net.run(seconds=2)
    assert not there.waiting
    assert there.dropped == 1
    net.run(seconds=11)
    assert there.handshakes is not None
    assert len(there.handshakes) == 0


def test_a_dial_that_is_given_up_leaves_nothing() -> None:
    net = NatNet()
    there, here = net.peer("cons", 1), net.peer("rand", 2)
    there.listen(SERVER)
    dial = here.dial(SERVER.public)
    assert net.run(lambda: here.most_sockets > 100)
    dial.close(net.now)
    net.run(seconds=120)
    assert net.sockets() == 0
    assert here.failures == []
    assert there.dropped == 1
    assert here.hub.random_punches.begin(net.now)


@pytest.mark.parametrize("client", ["cons", "rand"])
def test_a_server_that_is_told_to_be_open_and_does_not_know_where_is_reached(
    client: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    says = ServerPunch._says

    def says_open(self: ServerPunch, said: PunchPayload, token: bytes | None, error: int) -> PunchPayload:
        return replace(says(self, said, token, error), firewall=Firewall.OPEN, addresses=None)

    monkeypatch.setattr(ServerPunch, "_says", says_open)
    net = NatNet()
    net.lose = lambda datagram: datagram.data == PUNCH and datagram.to.host == "44.10.2.2"  # no quick way
    there, here = net.peer("pub", 1, check=False), net.peer(client, 2)
    there.listen(SERVER)
    here.dial(SERVER.public)
    net.run(seconds=1)
    net.lose = lambda datagram: False
    assert net.run(lambda: here.connected and there.connected)


# ---- with a blind relay


def through(number: int = 1) -> RelayThrough:
    return RelayThrough(KeyPair(b"\x55" * 32).public, bytes([number]) * 32)


@pytest.mark.parametrize(
    ("server", "client", "kinds"),
    [
        ("block", "block", ["relayed"]),
        ("rand", "rand", ["relayed"]),
        ("cons", "rand", ["relayed", "punched"]),
        ("rand", "cons", ["relayed", "punched"]),
        ("pub", "rand", ["direct"]),
        ("rand", "pub", ["direct"]),
    ],
)
def test_a_relay_carries_what_has_no_way_or_none_yet(server: str, client: str, kinds: list[str]) -> None:
    net = NatNet(seed=4)
    there, here = net.peer(server, 1), net.peer(client, 2)
    there.listen(SERVER)
    begun = net.now
    here.dial(SERVER.public, through())
    assert net.run(lambda: here.connected and there.connected)
    assert net.now - begun < 1.5
    net.run(seconds=120)
    assert here.kinds == there.kinds == kinds
    assert here.connected
    assert there.connected
    assert here.failures == []
    assert there.dropped == 0
    paths = [*there.paths.values(), *here.paths.values()]
    assert net.sockets() == sum(not isinstance(path.port, Via) for path in paths)
    assert there.handshakes is not None
    assert len(there.handshakes) == 0


def test_with_a_relay_punches_at_random_ports_wait_for_each_other() -> None:
    net = NatNet(seed=2)
    there, here, other = net.peer("rand", 1), net.peer("cons", 2), net.peer("cons", 3)
    there.listen(SERVER)
    for number, peer in enumerate((here, other)):
        peer.dial(SERVER.public, through(number))
    assert net.run(lambda: here.connected and other.connected, seconds=2)
    assert net.run(lambda: here.kinds == other.kinds == ["relayed", "punched"], seconds=UPGRADE_SECONDS)
    assert net.run(lambda: sorted(there.kinds) == ["punched", "punched", "relayed", "relayed"], seconds=2)
    assert net.run(lambda: here.connected and other.connected and there.connected)


def test_a_relay_that_nobody_meets_at_leaves_the_reason() -> None:
    net = NatNet()
    there, here = net.peer("block", 1), net.peer("block", 2)
    there.listen(SERVER)
    there.relay_stream = lambda *arguments: False  # type: ignore[method-assign]
    dial = here.dial(SERVER.public, through())
    net.run(seconds=20)
    assert here.failures == []
    dial.relay_failed("the other peer did not come", net.now)
    assert here.failures == [Reason.PUNCH_FAILED]


def test_the_nat_is_told_as_it_is() -> None:
    for kind, firewall in (("cons", Firewall.CONSISTENT), ("none", Firewall.CONSISTENT), ("rand", Firewall.RANDOM)):
        net = NatNet()
        assert net.peer(kind, 1).node.samples.judge().firewall == firewall


# ---- a node whose address changes


def test_a_node_that_was_open_looks_again_when_its_address_changes() -> None:
    net = NatNet(seed=5)
    one = net.peer("pub", 1)
    before = one.node.open_address
    assert before is not None
    one.gateway.host = MOVED
    one.node.moved(net.now)
    assert one.node.open_address is None, "nobody is told an address that may be over"
    net.run(seconds=5)
    assert one.node.open_address == Address(MOVED, before.port)
    one.gateway.kind = "cons"
    one.node.moved(net.now)
    net.run(seconds=5)
    assert one.node.open_address is None
    one.gateway.kind = "pub"
    one.node.moved(net.now)
    one.node.moved(net.now)  # two changes at once
    net.run(seconds=5)
    assert one.node.open_address == Address(MOVED, before.port)


def test_a_node_that_stays_is_another_one_at_another_address_and_stays_again_later() -> None:
    net = NatNet(seed=6)
    one = net.peer("pub", 1)
    net.run(seconds=(STABLE_TICKS + 1) * TICK_SECONDS)
    before = one.node.address
    assert before is not None
    assert one.node.id == node_id(before)
    known = len(one.node.table)
    one.gateway.host = MOVED
    one.node.moved(net.now)
    assert one.node.address is None
    assert one.node.id is None
    assert len(one.node.table) == known, "whom it knew it knows"
    net.run(seconds=(STABLE_TICKS + 1) * TICK_SECONDS)
    assert one.node.address == Address(MOVED, before.port)
    assert one.node.id == node_id(Address(MOVED, before.port))
    given = next(iter(net.nodes.values()))
    address = given.address
    given.moved(net.now)
    assert given.address == address is not None, "one whose address was given keeps it"
