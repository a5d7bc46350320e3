"""Pairs at a blind relay: who meets whom, what strangers can make it hold, and what goes from one to the other."""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

from service.hypercore.codec import CodecError
from service.hypercore.crypto import KeyPair
from service.hypercore.net import Channel, ChannelClosed
from service.hypercore.swarm import DHT, BlindRelay
from service.hypercore.swarm.dht.address import Address
from service.hypercore.swarm.reach.blind import PAIR, PROTOCOL, UNPAIR, PairMessage, decode_unpair, encode_unpair
from service.hypercore.swarm.reach.pairs import MAX_OF_HOST, MAX_OF_SESSION, MAX_WAITING, WAIT_SECONDS, Half, Pairs
from service.hypercore.swarm.reach.relay import IDLE_SECONDS, MAX_PAIRS_OF_ONE
from service.hypercore.swarm.udx.endpoint import Streams, UdxSocket
from service.hypercore.swarm.udx.packet import DATA, header, stream_of
from service.hypercore.swarm.udx.passing import MAX_PACKET, PassingStream, trains_of
from tests.support.npm_dht import ANY, MOST_SECONDS, network

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "swarm" / "blind_relay.json").read_text())
RELAY = KeyPair(b"\x44" * 32)


def token(number: int) -> bytes:
    return number.to_bytes(32, "big")


def test_messages_are_those_of_npm() -> None:
    assert VECTORS["protocol"] == PROTOCOL
    for one in VECTORS["pair"]:
        told = one["value"]
        message = PairMessage(told["isInitiator"], bytes.fromhex(told["token"]), told["id"])
        assert message.encode().hex() == one["bytes"]
        assert PairMessage.decode(bytes.fromhex(one["bytes"])) == message
    told = VECTORS["unpair"]
    assert encode_unpair(bytes.fromhex(told["value"]["token"])).hex() == told["bytes"]
    assert decode_unpair(bytes.fromhex(told["bytes"])).hex() == told["value"]["token"]
    for short in (b"", b"\1", b"\1" + bytes(31), b"\1" + bytes(32)):
        with pytest.raises(CodecError):
            PairMessage.decode(short)


# ---- who meets whom


def test_two_halves_are_a_pair() -> None:
    pairs = Pairs()
    first, again, second = (
        PairMessage(initiator, token(1), number) for number, initiator in enumerate((True, True, False))
    )
    assert pairs.add("a", first, 0.0, "5.5.5.5") is None
    assert pairs.add("c", again, 0.0, "5.5.5.5") is None  # there is one initiator: a third one takes nobody's place
    assert pairs.add("a", second, 1.0, "5.5.5.5") is None  # nor does anybody meet himself
    other = pairs.add("b", second, 1.0, "5.5.5.5")
    assert other is not None
    assert (other.session, other.said) == ("a", first)
    assert len(pairs) == 0


def test_halves_wait_a_while_and_go_with_their_peer() -> None:
    pairs = Pairs()
    pairs.add("a", PairMessage(True, token(1), 1), 0.0, "5.5.5.5")
    assert pairs.add("b", PairMessage(False, token(1), 2), WAIT_SECONDS, "5.5.5.5") is None
    pairs.leave("b")
    assert len(pairs) == 0
    pairs.add("a", PairMessage(True, token(2), 1), 0.0, "5.5.5.5")
    pairs.withdraw("b", token(2))
    assert len(pairs) == 1
    pairs.withdraw("a", token(2))
    assert len(pairs) == 0


