"""What strangers send to a node of the DHT, to keep it from others: forged senders, and too much of everything."""

from __future__ import annotations

from service.hypercore.crypto import KeyPair, blake2b
from service.hypercore.swarm.dht.address import Address, node_id
from service.hypercore.swarm.dht.messages import Announcement, Command, FoundPeer, sign_announcement
from service.hypercore.swarm.dht.node import DhtNode
from service.hypercore.swarm.dht.query import Query
from service.hypercore.swarm.dht.records import MAX_ANNOUNCED_AT_ONE, MAX_RECORDS, SHARE_OF_HOST, Kept
from service.hypercore.swarm.dht.requests import Via
from service.hypercore.swarm.dht.rpc import DhtRequest, Internal
from tests.swarm.dht_net import network
from tests.swarm.dht_one import ASKER, OWN, TARGET, ask, node, token_of

VICTIM = "44.10.0.5"


def forge(one: DhtNode, count: int, now: float) -> set[Address]:
    """Let requests come from nodes that do not exist, each with the id that its address would have."""
    forged = {Address(f"45.{number >> 8}.{number & 255}.9", 49_737) for number in range(count)}
    for number, sender in enumerate(forged):
        ping = DhtRequest(number, OWN, Internal.PING, True, id=node_id(sender))
        assert one.take(ping.encode(), sender, Via.SERVER, now)
        one.out.clear()
    return forged


def test_nodes_that_never_answered_are_not_asked_where_this_one_is() -> None:
    net = network(8)
    victim = net.nodes[VICTIM]
    before = victim.latest()
    assert before
    forged = forge(victim, 500, net.now)
    assert victim.latest() == before
    assert not forged & set(victim.latest())


def test_a_table_full_of_forged_nodes_hides_nobody() -> None:
    """They fill what is free of its rows. Then none of those that a query begins with answers."""
    net = network(8)
    victim = net.nodes[VICTIM]
    forged = forge(victim, 4000, net.now)
    assert sum(one.address in forged for one in victim.table) > 100
    queries: list[Query] = []
    for number in range(5):
        target = blake2b(bytes((number,)))
        victim.query(Command.LOOKUP, target, lambda query, now: queries.append(query), net.now)
        assert net.run(lambda number=number: len(queries) > number, seconds=120)
    assert min(one.answers for one in queries) >= 1
    assert sum(one.answers >= 5 for one in queries) == 5


def put(one: DhtNode, value: bytes, sender: Address, now: float) -> None:
    token = token_of(one, sender, now)
    request = DhtRequest(1, OWN, Command.IMMUTABLE_PUT, False, blake2b(value), value, token)
    assert ask(one, request, sender, now) is not None


def has(one: DhtNode, value: bytes, now: float) -> bool:
    reply = ask(one, DhtRequest(1, OWN, Command.IMMUTABLE_GET, target=blake2b(value)), Address("4.4.4.4", 4), now)
    return reply is not None and reply.value == value


def test_one_host_does_not_push_out_what_others_store() -> None:
    one, flood = node(), Address("6.6.6.6", 6)
    put(one, b"honest", ASKER, 0.0)
    put(one, b"honest", flood, 0.0)  # it may store what others have stored: that stays theirs
    now = 0.0
    for number in range(MAX_RECORDS + 10):
        now += 0.05  # as fast as it is answered
        put(one, b"%d" % number, flood, now)
    assert has(one, b"honest", now)
    assert has(one, b"%d" % (MAX_RECORDS + 9), now)
    assert not has(one, b"0", now)
    assert len(one.records._immutable) == MAX_RECORDS * SHARE_OF_HOST + 1


def announce(one: DhtNode, pair: KeyPair, target: bytes, sender: Address, now: float) -> None:
    token = token_of(one, sender, now)
    peer = FoundPeer(pair.public)
    signature = sign_announcement(pair, target, one.table.id, token, peer)
    value = Announcement(peer, signature=signature).encode()
    assert ask(one, DhtRequest(1, OWN, Command.ANNOUNCE, False, target, value, token), sender, now) is not None


def test_one_host_does_not_push_the_peers_of_others_out_of_a_topic() -> None:
    one, flood = node(), Address("6.6.6.6", 6)
    honest = KeyPair(bytes(32))
    announce(one, honest, TARGET, ASKER, 0.0)
    now = 0.0
    for number in range(MAX_ANNOUNCED_AT_ONE + 10):
        now += 0.05
        announce(one, KeyPair(number.to_bytes(32)), TARGET, flood, now)
    found = one.records._announced.of(TARGET, now)
    assert honest.public in {peer.key for peer in found}
    assert len(found) == MAX_ANNOUNCED_AT_ONE * SHARE_OF_HOST + 1


def test_the_books_of_what_hosts_have_are_right() -> None:
    kept: Kept[int, str] = Kept(16, 10.0)
    for number in range(40):
        kept.put(number, "", number / 10, f"host {number % 3}")
    assert sorted(key for own in kept._of_host.values() for key in own) == sorted(kept._values)
    assert {host: len(own) for host, own in kept._of_host.items()} == dict.fromkeys(("host 0", "host 1", "host 2"), 2)
    kept.drop(39)
    kept.put(38, "again", 4.0, "another")
    assert set(kept._of_host) == {"host 0", "host 1", "host 2"}
    kept.forget(100.0)
    assert not kept._of_host
