"""WebSockets that outlive a message too large: it is read and dropped, and the client is told, as by the real node.

aiohttp itself ends such a connection, so its reader is replaced by one on wsproto that takes messages piece by piece.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from aiohttp import EofStream, WebSocketError, WSMessage, WSMsgType, web
from wsproto.frame_protocol import Frame, FrameProtocol, Opcode, ParseFailed

if TYPE_CHECKING:
    from aiohttp.web_protocol import RequestHandler

BUFFERED_BYTES = 2**18
"""Bytes of a connection that may wait to be taken apart; beyond them nothing is read from it."""
SLICE_FRAMES = 100
"""Frames that are taken apart before the event loop has its turn."""


class TooLarge:
    """The place of a message that was larger than the limit."""


TOO_LARGE: Final = TooLarge()


class Inbox:
    """The messages that came in. It takes the place of aiohttp's queue, and takes bytes apart only when asked for a message.

    Of a message beyond `limit` bytes nothing is kept; `TOO_LARGE` takes its place.
    """

    def __init__(self, limit: int, protocol: RequestHandler) -> None:
        self._limit, self._protocol = limit, protocol
        self._frames = FrameProtocol(client=False, extensions=[])
        self._ready: deque[WSMessage] = deque()
        self._message = bytearray()
        self._buffered = self._taken = 0
        self._too_large = self._ended = self._paused = False
        self._error: BaseException | None = None
        self._news = asyncio.Event()

    def take(self, data: bytes) -> None:
        """Take bytes of the connection."""
        self._frames.receive_bytes(data)
        self._buffered += len(data)
        if self._buffered > BUFFERED_BYTES and not self._paused:
            self._paused = True
            self._protocol.pause_reading()
        self._news.set()

    def feed_data(self, message: WSMessage, size: int) -> None:
        """Put a message in that did not come from the connection: aiohttp's own, to wake the reader."""
        self._ready.append(message)
        self._news.set()

    def feed_eof(self) -> None:
        """Note the end of the connection."""
        self._ended = True
        self._news.set()

    def set_exception(self, error: BaseException, cause: BaseException | None = None) -> None:
        """Note a failure of the connection."""
        self._error = error
        self.feed_eof()

    def exception(self) -> BaseException | None:
        """Return the failure of the connection, or None."""
        return self._error

    async def read(self) -> WSMessage:
        """Return the next message. Raises EofStream, and WebSocketError after bytes that are no frames."""
        while not self._ready:
            frame = self._next()
            if frame is None:
                await self._more()
                continue
            self._add(frame)
            self._taken += 1
            if self._taken % SLICE_FRAMES == 0:
                await asyncio.sleep(0)
        return self._ready.popleft()

    def _next(self) -> Frame | None:
        try:
            return next(iter(self._frames.received_frames()), None)
        except ParseFailed as error:
            raise WebSocketError(error.code, str(error)) from error

    async def _more(self) -> None:
        self._news.clear()
        self._buffered = 0
        if self._error is not None:
            raise self._error
        if self._ended:
            raise EofStream
        if self._paused:
            self._paused = False
            self._protocol.resume_reading()
        await self._news.wait()

    def _add(self, frame: Frame) -> None:
        payload = frame.payload
        if isinstance(payload, tuple):  # a close frame's
            self._ready.append(WSMessage(WSMsgType.CLOSE, int(payload[0]), payload[1]))
        elif frame.opcode is Opcode.PING:
            self._ready.append(WSMessage(WSMsgType.PING, payload, ""))
        elif frame.opcode is Opcode.PONG:
            self._ready.append(WSMessage(WSMsgType.PONG, payload, ""))
        else:
            self._add_data(payload, frame.message_finished)

    def _add_data(self, payload: str | bytes, last: bool) -> None:
        if not self._too_large:
            self._message += payload.encode() if isinstance(payload, str) else payload
            if len(self._message) > self._limit:
                self._too_large, self._message = True, bytearray()
        if last:
            data: bytes | TooLarge = TOO_LARGE if self._too_large else bytes(self._message)
            self._ready.append(WSMessage(WSMsgType.BINARY, data, ""))
            self._too_large, self._message = False, bytearray()


class _Parser:
    """What aiohttp hands the bytes of the connection to."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self._inbox.take(data)
        return False, b""

    def feed_eof(self) -> None:
        self._inbox.feed_eof()


class Socket(web.WebSocketResponse):
    """A WebSocket whose messages are bytes, or `TOO_LARGE`."""

    def __init__(self, limit: int) -> None:
        super().__init__(compress=False)
        self._limit = limit

    def _post_start(self, request: web.BaseRequest, protocol: str | None, writer: Any) -> None:
        self._ws_protocol, self._writer = protocol, writer
        self._reset_heartbeat()
        handler = request.protocol
        inbox = Inbox(self._limit, handler)
        self._reader = inbox  # type: ignore[assignment]
        handler.set_parser(_Parser(inbox))  # type: ignore[arg-type]
        handler.keep_alive(False)
