"""When a swarm asks the DHT about one topic, and for what: without sockets and clock."""

from __future__ import annotations

import enum
import random

REFRESH_SECONDS, SPREAD_SECONDS = 600.0, 120.0
"""A topic is asked about, and announced, each 10 to 12 minutes: the DHT's nodes forget after some 20."""
OVERDUE_SECONDS = 30.0
"""So late the machine has slept. Then it is asked within SPREAD_SECONDS, as all that wake at the same time would ask at once."""
RETRY_SECONDS = 5.0
"""After a failure it is asked again sooner: this long, twice as long after each other one, REFRESH_SECONDS at most."""


class Errand(enum.Enum):
    """What is asked of the DHT."""

    ANNOUNCE = "announce"
    """Find who is there, and be found."""
    LOOKUP = "lookup"
    WITHDRAW = "withdraw"
    """Be found no longer, and find who is there."""


class Discovery:
    """One topic: how many sessions are its servers and its clients, and the errand that runs for them."""

    def __init__(self, chance: random.Random, now: float) -> None:
        self.servers = self.clients = 0
        self.announced = False
        """Whether nodes of the DHT may name this peer."""
        self.running: Errand | None = None
        self._chance = chance
        self._failures = 0
        self._due = now

    def wanted(self) -> Errand | None:
        """Return the errand of the sessions that there are."""
        if self.servers:
            return Errand.ANNOUNCE
        if self.announced:
            return Errand.WITHDRAW
        return Errand.LOOKUP if self.clients else None

    def deadline(self) -> float:
        """Return when to ask next. Infinity while an errand runs, or nobody wants one."""
        return float("inf") if self.running or self.wanted() is None else self._due

    def hurry(self, now: float) -> None:
        """Have it asked at once, unless it is being asked."""
        self._due = now

    def begin(self, now: float) -> Errand | None:
        """Return the errand that is due, and take it for running."""
        if self.deadline() > now:
            return None
        if now - self._due > OVERDUE_SECONDS:
            self._due = now + SPREAD_SECONDS * self._chance.random()
            return None
        self.running = self.wanted()
        if self.running is Errand.ANNOUNCE:
            self.announced = True  # also when it fails halfway: some nodes may have taken it
        return self.running

    def stop(self, now: float) -> None:
        """Note that the errand was given up, as another one is wanted at once."""
        self.running = None
        self._due = now

    def ended(self, fine: bool, now: float) -> None:
        """Note the end of the errand."""
        if fine and self.running is Errand.WITHDRAW:
            self.announced = False
        self.running = None
        self._failures = 0 if fine else self._failures + 1
        wait = REFRESH_SECONDS
        if self._failures:
            wait = min(wait, RETRY_SECONDS * 2 ** min(self._failures - 1, 10))
        self._due = now + wait + min(wait, SPREAD_SECONDS) * self._chance.random()
