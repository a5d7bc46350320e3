"""Strangers who send handshakes and punches: what they can make a server hold, open and send."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest

from service.hypercore.crypto import KeyPair, blake2b
from service.hypercore.swarm import DHT
from service.hypercore.swarm.dht.address import Address
from service.hypercore.swarm.dht.messages import (
    HANDSHAKE_PROLOGUE,
    Command,
    Mode,
    NoisePayload,
    PeerError,
    PunchPayload,
    RelayedHandshake,
    RelayedPunch,
    UdxInfo,
)
from service.hypercore.swarm.dht.nat import Firewall
from service.hypercore.swarm.dht.punches import PUNCH
from service.hypercore.swarm.dht.requests import Datagram, Via
from service.hypercore.swarm.dht.rpc import DhtRequest, decode
from service.hypercore.swarm.reach.announcer import Announcer
from service.hypercore.swarm.reach.handshakes import (
    HANDSHAKE_SECONDS,
    KEPT_SECONDS,
    MAX_HANDSHAKES,
    MAX_OF_RELAY,
    MAX_OF_SOURCE,
    PATIENCE_SECONDS,
    Handshakes,
)
from service.hypercore.swarm.reach.puncher import MAX_ECHOES, MAX_TARGETS
from service.hypercore.swarm.reach.reasons import Reason
from service.hypercore.swarm.reach.seal import PunchSeal
from service.hypercore.swarm.reach.server_punch import MAX_MESSAGES
from service.hypercore.swarm.udx.endpoint import Streams, UdxSocket
from service.hypercore.wire.noise import Noise
from tests.support.npm_dht import ANY, network
from tests.swarm.nat_net import NatNet, Peer

SERVER = KeyPair(b"\x31" * 32)
TARGET = blake2b(SERVER.public)
TO = Address("44.10.1.2", 21_001)
HELLO = NoisePayload(udx=UdxInfo(7), secret_stream=True)


def shake(hello: NoisePayload = HELLO) -> tuple[Noise, bytes]:
    noise = Noise("IK", True, KeyPair.generate(), HANDSHAKE_PROLOGUE, SERVER.public)
    return noise, noise.write(hello.encode())


def hosts() -> Iterator[Address]:
    chance = random.Random(1)
    while True:
        yield Address(f"5.{chance.randrange(256)}.{chance.randrange(256)}.{chance.randrange(1, 255)}", 4000)


class Listening:
    """A server behind a NAT, and its nodes, which are not to be trusted."""

    def __init__(self, kind: str = "cons") -> None:
        self.net = NatNet()
        self.peer: Peer = self.net.peer(kind, 1)
        self.announcer: Announcer = self.peer.listen(SERVER)
        self.relays = [relay for relay, _ in self.announcer.relays]
        assert self.peer.handshakes is not None
        self.handshakes: Handshakes = self.peer.handshakes

    def hand(self, value: bytes, sender: Address, command: Command = Command.PEER_HANDSHAKE) -> list[Datagram]:
        """Hand a message to the server as if a node had passed it on. Return what is sent at once."""
        self.peer.node.out.clear()
        request = DhtRequest(1, TO, command, target=TARGET, value=value)
        assert self.peer.node.take(request.encode(), sender, Via.CLIENT, self.net.now)
        return list(self.peer.node.out)

    def begin(self, client: Address = TO, relay: int = 0) -> tuple[Noise, list[Datagram]]:
        noise, message = shake()
        return noise, self.hand(RelayedHandshake(Mode.FROM_RELAY, message, client).encode(), self.relays[relay])

    def answered(self, noise: Noise, sent: list[Datagram]) -> NoisePayload:
        (datagram,) = sent
        request = decode(datagram.data, TO)
        return NoisePayload.decode(noise.read(RelayedHandshake.decode(request.value or b"").noise))


def test_300_forged_handshakes_open_no_socket_and_hold_few_places() -> None:
    here = Listening()
    sources = hosts()
    for _ in range(300):
        here.begin(next(sources))
    assert len(here.handshakes) == MAX_OF_RELAY
    for relay in (1, 2):
        for _ in range(199):
            here.begin(next(sources), relay)
    assert len(here.handshakes) <= min(MAX_HANDSHAKES, 3 * MAX_OF_RELAY)
    assert here.net.sockets() == 0
    assert here.peer.node.punches.open == 0
    assert len(here.peer.waiting) == len(here.handshakes)
    here.net.run(seconds=HANDSHAKE_SECONDS + KEPT_SECONDS + 1)
    assert len(here.handshakes) == 0
    assert here.peer.waiting == {}
    assert here.peer.most_sockets == 2


def test_one_node_or_one_host_does_not_keep_others_away() -> None:
    here = Listening()
    sources = hosts()
    for _ in range(150):
        here.begin(next(sources))
    client = next(sources)
    for number in range(40):
        assert bool(here.begin(client, 1)[1]) == (number < MAX_OF_SOURCE)
    noise, sent = here.begin(next(sources), 1)
    assert here.answered(noise, sent).error == PeerError.NONE
    assert here.handshakes.refused == 150 - MAX_OF_RELAY + 40 - MAX_OF_SOURCE
    honest = here.net.peer("cons", 2)
    honest.dial(SERVER.public)
    assert here.net.run(lambda: honest.connected)


@pytest.mark.parametrize("relays", [1, 3])
def test_an_endless_flood_through_its_nodes_keeps_nobody_away(relays: int) -> None:
    """Forty forged handshakes a second through each: all places are taken, by clients who are not heard again."""
    here = Listening()
    sources = hosts()
    honest = here.net.peer("cons", 2)
    for tick in range(400):
        here.net.run(seconds=0.025)
        for relay in range(relays):
            here.begin(next(sources), relay)
        if tick == 200:
            assert here.handshakes.refused == 0
            honest.dial(SERVER.public)
    assert honest.connected
    assert honest.failures == []
    assert len(here.handshakes) <= MAX_HANDSHAKES
    assert here.handshakes._unheard.keys() <= here.handshakes._by_number.keys()
    here.net.run(seconds=HANDSHAKE_SECONDS + KEPT_SECONDS + 1)
    assert (len(here.handshakes), here.handshakes._unheard, here.peer.waiting) == (0, {}, {})


def test_who_was_heard_again_does_not_make_room() -> None:
    here = Listening()
    client = next(hosts())
    noise, sent = here.begin(client)
    here.answered(noise, sent)
    for _ in range(MAX_OF_SOURCE - 1):
        here.begin(client)
    said = PunchSeal(noise.hash).seal(PunchPayload(firewall=Firewall.CONSISTENT, addresses=(client,)))
    sealed = RelayedPunch(Mode.FROM_RELAY, 0, said, client)
    here.hand(sealed.encode(), here.relays[0], Command.PEER_HOLEPUNCH)
    here.net.run(seconds=2.0)
    for _ in range(MAX_OF_SOURCE + 5):
        here.begin(client)
    assert 0 in here.handshakes._by_number
    assert 1 not in here.handshakes._by_number
    assert not here.handshakes._by_number[0].over


@pytest.mark.parametrize("what", ["rubbish", "for another key", "cut short", "refused by the firewall"])
@pytest.mark.parametrize("full", ["of the node", "of the host", "of all"])
def test_what_is_not_a_handshake_for_this_key_ends_none(what: str, full: str) -> None:
    """All places are taken, by clients who may be ended: yet only by a handshake that takes the place."""
    here = Listening()
    sources = hosts()
    client = next(sources)
    count, relays = {
        "of the node": (MAX_OF_RELAY, 1),
        "of the host": (MAX_OF_SOURCE, 1),
        "of all": (MAX_HANDSHAKES, 3),
    }[full]
    for number in range(count):
        here.begin(client if full == "of the host" else next(sources), number % relays)
    here.net.run(seconds=2 * PATIENCE_SECONDS)
    before = dict(here.handshakes._unheard)
    assert before
    relay = here.relays[0]

    def message() -> bytes:
        if what == "for another key":
            other = KeyPair.generate().public
            return Noise("IK", True, KeyPair.generate(), HANDSHAKE_PROLOGUE, other).write(HELLO.encode())
        told = shake()[1]
        return {"rubbish": bytes(len(told)), "cut short": told[:-1]}.get(what, told)

    here.handshakes._firewall = lambda key: what == "refused by the firewall"
    for _ in range(40):
        assert here.hand(RelayedHandshake(Mode.FROM_RELAY, message(), client).encode(), relay) == []
    assert here.handshakes._unheard == before
    assert not any(served.over for served in before.values())
    here.handshakes._firewall = lambda key: False
    noise, sent = here.begin(client)
    assert here.answered(noise, sent).error == PeerError.NONE
    assert [number for number in before if number not in here.handshakes._unheard] == [min(before)]


async def test_300_forged_handshakes_open_no_socket_of_the_system() -> None:
    async with network(3) as nodes, DHT(ANY, [nodes[0].address]) as here, here.listen(SERVER) as server:
        to = here.address
        forger = UdxSocket("127.0.0.2", 0, Streams())
        for _ in range(300):
            value = RelayedHandshake(Mode.FROM_CLIENT, shake()[1]).encode()
            forger.send(DhtRequest(1, to, Command.PEER_HANDSHAKE, target=TARGET, value=value).encode(), to)
        forger.close()
        # what was sent before an honest client dials has been worked off when it has its connection
        connection = await nodes[1].connect(SERVER.public, pair=KeyPair.generate())
        assert len(here._sockets) == 2
        assert server.handshakes.refused > 100
        assert len(server.handshakes) == MAX_OF_SOURCE + 1
        assert len(here.streams) == MAX_OF_SOURCE + 1
        connection.close("enough")


def test_who_was_not_asked_to_passes_nothing_on() -> None:
    here = Listening()
    _, message = shake()
    for mode, peer, relay in ((Mode.FROM_RELAY, TO, None), (Mode.FROM_SECOND_RELAY, TO, Address("7.7.7.7", 7))):
        assert here.hand(RelayedHandshake(mode, message, peer, relay).encode(), Address("9.9.9.9", 9)) == []
    assert len(here.handshakes) == 0
    assert [
        one.to for one in here.hand(RelayedHandshake(Mode.FROM_CLIENT, message).encode(), Address("9.9.9.9", 9))
    ] == [Address("9.9.9.9", 9)]


def test_a_client_that_comes_directly_is_sent_nothing_but_the_answer() -> None:
    """Its address may be forged: the stream begins when its first packet has come."""
    here = Listening()
    here.hand(RelayedHandshake(Mode.FROM_CLIENT, shake()[1]).encode(), Address("9.9.9.9", 9))
    before = len(here.net.sent)
    here.net.run(seconds=30)
    assert not any(datagram.to.host == "9.9.9.9" for _, _, datagram in here.net.sent[before + 1 :])


def test_rubbish_is_not_answered() -> None:
    here = Listening()
    _, message = shake()
    relay = here.relays[0]
    for value in (
        b"", b"\xff",
        RelayedHandshake(Mode.FROM_RELAY, message[:-1], TO).encode(), RelayedHandshake(Mode.FROM_RELAY, b"", TO).encode(),
        RelayedHandshake(Mode.FROM_RELAY, message[:40], TO).encode(), RelayedHandshake(Mode.FROM_RELAY, message).encode(),
        RelayedHandshake(Mode.FROM_RELAY, bytes(len(message)), TO).encode(), RelayedHandshake(9, message, TO).encode(),
    ):  # fmt: skip
        assert here.hand(value, relay) == []
    assert len(here.handshakes) == 0


def test_the_same_handshake_gets_the_same_answer() -> None:
    here = Listening()
    noise, message = shake()
    value = RelayedHandshake(Mode.FROM_RELAY, message, TO).encode()
    first, again = (here.hand(value, here.relays[0]) for _ in range(2))
    assert first == again
    assert here.answered(noise, first).udx is not None
    assert len(here.handshakes) == 1


def test_hellos_of_other_versions_are_answered_so() -> None:
    here = Listening()
    for hello, error in ((replace(HELLO, udx=None), PeerError.ABORTED), (None, PeerError.VERSION_MISMATCH)):
        noise = Noise("IK", True, KeyPair.generate(), HANDSHAKE_PROLOGUE, SERVER.public)
        message = noise.write(b"\2" if hello is None else hello.encode())
        answer = here.answered(
            noise, here.hand(RelayedHandshake(Mode.FROM_RELAY, message, TO).encode(), here.relays[0])
        )
        assert answer.error == error
    assert here.peer.waiting == {}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (NoisePayload(error=PeerError.ABORTED), Reason.REFUSED),
        (NoisePayload(), Reason.REFUSED),
        (None, Reason.INCOMPATIBLE),
    ],
)
def test_a_client_says_why_a_server_is_no_use(answer: NoisePayload | None, reason: Reason) -> None:
    here = Listening()

    class Old:
        def encode(self) -> bytes:
            return b"\7" if answer is None else answer.encode()

    here.handshakes._payload = lambda served, error: Old()  # type: ignore[method-assign, assignment, return-value]
    client = here.net.peer("cons", 2)
    client.dial(SERVER.public)
    assert here.net.run(lambda: bool(client.failures))
    assert client.failures == [reason]


def test_nodes_that_pass_on_rubbish_do_not_end_a_dial() -> None:
    """The first node answers for the server, with what is none of its: others are asked."""
    here = Listening()
    client = here.net.peer("cons", 2)
    liar = next(iter(here.net.nodes.values()))

    def lie(request: DhtRequest, sender: Address, via: object, now: float) -> bool:
        if request.internal or request.command != Command.PEER_HANDSHAKE:
            return False
        liar.reply(request, sender, Via.SERVER, RelayedHandshake(Mode.REPLY, bytes(200), TO).encode())
        return True

    liar.on_request = lie
    client.dial(SERVER.public)
    assert here.net.run(lambda: client.connected)


def test_nodes_that_were_known_and_are_gone_do_not_hold_up_a_dial() -> None:
    here = Listening()
    client = here.net.peer("cons", 2)
    client.hub.remember(SERVER.public, tuple(Address("5.5.5.5", port) for port in (1, 2, 3)))
    begun = here.net.now
    client.dial(SERVER.public)
    assert here.net.run(lambda: client.connected)
    assert here.net.now - begun < 0.5
    again = here.net.peer("cons", 3)
    again.hub.remember(SERVER.public, client.hub.known(SERVER.public))
    assert client.hub.known(SERVER.public) == tuple(here.relays)
    find = Command.FIND_PEER
    # requests of a client have no id and no token: head of 10 bytes, then the command
    here.net.lose = lambda sent: sent.data[:1] == b"\x03" and not sent.data[1] & 7 and sent.data[10] == find
    again.dial(SERVER.public)
    assert here.net.run(lambda: again.connected, seconds=1)  # through them alone: nobody answers where the peer is


# ---- punches


def punching(here: Listening, said: PunchPayload, noise: Noise, number: int = 0, relay: int = 0) -> list[Datagram]:
    sealed = PunchSeal(noise.hash).seal(said)
    return here.hand(
        RelayedPunch(Mode.FROM_RELAY, number, sealed, TO).encode(), here.relays[relay], Command.PEER_HOLEPUNCH
    )


def said_by(noise: Noise, sent: list[Datagram]) -> list[PunchPayload]:
    seal = PunchSeal(noise.hash)
    told = [
        RelayedPunch.decode(decode(one.data, TO).value or b"") for one in sent if one.data[0] == 3 and one.data[1] & 16
    ]
    return [found for one in told if (found := seal.open(one.payload))]


def test_only_the_client_of_the_handshake_may_punch() -> None:
    here = Listening()
    noise, sent = here.begin()
    assert here.answered(noise, sent).punch is not None
    said = PunchPayload(firewall=Firewall.CONSISTENT, addresses=(TO,), remote_address=TO)
    for number, other in ((0, shake()[0]), (5, noise), (0xFFFF, noise)):
        if other is not noise:
            other.hash = bytes(64)
        assert punching(here, said, other, number) == []
    (answer,) = said_by(noise, punching(here, said, noise))
    assert (answer.error, answer.firewall) == (PeerError.NONE, Firewall.CONSISTENT)
    assert answer.token is not None
    for _ in range(2 * MAX_MESSAGES):
        sent = punching(here, said, noise)
    assert sent == []


def test_without_a_token_that_came_back_no_random_ports_are_punched() -> None:
    """Else a client could let the server send 1750 datagrams to a host that is not its own."""
    here = Listening()
    noise, sent = here.begin()
    here.answered(noise, sent)
    victim = Address("8.8.8.8", 0)
    said = PunchPayload(
        firewall=Firewall.RANDOM, round=1, punching=True, addresses=(victim,), token=bytes(32), remote_token=bytes(32)
    )
    (answer,) = said_by(noise, punching(here, said, noise))
    assert answer.error == PeerError.ABORTED
    here.net.run(seconds=60)
    assert not any(datagram.to.host == victim.host for _, _, datagram in here.net.sent)
    assert here.peer.hub.random_punches.begin(here.net.now)


def test_a_server_punches_few_addresses_of_the_internet() -> None:
    here = Listening()
    noise, sent = here.begin()
    here.answered(noise, sent)
    source = hosts()
    many = tuple(next(source) for _ in range(14))
    said = PunchPayload(
        firewall=Firewall.CONSISTENT,
        round=1,
        punching=True,
        addresses=(Address("10.0.0.1", 1), Address("127.0.0.1", 1), *many),
    )
    (answer,) = said_by(noise, punching(here, said, noise))
    assert answer.punching
    here.net.run(seconds=60)
    punched = Counter(datagram.to for _, _, datagram in here.net.sent if datagram.data == PUNCH)
    assert set(punched) == set(many[:MAX_TARGETS])
    assert max(punched.values()) <= 3  # each fourth of ten tries, as it is not sure whose they are


def test_two_servers_do_not_play_ping_pong() -> None:
    here = Listening()
    noise, sent = here.begin()
    here.answered(noise, sent)
    assert punching(here, PunchPayload(firewall=Firewall.CONSISTENT, addresses=(TO,)), noise)
    echoes = 0
    for _ in range(1000):
        here.peer.node.out.clear()
        here.peer.node.take(PUNCH, TO, Via.CLIENT, here.net.now)
        echoes += len(here.peer.node.out)
    assert echoes == MAX_ECHOES
    here.peer.node.out.clear()
    here.peer.node.take(PUNCH, Address("6.6.6.6", 6), Via.CLIENT, here.net.now)
    assert here.peer.node.out == []


def test_a_byte_of_somebody_else_connects_nobody() -> None:
    net = NatNet()
    there, here = net.peer("cons", 1), net.peer("pub", 2, check=False)
    there.listen(SERVER)
    here.dial(SERVER.public)
    assert net.run(lambda: here.node.punches.open > 0)
    number = max(port for port in here.node.punches._hearing if isinstance(port, int))
    here.node.take(PUNCH, Address("6.6.6.6", 6), number, net.now)
    assert not here.paths
    assert net.run(lambda: here.connected)
    assert all(path.remote.host == there.gateway.host for path in here.paths.values())
