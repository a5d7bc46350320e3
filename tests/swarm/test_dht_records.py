"""What a node of the DHT keeps for others, and how much of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from service.hypercore.codec import Reader, encode_uint
from service.hypercore.crypto import KeyPair, blake2b
from service.hypercore.swarm.dht.address import Address
from service.hypercore.swarm.dht.limits import BURST, MAX_HOSTS, PER_SECOND, HostLimit
from service.hypercore.swarm.dht.messages import (
    Announcement,
    Command,
    FoundPeer,
    MutableRecord,
    PeerError,
    decode_peers,
    sign_announcement,
)
from service.hypercore.swarm.dht.node import DhtNode
from service.hypercore.swarm.dht.records import (
    MAX_ANNOUNCED_AT_ONE,
    PEER_SECONDS,
    RECORD_SECONDS,
    Announced,
    Kept,
)
from service.hypercore.swarm.dht.requests import Via
from service.hypercore.swarm.dht.rpc import DhtReply, DhtRequest, RpcFault
from tests.swarm.dht_one import ASKER, OWN, TARGET, ask, node, token_of


def announcement(
    pair: KeyPair, one: DhtNode, token: bytes, target: bytes, *, leaving: bool = False, **more: Any
) -> bytes:
    peer = FoundPeer(pair.public, (Address("1.2.3.4", 5), Address("1.2.3.4", 6), Address("1.2.3.4", 7), OWN))
    signature = sign_announcement(pair, target, one.table.id, token, peer, more.get("refresh", b""), leaving=leaving)
    return Announcement(peer, signature=signature, **more).encode()


def test_a_peer_that_announced_itself_is_found_until_it_leaves_or_is_silent() -> None:
    one, pair = node(), KeyPair(bytes(32))
    token = token_of(one)
    put = DhtRequest(1, OWN, Command.ANNOUNCE, target=TARGET, value=announcement(pair, one, token, TARGET), token=token)
    find = DhtRequest(2, OWN, Command.LOOKUP, target=TARGET)

    def found(now: float) -> list[bytes]:
        reply = ask(one, find, now=now)
        assert reply is not None
        return [] if reply.value is None else [peer.key for peer in decode_peers(reply.value)]

    reply = ask(one, put)
    assert (reply.error, reply.token, reply.closer) == (0, None, ()) if reply else False
    assert found(PEER_SECONDS - 1) == [pair.public]
    assert found(PEER_SECONDS) == []
    now = PEER_SECONDS + 1
    fresh = token_of(one, now=now)
    ask(one, replace(put, value=announcement(pair, one, fresh, TARGET), token=fresh), now=now)
    (peer,) = decode_peers((ask(one, find, now=now) or DhtReply(0, OWN)).value or b"")
    assert len(peer.relays) == 3
    away = replace(put, command=Command.UNANNOUNCE, token=fresh)
    ask(one, replace(away, value=announcement(pair, one, fresh, TARGET)), now=now)  # signed to come, not to go
    assert found(now) == [pair.public]
    ask(one, replace(away, value=announcement(pair, one, fresh, TARGET, leaving=True)), now=now)
    assert found(now) == []


def test_who_announces_its_own_key_is_reached_by_it() -> None:
    one, pair = node(), KeyPair(bytes(32))
    target = blake2b(pair.public)
    token = token_of(one)
    ask(one, DhtRequest(1, OWN, Command.ANNOUNCE, False, target, announcement(pair, one, token, target), token))
    assert one.records.route(target, 1.0) == ASKER
    reply = ask(one, DhtRequest(2, OWN, Command.FIND_PEER, target=target))
    assert reply is not None
    assert reply.value is not None
    assert FoundPeer.decode(Reader(reply.value)).key == pair.public


def test_an_announcement_is_refused_without_its_token_signature_or_time() -> None:
    one, pair = node(), KeyPair(bytes(32))
    token = token_of(one)
    good = announcement(pair, one, token, TARGET)
    put = DhtRequest(1, OWN, Command.ANNOUNCE, target=TARGET, value=good, token=token)
    stranger = Address("9.9.9.9", 1)
    bad = ask(one, put, stranger)
    assert bad is not None
    assert bad.error == RpcFault.INVALID_TOKEN
    assert bad.token is not None
    assert ask(one, replace(put, token=None)) is None
    assert ask(one, replace(put, target=bytes(32))) is None
    assert ask(one, replace(put, value=good[:-1])) is None
    assert ask(one, replace(put, value=b"")) is None
    assert ask(one, replace(put, target=None)) is None


def told(one: DhtNode, now: float, target: bytes = TARGET) -> tuple[list[bytes], int]:
    """The keys that a node tells of under a target, and the bump."""
    reply = ask(one, DhtRequest(2, OWN, Command.LOOKUP, target=target), now=now)
    assert reply is not None
    if reply.value is None:
        return [], 0
    reader = Reader(reply.value)
    keys = [FoundPeer.decode(reader).key for _ in range(reader.uint("count"))]
    return keys, reader.uint("bump")


def test_the_newest_bump_of_a_topic_is_told_unless_it_is_of_the_future() -> None:
    one, pair = node(), KeyPair(bytes(32))
    token = token_of(one)
    for bump, now_told in ((5, 5), (61_000, 5), (59_000, 59_000), (7, 59_000)):  # the clock stands at 0
        value = announcement(pair, one, token, TARGET, bump=bump)
        assert ask(one, DhtRequest(1, OWN, Command.ANNOUNCE, target=TARGET, value=value, token=token)) is not None
        assert told(one, 1.0) == ([pair.public], now_told)


class Renewing:
    """A peer that announced itself with the end of a chain of hashes, and what it shows of it."""

    def __init__(self, target: bytes = TARGET, pair: KeyPair | None = None) -> None:
        self.one, self.target, self.pair = node(), target, pair or KeyPair(bytes(32))
        self.chain = [bytes(32)]
        for _ in range(3):
            self.chain.append(blake2b(self.chain[-1]))
        self.announce()

    def announce(self, *, leaving: bool = False, now: float = 1.0) -> None:
        token = token_of(self.one, now=now)
        more = {} if leaving else {"refresh": self.chain[-1]}
        value = announcement(self.pair, self.one, token, self.target, leaving=leaving, **more)
        command = Command.UNANNOUNCE if leaving else Command.ANNOUNCE
        assert ask(self.one, DhtRequest(1, OWN, command, False, self.target, value, token), now=now) is not None

    def show(self, link: bytes, now: float, sender: Address = ASKER, target: bytes | None = None) -> bool:
        """Whether the node takes it."""
        token = token_of(self.one, sender, now=now)
        value = Announcement(refresh=link).encode()
        put = DhtRequest(1, OWN, Command.ANNOUNCE, False, target or self.target, value, token)
        return ask(self.one, put, sender, now=now) is not None


def test_an_announcement_is_renewed_by_what_its_hash_was_told_of() -> None:
    renewing = Renewing()
    key = [renewing.pair.public]
    assert not renewing.show(renewing.chain[1], 2.0)  # not before the one that it is the hash of
    assert not renewing.show(renewing.chain[2], 2.0, target=bytes(32))
    for number, link in enumerate(reversed(renewing.chain[:-1]), 1):
        assert renewing.show(link, number * 0.9 * PEER_SECONDS)
        assert not renewing.show(link, number * 0.9 * PEER_SECONDS)  # each once
    assert told(renewing.one, 3.6 * PEER_SECONDS)[0] == key
    assert told(renewing.one, 3.7 * PEER_SECONDS + 1)[0] == []


def test_what_others_show_brings_back_nobody_who_left() -> None:
    renewing = Renewing()
    renewing.announce(leaving=True)
    assert not renewing.show(renewing.chain[2], 2.0)
    assert told(renewing.one, 2.0)[0] == []


def test_what_others_show_leads_no_messages_to_them() -> None:
    pair = KeyPair(bytes(32))
    target = blake2b(pair.public)
    renewing = Renewing(target, pair)
    thief = Address("9.9.9.9", 1)
    assert not renewing.show(renewing.chain[2], 0.9 * PEER_SECONDS, thief)
    assert renewing.one.records.route(target, 0.9 * PEER_SECONDS) == ASKER
    assert renewing.show(renewing.chain[2], 0.9 * PEER_SECONDS)
    assert renewing.one.records.route(target, 1.8 * PEER_SECONDS) == ASKER
    assert renewing.one.records.route(target, 2.0 * PEER_SECONDS) is None


def test_mutable_records() -> None:
    one, pair = node(), KeyPair(bytes(32))
    target = blake2b(pair.public)
    token = token_of(one)

    def put(seq: int, value: bytes, record: MutableRecord | None = None) -> int | None:
        made = (record or MutableRecord.signed(pair, seq, value)).encode()
        reply = ask(one, DhtRequest(1, OWN, Command.MUTABLE_PUT, False, target, made, token))
        return None if reply is None else reply.error

    def get(seq: int) -> MutableRecord | None:
        reply = ask(one, DhtRequest(1, OWN, Command.MUTABLE_GET, False, target, encode_uint(seq)))
        assert reply is not None
        return None if reply.value is None else MutableRecord.decode_found(pair.public, reply.value)

    assert get(0) is None
    assert put(5, b"five") == 0
    assert put(5, b"five") == 0
    assert put(5, b"other") == PeerError.SEQ_REUSED
    assert put(4, b"four") == PeerError.SEQ_TOO_LOW
    assert put(6, b"", MutableRecord(pair.public, 6, b"forged", bytes(64))) is None
    assert put(6, bytes(1025)) is None
    assert put(300, b"more") == 0
    found = get(300)
    assert found is not None
    assert found.is_signed
    assert (found.seq, found.value) == (300, b"more")
    assert get(301) is None
    assert ask(one, DhtRequest(1, OWN, Command.MUTABLE_GET, False, target, b"\xfd")) is None


def test_immutable_records() -> None:
    one = node()
    value = b"value"
    target = blake2b(value)
    token = token_of(one)
    get = DhtRequest(1, OWN, Command.IMMUTABLE_GET, target=target)
    assert ask(one, DhtRequest(1, OWN, Command.IMMUTABLE_PUT, False, target, b"other", token)) is None
    assert ask(one, DhtRequest(1, OWN, Command.IMMUTABLE_PUT, False, target, value, token)) is not None
    assert (ask(one, get) or DhtReply(0, OWN)).value == value
    assert (ask(one, get, now=RECORD_SECONDS) or DhtReply(0, OWN)).value is None


def test_what_is_kept_is_bounded() -> None:
    kept: Kept[int, str] = Kept(3, 10.0)
    for number in range(5):
        kept.put(number, str(number), 0.0)
    assert [kept.get(number, 1.0) for number in range(5)] == [None, None, "2", "3", "4"]
    assert kept.get(4, 10.0) is None
    announced = Announced()
    for number in range(2 * MAX_ANNOUNCED_AT_ONE):
        announced.put(TARGET, FoundPeer(number.to_bytes(32, "big")), 0.0)
    announced.put(bytes(32), FoundPeer(bytes(32)), 1.0)
    assert len(announced) == MAX_ANNOUNCED_AT_ONE + 1
    assert len(announced.of(TARGET, 1.0)) == MAX_ANNOUNCED_AT_ONE
    assert announced.of(TARGET, PEER_SECONDS) == []
    assert set(announced._keys) == {bytes(32)}
    assert len(announced.of(bytes(32), PEER_SECONDS)) == 1


def test_a_lookup_names_at_most_20() -> None:
    one = node()
    for number in range(100):
        one.records._announced.put(TARGET, FoundPeer(number.to_bytes(32, "big")), 0.0)
    reply = ask(one, DhtRequest(1, OWN, Command.LOOKUP, target=TARGET))
    assert reply is not None
    assert reply.value is not None
    assert len(set(decode_peers(reply.value))) == 20


def test_a_flood_from_one_host_is_answered_within_limits() -> None:
    """Senders can be forged, so a node must not be an amplifier: replies to a lookup are larger than what asks for it."""
    one = node()
    request = DhtRequest(1, OWN, Command.LOOKUP, target=TARGET).encode()
    for number in range(10_000):
        one.take(request, Address("6.6.6.6", number + 1), Via.SERVER, number / 10_000)
    assert len(one.out) <= BURST + PER_SECOND
    assert one.refused == 10_000 - len(one.out)
    one.out.clear()
    assert ask(one, DhtRequest(1, OWN, Command.LOOKUP, target=TARGET), now=1.0) is not None
    limit = HostLimit()
    for number in range(2 * MAX_HOSTS):
        limit.allow(f"host {number}", 0.0)
    assert len(limit) == MAX_HOSTS
