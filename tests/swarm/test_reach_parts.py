"""The small parts by which peers are reached: timers, addresses, the right to punch at random ports, what is remembered."""

from __future__ import annotations

import asyncio
import random

import pytest

from service.hypercore.crypto import KeyPair
from service.hypercore.swarm import DHT, DhtError
from service.hypercore.swarm.dht.address import Address
from service.hypercore.swarm.dht.nat import LATEST, Firewall, LatestSamples
from service.hypercore.swarm.dht.node import DhtNode
from service.hypercore.swarm.dht.punches import Punches
from service.hypercore.swarm.dht.requests import Datagram, Via
from service.hypercore.swarm.dht.timers import Timers
from service.hypercore.swarm.reach.dial import Dial
from service.hypercore.swarm.reach.hub import MAX_KNOWN, RANDOM_REST_SECONDS, Hub, RandomPunches, nearest, reachable
from service.hypercore.swarm.reach.puncher import Puncher
from tests.support.npm_dht import ANY, MOST_SECONDS, network

OURS = KeyPair(b"\x21" * 32)


def test_timers_go_off_in_order_and_once() -> None:
    timers, gone = Timers(), list[tuple[str, float]]()

    def at(when: float, name: str) -> None:
        timers.at(when, lambda now: gone.append((name, now)))

    at(2.0, "b")
    at(1.0, "a")
    at(2.0, "c")
    taken_back = timers.at(0.5, lambda now: gone.append(("never", now)))
    assert timers.deadline() == 0.5
    taken_back.cancel()
    assert (timers.deadline(), len(timers)) == (1.0, 3)
    timers.fire(0.9)
    assert gone == []
    timers.fire(2.5)
    timers.fire(3.0)
    assert gone == [("a", 2.5), ("b", 2.5), ("c", 2.5)]
    assert (timers.deadline(), len(timers)) == (None, 0)


def test_what_a_timer_asks_for_waits_for_the_next_turn() -> None:
    timers, turns = Timers(), list[float]()

    def again(now: float) -> None:
        turns.append(now)
        timers.at(now, again)

    timers.at(0.0, again)
    for now in (1.0, 1.0, 2.0):
        timers.fire(now)
    assert turns == [1.0, 1.0, 2.0]


def test_one_of_two_timers_may_take_back_the_other() -> None:
    timers, gone = Timers(), list[str]()
    second = timers.at(1.0, lambda now: gone.append("second"))
    timers.at(0.5, lambda now: second.cancel())
    timers.fire(2.0)
    assert gone == []


def test_sockets_by_number() -> None:
    out: list[Datagram] = []
    punches, heard = Punches(out), list[tuple[object, Address]]()
    peer = Address("1.2.3.4", 5)

    def hear(port: object, sender: Address, now: float) -> None:
        heard.append((port, sender))

    one, other = punches.new(hear), punches.new(hear)
    punches.hear(Via.CLIENT, hear)
    assert punches.open == 2
    for port in (one, Via.CLIENT, Via.SERVER, 99):
        punches.take(port, peer, 0.0)
    assert heard == [(one, peer), (Via.CLIENT, peer)]
    punches.leave(one, hear)  # a stream goes on with it
    punches.close(one)
    punches.close(other)
    punches.close(other)
    punches.leave(Via.CLIENT, hear)
    assert punches.closed == [other]
    assert not punches.is_open(other)
    punches.take(Via.CLIENT, peer, 0.0)
    assert len(heard) == 2
    punches.send(one, peer, opener=True)
    assert [(sent.data, sent.to, sent.via, sent.ttl) for sent in out] == [(b"\0", peer, one, 5)]


def test_the_right_to_punch_at_random_ports_rests() -> None:
    right = RandomPunches()
    assert right.begin(0.0)
    assert not right.begin(100.0)
    right.end(100.0, punched=False)
    assert right.begin(100.0)
    right.end(101.0, punched=True)
    assert not right.begin(101.0 + RANDOM_REST_SECONDS - 0.1)
    assert right.begin(101.0 + RANDOM_REST_SECONDS)


