"""The page of alerts: what needs the operator, and what did."""

from __future__ import annotations

import time

from aiohttp import web

from service.operating.alerts.book import Severity
from service.operating.objects import ShownAlert

from .shown import count
from .site import Site

ORDER = {Severity.CRITICAL: 0, Severity.ERROR: 1, Severity.WARNING: 2}
STATES = {Severity.CRITICAL: "bad", Severity.ERROR: "err", Severity.WARNING: "warn"}
CLOSED = 50
"""Alerts that are over that are listed: the newest."""


def worst_first(alerts: list[ShownAlert]) -> list[ShownAlert]:
    """Return alerts, the worst first, of those the oldest."""
    return sorted(alerts, key=lambda one: (ORDER[one.severity], one.id))


class AlertPages:
    """The handler. It needs no chain."""

    def __init__(self, site: Site) -> None:
        self._site, self._facts = site, site.facts

    def mount(self, app: web.Application) -> None:
        """Serve the page."""
        app.router.add_get("/alerts", self.alerts)

    async def alerts(self, request: web.Request) -> web.StreamResponse:
        """Show the alerts."""
        open_now = worst_first(await self._facts.open_alerts())
        page = await self._facts.alerts(CLOSED * 2, None, False)
        data = {
            "answer": f"{count(len(open_now), 'alert is', 'alerts are')} open" if open_now else "No alert is open",
            "answer_state": STATES[open_now[0].severity] if open_now else "good",
            "open": open_now,
            "closed": [one for one in page.alerts if one.closed is not None][:CLOSED],
            "now": int(time.time()),  # alerts are dated by the clock: they are told of while the chain is away, too
        }
        return self._site.render(request, "alerts.html", self._site.last_pulse(), data)
