"""How many requests of one host are answered, and what a server that many dial may say through the nodes that pass them on."""

from __future__ import annotations

import itertools
import random

from service.hypercore.crypto import KeyPair, blake2b
from service.hypercore.swarm.dht.address import Address
from service.hypercore.swarm.dht.limits import BURST, PASSED_BURST, PASSED_PER_SECOND, PER_SECOND
from service.hypercore.swarm.dht.messages import (
    Announcement,
    Command,
    FoundPeer,
    Mode,
    RelayedHandshake,
    RelayedPunch,
    sign_announcement,
)
from service.hypercore.swarm.dht.node import DhtNode
from service.hypercore.swarm.dht.relays import MAX_AWAITED
from service.hypercore.swarm.dht.requests import Datagram, Via
from service.hypercore.swarm.dht.rpc import DhtRequest, Internal
from tests.swarm.dht_one import ASKER, OWN, ask, node, token_of
from tests.swarm.nat_net import NatNet
from tests.swarm.test_reach_hostile import Listening, hosts

PAIR = KeyPair(b"\x51" * 32)
TARGET = blake2b(PAIR.public)
SERVER = Address("44.10.0.9", 21_000)


def relay() -> DhtNode:
    """A node at which a server has announced itself."""
    one = node()
    token = token_of(one, SERVER)
    peer = FoundPeer(PAIR.public)
    signature = sign_announcement(PAIR, TARGET, one.table.id, token, peer)
    value = Announcement(peer, signature=signature).encode()
    assert ask(one, DhtRequest(2, OWN, Command.ANNOUNCE, target=TARGET, value=value, token=token), SERVER) is not None
    return one


def said(
    one: DhtNode, value: bytes, sender: Address, tid: int, command: int = Command.PEER_HANDSHAKE
) -> list[Datagram]:
    one.out.clear()
    assert one.take(DhtRequest(tid, OWN, command, target=TARGET, value=value).encode(), sender, Via.SERVER, 0.0)
    return list(one.out)


def test_a_server_answers_all_whose_handshakes_were_passed_on_to_it() -> None:
    one = relay()
    for number, client in zip(range(1000), hosts(), strict=False):
        passed = said(one, RelayedHandshake(Mode.FROM_CLIENT, b"hello").encode(), client, number)
        assert [datagram.to for datagram in passed] == [SERVER]
        puncher = Address(SERVER.host, SERVER.port + number % 3)  # npm's servers answer from the socket that punches
        answered = said(one, RelayedHandshake(Mode.FROM_SERVER, b"welcome", client).encode(), puncher, number)
        assert [datagram.to for datagram in answered] == [client]
    assert one.refused == 0


def test_a_server_answers_all_whose_punches_were_passed_on_to_it() -> None:
    one, command = relay(), Command.PEER_HOLEPUNCH
    for number, client in zip(range(1000), hosts(), strict=False):
        said(one, RelayedPunch(Mode.FROM_CLIENT, 7, b"sealed", SERVER).encode(), client, number, command)
        answered = said(one, RelayedPunch(Mode.FROM_SERVER, 0, b"sealed", client).encode(), SERVER, number, command)
        assert [datagram.to for datagram in answered] == [client]
    assert one.refused == 0


def test_what_nobody_asked_a_server_for_counts_for_its_host() -> None:
    """One answer is free for each message: to whom it was from, under its number, and by nobody but the server's host."""
    for other_tid, other_client, other_server in itertools.product((False, True), repeat=3):
        one, told = relay(), 0
        level = BURST - 2  # it has announced itself
        sources = hosts()
        for number in range(220):
            client = next(sources)
            said(one, RelayedHandshake(Mode.FROM_CLIENT, b"hello").encode(), client, number)
            to = next(sources) if other_client else client
            tid = number + 1000 * other_tid
            server = Address("44.10.0.8", 1) if other_server else SERVER
            for _ in range(2):
                told += len(said(one, RelayedHandshake(Mode.FROM_SERVER, b"welcome", to).encode(), server, tid))
        free = 0 if other_tid or other_client or other_server else 220
        assert told == free + (BURST if other_server else level)
    ping = DhtRequest(1, OWN, Internal.PING, True, value=RelayedHandshake(Mode.FROM_SERVER, b"", ASKER).encode())
    one = relay()
    answered = sum(ask(one, ping, SERVER) is not None for _ in range(220))
    assert answered == BURST - 2


def test_answers_that_never_come_are_forgotten() -> None:
    one = relay()
    for number, client in zip(range(MAX_AWAITED + 9), hosts(), strict=False):
        said(one, RelayedHandshake(Mode.FROM_CLIENT, b"hello").encode(), client, number % 65_536)
    assert len(one._relays._awaited) == MAX_AWAITED


def test_nodes_of_a_server_pass_on_more_than_others_may_ask() -> None:
    """Yet not without end: each forged handshake takes some time of the processor."""
    here, sources = Listening(), hosts()
    node = here.peer.node
    before = node.refused
    for _ in range(1000):
        value = RelayedHandshake(Mode.FROM_RELAY, b"rubbish", next(sources)).encode()
        here.hand(value, here.relays[0])
    assert node.refused - before == 1000 - PASSED_BURST
    for _ in range(1000):  # no node of the server's
        here.hand(RelayedHandshake(Mode.FROM_RELAY, b"rubbish", next(sources)).encode(), Address("44.99.0.1", 1))
    assert node.refused - before == 2000 - PASSED_BURST - BURST
    assert PASSED_PER_SECOND > PER_SECOND


def test_a_crowd_reaches_a_server_by_its_only_node() -> None:
    """Four hundred dials a second go through one node, which answers fifty requests a second of one host."""
    net = NatNet(nodes=1)
    server = net.peer("pub", 1)
    server.listen(PAIR)
    crowd = [net.peer("cons", number) for number in range(2, 10)]
    chance = random.Random(1)
    for _ in range(700):
        chance.choice(crowd).dial(PAIR.public)
        net.run(seconds=0.0025)
    net.run(seconds=6.0)
    assert [reason for peer in crowd for reason in peer.failures] == []
    assert sum(len(peer.kinds) for peer in crowd) == 700
