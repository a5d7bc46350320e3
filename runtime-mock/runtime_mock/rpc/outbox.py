"""What waits to be sent to one client."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import structlog
from aiohttp import WSMsgType, web

from .methods import Node
from .room import Room

log = structlog.get_logger(__name__)

MAX_UNREAD_BYTES = 64 * 1024 * 1024
"""Bytes that may wait for a slow client. Answers wait for room; notifications beyond the limit end the connection."""
SLOW_BYTES = 1024 * 1024


def encode(message: Any) -> bytes:
    """Return a message as it is sent."""
    return json.dumps(message, separators=(",", ":")).encode()


class Outbox:
    """The messages waiting to be sent to one client. `room` is shared with all others."""

    def __init__(self, socket: web.WebSocketResponse, node: Node, transport: asyncio.Transport, room: Room) -> None:
        self._socket, self._node, self._transport, self._room = socket, node, transport, room
        self._waiting: asyncio.Queue[bytes] = asyncio.Queue()
        self.unread = 0
        self._drained = asyncio.Event()
        self._drained.set()
        self._gone = False

    def put(self, data: bytes) -> None:
        """Queue an encoded message. A client that never reads is cut off."""
        if self._gone:
            return
        size = len(data)
        if self.unread + size > MAX_UNREAD_BYTES or not self._room.take(size):
            log.warning("cutting off a client that does not read", unread=self.unread + size)
            self.cut_off()
            return
        if self._gone:  # it was this client that made room
            self._room.give(size)
            return
        self.unread += size
        if self.unread > SLOW_BYTES:
            self._drained.clear()
        self._waiting.put_nowait(data)

    def cut_off(self) -> None:
        """End the connection without a close frame."""
        self._end()
        self._transport.abort()

    def _end(self) -> None:
        """Mark the connection as dead: nothing more is queued, and nobody waits for it."""
        self._gone = True
        self._drained.set()
        self._room.give(self.unread)
        self.unread = 0
        while not self._waiting.empty():
            self._waiting.get_nowait()

    def _sent(self, size: int) -> None:
        if self._gone:
            return
        self._room.give(size)
        self.unread -= size
        if self.unread <= SLOW_BYTES:
            self._drained.set()

    async def drained(self) -> None:
        """Wait until few enough messages are queued."""
        await self._drained.wait()

    async def run(self) -> None:
        """Send messages until the connection ends."""
        try:
            while True:
                data = await self._waiting.get()
                await self._node.faults.answering.wait()
                await self._socket.send_frame(data, WSMsgType.TEXT)
                self._sent(len(data))
        except ConnectionError:
            pass  # the reading side notices the end as well, unless it waits for `drained`
        finally:
            self._end()
