"""Blind relays: peers between which there is no direct way meet at one, and leave it when there is one after all."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from service.hypercore import Corestore
from service.hypercore.crypto import KeyPair, blake2b
from service.hypercore.net import fetch
from service.hypercore.swarm import DHT, BlindRelay
from service.hypercore.swarm.dht.address import Address
from service.hypercore.swarm.dht.messages import (
    HANDSHAKE_PROLOGUE,
    Command,
    Mode,
    NoisePayload,
    RelayedHandshake,
    RelayThrough,
    UdxInfo,
)
from service.hypercore.swarm.dht.punches import Punches
from service.hypercore.swarm.dht.requests import Via
from service.hypercore.swarm.dht.rpc import DhtRequest
from service.hypercore.swarm.reach.dial import Dial
from service.hypercore.swarm.reach.server import MAX_NEW_LEGS
from service.hypercore.wire.noise import Noise
from tests.support.npm_dht import ANY, MOST_SECONDS, NpmDht, network, npm
from tests.swarm.test_reach_npm import BLOCKS, OURS, SIZE, THEIRS, digest, made, serving

RELAY = KeyPair(b"\x44" * 32)


@dataclass
class Ways:
    """Whether holes can be punched."""

    open: bool = False


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> Ways:
    """Peers of ours that reach each other by nothing but a relay, until `open`."""
    found, send = Ways(), Punches.send

    def send_if(self: Punches, port: object, to: Address, *, opener: bool = False) -> None:
        if found.open:
            send(self, port, to, opener=opener)  # type: ignore[arg-type]

    monkeypatch.setattr(Punches, "send", send_if)
    monkeypatch.setattr(DHT, "_local", lambda self: ())
    monkeypatch.setattr(Dial, "_try_nearby", lambda self, payload, now: None)
    return found


@pytest.fixture
def store() -> Iterator[Corestore]:
    found = Corestore()
    yield found
    found.close()


RELAYS = pytest.mark.parametrize("whose", ["npm", "ours"])


@contextlib.asynccontextmanager
async def world(whose: str = "npm") -> AsyncIterator[tuple[DHT, DHT, NpmDht, bytes]]:
    """Two peers of ours, one of npm's, and the key of a relay."""
    async with (
        network(4) as nodes, DHT(ANY, [nodes[0].address], firewalled=True) as one,
        DHT(ANY, [nodes[0].address], firewalled=True) as other, npm(nodes[0].address) as there,
    ):  # fmt: skip
        if whose == "npm":
            async with npm(nodes[0].address) as relay:
                yield one, other, there, bytes.fromhex(await relay("relay"))
        else:
            async with DHT(ANY, [nodes[0].address]) as dht, BlindRelay(dht, RELAY) as ours:
                yield one, other, there, RELAY.public
                assert ours.passed > BLOCKS * SIZE


@pytest.mark.parametrize("who", ["client", "server", "both"])
@RELAYS
async def test_ours_meets_ours(ways: Ways, store: Corestore, who: str, whose: str) -> None:
    core, there = made(store), Corestore()
    async with world(whose) as (one, other, _, relay):
        server = {"relay_through": relay} if who != "client" else {}
        async with serving(one, core, **server) as taken:  # type: ignore[arg-type]
            connection = await other.connect(OURS.public, pair=THEIRS, relay_through=relay if who != "server" else None)
            assert connection.path == "relayed"
            copy = there.get(core.key)
            await fetch(copy, connection)
            assert digest(copy) == digest(core)
            assert [incoming.path for incoming in taken] == ["relayed"]
            connection.close("enough")
            await taken[0].wait_closed()
    there.close()


async def test_npm_meets_npm_at_our_relay(tmp_path: Path) -> None:
    """Neither tells its address in its own network, and the server does not punch: there is no other way."""
    async with network(4) as nodes, npm(nodes[0].address) as one, npm(nodes[0].address) as other:
        for name in ("one", "other"):
            (tmp_path / name).mkdir()
        async with DHT(ANY, [nodes[0].address]) as dht, BlindRelay(dht, RELAY) as relay:
            given = {"blocks": BLOCKS, "size": SIZE, "relay": RELAY.public.hex()}
            told = await one("serveFeed", seed="03" * 32, directory=str(tmp_path / "one"), **given)
            peer = told.pop("peer")
            found = await other(
                "fetchFeed",
                peer=peer,
                directory=str(tmp_path / "other"),
                key=told["key"],
                length=BLOCKS,
                relay=given["relay"],
            )
            assert found == told
            assert relay.passed > BLOCKS * SIZE


