"""A hoster's side of the measurement `serve`: python -m bench._serve_peer plain|encoded DIR COUNT SIZE.

It prints {key, peer, port}, and for each line that it is given the longest stand of its loop so far, {stand_ms}.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from pathlib import Path
from random import Random
from typing import Any

import structlog

from service.encoding import PrivateKey, SectorDecoder
from service.encoding.pool import CodecPool
from service.encoding.profiles import SECTOR
from service.hypercore import Core, Corestore, KeyPair
from service.hypercore.net import Replication, TcpTransport
from service.protocols.copy.job import Party, SegmentJob
from service.protocols.copy.receiver import Store, Stored
from service.protocols.copy.stream import PlanHead, Position, StreamRange
from service.roles.common.database import Database
from service.roles.hoster.feeds import HostedFeeds
from service.roles.hoster.store import HostedCopies

from ._tcp_peer import tell


class Stands:
    """The longest time of processor that one callback of the loop took."""

    def __init__(self) -> None:
        self.longest = 0.0
        run = asyncio.events.Handle._run

        def timed(handle: Any) -> None:
            begun = time.thread_time()
            run(handle)
            self.longest = max(self.longest, time.thread_time() - begun)

        asyncio.events.Handle._run = timed  # type: ignore[assignment, method-assign]


def encoded(core: Core, directory: Path, codec: CodecPool, store: Corestore, count: int, size: int) -> Database:
    """Give a core blocks that are here only as the sectors of a copy: random sectors, and what they decode to."""
    salt, modulus = Random(2).randbytes(32), PrivateKey.generate().modulus
    sectors = Random(1).randbytes(count * size)
    plain = SectorDecoder(salt, modulus).decode(0, sectors)
    core.append([plain[at : at + size] for at in range(0, len(plain), size)])
    core.clear(0, count)
    head, party = core.head(), Party(bytes(32), bytes(32), bytes(32))
    job = SegmentJob(
        genesis=bytes(32), plan=0, copy=0, segment=0, feed_key=core.key,
        head=PlanHead(head.fork, head.length, head.tree_hash), roots=head.roots,
        ranges=(StreamRange(0, count, 0, count * size),), first_byte=0, encoder=party, hoster=party,
        modulus=modulus, salt=salt,
    )  # fmt: skip
    database = Database(directory / "roles.sqlite")
    hosted, progress = HostedCopies(directory, database), Stored(len(sectors) // SECTOR, Position(count, len(sectors)))
    with hosted.tree(hosted.begin(job)) as tree:
        hosted.store(job, Store(0, sectors, (), (), progress), tree)
    hosted.advance(job, progress)
    HostedFeeds(store, hosted, codec, directory, lambda copy, why: sys.exit(why)).restore()
    return database


async def serve(kind: str, directory: Path, count: int, size: int) -> None:
    """Serve a new feed until stdin ends."""
    store, stands = Corestore(directory), Stands()
    core, pair = store.create(), KeyPair.generate()
    async with CodecPool() as codec, TcpTransport(
        pair, on_connection=lambda connection: Replication.of(connection).serve(store.find)
    ) as transport:  # fmt: skip
        if kind == "encoded":
            encoded(core, directory, codec, store, count, size)
        else:
            for start in range(0, count, 64):
                core.append([bytes([index % 251]) * size for index in range(start, min(count, start + 64))])
        _, port = await transport.listen("127.0.0.1", 0)
        tell(port=port, key=core.key.hex(), peer=pair.public.hex())
        await asyncio.sleep(0)
        stands.longest = 0.0  # making the feed does not count
        while await asyncio.to_thread(sys.stdin.readline):
            tell(stand_ms=1000 * stands.longest)


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    asyncio.run(serve(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
