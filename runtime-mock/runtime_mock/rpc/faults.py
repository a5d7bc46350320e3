"""Faults on request of a test: connections are cut, hang, or calls are refused."""

from __future__ import annotations

import asyncio

from .errors import RpcError


class Faults:
    """The faults in effect."""

    def __init__(self) -> None:
        self.transports: set[asyncio.Transport] = set()
        self.answering = asyncio.Event()
        self.answering.set()
        self._refusals: dict[str, list[RpcError]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def drop(self) -> int:
        """Cut all WebSockets without a close frame. Return their number."""
        gone = list(self.transports)
        for transport in gone:
            transport.abort()
        return len(gone)

    def hang(self, milliseconds: int) -> None:
        """Send nothing on any WebSocket for a while; 0 ends it."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.answering.set()
        if milliseconds:
            self.answering.clear()
            self._timer = asyncio.get_running_loop().call_later(milliseconds / 1000, self.answering.set)

    def refuse(self, name: str, error: RpcError, times: int) -> None:
        """Answer the next calls of a method with an error."""
        self._refusals[name] = [error] * times

    def check(self, name: str) -> None:
        """Raise the error that was requested for a method, if any."""
        waiting = self._refusals.get(name)
        if waiting:
            raise waiting.pop()
