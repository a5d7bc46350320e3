"""Whether anybody serves a feed: a plan of one that nobody serves costs its encoders their fines, and keeps nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import closing

from service.hypercore import Core, Corestore, StorageError
from service.hypercore.net import ConnectError, Replicator, Transport, WireError

from .checks import PublicationError


class Unserved(PublicationError):
    """No known peer serves the feed. The message says what each of them answered."""


async def check_served(core: Core, ranges: Sequence[tuple[int, int]], transport: Transport) -> None:
    """Return once a known peer has shown the feed's head and sent a block of the ranges. Raises Unserved."""
    peers = await transport.providers(core.discovery_key)
    if not peers:
        raise Unserved(
            f"nobody is known who serves feed {core.key.hex()}: run the node of its directory (--roles author), "
            "or say by whom it is found (--peer KEY@HOST:PORT, --bootstrap HOST:PORT), or publish it all the same (--unserved)"
        )
    tasks = [asyncio.ensure_future(_ask(core, ranges, transport, key)) for key in peers]
    reasons: list[str] = []
    try:
        for answer in asyncio.as_completed(tasks):
            reason = await answer
            if reason is None:
                return
            reasons.append(reason)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    raise Unserved(
        f"nobody who is known serves feed {core.key.hex()}: {'; '.join(reasons)}. Its encoders would be fined and nothing "
        "kept: see that it is served, or publish it all the same (--unserved)"
    )


async def _ask(core: Core, ranges: Sequence[tuple[int, int]], transport: Transport, key: bytes) -> str | None:
    """Return why a peer does not serve the feed, or None if it does. What it shows is not kept."""
    with closing(Corestore()) as store:
        replica = store.get(core.key)
        try:
            connection = await transport.connect(key)
        except ConnectError as error:
            return str(error)
        try:
            with Replicator(replica) as replicator:
                replicator.attach(connection)
                length = await replicator.update()
                if length < core.length or replica.fork != core.fork:
                    return f"{connection} has {length} blocks of fork {replica.fork}, not {core.length} of {core.fork}"
                await replicator.get(ranges[0][0])
        except (WireError, StorageError) as error:
            return str(error)
        finally:
            connection.close("done")
    return None
