"""Our side of the measurements over TCP: python -m bench._tcp_peer serve DIR COUNT SIZE | fetch DIR KEY PEER."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from pathlib import Path

import structlog

from service.hypercore import Corestore, KeyPair
from service.hypercore.net import PeerAddress, Replication, TcpTransport, fetch


def tell(**values: object) -> None:
    """Print one JSON line for the measuring process."""
    print(json.dumps(values), flush=True)


async def serve(directory: Path, count: int, size: int) -> None:
    """Serve a new feed until stdin ends."""
    store = Corestore(directory)
    core = store.create()
    for start in range(0, count, 64):
        core.append([bytes([index % 251]) * size for index in range(start, min(count, start + 64))])
    pair = KeyPair.generate()
    async with TcpTransport(
        pair, on_connection=lambda connection: Replication.of(connection).serve(store.find)
    ) as transport:
        _, port = await transport.listen("127.0.0.1", 0)
        tell(port=port, key=core.key.hex(), peer=pair.public.hex())
        await asyncio.to_thread(sys.stdin.read)


async def get(directory: Path, key: bytes, peer: PeerAddress) -> None:
    """Fetch the whole feed, timed from the connection to the last commit."""
    store = Corestore(directory)
    core = store.get(key)
    async with TcpTransport(KeyPair.generate(), [peer]) as transport:
        start = time.perf_counter()
        await fetch(core, await transport.connect(peer.key))
        seconds = time.perf_counter() - start
    tell(seconds=seconds, bytes=core.byte_length)
    store.close()


def main(task: str, directory: str, *rest: str) -> None:
    """Run one side."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    if task == "serve":
        asyncio.run(serve(Path(directory), int(rest[0]), int(rest[1])))
    else:
        asyncio.run(get(Path(directory), bytes.fromhex(rest[0]), PeerAddress.parse(rest[1])))


if __name__ == "__main__":
    main(*sys.argv[1:])
