"""Fetch a feed from its peers and check it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from service.hypercore import Core
from service.hypercore.net import ConnectError, Connection, ReplicationError, Replicator, Transport

from .progress import OnBytes

log = structlog.get_logger(__name__)


async def fetch_feed(
    core: Core, transport: Transport, peers: Sequence[bytes] | None = None, on_progress: OnBytes | None = None
) -> None:
    """Download `core` up to the head that its peers show, with all blocks, durable on return.

    `peers` are the swarm keys to ask (default: all that the transport knows). Raises ReplicationError.
    """
    wanted = list(peers) if peers is not None else [peer.key for peer in transport.known]
    if not wanted:
        raise ReplicationError(f"core {core.key.hex()}: no peer to fetch it from is known")
    connections, reasons = await connect_all(transport, wanted)
    if not connections:
        raise ReplicationError(f"core {core.key.hex()}: cannot reach any peer: {'; '.join(reasons)}")
    try:
        with Replicator(core) as replicator:
            for connection in connections:
                replicator.attach(connection)
            if await replicator.update() == 0:
                raise ReplicationError(f"core {core.key.hex()}: its peers have no block of it: it is empty there")
            await replicator.download(0, core.length, _in_bytes(core, on_progress))
    finally:
        for connection in connections:
            connection.close("done")


async def connect_all(transport: Transport, peers: Sequence[bytes]) -> tuple[list[Connection], list[str]]:
    """Return connections to the peers that answer, and for the others the reasons why they do not."""
    results = await asyncio.gather(*(transport.connect(key) for key in peers), return_exceptions=True)
    connections = [one for one in results if isinstance(one, Connection)]
    reasons = []
    for result in results:
        if isinstance(result, ConnectError):
            reasons.append(str(result))
            log.info("peer not reached", reason=str(result))
        elif isinstance(result, BaseException):
            for connection in connections:
                connection.close("given up")
            raise result
    return connections, reasons


def _in_bytes(core: Core, on_progress: OnBytes | None) -> Callable[[int, int], None] | None:
    if on_progress is None:
        return None

    def report(done: int, total: int) -> None:
        on_progress(core.byte_length * done // max(1, total), core.byte_length)

    return report
