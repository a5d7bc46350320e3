"""Fetch a feed from its peers and check it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from service.hypercore import Core
from service.hypercore.net import CorePeer, ReplicationError, Replicator, Transport

from .connections import PeerConnections
from .progress import OnBytes


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
            reached.give_to(lambda connection: asked.append(replicator.attach(connection)))
            if await replicator.update() == 0:
                raise ReplicationError(f"core {core.key.hex()}: its peers have no block of it: it is empty there")
            await replicator.download(0, core.length, _in_bytes(core, on_progress))
            return [Source(one.connection.remote_key, one.connection.path, one.received) for one in asked]


def _in_bytes(core: Core, on_progress: OnBytes | None) -> Callable[[int, int], None] | None:
    if on_progress is None:
        return None

    def report(done: int, total: int) -> None:
        on_progress(core.byte_length * done // max(1, total), core.byte_length)

    return report
