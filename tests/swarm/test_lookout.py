"""A look at oneself from outside: by the nodes that are named, by all of them, and by no others."""

from __future__ import annotations

import errno
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from service.hypercore.net.taken import CannotListen
from service.hypercore.swarm import DHT, DhtError
from service.hypercore.swarm.dht import lookout as module
from service.hypercore.swarm.dht.address import Address
from service.hypercore.swarm.dht.lookout import MOST_NODES, Lookout
from service.hypercore.swarm.dht.nat import Firewall
from service.hypercore.swarm.dht.node import DhtNode
from service.hypercore.swarm.dht.outside import OutsideView, outside_of
from service.hypercore.swarm.dht.requests import Via
from tests.support.needs import free_port
from tests.swarm.nat_net import NatNet

ANY = Address("127.0.0.1", 0)


@pytest.fixture
async def nodes() -> AsyncIterator[list[DHT]]:
    """Four nodes of a DHT that know each other."""
    async with AsyncExitStack() as stack:
        found: list[DHT] = []
        for _ in range(4):
            known = [one.address for one in found]
            found.append(await stack.enter_async_context(DHT(ANY, known, ANY)))
        yield found


def asked(one: DHT, monkeypatch: pytest.MonkeyPatch) -> list[Address]:
    """Who sends something to a node, from now on."""
    came: list[Address] = []
    take = one.node.take

    def noted(data: bytes, sender: Address, via: Via, now: float) -> bool:
        came.append(sender)
        return take(data, sender, via, now)

    monkeypatch.setattr(one.node, "take", noted)
    return came


async def test_nobody_is_asked_but_who_is_named(nodes: list[DHT], monkeypatch: pytest.MonkeyPatch) -> None:
    named, others = nodes[:2], nodes[2:]
    of_named, of_others = ([asked(one, monkeypatch) for one in some] for some in (named, others))
    known = [len(one.node.table) for one in nodes]
    async with Lookout(ANY, [one.address for one in named]) as lookout:
        here = lookout.address
        assert lookout.outside() == OutsideView(Firewall.OPEN, here)
    assert [len(came) for came in of_named] == [2, 2], "where it is, and whether it is open"
    assert of_others == [[], []]
    assert [len(one.node.table) for one in nodes] == known, "nobody keeps it"


async def test_of_a_long_list_the_first_are_asked(nodes: list[DHT], monkeypatch: pytest.MonkeyPatch) -> None:
    came = asked(nodes[0], monkeypatch)
    silent = [Address("127.0.0.1", free_port()) for _ in range(2)]
    monkeypatch.setattr(module, "MOST_NODES", 2)
    with pytest.raises(DhtError, match=f"none of the nodes {silent[0]}, {silent[1]} answers"):
        async with Lookout(ANY, [*silent, nodes[0].address]):
            pass
    assert not came
    assert MOST_NODES == 8


async def test_another_port_is_tried_if_peers_come_there(nodes: list[DHT]) -> None:
    async with Lookout(ANY, [nodes[0].address], port=free_port()) as lookout:
        assert lookout.outside() == OutsideView(Firewall.UNKNOWN, Address("127.0.0.1", 0)), "no router leads it here"


async def test_a_port_that_is_taken(nodes: list[DHT]) -> None:
    with pytest.raises(CannotListen, match="the UDP port is taken by") as caught:
        async with Lookout(nodes[1].address, [nodes[0].address]):
            pass
    assert caught.value.errno == errno.EADDRINUSE


@pytest.mark.parametrize(
    ("kind", "firewall"),
    [
        ("pub", Firewall.OPEN),
        ("cone", Firewall.OPEN),
        ("none", Firewall.CONSISTENT),
        ("cons", Firewall.CONSISTENT),
        ("rand", Firewall.RANDOM),
    ],
)
def test_what_a_node_that_has_joined_knows(kind: str, firewall: Firewall) -> None:
    node = NatNet(seed=3).peer(kind, 1).node
    found = outside_of(node)
    assert (found.firewall, found.announced) == (firewall, False)
    assert found.address == Address("44.10.1.2", 21_000 if firewall is Firewall.OPEN else 0)


def test_who_was_given_an_address_says_so() -> None:
    here = Address("44.10.0.9", 4000)
    assert outside_of(DhtNode([], 0.0, random.Random(1), here)) == OutsideView(Firewall.OPEN, here, announced=True)
