"""The attackers: a process that does to one hoster all that strangers can do, until it is stopped.

`python -m tests.attack.attackers` reads a `Target` as JSON from its first argument. Everything goes to loopback, from
addresses in 127.0.0.0/8, and each attacker waits between its deeds.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import resource
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict, dataclass

import structlog

from service.feeds.fetch import fetch_feed
from service.hypercore import Corestore, KeyPair
from service.hypercore.codec import encode_buffer, encode_string, encode_uint
from service.hypercore.crypto import capability, discovery_key
from service.hypercore.net import PeerAddress, ReplicationError, TcpTransport
from service.hypercore.wire.secretstream import SecretStream
from service.protocols.copy import messages as copy_messages
from service.protocols.probe import messages as probe_messages

MESSAGES = 65_000
"""Small messages in one frame."""
ADDRESSES, CONNECTIONS_EACH = 5, 250
PROBERS, PROBES_PER_SECOND = 62, 800
IDLE_AGAIN_SECONDS = 10.0
"""Time after which an idle connection that was ended is made again."""
PATIENCE_SECONDS = 20.0
Deed = Callable[[], Awaitable[None]]
BROKEN = (OSError, TimeoutError, EOFError, ReplicationError)


@dataclass(frozen=True)
class Target:
    """The hoster, and what is public of it."""

    peer: str
    feed: str
    blocks: int
    genesis: str
    copy: int
    segment: int
    sectors: int
    greedy_readers: int = 16

    @property
    def address(self) -> PeerAddress:
        """Where it listens."""
        return PeerAddress.parse(self.peer)


class Stranger:
    """A connection under a throw-away key: a proper handshake, and whatever the attacker wants after it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, stream: SecretStream) -> None:
        self.reader, self.writer, self._stream = reader, writer, stream

    @classmethod
    async def connect(cls, target: Target, local: str = "127.0.0.9") -> Stranger:
        """Connect from a loopback address. Raises OSError, EOFError and TimeoutError."""
        peer = target.address
        reader, writer = await asyncio.open_connection(peer.host, peer.port, local_addr=(local, 0))
        stream = SecretStream(True, KeyPair.generate(), peer.key)
        writer.write(stream.start())
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not stream.opened:
                    data = await reader.read(65_536)
                    if not data:
                        raise EOFError("the hoster hung up in the handshake")
                    writer.write(stream.receive_bytes(data)[1])
        except BaseException:
            writer.transport.abort()
            raise
        return cls(reader, writer, stream)

    async def send(self, message: bytes) -> None:
        """Send a message of the stream, waiting while the hoster does not read. Raises OSError and TimeoutError."""
        self.writer.write(self._stream.send(message))
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self.writer.drain()

    async def open_feed(self, target: Target) -> None:
        """Open the feed's channel as number 1."""
        key = bytes.fromhex(target.feed)
        proof = capability(key, self._stream.handshake_hash, True)
        await self.send(opening(1, "hypercore/alpha", discovery_key(key), encode_uint(1) + proof))

    async def until_closed(self) -> None:
        """Read and drop what comes, until the hoster hangs up."""
        with suppress(OSError):
            while await self.reader.read(65_536):
                pass

    def close(self) -> None:
        """Hang up."""
        self.writer.transport.abort()


def reader_address(number: int) -> str:
    """Return the address of a greedy reader: each has one of its own, as strangers have."""
    return f"127.0.1.{1 + number % 250}"


def opening(number: int, protocol: str, identifier: bytes, handshake: bytes) -> bytes:
    """Return the message that opens a channel."""
    name = encode_string(protocol) + encode_buffer(identifier)
    return b"\0\1" + encode_uint(number) + name + handshake


def frame_of(channel: int, bodies: list[bytes]) -> bytes:
    """Return one batch of small messages."""
    return b"\0\0" + encode_uint(channel) + b"".join(encode_uint(len(body)) + body for body in bodies)


def floods(target: Target) -> dict[str, bytes]:
    """Return frames that are small to send and long to work off."""
    genesis = bytes.fromhex(target.genesis)
    probe = opening(2, probe_messages.PROTOCOL, b"", probe_messages.encode_handshake(genesis))[1:]
    copy = opening(2, copy_messages.PROTOCOL, bytes(8), encode_uint(9) + bytes(32))[1:]
    numbers = range(MESSAGES)
    return {
        "sync": frame_of(1, [b"\0" + encode_uint(1) + encode_uint(one % 2) + b"\5\5" for one in numbers]),
        "range": frame_of(1, [b"\x08\0" + encode_uint(one * 10) + b"\5" for one in numbers]),
        "cancel": frame_of(1, [b"\2" + encode_uint(one) for one in numbers]),
        "probe channels": frame_of(0, [probe if one % 2 == 0 else b"\3\2" for one in numbers]),
        "copy channels": frame_of(0, [copy for _ in numbers]),
    }


