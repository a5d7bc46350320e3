"""Messages, signatures, tables and NAT rules of npm's dht-rpc 6.27.0 and hyperdht 6.34.0, byte for byte."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.hypercore.codec import CodecError
from service.hypercore.crypto import KeyPair, blake2b
from service.hypercore.swarm.dht.address import Address, is_bogon, node_id
from service.hypercore.swarm.dht.messages import (
    HANDSHAKE_PROLOGUE,
    HOLEPUNCH_NAME,
    Announcement,
    Command,
    FoundPeer,
    MutableRecord,
    NoisePayload,
    PeerError,
    PunchInfo,
    PunchPayload,
    RelayedHandshake,
    RelayedPunch,
    RelayThrough,
    UdxInfo,
    announced_by_peer,
    decode_peers,
    encode_peers,
    name_of,
    sign_announcement,
)
from service.hypercore.swarm.dht.nat import Firewall, NatSamples, OwnAddress
from service.hypercore.swarm.dht.rpc import DhtReply, DhtRequest, Internal, RpcFault, decode
from service.hypercore.swarm.dht.table import ROW_NODES, RoutingTable, shared_bits
from service.hypercore.swarm.dht.tokens import ROTATE_SECONDS, Tokens

FOLDER = Path(__file__).parents[1] / "vectors" / "swarm"
RPC, MESSAGES, SIGNATURES, NAT, TABLE = (
    json.loads((FOLDER / f"{name}.json").read_text())
    for name in ("dht_rpc", "hyperdht_messages", "signatures", "nat", "table")
)


def at(value: dict[str, Any]) -> Address:
    return Address(value["host"], value["port"])


def perhaps(value: dict[str, Any] | None) -> Address | None:
    return None if value is None else at(value)


def raw(value: str | None) -> bytes | None:
    return None if value is None else bytes.fromhex(value)


def many(values: list[dict[str, Any]] | None) -> tuple[Address, ...]:
    return tuple(at(one) for one in values or ())


# ---- dht-rpc


def test_ids_and_tokens() -> None:
    for one in RPC["ids"]:
        assert node_id(at(one)).hex() == one["id"]
    first, second = map(bytes.fromhex, RPC["secrets"])
    tokens = Tokens(0.0, first, second)
    for one in RPC["tokens"]:
        assert tokens.issue(one["host"], 0.0).hex() == one["tokens"][1]
        for token in one["tokens"]:
            assert tokens.good(bytes.fromhex(token), one["host"], 0.0)
            assert not tokens.good(bytes.fromhex(token), "9.9.9.9", 0.0)
    for number, pair in enumerate(RPC["rotations"], 1):
        tokens.issue("1.2.3.4", number * ROTATE_SECONDS)
        assert [one.hex() for one in tokens._secrets] == pair


def test_a_token_lasts_for_7_to_15_seconds() -> None:
    for issued in (0.0, 3.0, 7.49):
        tokens = Tokens(0.0)
        token = tokens.issue("1.2.3.4", issued)
        assert tokens.good(token, "1.2.3.4", issued + 7.5)
        assert not tokens.good(token, "1.2.3.4", issued + 15.1)
    slept = Tokens(0.0)
    token = slept.issue("1.2.3.4", 0.0)
    assert not slept.good(token, "1.2.3.4", 1e9)
    assert slept.good(slept.issue("1.2.3.4", 1e9), "1.2.3.4", 1e9 + 1)


@pytest.mark.parametrize("one", RPC["requests"], ids=lambda one: one["label"])
def test_requests(one: dict[str, Any]) -> None:
    own = bytes.fromhex(RPC["tableId"]) if one.get("ephemeral") is False and one.get("server") else None
    request = DhtRequest(
        one["tid"], at(one["to"]), one["command"], one.get("internal", False),
        raw(one.get("target")), raw(one.get("value")), raw(one.get("token")), own,
    )  # fmt: skip
    assert request.encode().hex() == one["bytes"]
    sender = at(RPC["ids"][1])
    assert node_id(sender).hex() == RPC["tableId"]
    assert decode(request.encode(), sender) == request


@pytest.mark.parametrize("one", RPC["replies"], ids=lambda one: one["label"])
def test_replies(one: dict[str, Any]) -> None:
    asked = decode(bytes.fromhex(one["request"]), at(one["from"]))
    assert isinstance(asked, DhtRequest)
    for sent in one["sent"]:
        data = bytes.fromhex(sent["bytes"])
        message = decode(data, at(RPC["ids"][1]))
        assert message.encode() == data
        assert message.to == at(sent)
        if isinstance(message, DhtReply):
            assert message.tid == asked.tid
            if message.token is not None:
                secrets = map(bytes.fromhex, RPC["secrets"])
                assert Tokens(0.0, *secrets).good(message.token, message.to.host, 0.0)


def test_an_id_that_is_not_its_sender_counts_as_absent() -> None:
    for one in RPC["idChecks"]:
        assert decode(bytes.fromhex(one["bytes"]), at(one["from"])).id is None
    assert (Internal.DELAYED_PING, RpcFault.INVALID_TOKEN) == (4, 2)


# ---- hyperdht


def test_names() -> None:
    for name, value in MESSAGES["namespaces"].items():
        if name != "PLUGIN":
            assert name_of(Command[name]).hex() == value
    assert HANDSHAKE_PROLOGUE.hex() == MESSAGES["namespaces"]["PEER_HANDSHAKE"]
    assert HOLEPUNCH_NAME.hex() == MESSAGES["namespaces"]["PEER_HOLEPUNCH"]
    assert {one.name: one.value for one in Firewall} == MESSAGES["firewall"]
    assert {one.name: one.value for one in PeerError} == MESSAGES["error"]
    assert {one.name: one.value for one in Command} == {k: v for k, v in MESSAGES["commands"].items() if k != "PLUGIN"}


def peer_of(value: dict[str, Any]) -> FoundPeer:
    return FoundPeer(bytes.fromhex(value["publicKey"]), many(value["relayAddresses"]))


def handshake_of(value: dict[str, Any]) -> RelayedHandshake:
    return RelayedHandshake(
        value["mode"], bytes.fromhex(value["noise"]), perhaps(value["peerAddress"]), perhaps(value["relayAddress"])
    )


def punch_of(value: dict[str, Any]) -> RelayedPunch:
    return RelayedPunch(value["mode"], value["id"], bytes.fromhex(value["payload"]), perhaps(value["peerAddress"]))


def payload_of(value: dict[str, Any]) -> NoisePayload:
    punch, udx, through = value["holepunch"], value["udx"], value["relayThrough"]
    pairs = tuple((at(one["relayAddress"]), at(one["peerAddress"])) for one in punch["relays"]) if punch else ()
    return NoisePayload(
        1, value["error"], value["firewall"], PunchInfo(punch["id"], pairs) if punch else None,
        many(value["addresses4"]), tuple(Address("2606:4700::1111", one["port"]) for one in value["addresses6"]),
        UdxInfo(udx["id"], udx["seq"], udx["reusableSocket"]) if udx else None, value["secretStream"] is not None,
        RelayThrough(bytes.fromhex(through["publicKey"]), bytes.fromhex(through["token"])) if through else None,
        many(value["relayAddresses"]),
    )  # fmt: skip


def inner_of(value: dict[str, Any]) -> PunchPayload:
    addresses = None if value["addresses"] is None else many(value["addresses"])
    return PunchPayload(
        value["error"], value["firewall"], value["round"], value["connected"], value["punching"], addresses,
        perhaps(value["remoteAddress"]), raw(value["token"]), raw(value["remoteToken"]),
    )  # fmt: skip


def announcement_of(value: dict[str, Any]) -> Announcement:
    peer = value["peer"]
    return Announcement(peer_of(peer) if peer else None, raw(value["refresh"]), raw(value["signature"]), value["bump"])


@dataclass(frozen=True)
class Kind:
    """How one kind of message is made of a vector's value, and read."""

    made: Any
    read: Any


