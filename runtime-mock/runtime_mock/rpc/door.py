"""The door: how many connections there are, and how long one may take to say what it wants.

asyncio's own server accepts without end, and fails without end when the process has no file descriptors left.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import resource
import socket
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import structlog
from aiohttp import web
from aiohttp.http import HttpProcessingError

if TYPE_CHECKING:
    from aiohttp.web_protocol import RequestHandler

log = structlog.get_logger(__name__)

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

MAX_CONNECTIONS = 1024
RESERVED_FILES = 64
"""Descriptors that connections leave for the chain's file, the runtime, and whatever else opens one."""
WANTED_FILES = 4096
HEAD_SECONDS = 10.0
"""How long a new connection may take until its first request's head is complete."""
REST_SECONDS = 75.0
"""The same for the next request of a connection that has been answered."""
BACKLOG = 128
RETRY_SECONDS = 0.2
OUT_OF_FILES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


def raise_file_limit() -> int:
    """Raise the soft limit of open files as far as it may and need be. Return the limit that is in force."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED_FILES if hard == resource.RLIM_INFINITY else min(WANTED_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return soft if soft != resource.RLIM_INFINITY else WANTED_FILES


def room(file_limit: int) -> int:
    """Return how many connections a process with that limit of open files may have."""
    return max(1, min(MAX_CONNECTIONS, file_limit - RESERVED_FILES))


class _OurFaults(logging.Filter):
    """Passes on no traceback of what a client sent: it got an answer that tells it, and could fill the log."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, HttpProcessingError | web.RequestPayloadError | ConnectionError)


_FAULTS = logging.getLogger(__name__)
_FAULTS.addFilter(_OurFaults())


class Door(web.Server):
    """A listening socket, and the connections that came by it. `most` is their number at once.

    When all places are taken, the connection that has been without a request for longest is ended; if all have one,
    nobody is let in until one leaves.
    """

    def __init__(self, handler: Handler, most: int) -> None:
        super().__init__(handler, handler_cancellation=True, access_log=None, logger=_FAULTS)
        self._most = most
        self._inside: set[asyncio.Transport] = set()
        self._silent: dict[asyncio.Transport, asyncio.TimerHandle] = {}
        self._left = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._socket: socket.socket | None = None

    def __len__(self) -> int:
        return len(self._inside)

    def open(self, host: str, port: int) -> int:
        """Listen. Return the port, which is chosen if 0 is given. Raises OSError."""
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        self._socket = socket.create_server((host, port), family=family, backlog=BACKLOG)
        self._socket.setblocking(False)
        self._task = asyncio.create_task(self._accept(self._socket))
        found: int = self._socket.getsockname()[1]
        return found

    async def shut(self) -> None:
        """Let nobody in any longer. Those inside stay."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._socket is not None:
            self._socket.close()

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        """Count a new connection, and give it some time to send a request."""
        super().connection_made(handler, transport)
        self._inside.add(transport)
        self._wait_for_request(transport, HEAD_SECONDS)

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        """Give the place of a connection away."""
        transport = self._connections.get(handler)
        super().connection_lost(handler, exc)
        if transport is not None:
            self.heard(transport)
            self._inside.discard(transport)
            self._left.set()

    def heard(self, transport: asyncio.Transport) -> None:
        """Note that a connection has sent the head of a request."""
        timer = self._silent.pop(transport, None)
        if timer is not None:
            timer.cancel()

    def answered(self, transport: asyncio.Transport) -> None:
        """Note that a connection has its answer, and may send the next request."""
        if transport in self._inside:
            self._wait_for_request(transport, REST_SECONDS)

    def _wait_for_request(self, transport: asyncio.Transport, seconds: float) -> None:
        self.heard(transport)
        self._silent[transport] = asyncio.get_running_loop().call_later(seconds, self._end_silent, transport)

    def _end_silent(self, transport: asyncio.Transport) -> None:
        self.heard(transport)
        transport.abort()

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        short = False
        while True:
            try:
                accepted, _ = await loop.sock_accept(listening)
            except OSError as error:
                if error.errno not in OUT_OF_FILES:
                    log.info("a connection was gone before it was accepted", error=str(error))
                    continue
                if not short:
                    short = True
                    log.warning("no connection can be accepted for now: no file descriptors", open=len(self))
                await self._one_left(RETRY_SECONDS)
                continue
            if short:
                short = False
                log.info("connections are accepted again")
            await self._let_in(loop, accepted)

    async def _let_in(self, loop: asyncio.AbstractEventLoop, accepted: socket.socket) -> None:
        try:
            while len(self) >= self._most:
                if self._silent:
                    self._end_silent(next(iter(self._silent)))
                await self._one_left(None)
            await loop.connect_accepted_socket(self, accepted)
        except OSError as error:
            accepted.close()
            log.info("a connection was gone before it was served", error=str(error))
        except asyncio.CancelledError:
            accepted.close()
            raise

    async def _one_left(self, seconds: float | None) -> None:
        self._left.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._left.wait()
        except TimeoutError:
            return
