"""Nodes of the DHT: what they answer, and 200 of them in one network, a third of them dead."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from service.hypercore.codec import Reader
from service.hypercore.crypto import KeyPair
from service.hypercore.swarm.dht.address import Address, decode_address, encode_address, node_id
from service.hypercore.swarm.dht.messages import (
    Announcement,
    Command,
    FoundPeer,
    decode_peers,
    sign_announcement,
)
from service.hypercore.swarm.dht.node import MAX_DELAYED, DhtNode
from service.hypercore.swarm.dht.query import Answerer, Query
from service.hypercore.swarm.dht.requests import (
    Datagram,
    Via,
)
from service.hypercore.swarm.dht.rpc import DhtReply, DhtRequest, Internal, decode
from service.hypercore.swarm.dht.table import ROW_NODES
from service.hypercore.swarm.dht.tokens import Tokens
from tests.swarm.dht_net import MINUTE, Net, network
from tests.swarm.dht_one import ASKER, OWN, Told, ask, node

RPC = json.loads((Path(__file__).parents[1] / "vectors" / "swarm" / "dht_rpc.json").read_text())


# ---- what a node answers, as npm's does


@pytest.mark.parametrize(
    "one", [one for one in RPC["replies"] if "user" not in one["label"] and "relay" not in one["label"]],
    ids=lambda one: one["label"],
)  # fmt: skip
def test_answers_are_those_of_npm(one: dict[str, Any]) -> None:
    answering = node()
    answering._tokens = Tokens(0.0, *map(bytes.fromhex, RPC["secrets"]))
    named = decode(bytes.fromhex(next(r for r in RPC["replies"] if "find_node" in r["label"])["sent"][0]["bytes"]), OWN)
    assert isinstance(named, DhtReply)
    for address in named.closer:
        answering._heard(node_id(address), address, 0.0)
    sender = Address(one["from"]["host"], one["from"]["port"])
    assert answering.take(bytes.fromhex(one["request"]), sender, Via(one["socket"]), 0.0)
    told = [(one.to, one.via.value, one.data.hex()) for one in answering.out]
    assert told == [(Address(s["host"], s["port"]), s["socket"], s["bytes"]) for s in one["sent"]]


def test_what_is_no_message_is_left_to_others() -> None:
    one = node()
    for data in (b"", b"\0\0", b"\x03\0", b"\x04\0" + bytes(20), b"\x13\xff" + bytes(8)):
        assert not one.take(data, ASKER, Via.SERVER, 0.0)
    assert one.out == []


def test_a_ping_may_be_asked_for_later() -> None:
    one = node()
    request = DhtRequest(7, OWN, Internal.DELAYED_PING, True, value=(2000).to_bytes(4, "little"))
    assert ask(one, request) is None
    one.fire(1.9)
    assert one.out == []
    one.fire(2.0)
    assert [decode(sent.data, OWN).tid for sent in one.out] == [7]
    one.out.clear()
    for late in (replace(request, value=(10_001).to_bytes(4, "little")), replace(request, value=b"")):
        ask(one, late)
    for _ in range(2 * MAX_DELAYED):
        ask(one, replace(request, value=(9_000).to_bytes(4, "little")))
    assert len(one._delayed) <= MAX_DELAYED


def test_a_hint_that_a_node_is_down_is_looked_into() -> None:
    one = node()
    known, unknown = Address("44.10.0.7", 1), Address("44.10.0.8", 1)
    one._heard(node_id(known), known, 0.0)
    one._ticks += 1
    for address in (known, unknown, known):
        reply = ask(one, DhtRequest(3, OWN, Internal.DOWN_HINT, True, value=encode_address(address)))
        assert reply is not None
    assert ask(one, DhtRequest(3, OWN, Internal.DOWN_HINT, True, value=b"short")) is None
    one._next_tick = 1e9
    sent = 0
    for second in range(6):
        one.fire(float(second))
        sent += sum(datagram.to == known for datagram in one.out)
        assert not any(datagram.to == unknown for datagram in one.out)
        one.out.clear()
    assert one.table.get(node_id(known)) is None


# ---- many


@pytest.fixture(scope="module")
def net() -> Net:
    return network(200)


def find(
    net: Net, client: DhtNode, command: int, target: bytes, *, internal: bool = False
) -> tuple[Query, list[DhtReply]]:
    over: list[Query] = []
    replies: list[DhtReply] = []
    client.query(
        command, target, lambda query, now: over.append(query), net.now, internal=internal,
        on_answer=lambda sender, reply: replies.append(reply),
    )  # fmt: skip
    assert net.run(lambda: bool(over))
    return over[0], replies


def announce(net: Net, author: DhtNode, query: Query, pair: KeyPair, target: bytes) -> int:
    """Announce a peer at the nearest nodes. Return how many took it."""
    peer = FoundPeer(pair.public)
    taken: list[int] = []

    def value_of(answerer: Answerer) -> bytes:
        signature = sign_announcement(pair, target, answerer.id, answerer.reply.token or b"", peer)
        return Announcement(peer, signature=signature).encode()

    author.commit(query.closest, Command.ANNOUNCE, target, value_of, lambda count, now: taken.append(count), net.now)
    assert net.run(lambda: bool(taken))
    return taken[0]


def test_in_200_nodes_of_which_60_are_dead_what_was_announced_is_found(net: Net) -> None:
    chance = random.Random(5)
    pairs = [KeyPair(chance.randbytes(32)) for _ in range(20)]
    targets = [chance.randbytes(32) for _ in pairs]
    author = net.add(900, stays=False)
    for pair, target in zip(pairs, targets, strict=True):
        query, _ = find(net, author, Command.LOOKUP, target)
        assert len(query.closest) == ROW_NODES
        assert announce(net, author, query, pair, target) == ROW_NODES
    net.dead = set(chance.sample(list(net.nodes)[1:200], 60))
    reader = net.add(901, stays=False)
    sent = 0
    for pair, target in zip(pairs, targets, strict=True):
        before = net.datagrams[net_host(net, reader)]
        _, replies = find(net, reader, Command.LOOKUP, target)
        sent += net.datagrams[net_host(net, reader)] - before
        found = {peer.key for reply in replies if reply.value for peer in decode_peers(reply.value)}
        assert found == {pair.public}
    # 20 nearest that live, each row of the way to them once (log2 200 is 7.6), a third of all asked six times in vain
    assert sent / len(pairs) < 2 * (20 + 8) * (1 + 6 * 0.3)


def net_host(net: Net, one: DhtNode) -> str:
    return next(host for host, other in net.nodes.items() if other is one)


def test_most_of_the_nearest_are_found(net: Net) -> None:
    chance = random.Random(6)
    reader = net.add(902, stays=False)
    live = [one for host, one in net.nodes.items() if host not in net.dead and one.address]
    right = 0
    for _ in range(10):
        target = chance.randbytes(32)
        query, _ = find(net, reader, Internal.FIND_NODE, target, internal=True)
        number = int.from_bytes(target, "big")
        nearest = sorted(int.from_bytes(one.table.id, "big") ^ number for one in live)[:ROW_NODES]
        right += len({one.distance for one in query.closest} & set(nearest))
    assert right >= 0.9 * 10 * ROW_NODES
    assert reader.own.host == net_host(net, reader)


def test_the_dead_are_forgotten_and_nothing_piles_up() -> None:
    net = network(30, seed=2, loss=0.02)
    net.dead = set(random.Random(1).sample(list(net.nodes)[1:], 10))
    live = [one for host, one in net.nodes.items() if host not in net.dead]

    def dead_in_tables() -> int:
        return sum(one.address.host in net.dead for each in live for one in each.table)

    before = dead_in_tables()
    assert before > 50
    net.run(seconds=30 * MINUTE)
    assert dead_in_tables() < before / 10
    assert all(len(one.requests) < 20 and len(one._running) < 2 and len(one._checks) < 10 for one in live)
    assert all(len(one.table) >= 15 for one in live)


def test_a_datagram_goes_from_the_socket_that_others_know() -> None:
    stays, asks = node(), DhtNode([OWN], 0.0, random.Random(2))
    for one, via in ((stays, Via.SERVER), (asks, Via.CLIENT)):
        one.ask(ASKER, Internal.PING, Told().reply, Told().failure, 0.0, internal=True)
        (sent,) = one.out
        assert isinstance(sent, Datagram)
        assert sent.via is via
        assert (decode(sent.data, OWN).id is not None) == (one is stays)
    assert decode_address(Reader(encode_address(OWN))) == OWN
