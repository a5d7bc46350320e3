"""Handshakes and hole punches of npm's hyperdht 6.34.0: each is read with the keys that are known, and made again byte for byte."""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.hypercore.codec import CodecError
from service.hypercore.crypto import KeyPair
from service.hypercore.swarm.dht.address import Address
from service.hypercore.swarm.dht.messages import (
    HANDSHAKE_PROLOGUE,
    Command,
    Mode,
    NoisePayload,
    RelayedHandshake,
    RelayedPunch,
)
from service.hypercore.swarm.dht.punches import OPENER_TTL, PUNCH
from service.hypercore.swarm.dht.rpc import DhtReply, DhtRequest, decode
from service.hypercore.swarm.reach.seal import NONCE_BYTES, PunchSeal
from service.hypercore.wire.errors import ProtocolError
from service.hypercore.wire.noise import Noise
from service.hypercore.wire.secretstream import SecretStream, frame, stream_id

FOLDER = Path(__file__).parents[1] / "vectors" / "swarm"
HANDSHAKES = json.loads((FOLDER / "handshake.json").read_text())["rows"]
PUNCHES = json.loads(lzma.decompress((FOLDER / "punch.json.xz").read_bytes()))
SERVER, CLIENT = KeyPair(b"\x51" * 32), KeyPair(b"\x52" * 32)
SERVER_EPHEMERAL, CLIENT_EPHEMERAL = KeyPair(b"\xc0" * 32), KeyPair(b"\x80" * 32)


def raw(text: str) -> bytes:
    return bytes.fromhex(text)


def sides(row: dict[str, Any]) -> tuple[Noise, Noise]:
    client, server = KeyPair(raw(row["client"]["seed"])), KeyPair(raw(row["server"]["seed"]))
    ephemeral = [KeyPair(raw(row[side]["ephemeralSecret"])[:32]) for side in ("client", "server")]
    assert raw(row["prologue"]) == HANDSHAKE_PROLOGUE
    return (
        Noise("IK", True, client, HANDSHAKE_PROLOGUE, server.public, ephemeral[0]),
        Noise("IK", False, server, HANDSHAKE_PROLOGUE, None, ephemeral[1]),
    )


@pytest.mark.parametrize("row", HANDSHAKES, ids=["first", "second", "third"])
def test_handshakes(row: dict[str, Any]) -> None:
    client, server = sides(row)
    first, second = raw(row["payload1Bytes"]), raw(row["payload2Bytes"])
    assert NoisePayload.decode(first).encode() == first
    assert NoisePayload.decode(second).encode() == second
    assert client.write(first).hex() == row["message1"]
    assert server.read(raw(row["message1"])) == first
    assert server.write(second).hex() == row["message2"]
    forged = client.fork()
    with pytest.raises(ProtocolError):
        forged.read(raw(row["message2"])[:-1] + b"\0")
    assert client.read(raw(row["message2"])) == second
    assert client.hash.hex() == server.hash.hex() == row["hash"]
    assert (client.sending_key.hex(), client.receiving_key.hex()) == (row["clientTx"][:64], row["clientRx"][:64])
    assert (server.sending_key, server.receiving_key) == (client.receiving_key, client.sending_key)
    assert server.remote_static is not None
    assert server.remote_static.hex() == row["client"]["publicKey"]
    assert stream_id(client.hash, True).hex() == row["streamIdClient"]
    assert stream_id(client.hash, False).hex() == row["streamIdServer"]


@pytest.mark.parametrize("row", HANDSHAKES, ids=["first", "second", "third"])
def test_a_secret_stream_goes_on_where_a_handshake_ended(row: dict[str, Any]) -> None:
    client, server = sides(row)
    server.read(client.write(b""))
    client.read(server.write(b""))
    one, other = (SecretStream(noise.initiator, KeyPair.generate(), noise=noise) for noise in (client, server))
    first, second = one.start(), other.start()
    assert first[:35] == frame(stream_id(client.hash, True) + bytes(24))[:35]
    assert other.receive_bytes(first) == one.receive_bytes(second) == ([], b"")
    assert (one.opened, other.opened) == (True, True)
    assert one.receive_bytes(other.send(b"hello")) == ([b"hello"], b"")
    assert one.remote_key.hex() == row["server"]["publicKey"]
    assert other.remote_key.hex() == row["client"]["publicKey"]


