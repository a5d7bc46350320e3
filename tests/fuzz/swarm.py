"""The decoders of what comes by UDP."""

from __future__ import annotations

import random

from nacl import bindings

from service.hypercore.codec import CodecError
from service.hypercore.crypto import KeyPair
from service.hypercore.swarm.dht.address import Address
from service.hypercore.swarm.dht.messages import (
    HANDSHAKE_PROLOGUE,
    Announcement,
    Command,
    FoundPeer,
    MutableRecord,
    NoisePayload,
    PunchInfo,
    PunchPayload,
    RelayedHandshake,
    RelayedPunch,
    RelayThrough,
    UdxInfo,
    decode_peers,
    encode_peers,
)
from service.hypercore.swarm.dht.node import DhtNode
from service.hypercore.swarm.dht.requests import Via
from service.hypercore.swarm.dht.rpc import DhtReply, DhtRequest, Internal, decode
from service.hypercore.swarm.reach.announcer import Announcer
from service.hypercore.swarm.reach.blind import PairMessage, decode_unpair, encode_unpair
from service.hypercore.swarm.reach.handshakes import Handshakes, OnHeard, OnPaired, OnSeen, OnUnpaired
from service.hypercore.swarm.reach.hub import FoundPath, Hub
from service.hypercore.swarm.reach.seal import PunchSeal
from service.hypercore.swarm.udx.packet import DATA, END, SACK, encode_ranges, header, is_udx
from service.hypercore.swarm.udx.stream import Stream
from service.hypercore.wire.noise import Noise

HERE, THERE = Address("44.10.0.1", 49_737), Address("44.10.0.2", 5_000)
KEY = bytes(32)
PAIR = KeyPair(KEY)


def udx(data: bytes) -> None:
    """Give a stream packets: the first byte of each piece is its length."""
    stream = Stream(1, 0.0)
    stream.connect(2)
    stream.write(bytes(5_000))
    now = 0.0
    while data:
        packet, data = data[1 : 1 + data[0]], data[1 + data[0] :]
        now += 0.01
        if is_udx(packet):
            stream.receive(memoryview(packet))
        stream.settle(now)
        stream.fire(now)
        stream.read()


def node(data: bytes) -> None:
    """Give a node of the DHT one datagram."""
    one = DhtNode([THERE], 0.0, random.Random(1), HERE)
    one.take(data, THERE, Via.SERVER, 0.0)
    one.fire(10.0)


def packets() -> bytes:
    """Return some packets, each with its length in front."""
    made = (
        header(DATA, 1, 1 << 22, 0, 2) + b"hello",
        header(SACK, 1, 1 << 22, 0, 1) + encode_ranges([(2, 3)]),
        header(END, 1, 1 << 22, 1, 3),
    )
    return b"".join(bytes((len(one),)) + one for one in made)


def datagrams() -> tuple[bytes, ...]:
    """Return requests of all kinds, and a reply."""
    peer = FoundPeer(KEY, (THERE,))
    announced = Announcement(peer, bytes(32), bytes(64), 5).encode()
    asked = (
        DhtRequest(1, HERE, Internal.FIND_NODE, True, KEY),
        DhtRequest(2, HERE, Internal.DOWN_HINT, True, value=bytes(6)),
        DhtRequest(3, HERE, Command.ANNOUNCE, False, KEY, announced, KEY),
        DhtRequest(4, HERE, Command.MUTABLE_GET, False, KEY, b"\1"),
    )
    reply = DhtReply(1, HERE, KEY, KEY, (THERE, HERE), 2, b"value")
    return (*(one.encode() for one in asked), reply.encode())


def payload() -> bytes:
    """Return a Noise payload with everything in it."""
    return NoisePayload(
        1, 0, 2, PunchInfo(3, ((HERE, THERE),)), (HERE,), (Address("::1", 5),), UdxInfo(7), True,
        RelayThrough(KEY, KEY), (THERE,),
    ).encode()  # fmt: skip


