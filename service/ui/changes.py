"""What a dashboard that is looked at must be told: figures that changed, regions to fetch anew, a sentence. Pure, given `now`."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

MOST_SAID = 4
"""Sentences that wait for a slow client at most: the newest."""
SECONDS = {"peers": 5.0, "sectors": 10.0, "history-rows": 2.0, "life-list": 2.0, "log": 1.0, "check-list": 2.0}
SECONDS |= dict.fromkeys(("plan-answer", "plan-lanes", "plan-pot"), 5.0)
"""Seconds between two tellings of a region, at least."""


@dataclass(frozen=True, slots=True)
class LiveView:
    """What is shown live at a moment: figures by name, for each region what it depends on, and the page's sentence."""

    figures: Mapping[str, str]
    regions: Mapping[str, Hashable]
    sentence: str


@dataclass(frozen=True, slots=True)
class LiveChange:
    """What changed between two views."""

    figures: Mapping[str, str] = field(default_factory=dict)
    regions: frozenset[str] = frozenset()
    say: str = ""


class LiveChanges:
    """The view that was told last, and when each region was."""

    def __init__(self) -> None:
        self.told: LiveView | None = None
        self._regions: dict[str, tuple[Hashable, float]] = {}

    def take(self, view: LiveView, now: float) -> LiveChange:
        """Return what is to be told of a new view. A region that was told just before is told with a later view."""
        before, self.told = self.told, view
        figures = view.figures if before is None else _changed(before.figures, view.figures)
        found = set()
        for name, mark in view.regions.items():
            last = self._regions.get(name)
            if last is None:
                self._regions[name] = (mark, float("-inf"))
            elif last[0] != mark and now - last[1] >= SECONDS.get(name, 0.0):
                self._regions[name] = (mark, now)
                found.add(name)
        say = "" if before is None or before.sentence == view.sentence else view.sentence
        return LiveChange(figures, frozenset(found), say)


def _changed(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in after.items() if before.get(name) != text}


class Mailbox:
    """What one client is still to be sent. A slow one gets the newest of each figure: it costs as little memory as any."""

    def __init__(self) -> None:
        self._figures: dict[str, str] = {}
        self._regions: dict[str, None] = {}
        self._said: list[str] = []

    def put(self, change: LiveChange) -> None:
        """Add a change."""
        self._figures.update(change.figures)
        self._regions.update(dict.fromkeys(sorted(change.regions)))
        if change.say:
            self._said = [*self._said, change.say][-MOST_SAID:]

    def take(self) -> list[tuple[str, str]]:
        """Return all messages, as event and data, and forget them."""
        found = [("figures", json.dumps(self._figures))] if self._figures else []
        found += [("region", name) for name in self._regions]
        found += [("say", text) for text in self._said]
        self._figures, self._regions, self._said = {}, {}, []
        return found
