"""The dashboard put together, for the server to mount."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web

from service.operating.facts import NodeFacts
from service.web.guards import ReaderCheck

from .acting import Acting
from .action_pages import ActionPages
from .alert_pages import AlertPages
from .events import LiveEvents
from .feed_pages import FeedPages
from .network_pages import NetworkPages
from .pages import Pages
from .settings_pages import SettingsPages
from .site import Site


class Dashboard:
    """All pages of a node."""

    def __init__(self, facts: NodeFacts, acting: Acting | None = None, readers: Iterable[str] = ()) -> None:
        """Show what `facts` say, to this machine and the networks `readers`; with `acting`, let who has the passphrase sign."""
        self._site = Site(facts)
        self._actions = ActionPages(self._site, acting, ReaderCheck(readers))
        self._pages = (
            Pages(self._site),
            NetworkPages(self._site),
            FeedPages(self._site),
            AlertPages(self._site),
            SettingsPages(self._site, acting),
            self._actions,
        )
        self.events = LiveEvents(self._site)

    def mount(self, app: web.Application) -> None:
        """Add its addresses to the server's."""
        self._site.mount(app)
        for one in self._pages:
            one.mount(app)
        self.events.mount(app)

    def admit(self, request: web.Request) -> web.Response | None:
        """Return None if a request may be answered, else what it is told instead."""
        return self._actions.admit(request)

    async def refused(self, request: web.Request, status: int, message: str) -> web.StreamResponse | None:
        """Return the page for a request that is refused, or None if it is none for a page."""
        return await self._site.refused(request, status, message)
