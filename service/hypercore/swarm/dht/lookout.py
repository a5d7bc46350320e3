"""A node of the DHT that looks at itself from outside, by the nodes that it was given and by no others, and then ends."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from .address import Address
from .nat import LATEST
from .outside import OutsideView, outside_of
from .rpc import DhtReply, Internal
from .sockets import DhtError, DhtSockets

MOST_NODES = LATEST
"""Nodes that are asked at most."""
TRIES = 2
"""Times that it is asked for an answer at the other socket: one datagram may be lost."""


class Lookout(DhtSockets):
    """The node, as an asynchronous context manager. Entering it takes as long as the slowest of the nodes, 6 seconds at most.

    `port` is the one at which peers would come if it is not that of `listen`: a router may lead another one here. It tells no
    node an id, so it is in nobody's table. Raises CannotListen, OSError, and DhtError if none of the nodes answers.
    """

    def __init__(self, listen: Address, nodes: Iterable[Address], port: int | None = None) -> None:
        super().__init__(listen, tuple(nodes)[:MOST_NODES])
        self._port = port

    def outside(self) -> OutsideView:
        """Return what was found."""
        return outside_of(self.node)

    async def _refresh(self) -> None:
        """Ask each of the nodes where it sees us. What a query does, to ask those that they name, is left out."""
        answered = await asyncio.gather(*(self._answers(node) for node in self._bootstrap))
        if not any(answered):
            raise DhtError(f"none of the nodes {', '.join(map(str, self._bootstrap))} answers")

    async def _answers(self, node: Address) -> bool:
        over, done = self._awaited(bool)

        def there(reply: DhtReply, sender: Address, now: float) -> None:
            done(True, now)

        def gone(now: float) -> None:
            done(False, now)

        self.node.ask(node, Internal.PING, there, gone, self._loop.time(), internal=True)
        return await over

    async def _check_open(self) -> None:
        for _ in range(TRIES):
            self.node.server_port = self._port or self.address.port
            over, done = self._awaited(bool)
            self.node.check_open(done, self._loop.time())
            if await over:
                return
