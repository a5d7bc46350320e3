"""Hears what peers log: in quiet nothing that a role does may fail."""

from __future__ import annotations

import sys
from typing import Any

import structlog

from .loop import LIFE, VirtualLoop


class Witness:
    """A processor of structlog. From `quiet_from` on (seconds of the loop) actions that failed twice are kept."""

    def __init__(self, loop: VirtualLoop, show: bool) -> None:
        self._loop, self._show = loop, show
        self.quiet_from: float | None = None
        self.failed: list[str] = []

    def install(self) -> None:
        """Hear everything from now on; nothing is written but by this."""
        structlog.configure(processors=[self._hear], cache_logger_on_first_use=False)

    def _hear(self, logger: Any, level: str, event: dict[str, Any]) -> Any:
        if level in ("warning", "error", "critical", "exception"):
            self._note(level, event)
        raise structlog.DropEvent

    def _note(self, level: str, event: dict[str, Any]) -> None:
        life = LIFE.get(self._loop.outside)
        said = " ".join(f"{name}={value}" for name, value in event.items() if name not in ("event", "exc_info"))
        if self._show:
            print(f"{self._loop.time():9.2f} {life} {level}: {event.get('event')} {said:.600}", file=sys.stderr)
        quiet = self.quiet_from is not None and self._loop.time() >= self.quiet_from
        # once may be too early: an encoder can see a block before its hoster does
        if quiet and event.get("event") == "failed" and event.get("retry_in_blocks", 1) > 1:
            self.failed.append(f"{self._loop.time():.1f}: {life} failed in quiet: {said:.300}")
