"""The sending of alerts: a task for each target, which tries again and never holds up the node."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import structlog

from .book import Alert
from .outbox import Done, Outbox
from .table import stage
from .targets import AlertTarget, message

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Line:
    """A target, and what waits for it."""

    target: AlertTarget
    box: Outbox = field(default_factory=Outbox)
    bell: asyncio.Event = field(default_factory=asyncio.Event)


class AlertSender:
    """Sends to all targets. `on_told` gets each alert once every target has it, or it was given up."""

    def __init__(
        self, targets: Sequence[AlertTarget], account: str, on_told: Callable[[Alert], None] = lambda _: None
    ) -> None:
        self._account, self._on_told = account, on_told
        self._lines = [_Line(target) for target in targets]
        self._changed = asyncio.Event()
        self._left: dict[tuple[int, int], int] = {}
        """By alert and stage: targets that are still to be told."""

    @property
    def targets(self) -> list[AlertTarget]:
        """The targets of now."""
        return [line.target for line in self._lines]

    def use(self, targets: Sequence[AlertTarget]) -> None:
        """Send to these targets from now on. What waits for the ones before is not sent any more."""
        self._lines = [_Line(target) for target in targets]
        self._left.clear()
        self._changed.set()

    def tell(self, alerts: Iterable[Alert]) -> None:
        """Send alerts, as they are, to every target."""
        for one in alerts:
            if not self._lines:
                self._on_told(one)
                continue
            self._left[one.id, stage(one)] = len(self._lines)
            for line in self._lines:
                for dropped in line.box.add(one):
                    self._done(line, dropped)
                line.bell.set()

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            self._changed.clear()
            tasks = [asyncio.create_task(self._work(line)) for line in self._lines]
            tasks.append(asyncio.create_task(self._until_changed()))
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _until_changed(self) -> None:
        await self._changed.wait()

    async def _work(self, line: _Line) -> None:
        loop = asyncio.get_running_loop()
        while True:
            line.bell.clear()
            alert = line.box.due(loop.time())
            if alert is None:
                await bell_or(line.bell, line.box.wait(loop.time()))
                continue
            if await line.target.send(*message(alert, self._account)):
                self._done(line, line.box.sent())
                continue
            given_up = line.box.failed(loop.time())
            wait = line.box.wait(loop.time())
            log.warning("an alert could not be sent", target=line.target.name, alert=alert.id, again_in_seconds=wait)
            if given_up is not None:
                self._done(line, given_up)

    def _done(self, line: _Line, done: Done) -> None:
        if not done.sent:
            log.error("an alert was given up", target=line.target.name, alert=done.alert.id)
        key = done.alert.id, stage(done.alert)
        left = self._left.get(key)
        if left is None:
            return
        if left > 1:
            self._left[key] = left - 1
            return
        del self._left[key]
        self._on_told(done.alert)


async def bell_or(bell: asyncio.Event, seconds: float | None) -> None:
    """Wait until the bell rings, or for so many seconds."""
    try:
        async with asyncio.timeout(seconds):
            await bell.wait()
    except TimeoutError:
        pass