async def test_a_relay_is_left_when_there_is_a_direct_way(ways: Ways, store: Corestore) -> None:
    core, there = made(store), Corestore()
    async with world() as (one, other, _, relay), serving(one, core) as taken:
        connection = await other.connect(OURS.public, pair=THEIRS, relay_through=relay)
        assert connection.path == "relayed"
        copy = there.get(core.key)
        await fetch(copy, connection, 0, BLOCKS // 2)
        legs = [leg for dht in (one, other) for leg in dht._links._connections if leg not in (connection, *taken)]
        assert len(legs) == 2
        ways.open = True
        async with asyncio.timeout(MOST_SECONDS):
            for leg in legs:
                await leg.wait_closed()
        assert [connection.path, *(incoming.path for incoming in taken)] == ["punched", "punched"]
        await fetch(copy, connection)
        assert digest(copy) == digest(core)
        assert not connection.is_closed
    there.close()


@RELAYS
async def test_ours_meets_npm(ways: Ways, store: Corestore, tmp_path: Path, whose: str) -> None:
    async with world(whose) as (one, _, there, relay):
        told = await there(
            "serveFeed", seed="03" * 32, directory=str(tmp_path), blocks=BLOCKS, size=SIZE, relay=relay.hex()
        )
        connection = await one.connect(bytes.fromhex(told["peer"]), pair=OURS)
        assert connection.path == "relayed"
        core = store.get(bytes.fromhex(told["key"]))
        await fetch(core, connection)
        assert (core.length, digest(core)) == (BLOCKS, told["sha256"])


@RELAYS
async def test_npm_meets_ours(ways: Ways, store: Corestore, tmp_path: Path, whose: str) -> None:
    core = made(store)
    async with world(whose) as (one, _, there, relay), serving(one, core) as taken:
        told = await there(
            "fetchFeed", peer=OURS.public.hex(), directory=str(tmp_path), key=core.key.hex(), length=BLOCKS,
            relay=relay.hex(),
        )  # fmt: skip
        assert told["sha256"] == digest(core)
        assert [incoming.path for incoming in taken] == ["relayed"]


async def test_a_server_follows_its_clients_only_to_relays_that_it_allows(ways: Ways, store: Corestore) -> None:
    async with world() as (one, other, _, relay):
        asked: list[bytes] = []
        was_asked = asyncio.Event()

        def may_relay(key: bytes) -> bool:
            asked.append(key)
            was_asked.set()
            return False

        async with serving(one, made(store), may_relay=may_relay):
            dialling = asyncio.create_task(other.connect(OURS.public, pair=THEIRS, relay_through=relay))
            async with asyncio.timeout(MOST_SECONDS):
                await was_asked.wait()
            assert asked == [relay]
            assert len(one._links._connections) == 0
            dialling.cancel()
            with pytest.raises(asyncio.CancelledError):
                await dialling


async def test_few_relays_are_looked_for_at_clients_wish(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else each handshake would let the server look for another key in the DHT."""
    sought: list[bytes] = []

    async def never(self: DHT, key: bytes) -> None:
        sought.append(key)
        await asyncio.Event().wait()

    monkeypatch.setattr(DHT, "_dial_relay", never)
    async with network(3) as nodes, DHT(ANY, [nodes[0].address], firewalled=True) as here, here.listen(OURS) as server:
        for number in range(3 * MAX_NEW_LEGS):
            noise = Noise("IK", True, KeyPair.generate(), HANDSHAKE_PROLOGUE, OURS.public)
            through = RelayThrough(bytes([number]) * 32, bytes(32))
            hello = NoisePayload(udx=UdxInfo(7), secret_stream=True, relay_through=through)
            asked = RelayedHandshake(Mode.FROM_RELAY, noise.write(hello.encode()), Address(f"5.5.5.{number}", 5))
            request = DhtRequest(1, ANY, Command.PEER_HANDSHAKE, target=blake2b(OURS.public), value=asked.encode())
            assert here.node.take(request.encode(), server.relays[0], Via.CLIENT, asyncio.get_running_loop().time())
            here.node.fire(asyncio.get_running_loop().time())
        await asyncio.sleep(0)
        assert len(server.handshakes) == 3 * MAX_NEW_LEGS
        assert len(sought) == MAX_NEW_LEGS


async def test_a_relay_that_is_not_there_does_not_keep_peers_apart(ways: Ways, store: Corestore) -> None:
    ways.open = True
    async with world() as (one, other, _, _), serving(one, made(store)):
        connection = await other.connect(OURS.public, pair=THEIRS, relay_through=KeyPair(b"\x77" * 32).public)
        assert connection.path == "punched"