def record() -> bytes:
    """Return a mutable record."""
    return MutableRecord.signed(KeyPair(KEY), 5, b"value").encode()


def served(data: bytes) -> None:
    """Give a server a handshake or a hole punch, as a node passes it on: the first byte says which, and how far it is."""
    node = DhtNode([], 0.0, random.Random(1))
    handshakes = Handshakes(Hub(node), PAIR, Announcer(Hub(node), PAIR), NoStreams())
    noise = Noise("IK", True, PAIR, HANDSHAKE_PROLOGUE, PAIR.public)
    message = noise.write(payload())
    first = DhtRequest(1, HERE, Command.PEER_HANDSHAKE, False, KEY, RelayedHandshake(0, message).encode())
    handshakes.take(first, THERE, Via.CLIENT, 0.0)
    answer = RelayedHandshake.decode(decode(node.out[-1].data, THERE).value or b"")
    noise.read(answer.noise)
    kind, rest = data[:1], data[1:]
    if kind == b"p":  # what an honest client seals around it
        nonce = bytes(24)
        rest = RelayedPunch(
            2, 0, nonce + bytes(bindings.crypto_secretbox(rest, nonce, PunchSeal(noise.hash)._key)), THERE
        ).encode()
    command = Command.PEER_HANDSHAKE if kind == b"h" else Command.PEER_HOLEPUNCH
    handshakes.take(DhtRequest(2, HERE, command, False, KEY, rest), THERE, Via.CLIENT, 1.0)
    for second in range(2, 40):
        node.fire(float(second))
    assert node.punches.open <= 256
    assert len(node.out) < 400


class NoStreams:
    """Streams that never begin."""

    def open_stream(self, heard: OnHeard) -> int:
        """Return a number."""
        return 9

    def connect_stream(self, stream: int, path: FoundPath) -> None:
        """Do nothing."""

    def upgrade_stream(self, stream: int, path: FoundPath) -> None:
        """Do nothing."""

    def drop_stream(self, stream: int) -> None:
        """Do nothing."""

    def relay_stream(
        self, stream: int, through: RelayThrough, initiator: bool, seen: OnSeen, paired: OnPaired, refused: OnUnpaired
    ) -> bool:
        """Go to no relay."""
        return False


ERRORS = (CodecError,)
DECODERS = {
    "udx": (udx, (), (packets(),)),
    "dht node": (node, (), datagrams()),
    "dht message": (lambda data: decode(data, THERE), ERRORS, datagrams()),
    "announcement": (Announcement.decode, ERRORS, (Announcement(FoundPeer(KEY), bytes(32), bytes(64), 5).encode(),)),
    "found peers": (decode_peers, ERRORS, (encode_peers((FoundPeer(KEY, (HERE, THERE)),)),)),
    "mutable record": (MutableRecord.decode, ERRORS, (record(),)),
    "relayed handshake": (RelayedHandshake.decode, ERRORS, (RelayedHandshake(2, bytes(50), HERE, THERE).encode(),)),
    "relayed punch": (RelayedPunch.decode, ERRORS, (RelayedPunch(2, 3, bytes(50), HERE).encode(),)),
    "noise payload": (NoisePayload.decode, ERRORS, (payload(),)),
    "pair at a relay": (PairMessage.decode, ERRORS, (PairMessage(True, KEY, 7).encode(),)),
    "unpair at a relay": (decode_unpair, ERRORS, (encode_unpair(KEY),)),
    "server": (
        served, (),
        (
            b"h" + RelayedHandshake(0, bytes(200)).encode(), b"x" + RelayedPunch(2, 0, bytes(90), THERE).encode(),
            b"p" + PunchPayload(0, 2, 1, False, True, (THERE,), HERE, KEY, KEY).encode(),
        ),
    ),
    "punch payload": (
        PunchPayload.decode, ERRORS, (PunchPayload(0, 2, 1, True, True, (HERE,), THERE, KEY, KEY).encode(),),
    ),
}  # fmt: skip
