"""Connections that may be dead since the network has changed: peers that do not answer are dialled beside them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import structlog

from ..net.connection import Connection
from ..wire.errors import ConnectError
from .policy import DialOrder, SwarmPolicy

log = structlog.get_logger(__name__)

RENEW_SECONDS = (1.0, 1.0, 2.0, 2.0, 4.0, 4.0)
"""Time for a peer's host to answer after the network has changed, and between dials: NATs are found out anew meanwhile."""
MAX_RENEWALS = 3
"""Peers that are dialled anew at a time."""

Connect = Callable[[DialOrder], Awaitable[Connection]]
Swap = Callable[[Connection, Connection], None]
"""Puts a new connection (second) in the place of another one."""


class Renewals:
    """Dials beside connections that show no life. Until one succeeds, the old connection stays."""

    def __init__(self, policy: SwarmPolicy, connect: Connect, swap: Swap) -> None:
        self._policy, self._connect, self._swap = policy, connect, swap
        self._tasks: dict[bytes, asyncio.Task[None]] = {}
        self._places = asyncio.Semaphore(MAX_RENEWALS)

    def test(self, connections: Iterable[Connection]) -> None:
        """Ask whether connections live, and dial the peers that were dialled here and whose host says nothing."""
        for connection in connections:
            before, key = connection.progress, connection.remote_key
            connection.poke()
            if before is not None and key not in self._tasks and self._policy.renewal(key) is not None:
                self._tasks[key] = asyncio.get_running_loop().create_task(self._run(connection, before))

    def stop(self) -> list[asyncio.Task[None]]:
        """End all dials. Return what is to be awaited."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        return tasks

    async def _run(self, old: Connection, before: int) -> None:
        try:
            for seconds in RENEW_SECONDS:
                await asyncio.sleep(seconds)
                async with self._places:
                    if await self._renew(old, before):
                        return
        except Exception as error:
            log.error("dialling anew failed", peer=str(old), error=str(error), exc_info=True)
        finally:
            del self._tasks[old.remote_key]

    async def _renew(self, old: Connection, before: int) -> bool:
        """Dial a peer anew, unless its connection lives or is over. Return whether there is nothing left to do."""
        order = self._policy.renewal(old.remote_key)
        if order is None or old.is_closed or old.progress != before:
            return True
        try:
            new = await self._connect(order)
        except (ConnectError, TimeoutError, OSError) as error:
            log.debug("peer not reached anew", peer=str(old), reason=str(error) or "no answer in time")
            return False
        if old.is_closed or self._policy.renewal(old.remote_key) is None:
            new.close("the connection before has ended, and others are made")
        else:  # also if the old one has come to life: the peer has given it up for the new one
            self._swap(old, new)
        return True