def test_nodes_of_512_peers_are_remembered() -> None:
    hub = Hub(DhtNode([], 0.0, random.Random(1)))
    for number in range(MAX_KNOWN + 1):
        hub.remember(number.to_bytes(32, "big"), (Address("1.2.3.4", number),))
    assert hub.known(bytes(32)) == ()
    assert hub.known((1).to_bytes(32, "big")) == (Address("1.2.3.4", 1),)
    hub.remember((1).to_bytes(32, "big"), ())
    assert hub.known((1).to_bytes(32, "big")) == ()


def test_addresses() -> None:
    far, near, nearer = (Address(host, 1) for host in ("10.0.0.1", "192.168.7.1", "192.168.1.9"))
    own = (Address("192.168.1.2", 1),)
    assert nearest(own, (far, near, nearer)) == nearer
    assert nearest(own, (far, near)) == near
    assert nearest((), (far, near)) == far
    assert nearest(own, ()) is None
    public = Address("5.6.7.8", 1)
    assert reachable((public, near), (public,)) == (public,)
    assert reachable((public, near), own) == (public, near)


def test_the_last_word_of_the_last_nodes_counts() -> None:
    samples = LatestSamples()
    before, after = Address("44.10.1.2", 1), Address("44.10.1.2", 2)
    nodes = [Address("44.10.0.1", number) for number in range(2 * LATEST)]
    for node in nodes[:LATEST]:
        samples.add(before, node)
    assert samples.judge().addresses == (before,)
    for node in nodes[:LATEST]:
        samples.add(after, node)
    assert (samples.judge().firewall, samples.judge().addresses) == (Firewall.CONSISTENT, (after,))
    for number, node in enumerate(nodes):
        samples.add(Address("44.10.1.2", 100 + number), node)
    assert samples.judge().firewall == Firewall.RANDOM


async def test_a_dial_that_is_given_up_closes_its_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Punches, "send", lambda self, port, to, *, opener=False: None)
    monkeypatch.setattr(DHT, "_local", lambda self: ())
    monkeypatch.setattr(Dial, "_try_nearby", lambda self, payload, now: None)
    punching = asyncio.Event()
    new = Punches.new

    def tell(self: Punches, hear: object) -> int:
        punching.set()
        return new(self, hear)  # type: ignore[arg-type]

    monkeypatch.setattr(Punches, "new", tell)
    async with (
        network(4) as nodes, DHT(ANY, [nodes[0].address], firewalled=True) as here,
        DHT(ANY, [nodes[0].address], firewalled=True) as reader, here.listen(OURS) as server,
    ):  # fmt: skip
        dialling = asyncio.create_task(reader.connect(OURS.public, pair=KeyPair.generate()))
        async with asyncio.timeout(MOST_SECONDS):
            await punching.wait()
        assert len(reader.streams) == 1
        assert len(server.handshakes) == 1
        dialling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await dialling
        assert (len(reader._sockets), len(reader.streams), reader.node.punches.open) == (2, 0, 0)


def test_a_punch_that_ends_after_the_node_has_moved_is_heard_no_longer() -> None:
    node = DhtNode([], 0.0, random.Random(1))
    hub = Hub(node)
    for before, after in ((None, Address("44.10.1.2", 1)), (Address("44.10.1.2", 1), None)):
        node.open_address = before
        puncher = Puncher(hub, False, Firewall.CONSISTENT, lambda port, sender, now: None, lambda now: None)
        node.open_address = after
        puncher.close(0.0)
        assert not node.punches._hearing


async def test_a_server_whose_node_is_closed_while_it_announces_itself_is_told() -> None:
    async with network(1) as nodes, DHT(ANY, [nodes[0].address]) as here:
        nodes[0].close()
        entering = asyncio.create_task(here.listen(OURS).__aenter__())
        await asyncio.sleep(0)
        here.close()
        with pytest.raises(DhtError, match="closed"):
            await asyncio.wait_for(entering, MOST_SECONDS)
