"""The room for copies on a hoster's disk: when no new copy is taken, and when copies are taken again."""

from __future__ import annotations

from pathlib import Path

import structlog

from service import durable
from service.disk import explained, room_at, shown_size
from service.units import MIB

log = structlog.get_logger(__name__)

RESERVE = 16 * MIB
"""Bytes that stay free for what proving, serving and signing write."""
TRIAL = 256 * 1024
"""Bytes of the file that is written to find out whether the disk takes writes again."""


class Room:
    """A hoster's room. After a failed write nothing is received until a trial succeeds."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.paused = False

    def failed(self, error: Exception) -> None:
        """Pause receiving, because a write failed. It is told once."""
        if not self.paused:
            log.error(
                "cannot store sectors: new copies are declined and none is received until there is room; "
                "stored ones are proved and served",
                error=explained(self._directory / "copies", error) if isinstance(error, OSError) else str(error),
            )
        self.paused = True

    def look(self) -> int | None:
        """Return the free bytes beyond the reserve (0 while receiving is paused), or None if nobody can tell.

        This blocks: a pause ends by a trial, a small file that is made durable.
        """
        free = room_at(self._directory)
        if self.paused and self._takes_writes(free):
            self.paused = False
            log.info("there is room again: copies are received", free=None if free is None else shown_size(free))
        if self.paused:
            return 0
        return None if free is None else max(0, free - RESERVE)

    def _takes_writes(self, free: int | None) -> bool:
        if free is not None and free < RESERVE:
            return False
        trial = self._directory / "trial"
        try:
            durable.replace(trial, bytes(TRIAL))
            durable.remove(trial)
        except OSError as error:
            log.debug("the disk takes no writes yet", error=str(error))
            return False
        return True
