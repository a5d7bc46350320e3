"""A protomux channel for tasks: they wait for messages, and wait to send while the peer does not keep up."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from ..wire.errors import ChannelClosed, ConnectionClosed
from ..wire.protomux import Endpoint

if TYPE_CHECKING:
    from .connection import Connection

CHANNEL_SECONDS = 20.0
"""Time for the peer to open a channel. It exceeds SETTLE_SECONDS, within which a peer may still answer."""
MESSAGE_COST = 256  # memory of a message besides its bytes


class Channel:
    """A protomux channel for tasks: receive with bounded buffering, send with back-pressure."""

    def __init__(self, connection: Connection, protocol: str, identifier: bytes | None, handshake: bytes) -> None:
        self.connection, self.protocol, self.identifier = connection, protocol, identifier
        self._queue: deque[tuple[int, bytes]] = deque()
        self._wake = asyncio.Event()
        self._remote_handshake: bytes | None = None
        self._reason: str | None = None
        self._endpoint: Endpoint = connection.mux.open(
            protocol, identifier, handshake, self._on_open, self._on_message, self._on_close
        )

    def _on_open(self, handshake: bytes) -> None:
        self._remote_handshake = handshake
        self._wake.set()

    def _on_message(self, kind: int, body: bytes) -> None:
        self._queue.append((kind, body))
        self.connection.unread(len(body) + MESSAGE_COST)
        self._wake.set()

    def _on_close(self, reason: str) -> None:
        self._reason = self.connection.reason or reason
        self._wake.set()

    async def opened(self) -> bytes:
        """Wait, at most CHANNEL_SECONDS, until the peer has opened the channel too. Return its handshake.

        Raises ChannelClosed.
        """
        try:
            async with asyncio.timeout(CHANNEL_SECONDS):
                while self._remote_handshake is None:
                    if self._reason is not None:
                        raise ChannelClosed(self._reason)
                    self._wake.clear()
                    await self._wake.wait()
        except TimeoutError:
            self.close()
            raise ChannelClosed(f"{self.protocol} was not opened within {CHANNEL_SECONDS:.0f} s") from None
        return self._remote_handshake

    async def receive(self) -> tuple[int, bytes]:
        """Return the next message: its type and its body. Raises ChannelClosed at the end."""
        while not self._queue:
            if self._reason is not None:
                raise ChannelClosed(self._reason)
            self._wake.clear()
            await self._wake.wait()
        kind, body = self._queue.popleft()
        self.connection.unread(-len(body) - MESSAGE_COST)
        return kind, body

    async def __aiter__(self) -> AsyncIterator[tuple[int, bytes]]:
        while True:
            try:
                yield await self.receive()
            except ChannelClosed:
                return

    async def send(self, kind: int, body: bytes) -> None:
        """Send a message, waiting while the peer does not keep up. Raises ChannelClosed."""
        if self._reason is not None:
            raise ChannelClosed(self._reason)
        self.connection.mux.send(self._endpoint, kind, body)
        if not self.connection.writable:
            try:
                await self.connection.drain()
            except ConnectionClosed as error:
                raise ChannelClosed(str(error)) from error

    @property
    def is_closed(self) -> bool:
        """Whether the channel has ended."""
        return self._reason is not None

    def close(self) -> None:
        """Close the channel. Messages that were received but not read are dropped."""
        self.connection.mux.close(self._endpoint)
        for _, body in self._queue:
            self.connection.unread(-len(body) - MESSAGE_COST)
        self._queue.clear()