def test_what_waits_is_bounded() -> None:
    pairs = Pairs()
    for number in range(5 * MAX_WAITING):
        pairs.add(number // 50, PairMessage(True, token(number), 1), 0.0, f"host {number // 50}")
        assert len(pairs) <= MAX_WAITING
    assert all(count <= MAX_OF_SESSION for count in pairs._of.values())
    assert sum(pairs._of.values()) == len(pairs)
    pairs.add("late", PairMessage(True, token(0), 1), WAIT_SECONDS, "5.5.5.5")
    assert len(pairs) == 1


@pytest.mark.parametrize("sessions", [1, MAX_WAITING])
def test_what_waits_of_one_host_pushes_out_its_own(sessions: int) -> None:
    """One peer's session has few, but a host may have any number of peers."""
    pairs = Pairs()
    honest = [Half(number, PairMessage(True, token(number), 1), 0.0, f"5.0.0.{number}") for number in range(20)]
    for half in honest:
        pairs.add(half.session, half.said, 0.0, half.host)
    for number in range(100, 100 + 3 * MAX_WAITING):
        pairs.add(("one", number % sessions), PairMessage(True, token(number), 1), 0.0, "6.6.6.6")
    assert len(pairs) == len(honest) + min(MAX_OF_SESSION * sessions, MAX_OF_HOST)
    for half in honest:
        found = pairs.add("other", PairMessage(False, half.said.token, 2), 0.0, "6.6.6.6")
        assert found is not None
        assert found.session == half.session
    newest = token(100 + 3 * MAX_WAITING - 1 if sessions > 1 else 100)
    assert pairs.add("other", PairMessage(False, newest, 2), 0.0, "6.6.6.6") is not None
    pairs.leave("other")
    for session in range(sessions):
        pairs.leave(("one", session))
    assert (len(pairs), pairs._of_host) == (0, {})


# ---- what is passed on


def test_packets_go_in_trains_of_one_size() -> None:
    sizes = [100, 100, 50, 100, 120, 120, 1]
    trains = trains_of([bytes(size) for size in sizes])
    assert [(train.size, train.count, len(train.data)) for train in trains] == [
        (100, 3, 250),
        (100, 1, 100),
        (120, 3, 241),
    ]
    assert [train.count for train in trains_of([b"x"] * 100)] == [44, 44, 12]
    assert trains_of([]) == []


async def test_packets_are_passed_on_from_the_right_address_alone() -> None:
    streams = Streams()
    relay = UdxSocket("127.0.0.1", 0, streams)
    came: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
    ends: dict[str, UdxSocket] = {}
    for name in ("one", "other", "stranger"):
        ends[name] = end = UdxSocket("127.0.0.1", 0, Streams())
        end.on_datagram = lambda data, sender, opened, name=name: came.put_nowait((name, data))  # type: ignore[misc]
    one = PassingStream(streams, 77, ends["one"].address, relay)
    other = PassingStream(streams, 88, ends["other"].address, relay)
    one.join(other)
    for sender in ("stranger", "other", "one"):
        ends[sender].send(header(DATA, one.local_id, 1, 2, 3) + sender.encode(), Address(*relay.address))
    ends["one"].send(header(DATA, one.local_id, 1, 2, 3) + bytes(MAX_PACKET), Address(*relay.address))
    ends["other"].send(header(DATA, other.local_id, 5, 6, 7) + b"back", Address(*relay.address))
    async with asyncio.timeout(MOST_SECONDS):
        found = dict([await came.get(), await came.get()])
    assert found == {"other": header(DATA, 88, 1, 2, 3) + b"one", "one": header(DATA, 77, 5, 6, 7) + b"back"}
    assert (one.packets, other.packets) == (1, 1)
    assert stream_of(found["other"]) == 88
    one.close()
    assert len(streams) == 0
    for end in (relay, *ends.values()):
        end.close()


async def test_a_relay_holds_only_so_much_for_one_peer() -> None:
    async with (
        network(3) as nodes, DHT(ANY, [nodes[0].address]) as dht, BlindRelay(dht, RELAY) as relay,
        DHT(ANY, [nodes[0].address]) as here, contextlib.AsyncExitStack() as stack,
    ):  # fmt: skip
        channels: list[Any] = []
        for _ in range(3):
            own = KeyPair.generate()
            connection = await here.connect(RELAY.public, pair=own)
            stack.callback(connection.close)
            channel = connection.open(PROTOCOL, own.public)
            await channel.opened()
            channels.append(channel)
        first, second, third = channels
        for number in range(3 * MAX_PAIRS_OF_ONE):
            await first.send(PAIR, PairMessage(True, token(number), number).encode())
        for number in range(MAX_PAIRS_OF_ONE):
            await second.send(PAIR, PairMessage(False, token(number), number).encode())
            async with asyncio.timeout(MOST_SECONDS):
                kind, body = await second.receive()
                assert kind == PAIR
                assert PairMessage.decode(body).token == token(number)
                assert PairMessage.decode((await first.receive())[1]).initiator
        assert relay.pairs == MAX_PAIRS_OF_ONE
        await first.send(UNPAIR, encode_unpair(token(0)))
        await first.send(PAIR, PairMessage(True, token(99), 1).encode())
        await third.send(PAIR, PairMessage(False, token(99), 2).encode())
        async with asyncio.timeout(MOST_SECONDS):
            assert PairMessage.decode((await third.receive())[1]).token == token(99)
        assert relay.pairs == MAX_PAIRS_OF_ONE
        first.close()
        await third.send(PAIR, b"rubbish")
        async with asyncio.timeout(MOST_SECONDS):
            with pytest.raises(ChannelClosed):
                await third.receive()
        assert relay.pairs == 0
        assert len(dht.streams) == 3  # the connections themselves


async def channels_of(stack: contextlib.AsyncExitStack, bootstrap: Address, host: str, count: int) -> list[Channel]:
    """The channels to the relay of some peers at one host."""
    node = await stack.enter_async_context(DHT(Address(host, 0), [bootstrap]))
    found = []
    for _ in range(count):
        own = KeyPair.generate()
        connection = await node.connect(RELAY.public, pair=own)
        stack.callback(connection.close)
        found.append(connection.open(PROTOCOL, own.public))
        await found[-1].opened()
    return found


@pytest.mark.parametrize("greedy", ["waits", "comes second", "has waited since it had little"])
async def test_a_relay_passes_on_only_so_much_for_one_host(greedy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With any number of keys a host takes its share and no more."""
    most = 4
    monkeypatch.setattr("service.hypercore.swarm.reach.relay.MAX_PAIRS_OF_HOST", most)
    handled: asyncio.Queue[None] = asyncio.Queue()
    async with (
        network(3) as nodes, DHT(ANY, [nodes[0].address]) as dht, BlindRelay(dht, RELAY) as relay,
        contextlib.AsyncExitStack() as stack,
    ):  # fmt: skip
        take = relay._pair

        async def taking(channel: Channel, said: PairMessage) -> None:
            await take(channel, said)
            handled.put_nowait(None)

        monkeypatch.setattr(relay, "_pair", taking)

        async def say(channel: Channel, initiator: bool, number: int) -> None:
            await channel.send(PAIR, PairMessage(initiator, token(number), 1).encode())
            async with asyncio.timeout(MOST_SECONDS):
                await handled.get()

        its, *ones = [
            await channels_of(stack, nodes[0].address, f"127.0.0.{host}", count)
            for host, count in ((2, 2 * most), (3, 1), (4, 1))
        ]
        others = [channel for (channel,) in ones]
        halves = [((its[number], True, number), (others[number % 2], False, number)) for number in range(2 * most)]
        if greedy == "has waited since it had little":
            order = [one for one, _ in halves] + [other for _, other in halves]
        else:
            order = [half for both in halves for half in (both if greedy == "waits" else reversed(both))]
        for half in order:
            await say(*half)
        assert relay.pairs == most
        await say(others[0], True, 99)
        await say(others[1], False, 99)
        assert relay.pairs == most + 1  # the others still have places
        its[0].close()
        async with asyncio.timeout(MOST_SECONDS):
            while PairMessage.decode((await its[1].receive())[1]).token != token(1):
                pass
        await say(others[0], True, 100)
        await say(its[1], False, 100)
        assert relay.pairs == most + 1  # that of the channel that was closed is another's
        for channel in (*its, *others):
            channel.close()


async def test_a_pair_that_is_silent_ends() -> None:
    async with (
        network(3) as nodes, DHT(ANY, [nodes[0].address]) as dht, BlindRelay(dht, RELAY) as relay,
        DHT(ANY, [nodes[0].address]) as here,
    ):  # fmt: skip
        channels = []
        for _ in range(2):
            own = KeyPair.generate()
            connection = await here.connect(RELAY.public, pair=own)
            channels.append(connection.open(PROTOCOL, own.public))
        for number in (1, 2):
            for channel, initiator in zip(channels, (True, False), strict=True):
                await channel.send(PAIR, PairMessage(initiator, token(number), 5).encode())
        async with asyncio.timeout(MOST_SECONDS):
            for channel in channels:
                for _ in (1, 2):
                    await channel.receive()
        assert relay.pairs == 2
        relay._sweep()
        assert relay.pairs == 2
        silent = [joined[token(1)] for joined in relay._joined.values()]
        half_silent = next(joined[token(2)] for joined in relay._joined.values())
        for stream in (*silent, half_silent):
            stream.heard_at -= 2 * IDLE_SECONDS
        relay._sweep()
        assert relay.pairs == 1
        assert len(dht.streams) == 2 + 2
        for channel in channels:
            channel.connection.close("enough")


async def test_who_gives_another_key_than_its_own_is_refused() -> None:
    async with (
        network(3) as nodes, DHT(ANY, [nodes[0].address]) as dht, BlindRelay(dht, RELAY),
        DHT(ANY, [nodes[0].address]) as here,
    ):  # fmt: skip
        connection = await here.connect(RELAY.public, pair=KeyPair.generate())
        with pytest.raises(ChannelClosed):
            await connection.open(PROTOCOL, RELAY.public).opened()
        connection.close("enough")
