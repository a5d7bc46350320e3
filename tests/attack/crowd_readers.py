"""Readers that find a feed in the DHT and fetch it over UDX, again and again: `python -m tests.attack.crowd_readers JSON`.

They are honest; there are many of them. Each has a node of the DHT, an address and a key of its own. It prints its counts as JSON
each second.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import resource
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import structlog

from service.feeds.export import blocks_of
from service.feeds.fetch import fetch_feed
from service.hypercore import Core, Corestore, KeyPair
from service.hypercore.net import ReplicationError
from service.hypercore.swarm.dht.address import Address
from service.hypercore.swarm.dht.sockets import DhtError
from service.hypercore.swarm.transport import SwarmTransport

FETCH_SECONDS = 300.0
FIRST_NET = 100
"""The readers' addresses are 127.100.0.1 and so on: those of one host share its limits."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is read: the feed's key and the hash of its bytes, from whom, and by which node of the DHT."""

    feed: str
    sha256: str
    hoster: str
    bootstrap: str
    readers: int


def argument(wanted: Wanted) -> str:
    """Return it as this program's argument."""
    return json.dumps(asdict(wanted))


def addresses() -> Iterator[str]:
    """Give addresses of this machine, without end."""
    number = 0
    while True:
        number += 1
        yield f"127.{FIRST_NET}.{number >> 8}.{number & 255}"


def digest_of(core: Core) -> str:
    """Return the hash of a feed's bytes."""
    return hashlib.sha256(b"".join(blocks_of(core))).hexdigest()


class Crowd:
    """The readers."""

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self.counts: Counter[str] = Counter()

    async def run(self) -> None:
        """Read for ever. A reader that fails is counted with its reason, and tries again."""
        async with asyncio.TaskGroup() as group:
            for number, host in zip(range(self.wanted.readers), addresses(), strict=False):
                group.create_task(self.reader(number, host))

    async def reader(self, number: int, host: str) -> None:
        """Be one reader, who begins anew with another key each time."""
        first = True
        while True:
            try:
                async with asyncio.timeout(FETCH_SECONDS):
                    await self.read(host)
            except (ReplicationError, DhtError, OSError, TimeoutError) as error:
                self.counts["failed"] += 1
                self.counts[f"failed: {type(error).__name__}: {error}"[:160]] += 1
                await asyncio.sleep(1.0)
            else:
                self.counts["readers"] += first
                first = False

    async def read(self, host: str) -> None:
        """Read the feed once, and compare every byte."""
        wanted, store = self.wanted, Corestore(None)
        try:
            async with SwarmTransport(KeyPair.generate(), [Address.parse(wanted.bootstrap)]) as transport:
                await transport.join(Address(host, 0))
                core = store.get(bytes.fromhex(wanted.feed))
                self.counts["reading"] += 1
                try:
                    (source,) = await fetch_feed(core, transport, [bytes.fromhex(wanted.hoster)])
                finally:
                    self.counts["reading"] -= 1
            if digest_of(core) != wanted.sha256:
                raise AssertionError("other bytes came than were served")
            self.counts["read"] += 1
            self.counts[f"by {source.path}"] += 1
        finally:
            store.close()


async def main() -> None:
    """Read until killed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 8192)), hard))
    os.nice(10)  # strangers have machines of their own
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    crowd = Crowd(Wanted(**json.loads(sys.argv[1])))
    running = asyncio.create_task(crowd.run())
    while not running.done():
        print(json.dumps(crowd.counts), flush=True)
        await asyncio.wait([running], timeout=1.0)
    running.result()


if __name__ == "__main__":
    asyncio.run(main())
