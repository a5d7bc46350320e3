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
    assert ask(one, replace(put, value=announcement(pair, one, token, TARGET, bump=61_000))) is None
    assert ask(one, replace(put, value=announcement(pair, one, token, TARGET, bump=59_000))) is not None
    assert ask(one, replace(put, target=None)) is None


def test_an_announcement_is_renewed_by_what_its_hash_was_told_of() -> None:
    one, pair = node(), KeyPair(bytes(32))
    first = bytes(32)
    second = blake2b(first)
    token = token_of(one)
    value = announcement(pair, one, token, TARGET, refresh=blake2b(second))
    put = DhtRequest(1, OWN, Command.ANNOUNCE, target=TARGET, value=value, token=token)
    ask(one, put)
    for now, refresh in ((0.9 * PEER_SECONDS, second), (1.8 * PEER_SECONDS, first)):
        fresh = token_of(one, now=now)
        renew = replace(put, value=Announcement(refresh=refresh).encode(), token=fresh)
        assert ask(one, replace(renew, target=bytes(32)), now=now) is None or refresh is first
        ask(one, put, now=now)
    assert not len(one.records._announced) or one.records._announced.of(TARGET, 3 * PEER_SECONDS) == []


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
