"""A swarm of tasks over a scripted network, under a virtual clock: who meets whom, what is undone, and what is tried again."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest

from service.hypercore.swarm import Swarm
from service.hypercore.swarm.peers import Link
from service.hypercore.swarm.policy import SwarmLimits

from .scripted_net import ScriptedDht, pairs, scripted, until

TOPIC, OTHER = bytes([7]) * 32, bytes([8]) * 32


def dht_of(swarm: Swarm) -> ScriptedDht:
    found: Any = swarm.dht
    return found


def met(one: Swarm, other: Swarm) -> bool:
    return one.connection(other.pair.public) is not None


async def test_all_under_a_topic_meet_once() -> None:
    async with scripted() as net:
        swarms = [await net.swarm(number) for number in range(1, 6)]
        sessions = [swarm.join(TOPIC) for swarm in swarms]
        assert all([await session.flushed() for session in sessions])
        await sessions[0].refresh()
        await until(lambda: all(met(one, other) for one, other in pairs(swarms)), 5)
        await asyncio.sleep(60)
        assert all(met(one, other) for one, other in pairs(swarms)), "and stay"
        assert [len(swarm.connections) for swarm in swarms] == [4] * 5
        info = swarms[0].peer(swarms[1].pair.public)
        assert info is not None
        assert info.link in (Link.CLIENT, Link.SERVER)


async def test_servers_and_clients_meet_and_no_others() -> None:
    async with scripted() as net:
        servers = [await net.swarm(number) for number in (1, 2)]
        clients = [await net.swarm(number) for number in (3, 4)]
        for swarm in servers:
            await swarm.join(TOPIC, client=False).flushed()
        for swarm in clients:
            swarm.join(TOPIC, server=False)
            assert await swarm.flush()
        for swarm in clients:
            assert {one.remote_key for one in swarm.connections} == {one.pair.public for one in servers}
            assert all(one.initiator for one in swarm.connections)
        assert not any(dht_of(swarm).times("announce") for swarm in clients)
        assert not any(dht_of(swarm).times("lookup") for swarm in servers)


async def test_new_connections_come_by_iterator_and_by_call() -> None:
    async with scripted() as net:
        called: list[Any] = []
        server = await net.swarm(1, on_connection=called.append)
        await server.join(TOPIC, client=False).flushed()
        client = await net.swarm(2)
        client.join(TOPIC, server=False)
        async for connection in client:
            assert connection.remote_key == server.pair.public
            break
        async for connection in server:
            assert connection.remote_key == client.pair.public
            break
        assert called == list(server.connections)
        waiting = asyncio.ensure_future(anext(aiter(client), None))
        await asyncio.sleep(1)
        await client.close()
        assert await waiting is None, "the end of the swarm is the end of the iterator"


async def test_a_connection_that_ended_before_it_was_given_is_not_given() -> None:
    async with scripted() as net:
        server, client = await net.swarm(1), await net.swarm(2)
        await server.join(TOPIC, client=False).flushed()
        client.join(TOPIC, server=False)
        await until(lambda: met(client, server))
        (first,) = client.connections
        first.close()
        await until(lambda: first.is_closed)
        async for connection in client:
            assert connection is not first
            break


async def test_flush_waits_for_whom_it_found_also_if_he_does_not_answer() -> None:
    async with scripted() as net:
        swarm = await net.swarm(1)
        net.records[TOPIC] = {bytes([number]) * 32: None for number in range(50, 57)}
        net.dial_seconds = 10.0
        swarm.join(TOPIC, server=False)
        assert await swarm.flush()
        dialled = {what for _, what in dht_of(swarm).done if what.startswith("dial")}
        assert dialled == {f"dial {number}" for number in range(50, 57)}
        assert asyncio.get_running_loop().time() < 4 * 7 * 10 / 3


async def test_flush_does_not_wait_when_there_are_connections_enough() -> None:
    async with scripted() as net:
        swarms = [await net.swarm(number) for number in range(1, 5)]
        for swarm in swarms:
            await swarm.join(TOPIC, client=False).flushed()
        client = await net.swarm(9, limits=SwarmLimits(peers=2))
        client.join(TOPIC, server=False)
        assert await client.flush()
        assert len(client.connections) == 2


async def test_a_flush_ends_with_the_swarm() -> None:
    async with scripted() as net:
        swarm = await net.swarm(1)
        net.records[TOPIC] = {bytes([50]) * 32: None}
        net.dial_seconds = 10.0
        swarm.join(TOPIC, server=False)
        flushing = asyncio.ensure_future(swarm.flush())
        await asyncio.sleep(1)
        await swarm.close()
        assert await flushing is False
        assert await swarm.flush() is False


async def test_leaving_withdraws_and_keeps_the_connections() -> None:
    async with scripted() as net:
        one, other = await net.swarm(1), await net.swarm(2)
        await one.join(TOPIC).flushed()
        other.join(TOPIC)
        await other.flush()
        await one.leave(TOPIC)
        assert one.pair.public not in net.records[TOPIC]
        assert other.pair.public in net.records[TOPIC]
        assert met(one, other)
        await asyncio.sleep(3600)
        assert len(dht_of(one).times("announce")) == 1, "what was left is announced no more"
        assert len(dht_of(other).times("announce")) in (5, 6, 7)


async def test_a_topic_is_left_with_its_last_session() -> None:
    async with scripted() as net:
        swarm = await net.swarm(1)
        first, second = swarm.join(TOPIC), swarm.join(TOPIC, client=False)
        await second.flushed()
        await first.leave()
        assert not dht_of(swarm).times("unannounce")
        async with second:
            pass
        assert len(dht_of(swarm).times("unannounce")) == 1
        assert second.is_left
        with pytest.raises(ValueError, match="the topic was left"):
            await second.refresh()
        await second.leave()


async def test_a_server_that_becomes_a_client_is_found_no_longer() -> None:
    async with scripted() as net:
        swarm = await net.swarm(1)
        session = swarm.join(TOPIC)
        await session.flushed()
        assert await session.refresh(server=False)
        assert net.records[TOPIC] == {}
        assert await session.refresh(server=True)
        assert list(net.records[TOPIC]) == [swarm.pair.public]
        with pytest.raises(ValueError, match="neither server nor client"):
            await session.refresh(server=False, client=False)


async def test_a_change_of_mind_while_it_is_announced_counts() -> None:
    async with scripted() as net:
        swarm = await net.swarm(1)
        session = swarm.join(TOPIC)
        await asyncio.sleep(0.25)  # it listens, and is being announced
        assert dht_of(swarm).times("announce")
        assert await session.refresh(server=False)
        await asyncio.sleep(10)
        assert dht_of(swarm).times("unannounce")
        assert not net.records.get(TOPIC)
        other = await net.swarm(2)
        await other.join(TOPIC).flushed()
        lookups = len(dht_of(swarm).times("lookup"))
        swarm.join(TOPIC, server=False)
        await asyncio.sleep(1)
        assert len(dht_of(swarm).times("lookup")) == lookups + 1, "a new session looks at once"


async def test_who_joins_again_while_leaving_is_found_in_the_end() -> None:
    async with scripted() as net:
        swarm = await net.swarm(1)
        await swarm.join(TOPIC).flushed()
        net.leave_seconds = 5.0
        leaving = asyncio.ensure_future(swarm.leave(TOPIC))
        await asyncio.sleep(0)
        again = swarm.join(TOPIC)
        assert await again.flushed()
        await leaving
        await asyncio.sleep(10)
        assert list(net.records[TOPIC]) == [swarm.pair.public]


async def test_it_announces_again_each_ten_to_twelve_minutes() -> None:
    async with scripted() as net:
        swarm = await net.swarm(1)
        swarm.join(TOPIC)
        await asyncio.sleep(6 * 3600)
        times = dht_of(swarm).times("announce")
        gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
        assert len(gaps) > 25
        assert all(600 <= gap <= 721 for gap in gaps)
        assert len({round(gap) for gap in gaps}) > 5, "not all machines at once"


async def test_a_peer_by_its_key_is_connected_whenever_it_comes() -> None:
    async with scripted() as net:
        client, server = await net.swarm(1), await net.swarm(2)
        client.join_peer(server.pair.public)
        await asyncio.sleep(100)
        assert not client.connections
        await server.listen()
        await until(lambda: met(client, server), 1000)
        (connection,) = client.connections
        await asyncio.sleep(20)
        connection.close("cut")
        await until(lambda: connection.is_closed)
        await until(lambda: met(client, server), 3)
        client.leave_peer(server.pair.public)
        next(iter(client.connections)).close("cut")
        await asyncio.sleep(3600)
        assert not client.connections


async def test_a_lost_server_is_dialled_again() -> None:
    async with scripted() as net:
        server, client = await net.swarm(1), await net.swarm(2)
        await server.join(TOPIC, client=False).flushed()
        client.join(TOPIC, server=False)
        await client.flush()
        await asyncio.sleep(30)
        (lost,) = client.connections
        lost.close("cut")
        await until(lambda: lost.is_closed)
        assert not met(client, server)
        await until(lambda: met(client, server), 3)


async def test_both_dial_at_once_and_keep_one() -> None:
    for moved in (False, True):
        async with scripted() as net:
            net.moved = moved
            one, other = await net.swarm(1), await net.swarm(2)
            for swarm in (one, other):
                await swarm.listen()
            one.join_peer(other.pair.public)
            other.join_peer(one.pair.public)
            await asyncio.sleep(120)
            assert met(one, other)
            assert met(other, one)
            (here,), (there,) = one.connections, other.connections
            assert here.other is there, "both have the same one"


async def test_who_keeps_the_old_connection_asks_whether_it_lives() -> None:
    async with scripted() as net:
        net.moved = False
        smaller, larger = await net.swarm(1), await net.swarm(2)
        if smaller.pair.public > larger.pair.public:
            smaller, larger = larger, smaller
        await smaller.listen()
        await larger.listen()
        larger.join_peer(smaller.pair.public)
        await until(lambda: met(larger, smaller) and met(smaller, larger))
        (kept,) = larger.connections
        await dht_of(smaller).connect(larger.pair.public, pair=smaller.pair)
        await until(lambda: larger.stats["a connection with this peer is there already"] == 1, 1)
        assert larger.connections == {kept}
        assert kept.pokes == 1  # type: ignore[attr-defined]


async def test_suspended_it_is_not_found_and_has_no_connections() -> None:
    async with scripted() as net:
        one, other = await net.swarm(1), await net.swarm(2)
        await one.join(TOPIC).flushed()
        other.join(TOPIC)
        await other.flush()
        await one.suspend()
        assert not one.connections
        assert list(net.records[TOPIC]) == [other.pair.public]
        before = len(dht_of(one).done)
        await asyncio.sleep(3600)
        assert len(dht_of(one).done) == before, "it does nothing"
        await one.resume()
        await until(lambda: met(one, other), 5)
        assert one.pair.public in net.records[TOPIC]


async def test_a_topic_that_is_joined_while_suspended_waits() -> None:
    async with scripted() as net:
        swarm = await net.swarm(1)
        await swarm.suspend()
        session = swarm.join(TOPIC)
        await asyncio.sleep(10)
        assert not dht_of(swarm).done
        await swarm.resume()
        assert await session.flushed()


async def test_closing_withdraws_and_ends_everything() -> None:
    async with scripted() as net:
        one, other = await net.swarm(1), await net.swarm(2)
        await one.join(TOPIC).flushed()
        one.join(OTHER)
        other.join(TOPIC)
        await other.flush()
        await one.close()
        assert one.pair.public not in net.records[TOPIC]
        assert one.pair.public not in net.records.get(OTHER, {})
        assert one.pair.public not in net.listeners
        await until(lambda: not other.connections, 1)
        await one.close()
        for use in (lambda: one.join(TOPIC), lambda: one.join_peer(bytes(32))):
            with pytest.raises(ValueError, match="the swarm was closed"):
                use()


async def test_a_peer_that_does_not_end_its_side_holds_nothing_up() -> None:
    async with scripted() as net:
        one, other = await net.swarm(1), await net.swarm(2)
        await one.listen()
        other.join_peer(one.pair.public)
        await until(lambda: met(one, other) and met(other, one), 5)
        (connection,) = one.connections
        connection.stuck = True
        before = asyncio.get_running_loop().time()
        await one.close()
        assert connection.is_closed
        assert asyncio.get_running_loop().time() - before < 2


async def test_a_changed_network_is_announced_at_once() -> None:
    async with scripted() as net:
        one, other = await net.swarm(1), await net.swarm(2)
        await one.join(TOPIC).flushed()
        other.join(TOPIC)
        await other.flush()
        await until(lambda: met(one, other), 1)
        (kept,), (there,) = one.connections, other.connections
        for swarm in (one, other):
            swarm.network_changed()
        await asyncio.sleep(0.1)
        assert len(dht_of(one).times("announce")) == 2
        assert len(dht_of(one).times("refresh")) == 1
        assert len(dht_of(one).times("look for the own place")) == 1
        await asyncio.sleep(60)
        assert (one.connections, other.connections) == ({kept}, {there}), "they live"
        assert kept.pokes == there.pokes == 1  # type: ignore[attr-defined]


async def test_after_a_change_of_the_network_who_is_silent_is_dialled_anew() -> None:
    async with scripted() as net:
        server, client = await net.swarm(1), await net.swarm(2)
        await server.join(TOPIC, client=False).flushed()
        client.join(TOPIC, server=False)
        await client.flush()
        await until(lambda: met(server, client), 1)
        (dead,) = client.connections
        dead.cut = dead.stuck = True  # type: ignore[attr-defined]
        fresh = aiter(client)
        assert await anext(fresh) is dead
        client.network_changed()
        client.network_changed()
        await asyncio.sleep(0.9)
        assert client.connections == {dead}
        assert await anext(fresh) is not dead
        assert len(client.connections) == len(server.connections) == 1
        assert client.connections != {dead}
        assert dead.is_closed
        assert client.stats["renewed"] == 1
        assert len([what for _, what in dht_of(client).done if what.startswith("dial")]) == 2
        await asyncio.sleep(60)
        (here,), (there,) = client.connections, server.connections
        assert here.other is there  # type: ignore[attr-defined]


async def test_a_peer_that_is_silent_is_dialled_anew_though_nothing_has_changed_here() -> None:
    async with scripted() as net:
        server, client = await net.swarm(1), await net.swarm(2)
        await server.listen()
        client.join_peer(server.pair.public)
        await until(lambda: met(server, client), 1)
        (one,), (there,) = client.connections, server.connections
        for told in (*one.on_silent, *there.on_silent):  # a short silence: it answers again
            told()
        await asyncio.sleep(60)
        assert (client.connections, server.connections) == ({one}, {there})
        one.cut = one.stuck = True  # type: ignore[attr-defined]
        begun = asyncio.get_running_loop().time()
        for told in (*one.on_silent, *there.on_silent):
            told()
        await until(lambda: client.stats["renewed"] == 1, 3)
        assert asyncio.get_running_loop().time() - begun < 2
        assert one.is_closed
        assert server.stats["dialled"] == 0, "who was dialled does not dial"


async def test_if_dialling_anew_fails_the_old_connection_stays() -> None:
    async with scripted() as net:
        server, client = await net.swarm(1), await net.swarm(2)
        await server.listen()
        client.join_peer(server.pair.public)
        await until(lambda: met(server, client), 1)
        (old,) = client.connections
        old.cut = True  # type: ignore[attr-defined]
        net.unreachable = {server.pair.public}
        client.network_changed()
        await asyncio.sleep(60)
        assert client.connections == {old}
        assert len(dht_of(client).times(f"dial {server.pair.public[0]}")) == 1 + 6
        client.network_changed()
        await asyncio.sleep(3)
        net.unreachable = set()
        await until(lambda: client.stats["renewed"] == 1, 3)
        (old,) = client.connections
        old.cut = True  # type: ignore[attr-defined]
        net.dial_seconds = 100.0
        client.network_changed()
        await asyncio.sleep(10)
        await client.close()  # whatever is being dialled


async def test_a_machine_that_slept_announces_within_two_minutes() -> None:
    async with scripted() as net:
        asleep = 0.0
        swarm = await net.swarm(1, clock=lambda: asyncio.get_running_loop().time() + asleep)
        await swarm.join(TOPIC).flushed()
        asleep = 8 * 3600.0  # while it sleeps its timers stand still
        await asyncio.sleep(31)
        assert len(dht_of(swarm).times("announce")) == 1, "all that woke at the same time would ask at once"
        await asyncio.sleep(120)
        assert len(dht_of(swarm).times("announce")) == 2


async def test_nonsense_is_refused() -> None:
    async with scripted() as net:
        swarm = await net.swarm(1)
        with pytest.raises(ValueError, match="a topic has 32 bytes, not 3"):
            swarm.join(b"abc")
        with pytest.raises(ValueError, match="a key has 32 bytes, not 3"):
            swarm.join_peer(b"abc")
        with pytest.raises(ValueError, match="neither server nor client"):
            swarm.join(TOPIC, server=False, client=False)
        with pytest.raises(ValueError, match="does not connect to itself"):
            swarm.join_peer(swarm.pair.public)
