"""Our side of the measurements over UDX. Each task says lines of JSON; what it costs is the processor's time since it was ready.

python -m bench._udx_peer dht COUNT                              {bootstrap}
                          serve DIR COUNT SIZE BOOTSTRAP         {key, peer}, and {cpu} when it is given a line
                          fetch DIR KEY PEER COUNT BOOTSTRAP     {seconds, bytes, cpu}
                          send|take OWN_PORT PEER_PORT BYTES     the taker {ready}, then {seconds, bytes, cpu}; the sender {cpu}
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path

import structlog

from service.hypercore import Core, Corestore, KeyPair
from service.hypercore.net import Replication, fetch
from service.hypercore.swarm import DHT, Address
from service.hypercore.swarm.udx.endpoint import Streams, UdxSocket
from service.hypercore.swarm.udx.transport import UdxTransport

HERE = "127.0.0.1"
BLOCK = bytes(65_536)
BATCH = 64


def tell(**values: object) -> None:
    """Print one JSON line for the measuring process."""
    print(json.dumps(values), flush=True)


async def dht(count: int) -> None:
    """Be nodes of a DHT until stdin ends."""
    async with AsyncExitStack() as stack:
        nodes: list[DHT] = []
        for _ in range(count):
            known = [nodes[0].address] if nodes else []
            nodes.append(await stack.enter_async_context(DHT(Address(HERE, 0), known, Address(HERE, 0))))
        tell(bootstrap=nodes[0].address.port)
        await asyncio.to_thread(sys.stdin.read)


def made(store: Corestore, count: int, size: int) -> Core:
    """Return a new feed of so many blocks."""
    core = store.create()
    for start in range(0, count, BATCH):
        core.append([bytes([index % 251]) * size for index in range(start, min(count, start + BATCH))])
    return core


async def serve(directory: Path, count: int, size: int, bootstrap: int) -> None:
    """Serve a new feed by key. Say, when asked, what that has cost."""
    store = Corestore(directory)
    core = made(store, count, size)
    pair = KeyPair.generate()
    async with (
        DHT(Address(HERE, 0), [Address(HERE, bootstrap)]) as node,
        node.listen(pair, on_connection=lambda connection: Replication.of(connection).serve(store.find)),
    ):
        tell(key=core.key.hex(), peer=pair.public.hex())
        before = time.process_time()
        await asyncio.to_thread(sys.stdin.readline)
        tell(cpu=time.process_time() - before)


async def get(directory: Path, key: bytes, peer: bytes, count: int, bootstrap: int) -> None:
    """Fetch the whole feed, timed from the dial to the last commit."""
    store = Corestore(directory)
    core = store.get(key)
    async with DHT(Address(HERE, 0), [Address(HERE, bootstrap)]) as node:
        before, start = time.process_time(), time.perf_counter()
        await fetch(core, await node.connect(peer, pair=KeyPair.generate()))
        seconds, cpu = time.perf_counter() - start, time.process_time() - before
    if core.length != count:
        raise RuntimeError(f"{core.length} blocks came, not {count}")
    tell(seconds=seconds, bytes=core.byte_length, cpu=cpu)
    store.close()


class Taker(asyncio.Protocol):
    """Counts what comes, from the first byte to the end."""

    def __init__(self) -> None:
        self.bytes, self.begun, self.ended = 0, 0.0, 0.0
        self.over = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        """Count."""
        self.begun = self.begun or time.perf_counter()
        self.bytes += len(data)

    def eof_received(self) -> bool:
        """Note the end."""
        self.ended = time.perf_counter()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Be done."""
        self.over.set()


class Giver(asyncio.Protocol):
    """Waits until more may be written."""

    def __init__(self) -> None:
        self.writable, self.over = asyncio.Event(), asyncio.Event()
        self.writable.set()

    def pause_writing(self) -> None:
        """Let it wait."""
        self.writable.clear()

    def resume_writing(self) -> None:
        """Go on."""
        self.writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Be done."""
        self.over.set()


async def take(own: int, peer: int) -> None:
    """Take a stream of bytes from the peer at a port."""
    opened, taker = UdxSocket(HERE, own, Streams()), Taker()
    transport = named(UdxTransport(opened, taker), own)
    transport.connect(peer, (HERE, peer))
    before = time.process_time()
    tell(ready=True)
    await taker.over.wait()
    tell(seconds=taker.ended - taker.begun, bytes=taker.bytes, cpu=time.process_time() - before)


async def send(own: int, peer: int, size: int) -> None:
    """Send so many bytes to the peer at a port."""
    opened, giver = UdxSocket(HERE, own, Streams()), Giver()
    transport = named(UdxTransport(opened, giver), own)
    transport.connect(peer, (HERE, peer))
    before, sent = time.process_time(), 0
    while sent < size and not giver.over.is_set():
        transport.write(BLOCK[: size - sent])
        sent += len(BLOCK)
        await giver.writable.wait()
    transport.close()
    await giver.over.wait()
    tell(cpu=time.process_time() - before)


def named(transport: UdxTransport, number: int) -> UdxTransport:
    """Give a stream the number that its peer expects, as nobody tells it."""
    streams = transport.endpoint.streams
    streams.end(transport, linger=False)
    transport.local_id = number
    streams.add(transport)
    return transport


def main(task: str, *rest: str) -> None:
    """Run one side."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    if task == "dht":
        asyncio.run(dht(int(rest[0])))
    elif task == "serve":
        asyncio.run(serve(Path(rest[0]), *map(int, rest[1:])))
    elif task == "fetch":
        asyncio.run(get(Path(rest[0]), bytes.fromhex(rest[1]), bytes.fromhex(rest[2]), int(rest[3]), int(rest[4])))
    elif task == "send":
        asyncio.run(send(*map(int, rest)))
    else:
        asyncio.run(take(int(rest[0]), int(rest[1])))


if __name__ == "__main__":
    main(*sys.argv[1:])
