"""Progress of long work: a bar with rate and time left on a terminal, in a log and with --json a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from .output import Output

log = structlog.get_logger(__name__)

EVERY_SECONDS = 10.0
"""Between two lines of one piece of work."""
MAX_WORKS = 256
"""Pieces of work whose last line is remembered."""

Clock = Callable[[], float]


@contextmanager
def bytes_progress(out: Output, what: str) -> Iterator[Callable[[int, int], None]]:
    """Yield a callback that takes (bytes done, total bytes)."""
    if out.json or not sys.stderr.isatty():
        yield ByteLines(what)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


class ByteLines:
    """Lines in the log about work on so many bytes; none about work that is done before the first is due."""

    def __init__(self, what: str, clock: Clock = time.monotonic) -> None:
        self._what, self._clock = what, clock
        self._start, self._due = clock(), clock() + EVERY_SECONDS

    def __call__(self, done: int, total: int) -> None:
        """Take the state; log it if a line is due."""
        now = self._clock()
        if now < self._due:
            return
        self._due = now + EVERY_SECONDS
        rate = done / (now - self._start)
        left = round((total - done) / rate) if rate > 0 else None
        log.info(f"{self._what} goes on", done=done, total=total, percent=_percent(done, total), seconds_left=left)


class NodeLines:
    """Lines in the log about what a node's roles tell: each event, but of the steps of one segment one now and then."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._due: dict[tuple[object, ...], float] = {}

    def __call__(self, event: dict[str, object]) -> None:
        """Take what a role tells; log it if a line is due."""
        done, total = event.get("sectors"), event.get("of")
        if isinstance(done, int) and isinstance(total, int) and done < total:
            work = (event.get("role"), event.get("event"), event.get("copy"), event.get("segment"))
            now = self._clock()
            if now < self._due.get(work, 0.0):
                return
            if len(self._due) >= MAX_WORKS:
                self._due.clear()
            self._due[work] = now + EVERY_SECONDS
            event = {**event, "percent": _percent(done, total)}
        more = {name: value for name, value in event.items() if name not in ("role", "event")}
        log.info(f"{event.get('role')}: {event.get('event')}", **more)


def _percent(done: int, total: int) -> int:
    return 100 * done // max(1, total)