KINDS = {
    "handshake": Kind(handshake_of, RelayedHandshake.decode),
    "holepunch": Kind(punch_of, RelayedPunch.decode),
    "noisePayload": Kind(payload_of, NoisePayload.decode),
    "holepunchPayload": Kind(inner_of, PunchPayload.decode),
    "announce": Kind(announcement_of, Announcement.decode),
}


@pytest.mark.parametrize("name", KINDS)
def test_messages(name: str) -> None:
    assert MESSAGES[name]
    for one in MESSAGES[name]:
        message = KINDS[name].made(one["value"])
        assert message.encode().hex() == one["bytes"]
        assert KINDS[name].read(bytes.fromhex(one["bytes"])) == message


def test_peers_that_were_found() -> None:
    for one in MESSAGES["peer"]:
        assert peer_of(one["value"]).encode().hex() == one["bytes"]
    for one in MESSAGES["lookupReply"]:
        peers = tuple(map(peer_of, one["value"]["peers"]))
        assert encode_peers(peers, one["value"]["bump"]).hex() == one["bytes"]
        assert decode_peers(bytes.fromhex(one["bytes"])) == peers


def test_mutable_records() -> None:
    for one in MESSAGES["mutablePutRequest"]:
        value = one["value"]
        record = MutableRecord(
            bytes.fromhex(value["publicKey"]), value["seq"], bytes.fromhex(value["value"]),
            bytes.fromhex(value["signature"]),
        )  # fmt: skip
        assert record.encode().hex() == one["bytes"]
        assert MutableRecord.decode(record.encode()) == record
        assert not record.is_signed
    for one in MESSAGES["mutableGetResponse"]:
        found = MutableRecord.decode_found(bytes(32), bytes.fromhex(one["bytes"]))
        assert found.encode_found().hex() == one["bytes"]
    pair = KeyPair(bytes.fromhex(SIGNATURES["seed"]))
    for one in SIGNATURES["mutable"]:
        record = MutableRecord.signed(pair, one["seq"], bytes.fromhex(one["value"]))
        assert record.signature.hex() == one["signature"]
        assert record.is_signed


