"""A network of peers that meet by a script: what a swarm asks of the DHT, with times, failures and losses as a test says."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

from service.hypercore.crypto import KeyPair
from service.hypercore.swarm import Swarm
from service.hypercore.swarm.dht.address import Address
from service.hypercore.swarm.dht.messages import FoundPeer
from service.hypercore.swarm.dht.sockets import DhtError
from service.hypercore.wire.errors import ConnectError

RELAYS = (Address("44.10.0.1", 49737),)


def seconds() -> float:
    return asyncio.get_running_loop().time()


class Line:
    """One end of a connection. What ends one end ends the other a moment later."""

    def __init__(self, remote_key: bytes, host: str, initiator: bool, path: str) -> None:
        self.remote_key, self.host, self.initiator, self.path = remote_key, host, initiator, path
        self.moved = True
        self.reason = ""
        self.pokes = 0
        self.stuck = self.cut = False
        self.progress = 0
        self.on_closed: list[Callable[[], None]] = []
        self.on_silent: list[Callable[[], None]] = []
        self.other: Line | None = None
        self._closed = asyncio.get_running_loop().create_future()

    @property
    def is_closed(self) -> bool:
        return self._closed.done()

    def poke(self) -> None:
        """Ask the other host, which answers if the path is there."""
        self.pokes += 1
        if not self.cut:
            self.progress += 1

    def close(self, reason: str = "closed") -> None:
        self.reason = self.reason or reason
        if not self.stuck:
            asyncio.get_running_loop().call_later(0.01, self.end, reason)

    def abort(self, reason: str) -> None:
        self.end(reason)

    def end(self, reason: str) -> None:
        if self.is_closed:
            return
        self.reason = self.reason or reason
        self._closed.set_result(None)
        for listener in self.on_closed:
            listener()
        if self.other is not None:
            asyncio.get_running_loop().call_later(0.01, self.other.end, "the peer closed the connection")

    async def wait_closed(self) -> None:
        await asyncio.shield(self._closed)


class Listener:
    """Who takes connections."""

    def __init__(self, dht: ScriptedDht, pair: KeyPair, firewall: Any, may_relay: Any) -> None:
        self.dht, self.pair, self.firewall, self.may_relay = dht, pair, firewall, may_relay
        self.relays = RELAYS
        self.queue: asyncio.Queue[Line] = asyncio.Queue()
        self.is_closed = False

    def accept(self, line: Line) -> None:
        if self.is_closed:
            line.close("nobody listens any more")
        else:
            self.queue.put_nowait(line)

    def refresh(self) -> None:
        self.dht.did("refresh")

    async def __aenter__(self) -> Listener:
        await asyncio.sleep(0.1)
        if self.dht.net.deaf:
            raise DhtError("too few nodes responded")
        self.dht.net.listeners[self.pair.public] = self
        self.dht.did("listen")
        return self

    async def __aexit__(self, *error: object) -> None:
        self.dht.did("unlisten")
        self.dht.net.listeners.pop(self.pair.public, None)
        self.is_closed = True
        while not self.queue.empty():
            self.accept(self.queue.get_nowait())

    async def __aiter__(self) -> AsyncIterator[Line]:
        while True:
            line = await self.queue.get()
            if self.dht.net.broken_servers:
                line.close("broken")
                raise RuntimeError("the server broke")
            yield line


class ScriptedDht:
    """One host's view of the network."""

    def __init__(self, net: ScriptedNet, host: str) -> None:
        self.net, self.host = net, host
        self.done: list[tuple[float, str]] = []

    def did(self, what: str) -> None:
        self.done.append((seconds(), what))

    def times(self, what: str) -> list[float]:
        return [at for at, did in self.done if did == what]

    async def connect(
        self, key: bytes, *, pair: KeyPair, relays: Sequence[Address] = (), relay_through: bytes | None = None
    ) -> Line:
        self.did(f"dial {key[0]}" + (" through a relay" if relay_through else ""))
        await asyncio.sleep(self.net.dial_seconds)
        server = self.net.listeners.get(key)
        relayed = server is not None and relay_through is not None and server.may_relay(relay_through)
        if server is None or (key in self.net.unreachable and not relayed):
            raise self.net.failure or ConnectError(f"peer {key.hex()}: nobody listens")
        if server.firewall(pair.public):
            raise ConnectError(f"peer {key.hex()}: refused")
        here = Line(key, server.dht.host, True, "relayed" if relayed else "direct")
        there = Line(pair.public, self.host, False, here.path)
        here.other, there.other = there, here
        here.moved = there.moved = self.net.moved
        asyncio.get_running_loop().call_later(self.net.accept_seconds, server.accept, there)
        return here

    def listen(self, pair: KeyPair, *, firewall: Any = None, may_relay: Any = None) -> Listener:
        return Listener(self, pair, firewall, may_relay)

    def network_changed(self) -> None:
        self.did("look for the own place")

    async def lookup(self, topic: bytes, on_found: Callable[[FoundPeer], None] | None = None) -> list[FoundPeer]:
        self.did("lookup")
        return await self._find(topic, on_found)

    async def _find(self, topic: bytes, on_found: Callable[[FoundPeer], None] | None) -> list[FoundPeer]:
        await asyncio.sleep(self.net.lookup_seconds)
        if self.net.deaf:
            raise DhtError("too few nodes responded")
        found = [FoundPeer(key, RELAYS) for key in self.net.records.get(topic, {})]
        for peer in found if on_found else ():
            assert on_found is not None
            on_found(peer)
        return found

    async def announce(
        self, topic: bytes, pair: KeyPair, relays: tuple[Address, ...] = (), on_found: Any = None
    ) -> int:
        self.did("announce")
        assert relays == RELAYS
        await self._find(topic, on_found)
        self.net.records.setdefault(topic, {})[pair.public] = None
        return 1

    async def unannounce(self, topic: bytes, pair: KeyPair) -> int:
        self.did("unannounce")
        await asyncio.sleep(self.net.lookup_seconds + self.net.leave_seconds)
        if self.net.deaf:
            raise DhtError("too few nodes responded")
        self.net.records.get(topic, {}).pop(pair.public, None)
        return 1


