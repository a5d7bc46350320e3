"""Connections that may be dead: a peer on which nothing is heard is dialled beside them, for who connects to it next."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from ..net.connection import Connection
from ..wire.errors import ConnectError

log = structlog.get_logger(__name__)

WAITS = (1.0, 1.0, 2.0, 4.0)
"""Seconds for a peer's host to be heard of, and between dials. A dead connection ends by itself after 13 s."""
MOST = 16
"""Peers that are dialled anew at a time, and connections that wait for who wants them."""

Dial = Callable[[bytes], Awaitable[Connection]]


class Spares:
    """Dials beside connections that show no life, and ends those whose peer is reached anew.

    `dial` makes a connection to a key. What it returns waits here until `take`.
    """

    def __init__(self, dial: Dial) -> None:
        self._dial = dial
        self._dialling: dict[bytes, asyncio.Task[None]] = {}
        self._spare: dict[bytes, Connection] = {}

    def watch(self, connection: Connection) -> None:
        """Dial this connection's peer anew as soon as nothing is heard of it."""
        connection.on_silent.append(lambda: self.test(connection))

    def test(self, connection: Connection) -> None:
        """Ask whether a connection lives, and dial its peer anew if nothing answers."""
        key, before = connection.remote_key, connection.progress
        if before is None or key in self._dialling or key in self._spare or len(self._dialling) >= MOST:
            return
        connection.poke()
        self._dialling[key] = asyncio.get_running_loop().create_task(self._run(connection, before))

    def take(self, key: bytes) -> Connection | None:
        """Return the connection to a peer that waits, if there is one."""
        found = self._spare.pop(key, None)
        return found if found is not None and found.is_open else None

    async def close(self) -> None:
        """Stop dialling. The connections that wait are their maker's."""
        tasks = list(self._dialling.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._dialling.clear()  # a task that had not begun has not cleared its place
        self._spare.clear()

    async def _run(self, old: Connection, before: int) -> None:
        try:
            for seconds in WAITS:
                await asyncio.sleep(seconds)
                if old.is_closed or old.progress != before:
                    return
                try:
                    new = await self._dial(old.remote_key)
                except (ConnectError, TimeoutError, OSError) as error:
                    log.debug("peer not reached anew", peer=str(old), reason=str(error) or "no answer in time")
                    continue
                self._replace(old, new)
                return
        finally:
            self._dialling.pop(old.remote_key, None)

    def _replace(self, old: Connection, new: Connection) -> None:
        """End a connection for a new one. Also if it has come to life: the peer may have given it up for the new one."""
        if len(self._spare) >= MOST:
            self._spare.pop(next(iter(self._spare))).close("nobody wants it")
        self._spare[new.remote_key] = new
        new.on_closed.append(lambda: self._forget(new))
        old.abort("nothing was heard of the peer, and it was reached anew")

    def _forget(self, connection: Connection) -> None:
        if self._spare.get(connection.remote_key) is connection:
            del self._spare[connection.remote_key]