def test_announcements_are_signed_for_one_node_and_one_token() -> None:
    pair = KeyPair(bytes.fromhex(SIGNATURES["seed"]))
    assert pair.public.hex() == SIGNATURES["publicKey"]
    assert blake2b(pair.public).hex() == SIGNATURES["selfTarget"]
    target, node, token = (bytes.fromhex(SIGNATURES[name]) for name in ("target", "nodeId", "token"))
    for one in SIGNATURES["rows"]:
        peer, refresh, leaving = peer_of(one["peer"]), raw(one["refresh"]), one["kind"] == "unannounce"
        signature = sign_announcement(pair, target, node, token, peer, refresh or b"", leaving=leaving)
        assert signature.hex() == one["signature"]
        told = Announcement(peer, refresh, signature)
        assert announced_by_peer(told, target, node, token, leaving=leaving)
        assert not announced_by_peer(told, target, node, token, leaving=not leaving)
        assert not announced_by_peer(told, target, token, node, leaving=leaving)
        assert not announced_by_peer(Announcement(peer, refresh), target, node, token, leaving=leaving)


# ---- the table


@dataclass(frozen=True)
class Known:
    """A node of the table."""

    id: bytes
    number: int


def test_the_table_holds_and_finds_what_npms_does() -> None:
    table: RoutingTable[Known] = RoutingTable(bytes.fromhex(TABLE["id"]))
    for number, one in enumerate(TABLE["nodes"]):
        assert table.add(Known(bytes.fromhex(one["id"]), number)) == one["added"]
    assert len(table) == len(TABLE["all"]) == len(list(table))
    for one in TABLE["closest"]:
        target = bytes.fromhex(one["target"])
        assert [node.number for node in table.closest(target)] == one["closest"]
        assert [node.number for node in table.closest(target, 5)] == one["k5"]


