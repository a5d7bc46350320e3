"""Fetch a feed from its peers and check it.

The first that is read of a feed is a part of it from a byte on that is drawn, from one peer that is drawn: what an attester
reads of a hoster looks the same to it (docs/protocol/probe.md section 6). The rest comes from all peers.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from service.hypercore import Core, CoreError
from service.hypercore.net import Connection, ConnectionClosed, CorePeer, ReplicationError, Replicator, Transport

from .connections import PeerConnections
from .progress import OnBytes
from .reading import announced, read_part

log = structlog.get_logger(__name__)

FIRST_BYTES = 1 << 20
"""Bytes of the part that is read first: as many as an attester reads (ProbeBytes)."""
FIRST_SECONDS = 4.0
"""Time for that part, once there are other peers that could serve it."""


@dataclass(frozen=True, slots=True)
class Source:
    """A peer from which a feed was fetched: its key, the path to it, and the bytes of the blocks that it sent."""

    key: bytes
    path: str
    received: int


async def fetch_feed(
    core: Core, transport: Transport, peers: Sequence[bytes] | None = None, on_progress: OnBytes | None = None
) -> list[Source]:
    """Download `core` up to the head that its peers show, with all blocks, durable on return. Return what each peer gave.

    `peers` are the swarm keys to ask (default: all of whom the transport hears that they may have it). Raises
    ReplicationError.
    """
    wanted = list(peers) if peers is not None else await transport.providers(core.discovery_key)
    async with PeerConnections(transport, wanted) as reached:
        if not reached.connections:
            raise ReplicationError(f"core {core.key.hex()}: {reached.failure}")
        with Replicator(core) as replicator:
            asked: list[CorePeer] = []
            if not core.length:
                await _read_first(core, replicator, _drawn(reached.connections), asked, len(wanted) > 1)

            def attach(connection: Connection) -> None:
                if not asked or connection is not asked[0].connection:
                    asked.append(replicator.attach(connection))

            reached.give_to(attach)
            if await replicator.update() == 0:
                raise ReplicationError(f"core {core.key.hex()}: its peers have no block of it: it is empty there")
            await replicator.download(0, core.length, _in_bytes(core, on_progress))
            return [Source(one.connection.remote_key, one.connection.path, one.received) for one in asked]


def _drawn(connections: Sequence[Connection]) -> Connection:
    return connections[secrets.randbelow(len(connections))]


async def _read_first(
    core: Core, replicator: Replicator, connection: Connection, asked: list[CorePeer], others: bool
) -> None:
    """Read a part of a feed from a byte on that is drawn, as far as a peer has it. What does not come is asked for again later."""
    try:
        peer = replicator.attach(connection)
        asked.append(peer)
        async with asyncio.timeout(FIRST_SECONDS if others else None):
            await replicator.update()
            within = announced(core, peer)
            if within.last_byte:
                await read_part(core, replicator, within, secrets.randbelow(within.last_byte), FIRST_BYTES)
    except (ConnectionClosed, ReplicationError, CoreError, TimeoutError) as error:
        log.info("the first part of a feed did not come", peer=str(connection), reason=str(error))


def _in_bytes(core: Core, on_progress: OnBytes | None) -> Callable[[int, int], None] | None:
    if on_progress is None:
        return None

    def report(done: int, total: int) -> None:
        on_progress(core.byte_length * done // max(1, total), core.byte_length)

    return report
