"""What is still to be told to one target, pure: in order, tried again after ever longer waits, bounded in number and in tries."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from .book import Alert

MOST_WAITING = 256
"""Messages that wait for one target; of more the oldest is dropped."""
FIRST_WAIT, LONGEST_WAIT = 5.0, 600.0
"""Seconds before the first try anew, and the longest."""
TRIES = 12
"""Tries of one message: over an hour in all."""


@dataclass(frozen=True, slots=True)
class Done:
    """A message that needs nothing more: it was sent, or given up."""

    alert: Alert
    sent: bool


class Outbox:
    """The messages of one target."""

    def __init__(self) -> None:
        self._waiting: deque[Alert] = deque()
        self._tries, self._not_before = 0, 0.0

    def add(self, alert: Alert) -> list[Done]:
        """Take a message. Return those that are dropped for it."""
        self._waiting.append(alert)
        if len(self._waiting) <= MOST_WAITING:
            return []
        self._tries = 0
        return [Done(self._waiting.popleft(), False)]

    def due(self, now: float) -> Alert | None:
        """Return the message that is to be sent now, in seconds of one clock, if there is one."""
        return self._waiting[0] if self._waiting and now >= self._not_before else None

    def wait(self, now: float) -> float | None:
        """Return for how many seconds nothing is due; None: until something is added."""
        return max(0.0, self._not_before - now) if self._waiting else None

    def sent(self) -> Done:
        """Note that what was due was sent."""
        self._tries, self._not_before = 0, 0.0
        return Done(self._waiting.popleft(), True)

    def failed(self, now: float) -> Done | None:
        """Note that it was not. Return it if it is given up."""
        self._tries += 1
        self._not_before = now + min(FIRST_WAIT * 2 ** (self._tries - 1), LONGEST_WAIT)
        if self._tries < TRIES:
            return None
        self._tries = 0
        return Done(self._waiting.popleft(), False)
