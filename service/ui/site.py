"""The dashboard as a part of a node's server: its addresses, its templates, what every page is given, and what goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from shlex import quote
from typing import Any

import aiohttp_jinja2
import jinja2
from aiohttp import web
from markupsafe import Markup

from service.operating.detail import Pulse
from service.operating.facts import NodeFacts
from service.operating.history import pulse_of
from service.roles.common.funding import transfer_command
from service.web.app import UNREADABLE

from . import charts, shown
from .sessions import COOKIE, SessionBook, UnlockedSession
from .static_files import StaticFile, static_files

PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "Referrer-Policy": "same-origin",  # with no-referrer browsers name no Origin when a form of ours is sent
    "X-Frame-Options": "DENY",
}
"""Headers of pages beside those of every answer: no code and no style in the page, nothing from elsewhere."""
CHART_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"
}
"""Headers of charts: pygal writes its styles into the file, which is shown as an image."""
KEPT = {"Cache-Control": "public, max-age=31536000, immutable"}
PATIENCE = 5.0
"""Seconds that a page waits for the chain before it says that it is away."""
NAV = (
    ("/", "Home"),
    ("/copies", "Copies"),
    ("/money", "Money"),
    ("/plans", "Plans"),
    ("/network", "Network"),
    ("/peers", "Peers"),
    ("/feeds", "Feeds"),
    ("/alerts", "Alerts"),
    ("/settings", "Settings"),
)
MARK = Markup(
    '<svg viewBox="0 0 24 24" aria-hidden="true"><path fill="currentColor" d="M2 2h5v5H2zM9.500 2h5v5h-5zM17 2h5v5h-5z'
    'M2 9.500h5v5H2zM17 9.500h5v5h-5zM2 17h5v5H2zM9.500 17h5v5h-5zM17 17h5v5h-5z"/>'
    '<path class="hole" d="M10.500 10.500h3v3h-3z"/></svg>'
)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Site:
    """What all pages share: the node's facts, the templates, the files."""

    def __init__(self, facts: NodeFacts) -> None:
        self.facts = facts
        self._files = static_files()
        self._version = version("datdot-service")
        self.sessions = SessionBook()

    def mount(self, app: web.Application) -> None:
        """Set the templates up, and serve the files."""
        environment = aiohttp_jinja2.setup(
            app,
            loader=jinja2.PackageLoader("service.ui"),
            undefined=jinja2.StrictUndefined,
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        names = (
            "amt",
            "signed",
            "size",
            "number",
            "percent",
            "seconds",
            "ago",
            "short",
            "count",
            "copy_state",
            "first_up",
        )
        environment.globals.update({name: getattr(shown, name) for name in names})
        environment.globals.update(
            states=shown.STATES,
            levels=shown.LEVELS,
            ruler=charts.ruler,
            mark=MARK,
            version=self._version,
            static=lambda name: self._files[name].address,
        )
        for one in self._files.values():
            app.router.add_get(f"/static/{one.name}", _serving(one))

    def render(
        self, request: web.Request, template: str, pulse: Pulse | None, data: dict[str, Any], status: int = 200
    ) -> web.Response:
        """Return a page. `pulse` is None while the chain cannot be read."""
        theme = request.cookies.get("theme")
        here = next((href for href, _ in reversed(NAV) if href != "/" and request.path.startswith(href)), "/")
        common = {
            "pulse": pulse,
            "path": request.path,
            "here": here,
            "nav": NAV,
            "theme": theme if theme in ("light", "dark") else None,
            "account": self.facts.address,
            "roles": ", ".join(self.facts.sources.roles),
            "session": self.session(request),
            "operated": self.facts.sources.payer != self.facts.account,
            "chain": quote(self.facts.sources.client.url),
            "sending": transfer_command("TO", self.facts.sources.client.url),
            "directory": quote(str(self.facts.directory)),
            "alerts_open": len(self.facts.sources.alerts.open()),
        }
        answer = aiohttp_jinja2.render_template(template, request, common | data, status=status)
        answer.headers.update(PAGE_HEADERS)
        return answer

    def session(self, request: web.Request) -> UnlockedSession | None:
        """Return the session of a request, if it has one that lasts."""
        return self.sessions.find(request.cookies.get(COOKIE), asyncio.get_running_loop().time())

    async def pulse(self) -> Pulse:
        """Return where the chain is. Raises ChainError and TimeoutError, the latter soon."""
        async with asyncio.timeout(PATIENCE):
            found = await self.facts.snapshot()
        return pulse_of(self.facts, found.block.number)

    def last_pulse(self) -> Pulse | None:
        """Return where the chain was last, for pages that need no chain; None before its first block."""
        block = self.facts.last_block
        return None if block is None else pulse_of(self.facts, block)

    async def refused(self, request: web.Request, status: int, message: str) -> web.Response:
        """Return the page that says why there is no other one."""
        try:
            pulse = await self.pulse()
        except UNREADABLE as error:
            why = str(error) or "it did not answer in time"
            return self.render(request, "away.html", None, {"why": why}, 503)
        answer = {404: "There is no such page", 405: "This page takes no such request"}.get(
            status, "This cannot be shown"
        )
        return self.render(request, "error.html", pulse, {"answer": answer, "lead": shown.first_up(message)}, status)


def _serving(one: StaticFile) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        headers = KEPT if request.query.get("v") == one.tag else {}
        return web.Response(body=one.content, content_type=one.kind, charset="utf-8", headers=headers)

    return handle
