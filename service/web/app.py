"""The aiohttp application: guards first, then the table of endpoints; every answer is of a type that the document names."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from math import ceil
from typing import Any, Protocol

import structlog
from aiohttp import web

from service.chain_client import ChainError
from service.disk import DiskError
from service.operating.facts import NodeFacts
from service.operating.history import NotHere
from service.operating.objects import Health, Refusal
from service.operating.shapes import as_json

from .endpoints import ENDPOINTS, ApiEndpoint, document, read_query
from .guards import HostCheck, RequestLimit
from .metrics import CONTENT_TYPE, metrics

log = structlog.get_logger(__name__)

MOST_AT_ONCE = 64
"""Requests that are answered at once; more wait for none of them."""
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
PATIENCE = 10.0
"""Seconds that a request to read waits for chain and disk, before it is told that they cannot be read."""
MOST_OF_FORM = 4096
"""Bytes of a request's body."""
LONG = re.compile(r"/api/events|/feeds/[0-9a-f]{64}/files/.+")
"""Paths whose answers last: they are counted elsewhere."""
MACHINES = ("/api/", "/healthz", "/readyz", "/metrics", "/static/", "/charts/")
"""Paths that are asked by programs, which get their errors as JSON."""
GONE = 499
"""What is noted of a request whose client has left."""
UNREADABLE = (ChainError, DiskError, TimeoutError)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def refusal(status: int, code: str, message: str, **headers: str) -> web.Response:
    """Return the answer to a request that is refused."""
    return web.json_response(as_json(Refusal(code, message)), status=status, headers=headers)


class ServerPart(Protocol):
    """What is served beside the API: the dashboard."""

    def mount(self, app: web.Application) -> None:
        """Add its addresses."""
        ...

    def admit(self, request: web.Request) -> web.Response | None:
        """Return None if a request may be answered, else what it is told instead."""
        ...

    async def refused(self, request: web.Request, status: int, message: str) -> web.StreamResponse | None:
        """Return the answer to a request of its own that is refused, or None if it says nothing."""
        ...


class NodeServer:
    """The handlers, and what they share."""

    def __init__(
        self, facts: NodeFacts, hosts: HostCheck, limit: RequestLimit | None = None, part: ServerPart | None = None
    ) -> None:
        self._facts, self._hosts, self._limit, self._part = facts, hosts, limit or RequestLimit(), part
        self._under_way = 0
        self._document = document()

    def application(self) -> web.Application:
        """Return the application."""
        app = web.Application(middlewares=[self._guard], client_max_size=MOST_OF_FORM)
        app.on_response_prepare.append(_add_headers)
        for endpoint in ENDPOINTS:
            app.router.add_get(endpoint.path, self._handler(endpoint))
        app.router.add_get("/healthz", self._health)
        app.router.add_get("/readyz", self._ready)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/api/openapi.json", self._openapi)
        if self._part is not None:
            self._part.mount(app)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        answer = self._refused(request)
        if answer is None and self._part is not None:
            answer = self._part.admit(request)
        if answer is not None:
            return answer
        counted = LONG.fullmatch(request.path) is None
        self._under_way += counted
        try:
            return await self._answered(request, handler)
        finally:
            self._under_way -= counted

    def _refused(self, request: web.Request) -> web.StreamResponse | None:
        host, origin = request.headers.get("Host"), request.headers.get("Origin")
        if not self._hosts.allows(host):
            return refusal(
                403, "host", "this server is asked under the name of this machine, or one of --http-name, only"
            )
        if not self._hosts.allows_origin(origin, host) or request.headers.get("Sec-Fetch-Site") == "cross-site":
            return refusal(403, "origin", "pages of other sites may not ask this server")
        wait = self._limit.wait(request.remote or "", asyncio.get_running_loop().time())
        if wait or self._under_way >= MOST_AT_ONCE:
            seconds = max(1, ceil(wait))
            return refusal(429, "too_often", f"asked too often: wait {seconds} s", **{"Retry-After": str(seconds)})
        return None

    async def _answered(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        patience = PATIENCE if request.method in ("GET", "HEAD") and LONG.fullmatch(request.path) is None else None
        try:
            async with asyncio.timeout(patience):
                return await handler(request)
        except web.HTTPException as error:
            allowed = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
            said = f"{request.method} of this path: {error.reason}"
            return await self._say(request, error.status, "http", said, **allowed)
        except NotHere as error:
            return await self._say(request, 404, "none", str(error))
        except ValueError as error:
            return await self._say(request, 400, "parameter", str(error))
        except ConnectionError as error:
            log.debug("who asked is gone", path=request.path, error=str(error))
            return web.Response(status=GONE)  # nobody reads it
        except UNREADABLE as error:
            said = str(error) or "the chain did not answer in time"
            return await self._say(request, 503, "unreadable", f"chain or disk cannot be read now: {said}")

    async def _say(self, request: web.Request, status: int, code: str, said: str, **headers: str) -> web.StreamResponse:
        """Return the answer to a request that failed: a page of the other part, or JSON."""
        if self._part is not None and not request.path.startswith(MACHINES):
            page = await self._part.refused(request, status, said)
            if page is not None:
                page.headers.update(headers)
                return page
        return refusal(status, code, said, **headers)

    def _handler(self, endpoint: ApiEndpoint) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            found = await endpoint.ask(self._facts, read_query(endpoint, _query(request)))
            return web.json_response(as_json(found))

        return handle

    async def _health(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(as_json(Health(True)))

    async def _ready(self, request: web.Request) -> web.StreamResponse:
        try:
            async with asyncio.timeout(PATIENCE / 2):
                found = await self._facts.readiness()
        except UNREADABLE as error:
            log.debug("not ready: the chain cannot be read", error=str(error))
            found = self._facts.unreadable()
        return web.json_response(as_json(found), status=200 if found.ready else 503)

    async def _metrics(self, request: web.Request) -> web.StreamResponse:
        text = metrics(await self._facts.figures())
        return web.Response(body=text.encode(), headers={"Content-Type": CONTENT_TYPE})

    async def _openapi(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(self._document)


async def _add_headers(request: web.Request, answer: web.StreamResponse) -> None:
    """Add what every answer has, unless it says something else."""
    for name, value in HEADERS.items():
        answer.headers.setdefault(name, value)


def _query(request: web.Request) -> dict[str, Any]:
    """Return the query's parameters. Raises ValueError if one stands there twice."""
    found = dict(request.query)
    if len(found) < len(request.query):
        raise ValueError("a parameter stands there twice")
    return found


@asynccontextmanager
async def serving(
    facts: NodeFacts, host: str, port: int, names: Iterable[str] = (), part: ServerPart | None = None
) -> AsyncIterator[tuple[str, int]]:
    """Serve for the time of the context, at the address that is yielded. Raises OSError."""
    runner = web.AppRunner(
        NodeServer(facts, HostCheck(host, names), part=part).application(), access_log=None, handle_signals=False
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, backlog=64)
        await site.start()
        bound = runner.addresses[0]
        yield bound[0], bound[1]
    finally:
        await runner.cleanup()
