"""Room: how much memory the answers of all clients together may take."""

from __future__ import annotations

from collections.abc import Callable

from .errors import TOO_BIG_RESPONSE, RpcError

MAX_HELD_BYTES = 256 * 1024 * 1024
"""Bytes of answers that are being made or wait to be sent, of all clients together."""


class Room:
    """Counts the bytes of answers. `make_room` ends the client that holds the most, and tells whether there was one."""

    def __init__(self, make_room: Callable[[], bool]) -> None:
        self.held = 0
        self._make_room = make_room

    def take(self, size: int) -> bool:
        """Count some bytes more. Return False, and count nothing, if there is no room for them and none can be made."""
        while self.held + size > MAX_HELD_BYTES:
            if not self._make_room():
                return False
        self.held += size
        return True

    def give(self, size: int) -> None:
        """Count some bytes less."""
        self.held -= size

    def lease(self) -> Lease:
        """Return what counts the bytes of one answer, as a context manager that gives them back at its end."""
        return Lease(self)


class Lease:
    """The bytes of one answer while it is made."""

    def __init__(self, room: Room) -> None:
        self._room, self._size = room, 0

    def __enter__(self) -> Lease:
        return self

    def __exit__(self, *_: object) -> None:
        self._room.give(self._size)

    def take(self, size: int) -> None:
        """Count some bytes more. Raises RpcError if there is no room for them."""
        if not self._room.take(size):
            why = f"the answers of all clients take more than {MAX_HELD_BYTES} bytes: ask again later"
            raise RpcError(TOO_BIG_RESPONSE, "Response is too big", why)
        self._size += size
