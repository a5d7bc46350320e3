"""A swarm among strangers and failures, under a virtual clock: limits, bans, relays, a DHT that is deaf, what breaks here."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from service.hypercore.swarm import Reason, Swarm, SwarmLimits, Unreachable
from service.hypercore.swarm.peers import Link

from .scripted_net import pairs, scripted, until
from .test_swarm import TOPIC, dht_of, met


async def test_a_deaf_dht_is_asked_again_soon() -> None:
    async with scripted() as net:
        net.deaf = True
        swarm = await net.swarm(1)
        session = swarm.join(TOPIC)
        assert await session.flushed() is False
        await asyncio.sleep(60)
        net.deaf = False
        await until(lambda: swarm.pair.public in net.records.get(TOPIC, {}), 150)
        assert await session.flushed() is True


async def test_strangers_beyond_the_limits_are_refused_with_a_word() -> None:
    async with scripted() as net:
        server = await net.swarm(1, limits=SwarmLimits(taken=2))
        await server.join(TOPIC, client=False).flushed()
        clients = [await net.swarm(number) for number in range(2, 6)]
        for client in clients:
            client.join(TOPIC, server=False)
            await client.flush()
        assert len(server.connections) == 2
        assert [len(client.connections) for client in clients] == [1, 1, 0, 0]
        await clients[0].close()
        await until(lambda: any(met(client, server) for client in clients[2:]), 60)


async def test_many_keys_of_one_host_get_only_some_places() -> None:
    async with scripted() as net:
        server = await net.swarm(1, limits=SwarmLimits(of_host=2))
        await server.join(TOPIC, client=False).flushed()
        for number in range(2, 6):
            client = await net.swarm(number)
            dht_of(client).host = "44.10.9.9"
            client.join(TOPIC, server=False)
            await client.flush()
        await asyncio.sleep(1)
        assert len(server.connections) == 2
        assert server.stats["there are too many connections with its host"] >= 2


async def test_a_banned_peer_is_dropped_and_kept_out() -> None:
    async with scripted() as net:
        server, client = await net.swarm(1), await net.swarm(2)
        await server.join(TOPIC, client=False).flushed()
        client.join(TOPIC, server=False)
        await client.flush()
        await until(lambda: met(server, client), 1)
        server.ban(client.pair.public)
        await until(lambda: not server.connections, 1)
        await asyncio.sleep(3600)
        assert not server.connections
        server.unban(client.pair.public)
        await until(lambda: met(server, client), 1000)


async def test_a_ban_ends_the_dialling() -> None:
    async with scripted() as net:
        client, server = await net.swarm(1), await net.swarm(2)
        await server.listen()
        net.dial_seconds = 30.0
        client.join_peer(server.pair.public)
        await asyncio.sleep(1)
        client.ban(server.pair.public)
        await asyncio.sleep(100)
        assert not client.connections
        assert client.peer(server.pair.public) is None
        client.unban(server.pair.public)
        client.join_peer(server.pair.public)
        await until(lambda: met(client, server), 31)


async def test_who_cannot_be_reached_otherwise_is_dialled_through_a_relay() -> None:
    async with scripted() as net:
        relay = bytes([99]) * 32
        client = await net.swarm(1, relay_through=relay)
        server, strict = await net.swarm(2, relay_through=relay), await net.swarm(3)
        net.failure = Unreachable(server.pair.public, Reason.BOTH_RANDOM)
        for swarm in (server, strict):
            await swarm.listen()
            net.unreachable.add(swarm.pair.public)
            client.join_peer(swarm.pair.public)
        await until(lambda: met(client, server), 20)
        assert [one.path for one in client.connections] == ["relayed"]
        dials = [what for _, what in dht_of(client).done if what.startswith(f"dial {server.pair.public[0]}")]
        assert dials == [f"dial {server.pair.public[0]}", f"dial {server.pair.public[0]} through a relay"]
        await asyncio.sleep(60)
        assert not met(client, strict), "it does not know the relay"


async def test_a_dial_that_hangs_gives_its_place_to_others() -> None:
    async with scripted() as net:
        swarm = await net.swarm(1, limits=SwarmLimits(parallel=1))
        net.dial_seconds = 1e6
        swarm.join_peer(bytes([50]) * 32)
        await asyncio.sleep(89)
        assert swarm.stats["failed"] == 0
        await asyncio.sleep(2)
        assert swarm.stats["failed"] == 1


async def test_what_breaks_in_a_callback_ends_that_connection_alone() -> None:
    async with scripted() as net:
        seen: list[Any] = []

        def serve(connection: Any) -> None:
            seen.append(connection)
            if len(seen) == 1:
                raise RuntimeError("a bug")

        server = await net.swarm(1, on_connection=serve)
        await server.join(TOPIC, client=False).flushed()
        for number in (2, 3):
            client = await net.swarm(number)
            client.join(TOPIC, server=False)
            await client.flush()
        await asyncio.sleep(0.5)
        assert seen[0].is_closed
        assert "a bug" in seen[0].reason
        assert not seen[1].is_closed


async def test_a_server_that_broke_is_opened_again() -> None:
    async with scripted() as net:
        server, client = await net.swarm(1), await net.swarm(2)
        session = server.join(TOPIC, client=False)
        await session.flushed()
        net.broken_servers = True
        client.join(TOPIC, server=False)
        await client.flush()
        await asyncio.sleep(1)
        assert server.pair.public not in net.listeners
        net.broken_servers = False
        assert await session.refresh()
        await until(lambda: met(server, client), 60)


async def test_false_records_cost_no_more_than_their_tries() -> None:
    """Any number of keys that nobody has, under a topic where one peer is honest."""
    async with scripted() as net:
        server, client = await net.swarm(1), await net.swarm(2)
        await server.join(TOPIC, client=False).flushed()
        for number in range(5000):
            net.records[TOPIC][number.to_bytes(32, "big")] = None
        client.join(TOPIC, server=False)
        await asyncio.sleep(120)
        assert len(client.peers) <= 1024
        assert max(list(client.stats.values())) <= 3 * 1200


async def test_a_firewall_that_fails_refuses() -> None:
    async with scripted() as net:

        def firewall(key: bytes) -> bool:
            raise RuntimeError("a bug")

        server, client = await net.swarm(1), await net.swarm(2, firewall=firewall)
        await server.join(TOPIC).flushed()
        client.join(TOPIC)
        assert await client.flush()
        await asyncio.sleep(3600)
        assert not client.connections


async def test_a_swarm_ends_after_its_node() -> None:
    async with scripted() as net:
        swarm = await net.swarm(1)
        await swarm.join(TOPIC).flushed()
        net.lookup_seconds = 1e9  # nothing is answered any more
        before = asyncio.get_running_loop().time()
        await swarm.close()
        assert asyncio.get_running_loop().time() - before < 30


def wanted(swarms: list[Swarm]) -> set[tuple[bytes, bytes]]:
    """Pairs that must meet: under a topic, one serves and the other looks."""
    found = set()
    for one, other in pairs(swarms):
        for topic, joined in one._topics.items():
            there = other._topics.get(topic)
            if there is not None and joined.discovery.servers and there.discovery.clients:
                found |= {(one.pair.public, other.pair.public), (other.pair.public, one.pair.public)}
    return found


@pytest.mark.parametrize("seed", range(8))
async def test_whatever_happened_they_meet_in_the_end(seed: int) -> None:
    """Joins, leaves, naps, cuts, deaf spells and lost peers; then an hour of quiet."""
    chance = random.Random(seed)
    async with scripted() as net:
        swarms = [await net.swarm(number, chance=random.Random(100 * seed + number)) for number in range(1, 7)]
        topics = [TOPIC, bytes([9]) * 32]
        for _ in range(60):
            swarm = chance.choice(swarms)
            what = chance.choice(["join", "join", "leave", "nap", "wake", "cut", "deaf", "lost", "found", "bytes"])
            if what == "join":
                mode = chance.choice([(True, True), (True, False), (False, True)])
                swarm.join(chance.choice(topics), server=mode[0], client=mode[1])
            elif what == "leave":
                leaving = asyncio.ensure_future(swarm.leave(chance.choice(topics)))
                await asyncio.wait({leaving}, timeout=chance.random())
            elif what == "nap":
                await swarm.suspend()
            elif what == "wake":
                await swarm.resume()
            elif what == "cut" and swarm.connections:
                chance.choice(sorted(swarm.connections, key=lambda one: one.remote_key)).close("cut")
            elif what in ("deaf", "bytes"):
                setattr(net, {"deaf": "deaf", "bytes": "moved"}[what], chance.random() < 0.5)
            elif what in ("lost", "found"):
                net.unreachable ^= {swarm.pair.public}
            await asyncio.sleep(chance.choice([0.0, 0.05, 1.0, 30.0]))
        net.deaf, net.moved = False, True
        net.unreachable.clear()
        for swarm in swarms:
            await swarm.resume()
        await asyncio.sleep(3600)
        there = {(one.pair.public, other) for one in swarms for other in one._connections}
        assert wanted(swarms) <= there
        for one, other in pairs(swarms):
            here, remote = one.connection(other.pair.public), other.connection(one.pair.public)
            assert (here is None) == (remote is None)
            assert here is None or here.other is remote, "both have the same one"  # type: ignore[attr-defined]
        for swarm in swarms:
            assert swarm._policy.count(Link.DIALLING) == len(swarm._dials)
            assert {one.key for one in swarm._policy if one.link in (Link.CLIENT, Link.SERVER)} == set(
                swarm._connections
            )


async def test_a_closed_swarm_listens_no_more() -> None:
    async with scripted() as net:
        swarm = await net.swarm(1)
        await swarm.close()
        with pytest.raises(ValueError, match="closed"):
            await swarm.listen()
        await asyncio.sleep(60)
        assert swarm.pair.public not in net.listeners


async def test_a_suspended_swarm_listens_once_it_goes_on() -> None:
    async with scripted() as net:
        swarm = await net.swarm(1)
        await swarm.suspend()
        with pytest.raises(ValueError, match="suspended"):
            await swarm.listen()
        await asyncio.sleep(60)
        assert swarm.pair.public not in net.listeners
        await swarm.resume()
        await swarm.listen()
        assert swarm.pair.public in net.listeners


async def test_who_gives_up_closing_leaves_nobody_waiting() -> None:
    async with scripted() as net:
        swarm = await net.swarm(1)
        await swarm.join(TOPIC).flushed()
        net.dial_seconds = 1e6
        swarm.join_peer(bytes([50]) * 32)

        async def iterate() -> int:
            return len([one async for one in swarm])

        iterating, flushing = asyncio.create_task(iterate()), asyncio.create_task(swarm.flush())
        await asyncio.sleep(1)
        net.lookup_seconds = 1e9  # nothing is answered any more
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await swarm.close()
        async with asyncio.timeout(60):
            assert await iterating == 0
            assert await flushing is False
            await swarm.close()
        assert not swarm._topics
        assert swarm.pair.public not in net.listeners


async def test_whoever_flushes_a_swarm_that_is_suspended_goes_on() -> None:
    async with scripted() as net:
        swarm = await net.swarm(1)
        net.dial_seconds = 80.0
        swarm.join_peer(bytes([50]) * 32)
        flushing = asyncio.create_task(swarm.flush())
        await asyncio.sleep(1)
        before = asyncio.get_running_loop().time()
        await swarm.suspend()
        assert await flushing is True
        assert asyncio.get_running_loop().time() - before < 5


async def test_a_topic_of_a_swarm_that_does_nothing_is_not_said_to_be_fine() -> None:
    async with scripted() as net:
        swarm = await net.swarm(1)
        session = swarm.join(TOPIC)
        assert await session.flushed()
        await swarm.suspend()
        assert await session.flushed() is False
        assert await session.refresh() is False
        await swarm.resume()
        assert await session.flushed()
        await swarm.close()
        assert await session.flushed() is False
        assert session.is_left
        with pytest.raises(ValueError, match="left"):
            await session.refresh()
        await session.leave()
