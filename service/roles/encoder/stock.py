"""Private keys made ahead of need, so that no segment waits for one. Each is given out once, and none is on the disk before."""

from __future__ import annotations

import asyncio

from service.encoding import PrivateKey

AHEAD = 2
"""Keys in stock: as many segments as an encoder is wont to begin at a time."""


class KeyStock:
    """Some unused keys, in memory alone. What is taken is made up for, one key at a time, in a thread."""

    def __init__(self) -> None:
        self._keys: list[PrivateKey] = []
        self._making: asyncio.Task[None] | None = None

    async def take(self) -> PrivateKey:
        """Return a key that nobody has seen, at once if there is one in stock."""
        key = self._keys.pop() if self._keys else await asyncio.to_thread(PrivateKey.generate)
        if self._making is None or self._making.done():
            self._making = asyncio.create_task(self._fill())
        return key

    async def _fill(self) -> None:
        while len(self._keys) < AHEAD:
            self._keys.append(await asyncio.to_thread(PrivateKey.generate))

    async def close(self) -> None:
        """Make no more keys, and erase those in stock."""
        if self._making is not None:
            self._making.cancel()
            await asyncio.gather(self._making, return_exceptions=True)
        while self._keys:
            self._keys.pop().erase()