@pytest.mark.parametrize("row", HANDSHAKES, ids=["first", "second", "third"])
def test_sealed_messages(row: dict[str, Any]) -> None:
    told = row["holepunch"]
    seal = PunchSeal(raw(row["hash"]), raw(told["localSecret"]))
    assert seal._key.hex() == row["holepunchSecret"]
    assert seal.token(told["tokenFor"]["host"]).hex() == told["token"]
    sealed = raw(told["encrypted"])
    said = seal.open(sealed)
    assert said is not None
    assert said.encode().hex() == told["payloadBytes"]
    assert seal.seal(said, sealed[:NONCE_BYTES]) == sealed
    for wrong in (sealed[:-1], sealed[:-1] + bytes([sealed[-1] ^ 1]), b"", sealed[:NONCE_BYTES], bytes(80)):
        assert seal.open(wrong) is None
    assert PunchSeal(bytes(64)).open(sealed) is None


# ---- whole punches, as they went over the wire


def address(text: str) -> Address:
    host, port = text.split(":")
    return Address(host, int(port))


def messages(name: str) -> Iterator[tuple[dict[str, Any], DhtRequest | DhtReply]]:
    for one in PUNCHES[name]["datagrams"]:
        data = raw(one["bytes"])
        if len(data) > 1 and data[0] != 0xFF:
            yield one, decode(data, address(one["from"]))


def handshake(name: str) -> tuple[Noise, Noise]:
    """The handshake of a capture, made again on both sides: both of its messages come out as they were."""
    client = Noise("IK", True, CLIENT, HANDSHAKE_PROLOGUE, SERVER.public, CLIENT_EPHEMERAL)
    server = Noise("IK", False, SERVER, HANDSHAKE_PROLOGUE, None, SERVER_EPHEMERAL)
    first = second = b""
    for _, message in messages(name):
        if isinstance(message, DhtRequest) and not message.internal and message.command == Command.PEER_HANDSHAKE:
            told = RelayedHandshake.decode(message.value or b"")
            assert told.encode() == message.value
            if told.mode in (Mode.FROM_CLIENT, Mode.FROM_RELAY):
                first = told.noise
            elif told.mode == Mode.FROM_SERVER:
                second = told.noise
    hello = server.read(first)
    assert client.write(NoisePayload.decode(hello).encode()) == first
    answer = client.read(second)
    assert server.write(NoisePayload.decode(answer).encode()) == second
    assert client.hash == server.hash
    assert NoisePayload.decode(answer).punch is not None
    return client, server


@pytest.mark.parametrize("name", PUNCHES)
def test_each_message_of_a_punch_is_read_and_made_again(name: str) -> None:
    seal = PunchSeal(handshake(name)[0].hash)
    seen: list[tuple[int, int, bool]] = []
    for _, message in messages(name):
        value = message.value
        if value is None:
            continue
        if isinstance(message, DhtReply):
            try:
                told = RelayedPunch.decode(value)
            except CodecError:
                continue
            if told.mode != Mode.REPLY or seal.open(told.payload) is None:
                continue
        elif message.internal or message.command != Command.PEER_HOLEPUNCH:
            continue
        told = RelayedPunch.decode(value)
        said = seal.open(told.payload)
        assert said is not None
        assert told.encode() == value
        assert seal.seal(said, told.payload[:NONCE_BYTES]) == told.payload
        seen.append((told.mode, said.round, said.punching))
    assert {mode for mode, _, _ in seen} == {Mode.FROM_CLIENT, Mode.FROM_SERVER, Mode.FROM_RELAY, Mode.REPLY}
    assert (Mode.FROM_CLIENT, 0, False) in seen
    if name != "cons_cons":  # there the answer to round 0 came with the hole
        assert any(punching and number >= 1 for _, number, punching in seen)


def test_openers_die_on_the_way_and_punches_do_not() -> None:
    for name, openers in (("cons_cons", True), ("cons_cons_slow", False), ("cons_rand", True)):
        bytes_of_one = [one["ttl"] for one in PUNCHES[name]["datagrams"] if len(raw(one["bytes"])) == 1]
        assert {one["bytes"] for one in PUNCHES[name]["datagrams"] if len(raw(one["bytes"])) == 1} == {PUNCH.hex()}
        assert any(ttl < 10 for ttl in bytes_of_one) == openers
        assert any(ttl > 60 for ttl in bytes_of_one)
        assert all(ttl < OPENER_TTL or ttl > 60 for ttl in bytes_of_one)  # a router has been passed where it was seen
