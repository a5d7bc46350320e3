"""Whether a node can be reached by whoever knows its address: nodes that it asks answer to its other socket, unasked there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .address import Address
from .nat import OwnAddress
from .requests import Via
from .rpc import DhtReply, Internal

if TYPE_CHECKING:
    from .node import DhtNode

NODES, ENOUGH, ENOUGH_OF_FEW = 5, 3, 1
"""Nodes that are asked, and answers that are believed: of five, and while fewer are known."""

OnChecked = Callable[[bool, float], None]


class OpenCheck:
    """One check, of the socket bound to `port`. It takes a second at most."""

    def __init__(self, node: DhtNode, port: int, on_checked: OnChecked) -> None:
        self._node, self._port, self._on_checked = node, port, on_checked
        self._pongs = OwnAddress()
        self._left = self._wanted = 0
        self._over = False

    def start(self, now: float) -> None:
        """Ask."""
        node = self._node
        chosen = list(dict.fromkeys(node.latest()[:NODES]))
        if len(chosen) < NODES:
            chosen = list(dict.fromkeys((*chosen, *node.bootstrap)))[:NODES]
        self._left = len(chosen)
        self._wanted = ENOUGH if self._left >= NODES else ENOUGH_OF_FEW
        value = self._port.to_bytes(2, "little")
        for address in chosen:
            node.ask(
                address, Internal.PING_NAT, self._answered, self._silent, now,
                internal=True, value=value, sends=1, via=Via.CLIENT,
            )  # fmt: skip
        if not chosen:
            self._end(opened=False, now=now)

    def _answered(self, reply: DhtReply, sender: Address, now: float) -> None:
        self._pongs.add(reply.to)
        pongs, own = self._pongs, self._node.own
        # another port than the socket's own is one that a NAT lends for a while
        if len(pongs) >= self._wanted and pongs.host == own.host is not None and pongs.port == self._port:
            self._end(opened=True, now=now)
        self._silent(now)

    def _silent(self, now: float) -> None:
        self._left -= 1
        if not self._left:
            self._end(opened=False, now=now)

    def _end(self, *, opened: bool, now: float) -> None:
        if not self._over:
            self._over = True
            self._on_checked(opened, now)
