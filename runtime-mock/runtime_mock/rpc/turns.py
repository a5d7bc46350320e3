"""Turns: the work of all clients is done in slices, one at a time, and blocks, timers and sockets come in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")


class Turns:
    """A queue for turns. Whoever waits longest is next, and after each turn the event loop runs once."""

    def __init__(self) -> None:
        self._free = asyncio.Lock()

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Wait for a turn; what is done within must not wait for anything."""
        async with self._free:
            yield
            await asyncio.sleep(0)

    async def slices(self, items: Iterable[Item], size: int) -> AsyncIterator[Sequence[Item]]:
        """Yield the items in lists of at most `size`, each in a turn of its own."""
        rest = iter(items)
        while True:
            async with self.one():
                part = list(islice(rest, size))
                if not part:
                    return
                yield part
