"""Connections to the peers of a feed, for as long as it is read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from types import TracebackType

import structlog

from service.hypercore.net import ConnectError, Connection, ConnectionClosed, ReplicationError, Transport

log = structlog.get_logger(__name__)

GRACE_SECONDS = 1.0
"""Time that others have to answer once a first peer is there: one that is gone, or far away, keeps nobody waiting."""
MAX_REASON = 500
"""Characters of all reasons together, in a message."""


class PeerConnections:
    """Connections to peers, as an asynchronous context manager, which ends them all.

    `connections` are those that were open soon; `give_to` hands them on, and each that opens later. `reasons` say why others
    are not there.
    """

    def __init__(self, transport: Transport, keys: Iterable[bytes]) -> None:
        self._transport, self._keys = transport, list(keys)
        self.connections: list[Connection] = []
        self.reasons: list[str] = []
        self._take: Callable[[Connection], object] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> PeerConnections:
        """Connect. Return when all have answered or failed, or GRACE_SECONDS after the first that answered."""
        tasks = [asyncio.ensure_future(self._connect(key)) for key in self._keys]
        self._tasks = set(tasks)
        try:
            pending = self._tasks
            while pending and not self.connections:
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                _raise_unexpected(done)
            if pending:
                done, _ = await asyncio.wait(pending, timeout=GRACE_SECONDS)
                _raise_unexpected(done)
        except BaseException:
            await self._end("given up")
            raise
        return self

    @property
    def failure(self) -> str:
        """Say why there is no connection."""
        if not self._keys:
            return "no peer to fetch it from is known"
        return f"cannot reach any peer: {'; '.join(self.reasons)[:MAX_REASON]}"

    def give_to(self, take: Callable[[Connection], object]) -> None:
        """Hand each connection to `take`: those that are open now, and others as they open.

        It may raise ConnectionClosed, and ReplicationError for a peer that is not to be asked, as it has another history of
        the feed: neither keeps the others from being used.
        """
        self._take = take
        for connection in list(self.connections):
            self._give(connection)

    def _give(self, connection: Connection) -> None:
        if self._take is None:
            return
        try:
            self._take(connection)
        except ConnectionClosed as error:
            log.info("peer left", peer=str(connection), reason=str(error))
        except ReplicationError as error:
            log.info("peer passed over", peer=str(connection), reason=str(error))

    async def _connect(self, key: bytes) -> None:
        try:
            connection = await self._transport.connect(key)
        except ConnectError as error:
            self.reasons.append(str(error))
            log.info("peer not reached", reason=str(error))
            return
        self.connections.append(connection)
        self._give(connection)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all connections."""
        await self._end("done")

    async def _end(self, reason: str) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for connection in self.connections:
            connection.close(reason)


def _raise_unexpected(done: Iterable[asyncio.Task[None]]) -> None:
    """Raise what is no failure of a peer but one of ours."""
    for task in done:
        task.result()