class ScriptedNet:
    """All hosts. `deaf`: no node of the DHT answers."""

    def __init__(self) -> None:
        self.records: dict[bytes, dict[bytes, None]] = {}
        self.listeners: dict[bytes, Listener] = {}
        self.unreachable: set[bytes] = set()
        self.deaf = self.broken_servers = False
        self.moved = True
        self.failure: Exception | None = None
        self.lookup_seconds, self.dial_seconds, self.accept_seconds = 0.2, 0.1, 0.01
        self.leave_seconds = 0.0
        self.stack = contextlib.AsyncExitStack()

    def host(self, number: int) -> ScriptedDht:
        return ScriptedDht(self, f"44.10.0.{number}")

    async def swarm(self, number: int, **options: Any) -> Swarm:
        """A swarm on a host of its own, closed at the end. Keys are ordered as nobody knows."""
        pair = KeyPair(bytes([number]) * 32)
        options = {"clock": seconds, "chance": random.Random(number)} | options
        made: Any = self.host(number)
        return await self.stack.enter_async_context(Swarm(made, pair, **options))  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def scripted() -> AsyncIterator[ScriptedNet]:
    """A network, whose swarms are closed at the end; nothing may have failed unseen."""
    net = ScriptedNet()
    async with net.stack:
        yield net
    loop: Any = asyncio.get_running_loop()
    assert loop.faults == []
    left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    assert not left, left


def pairs(swarms: Sequence[Swarm]) -> Iterator[tuple[Swarm, Swarm]]:
    return ((one, other) for one in swarms for other in swarms if one is not other)


async def until(holds: Callable[[], bool], most: float = 3600) -> None:
    """Go on in virtual time until something holds, for so many seconds of it at most."""
    loop = asyncio.get_running_loop()
    end = loop.time() + most
    while not holds():
        assert loop.time() < end, f"not within {most} s"
        await asyncio.sleep(0.05)
