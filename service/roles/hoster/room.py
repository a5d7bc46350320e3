"""The room for copies on a hoster's disk: when no new copy is taken, and when copies are taken again."""

from __future__ import annotations

from pathlib import Path

import structlog

from service import durable
from service.disk import explained, room_at, shown_size, size_of_disk
from service.units import GIB, MIB

from ..common.troubles import Troubles

log = structlog.get_logger(__name__)

RESERVE = 16 * MIB
"""The least that stays free, in bytes, for what proving, serving and signing write."""
RESERVE_PART = 100
"""Of a disk its n-th part stays free, if its operator says nothing else, ..."""
MOST_RESERVE = 4 * GIB
"""... but not more than this."""
ROOM = "storing sectors"
"""What fails while there is none, as its alert names it."""
TRIAL = 256 * 1024
"""Bytes of the file that is written to find out whether the disk takes writes again."""


def default_reserve(directory: Path) -> int:
    """Return the bytes that stay free on the disk of a directory if its operator says nothing else."""
    size = size_of_disk(directory)
    return RESERVE if size is None else min(max(RESERVE, size // RESERVE_PART), MOST_RESERVE)


class Room:
    """A hoster's room. After a failed write nothing is received until a trial succeeds."""

    def __init__(self, directory: Path, reserve: int | None = None, troubles: Troubles | None = None) -> None:
        """Look at the disk of `directory`, on which `reserve` bytes stay free (None: what is usual for its size)."""
        self._directory = directory
        self._troubles = Troubles() if troubles is None else troubles
        self.use(reserve)
        self.paused = False

    def use(self, reserve: int | None) -> None:
        """Let so many bytes stay free from now on (None: what is usual)."""
        self.reserve = default_reserve(self._directory) if reserve is None else max(reserve, RESERVE)

    def failed(self, error: Exception) -> None:
        """Pause receiving, because a write failed. It is told once."""
        if not self.paused:
            log.error(
                "cannot store sectors: new copies are declined and none is received until there is room; "
                "stored ones are proved and served",
                error=explained(self._directory / "copies", error) if isinstance(error, OSError) else str(error),
            )
        self.paused = True
        self._troubles.failed(ROOM, error)

    def look(self) -> int | None:
        """Return the free bytes beyond the reserve (0 while receiving is paused), or None if nobody can tell.

        This blocks: a pause ends by a trial, a small file that is made durable.
        """
        free = room_at(self._directory)
        if self.paused and self._takes_writes(free):
            self.paused = False
            self._troubles.over(ROOM)
            log.info("there is room again: copies are received", free=None if free is None else shown_size(free))
        if self.paused:
            return 0
        return None if free is None else max(0, free - self.reserve)

    def _takes_writes(self, free: int | None) -> bool:
        if free is not None and free < self.reserve:
            return False
        try:
            with durable.trial(self._directory) as path:
                durable.replace(path, bytes(TRIAL))
        except OSError as error:
            log.debug("the disk takes no writes yet", error=str(error))
            return False
        return True
