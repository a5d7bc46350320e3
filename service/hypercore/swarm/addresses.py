"""Changes of the machine's own addresses and routes, as the kernel tells of them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from types import TracebackType

import structlog

log = structlog.get_logger(__name__)

LINK, IPV4_ADDRESS, IPV4_ROUTE = 0x1, 0x10, 0x40
"""Groups of messages of rtnetlink: interfaces that come up and go down, addresses, routes."""
SETTLE_SECONDS = 0.5
"""A change is many messages: it is told once none has come for so long."""
MOST_SECONDS = 5.0
"""At the latest it is told after so long."""
MESSAGE_BYTES, BURST = 65_536, 64


class AddressWatch:
    """Calls `on_change` when addresses or routes of this machine have changed; a context manager.

    Linux alone tells. Elsewhere entering it raises OSError: call `Swarm.network_changed` by other means there.
    """

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self._socket: socket.socket | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._first = 0.0

    def __enter__(self) -> AddressWatch:
        family = getattr(socket, "AF_NETLINK", None)
        if family is None:
            raise OSError("only Linux tells of changes of its addresses")
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket(family, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
        self._socket.bind((0, LINK | IPV4_ADDRESS | IPV4_ROUTE))
        self._loop.add_reader(self._socket, self._heard)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._socket is not None:
            self._loop.remove_reader(self._socket)
            self._socket.close()
        if self._timer is not None:
            self._timer.cancel()

    def _heard(self) -> None:
        assert self._socket is not None
        for _ in range(BURST):
            try:
                self._socket.recv(MESSAGE_BYTES)
            except BlockingIOError:
                break
            except OSError:  # messages were lost (ENOBUFS): something has changed, too
                break
        now = self._loop.time()
        if self._timer is None:
            self._first = now
        else:
            self._timer.cancel()
        self._timer = self._loop.call_at(min(now + SETTLE_SECONDS, self._first + MOST_SECONDS), self._tell)

    def _tell(self) -> None:
        self._timer = None
        log.info("the addresses of this machine have changed")
        self._on_change()
