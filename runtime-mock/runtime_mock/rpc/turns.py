"""Turns: the work of all clients is done in slices, one at a time, and blocks, timers and sockets come in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Turns:
    """A queue for turns. Whoever waits longest is next, and before each turn the event loop runs once."""

    def __init__(self) -> None:
        self._free = asyncio.Lock()

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Wait for a turn; what is done within must not wait for anything."""
        async with self._free:
            await asyncio.sleep(0)  # before the work, so that nothing comes between it and its answer
            yield

    async def each(
        self, items: Iterable[Item], size: int, work: Callable[[Item], Result]
    ) -> AsyncIterator[list[Result]]:
        """Work on all items, at most `size` in a turn, and yield the results of each turn when it is over."""
        rest = iter(items)
        while True:
            async with self.one():
                done = [work(item) for item in islice(rest, size)]
            if not done:
                return
            yield done
