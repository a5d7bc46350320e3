"""transaction_v1: transactions that are handed to the pool until the client stops it, or the pool refuses them for good."""

from __future__ import annotations

from collections.abc import Callable

from ..node.engine import BestChanged, Event
from ..node.pool import BANNED, FULL, PoolError
from .methods import Node

MAX_BROADCASTS = 16
"""Transactions that one connection may have under way."""


class Broadcasts:
    """The transactions that a connection broadcasts."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._waiting: dict[str, bytes] = {}
        self._names: set[str] = set()
        self._numbers = 0
        self._unlisten: Callable[[], None] | None = None

    def __len__(self) -> int:
        return len(self._names)

    def begin(self, extrinsic: bytes) -> str | None:
        """Broadcast a transaction. Return the operation's name, or None if there are too many."""
        if len(self._names) >= MAX_BROADCASTS:
            return None
        self._numbers += 1
        name = f"broadcast{self._numbers}"
        self._names.add(name)
        if not self._offer(extrinsic):
            self._waiting[name] = extrinsic
            if self._unlisten is None:
                self._unlisten = self._node.engine.listen(self._hear)
        return name

    def stop(self, name: str) -> bool:
        """End a broadcast. Return whether there was one of that name."""
        if name not in self._names:
            return False
        self._names.discard(name)
        self._waiting.pop(name, None)
        self._rest()
        return True

    def close(self) -> None:
        """End all of them."""
        self._names.clear()
        self._waiting.clear()
        self._rest()

    def _rest(self) -> None:
        if not self._waiting and self._unlisten is not None:
            self._unlisten()
            self._unlisten = None

    def _hear(self, event: Event) -> None:
        if isinstance(event, BestChanged):
            done = [name for name, extrinsic in self._waiting.items() if self._offer(extrinsic)]
            for name in done:
                del self._waiting[name]
            self._rest()

    def _offer(self, extrinsic: bytes) -> bool:
        """Hand a transaction to the pool. Return whether that is settled; else it is worth another try."""
        try:
            self._node.engine.submit(extrinsic)
        except PoolError as error:
            return error.code not in (BANNED, FULL)
        return True