def test_nodes_come_and_go() -> None:
    own = bytes(32)
    table: RoutingTable[Known] = RoutingTable(own)
    assert not table.add(Known(own, 0))
    assert table.closest(own) == []
    far = [Known(b"\x80" + bytes(30) + bytes((i,)), i) for i in range(ROW_NODES + 1)]
    assert [table.add(one) for one in far] == [True] * ROW_NODES + [False]
    again = Known(far[3].id, 99)
    assert table.add(again)
    assert table.get(far[3].id) is again
    assert table.remove(far[3].id)
    assert not table.remove(far[3].id)
    assert table.get(far[3].id) is None
    assert len(table) == ROW_NODES - 1
    assert shared_bits(own, far[0].id) == 0
    assert shared_bits(own, own) == 256


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=60, unique=True), st.binary(min_size=32, max_size=32))
def test_what_is_closest_comes_first_by_rows(ids: list[bytes], target: bytes) -> None:
    table: RoutingTable[Known] = RoutingTable(bytes(32))
    kept = [one for number, one in enumerate(ids) if table.add(Known(one, number))]
    assert {one.id for one in table.closest(target, 1000)} == set(kept)
    assert len(table.closest(target, 7)) == min(7, len(kept))


# ---- NATs


def test_what_nodes_say_of_a_socket() -> None:
    for row in NAT["rows"][:-1]:
        samples, own = NatSamples(), OwnAddress()
        for number, step in enumerate(row["steps"]):
            own.add(at(step))
            for _ in range(2):  # a node counts once
                samples.add(at(step), Address("44.10.0.1", 1 + number))
            assert samples.firewall == step["firewall"], (row["label"], number)
            addresses = step["addresses"] or []
            assert set(samples.addresses) == {at(one) for one in addresses}
            assert (own.host, own.port) == (step["sampler"]["host"], step["sampler"]["port"])
            assert len(own) == number + 1


def test_old_samples_give_way() -> None:
    row = NAT["rows"][-1]
    own = OwnAddress()
    for step in row["steps"]:
        own.add(Address("9.9.9.9", step["port"]))
        assert (own.host, own.port) == (step["sampler"]["host"], step["sampler"]["port"])


# ---- strangers


@pytest.mark.parametrize(
    "read",
    [kind.read for kind in KINDS.values()]
    + [decode_peers, MutableRecord.decode, lambda data: decode(data, Address("1.2.3.4", 5))],
)
@given(data=st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(read: Any, data: bytes) -> None:
    with contextlib.suppress(CodecError):
        read(data)


@given(st.binary(max_size=300))
def test_any_bytes_after_a_sound_head(data: bytes) -> None:
    for kind in (0x03, 0x13):
        try:
            message = decode(bytes((kind,)) + data, Address("1.2.3.4", 5))
        except CodecError:
            continue
        assert decode(message.encode(), Address("1.2.3.4", 5)) == message


def test_hosts_that_nobody_can_reach() -> None:
    unreachable = ("0.1.2.3", "10.0.0.1", "100.64.0.1", "127.0.0.1", "169.254.1.1", "172.31.0.1", "192.168.1.1")
    assert all(map(is_bogon, (*unreachable, "192.0.2.1", "198.19.0.1", "198.51.100.1", "203.0.113.9", "255.1.1.1")))
    assert not any(map(is_bogon, ("44.10.0.1", "100.128.0.1", "172.32.0.1", "9.9.9.9", "198.20.0.1")))
    assert str(Address("::1", 5)) == "[::1]:5"
    assert str(Address("1.2.3.4", 5)) == "1.2.3.4:5"
