"""Datagrams of one byte, by which NATs are opened, and the sockets that are opened for them beyond a node's two.

Such a socket has a number. Whoever drives the node opens it when a datagram is first to leave from it, and closes it when its
number is in `closed`. One that a stream goes on with is neither.
"""

from __future__ import annotations

from collections.abc import Callable

from .address import Address
from .requests import Datagram, Port, Via

PUNCH = b"\0"
OPENER_TTL = 5
"""Routers that the first datagram passes: enough to leave one's own NAT, too few to be refused by the other one."""

OnPunch = Callable[[Port, Address, float], None]


class Punches:
    """Who hears datagrams of one byte, by socket. What is sent goes to `out`."""

    def __init__(self, out: list[Datagram]) -> None:
        self._out = out
        self.closed: list[int] = []
        self._next = 1
        self._hearing: dict[Port, dict[OnPunch, None]] = {}

    @property
    def open(self) -> int:
        """How many sockets there are beyond the two."""
        return sum(not isinstance(port, Via) for port in self._hearing)

    def is_open(self, number: int) -> bool:
        """Return whether a socket was not closed yet."""
        return number in self._hearing

    def new(self, on_punch: OnPunch) -> int:
        """Return the number of a new socket."""
        number, self._next = self._next, self._next + 1
        self._hearing[number] = {on_punch: None}
        return number

    def hear(self, port: Port, on_punch: OnPunch) -> None:
        """Hear what comes by a socket that others hear, too."""
        self._hearing.setdefault(port, {})[on_punch] = None

    def leave(self, port: Port, on_punch: OnPunch) -> None:
        """Hear it no longer. The socket stays open."""
        hearing = self._hearing.get(port, {})
        hearing.pop(on_punch, None)
        if not hearing:
            self._hearing.pop(port, None)

    def close(self, number: int) -> None:
        """Close a socket."""
        if self._hearing.pop(number, None) is not None:
            self.closed.append(number)

    def send(self, port: Port, to: Address, *, opener: bool = False) -> None:
        """Send one byte, to the peer or only (`opener`) out of one's own NAT."""
        self._out.append(Datagram(PUNCH, to, port, OPENER_TTL if opener else 0))

    def take(self, port: Port, sender: Address, now: float) -> None:
        """Take a datagram of one byte."""
        for on_punch in list(self._hearing.get(port, ())):
            on_punch(port, sender, now)