class Attack:
    """All attackers, and what they have counted."""

    def __init__(self, target: Target) -> None:
        self.target, self.counts, self._floods = target, Counter[str](), floods(target)

    async def run(self) -> None:
        """Attack until cancelled."""
        target = self.target
        times: list[tuple[Deed, int]] = [
            (self.flood, 4), (self.prober, PROBERS), (self.silent, 50),
            (self.rubbish, 2), (self.hungry, 20),
        ]  # fmt: skip
        loops = [deed for deed, count in times for _ in range(count)]
        async with asyncio.TaskGroup() as group:
            for one in loops:
                group.create_task(self._again(one))
            for number in range(target.greedy_readers):
                group.create_task(self._again(lambda number=number: self.greedy(reader_address(number))))  # type: ignore[misc]
            for number in range(ADDRESSES * CONNECTIONS_EACH):
                group.create_task(self._again(lambda number=number: self.idle(f"127.0.0.{2 + number % ADDRESSES}")))  # type: ignore[misc]

    async def _again(self, deed: Deed) -> None:
        await asyncio.sleep(random.random() * 5)
        while True:
            with suppress(*BROKEN):
                await deed()
            await asyncio.sleep(1.0 + random.random())

    async def idle(self, local: str) -> None:
        """Hold a place and say nothing."""
        one = await Stranger.connect(self.target, local)
        self.counts["idle connections"] += 1
        try:
            await one.until_closed()
        finally:
            one.close()
            await asyncio.sleep(IDLE_AGAIN_SECONDS)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect from an address of the attackers: that of honest peers has allowances of its own."""
        peer = self.target.address
        return await asyncio.open_connection(peer.host, peer.port, local_addr=("127.0.0.8", 0))

    async def silent(self) -> None:
        """Connect and say nothing at all, or half a message."""
        reader, writer = await self._connect()
        writer.write(random.choice([b"", b"\x40\0\0" + b"x" * 10]))
        self.counts["half handshakes"] += 1
        try:
            while await reader.read(65_536):
                pass
        finally:
            writer.transport.abort()

    async def rubbish(self) -> None:
        """Say what no peer says, many times."""
        for _ in range(20):
            reader, writer = await self._connect()
            writer.write(os.urandom(300))
            self.counts["garbage"] += 1
            with suppress(OSError):
                await reader.read()
            writer.transport.abort()

    async def flood(self) -> None:
        """Send frames of very many small messages."""
        for kind, frame in self._floods.items():
            one = await Stranger.connect(self.target)
            reading = asyncio.create_task(one.until_closed())
            try:
                await one.open_feed(self.target)
                for _ in range(3):
                    await one.send(frame)
                    self.counts[f"frames of {kind}"] += 1
            except BROKEN:
                self.counts["floods cut off"] += 1
            finally:
                reading.cancel()
                one.close()

    async def prober(self) -> None:
        """Ask for encoded sectors without waiting for answers."""
        one = await Stranger.connect(self.target)
        reading = asyncio.create_task(one.until_closed())
        try:
            handshake = probe_messages.encode_handshake(bytes.fromhex(self.target.genesis))
            await one.send(opening(1, probe_messages.PROTOCOL, b"", handshake))
            for _ in range(1000):
                ask = probe_messages.Ask(self.target.copy, self.target.segment, random.randrange(self.target.sectors))
                kind, body = probe_messages.encode(ask)
                await one.send(encode_uint(1) + encode_uint(kind) + body)
                self.counts["probes"] += 1
                await asyncio.sleep(PROBERS / PROBES_PER_SECOND)
        finally:
            reading.cancel()
            one.close()

    async def greedy(self, source: str) -> None:
        """Read the whole feed."""
        store = Corestore(None)
        try:
            async with TcpTransport(KeyPair.generate(), [self.target.address], source=source) as transport:
                async with asyncio.timeout(120):
                    await fetch_feed(store.get(bytes.fromhex(self.target.feed)), transport)
            self.counts["whole feeds read"] += 1
        finally:
            store.close()

    async def hungry(self) -> None:
        """Ask for blocks for ever, and read none of the answers."""
        one = await Stranger.connect(self.target)
        try:
            await one.open_feed(self.target)
            one.writer.transport.pause_reading()  # type: ignore[attr-defined]
            for first in itertools.count(0, 100):
                asks = [
                    b"\1\1" + encode_uint(first + at) + b"\0" + encode_uint(at % self.target.blocks) + b"\0"
                    for at in range(100)
                ]
                await one.send(frame_of(1, asks))
                self.counts["requests whose answers nobody reads"] += 100
                await asyncio.sleep(0.2)
        finally:
            one.close()


def argument(target: Target) -> str:
    """Return the target as this program's argument."""
    return json.dumps(asdict(target))


async def main() -> None:
    """Attack until killed, and print the counts as JSON each second."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 8192)), hard))
    os.nice(10)  # strangers have machines of their own
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # the counts have the standard output
    attack = Attack(Target(**json.loads(sys.argv[1])))
    running = asyncio.create_task(attack.run())
    while not running.done():
        print(json.dumps(attack.counts), flush=True)
        await asyncio.wait([running], timeout=1.0)
    running.result()  # an attacker must not fail by itself


if __name__ == "__main__":
    asyncio.run(main())
