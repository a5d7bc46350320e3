"""The stream of server-sent events: what changed since the page was made. One reading for all clients, each with its mailbox."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import lru_cache

import structlog
from aiohttp import web
from aiohttp_sse import EventSourceResponse, sse_response

from service.operating.history import read_checks
from service.web.app import UNREADABLE

from .changes import LiveChange, LiveChanges, LiveView, Mailbox
from .charts import ruler_x
from .shown import percent
from .site import Site

log = structlog.get_logger(__name__)

MOST_STREAMS = 1024
"""Clients at once."""
SEND_SECONDS = 10.0
"""Seconds that a client may leave a message unread before it is cut off."""
LOOK_SECONDS = 2.0
"""Seconds without a block after which is looked whether the chain is away."""
LEAST_SECONDS = 0.5
"""Seconds between two readings, at least."""
PLAN_BLOCKS = 10
"""Blocks after which what a page draws of a plan is drawn anew: events do not name all that moves in it."""
LINE_END = "\r\n"
TOLD_AT_ONCE = 25
"""Clients that are told of a change before others have a turn."""
AWAY = "The chain is away: nothing here is fresh."


@lru_cache(maxsize=16)
def stream_bytes(messages: tuple[tuple[str, str], ...]) -> bytes:
    """Return messages, each an event and its data, as the stream has them: one piece, made once for all who are told the same."""
    told = (
        [f"event: {event}", *(f"data: {line}" for line in data.splitlines() or [""]), "", ""]
        for event, data in messages
    )
    return "".join(LINE_END.join(lines) for lines in told).encode()


class LiveClient:
    """A client's mailbox, and the bell that rings when something is in it."""

    def __init__(self) -> None:
        self.mailbox, self.bell = Mailbox(), asyncio.Event()

    def tell(self, change: LiveChange) -> None:
        """Put a change into the mailbox."""
        self.mailbox.put(change)
        self.bell.set()


class LiveEvents:
    """The stream, and the task that reads what is shown as long as anybody looks."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._clients: set[LiveClient] = set()
        self._changes = LiveChanges()
        self._closing = asyncio.Event()
        self._reading = asyncio.Lock()
        self._last: tuple[float, LiveView] | None = None
        """What was read last, and when."""
        self._wanted = asyncio.Event()

    def mount(self, app: web.Application) -> None:
        """Serve the stream."""
        app.router.add_get("/api/events", self.stream)
        app.cleanup_ctx.append(self._running)
        app.on_shutdown.append(self._shut)

    @property
    def clients(self) -> int:
        """How many clients there are."""
        return len(self._clients)

    async def _running(self, app: web.Application) -> AsyncIterator[None]:
        task = asyncio.create_task(self._watch())
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def _shut(self, app: web.Application) -> None:
        self.close()

    def close(self) -> None:
        """End all streams for good, so that the server can end."""
        self._closing.set()
        for client in self._clients:
            client.bell.set()

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Send a snapshot, then what changes, until the client goes or does not read. Raises HTTPServiceUnavailable."""
        if self._closing.is_set():
            raise web.HTTPServiceUnavailable(reason="the node ends")
        if len(self._clients) >= MOST_STREAMS:
            raise web.HTTPServiceUnavailable(
                reason=f"{MOST_STREAMS} pages are open already", headers={"Retry-After": "30"}
            )
        client = LiveClient()
        self._clients.add(client)
        self._wanted.set()
        try:
            client.tell(LiveChange(figures=(await self._look(LEAST_SECONDS)).figures))
            async with sse_response(request) as answer:
                await self._serve(client, answer, request)
            return answer
        finally:
            self._clients.discard(client)

    async def _serve(self, client: LiveClient, answer: EventSourceResponse, request: web.Request) -> None:
        """Send until the client is gone, or cut it off."""
        try:
            await self._send(client, answer)
        except TimeoutError:
            log.info("a page that did not read what it was sent was cut off", address=request.remote)
            if request.transport is not None:
                request.transport.abort()
        except ConnectionError as error:
            log.debug("a page is gone", address=request.remote, error=str(error))

    async def _send(self, client: LiveClient, answer: EventSourceResponse) -> None:
        while answer.is_connected() and not self._closing.is_set():
            client.bell.clear()
            messages = tuple(client.mailbox.take())
            if messages:
                async with asyncio.timeout(SEND_SECONDS):
                    await answer.write(stream_bytes(messages))
            try:
                async with asyncio.timeout(answer.ping_interval):
                    await client.bell.wait()
            except TimeoutError:
                continue  # look whether it is still there

    async def _watch(self) -> None:
        """Tell all clients what changed, block after block."""
        follower, seen = self._site.facts.sources.follower, -1
        while True:
            await self._wanted.wait()
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    seen = (await follower.wait_for(seen + 1)).number
            except TimeoutError:
                pass  # no block came: it is looked how old the last one is
            except UNREADABLE as error:
                log.debug("the chain is not followed", error=str(error))
                await asyncio.sleep(LOOK_SECONDS)
            change = self._changes.take(await self._look(0.0), asyncio.get_running_loop().time())
            await self._tell(change)
            if not self._clients:
                self._wanted.clear()
            await asyncio.sleep(LEAST_SECONDS)

    async def _tell(self, change: LiveChange) -> None:
        """Tell all clients, some at a time: others who ask for pages are answered in between."""
        for place, client in enumerate(list(self._clients), 1):
            client.tell(change)
            if place % TOLD_AT_ONCE == 0:
                await asyncio.sleep(0)

    async def _look(self, seconds: float) -> LiveView:
        """Return what is shown, as it was read within some seconds: never older than what the others were told."""
        async with self._reading:
            now = asyncio.get_running_loop().time()
            if self._last is None or now - self._last[0] >= seconds:
                self._last = now, await self._view()
            return self._last[1]

    async def _view(self) -> LiveView:
        try:
            return await read_view(self._site)
        except UNREADABLE as error:
            log.debug("cannot read what is shown live", error=str(error))
            return LiveView({"stale": "1"}, {"answer": AWAY, "check-list": AWAY}, AWAY)


async def read_view(site: Site) -> LiveView:
    """Return what is shown live now. Raises ChainError, TimeoutError and DatabaseError."""
    facts = site.facts
    status, pulse, checks = await read_checks(facts)
    newest = await asyncio.to_thread(facts.sources.table.page, 1)
    last = newest[0].id if newest else 0
    figures = {
        "block": str(pulse.block),
        "era": str(pulse.era),
        "era.block": str(pulse.era_block),
        "era.x": ruler_x(pulse),
        "stale": str(int(pulse.stale)),
        "copies": f"{status.copies.get('Active', 0):,}",
    }
    if status.hosting is not None:
        figures["proved"] = f"{status.hosting.passed:,}"
    if status.reputation is not None:
        figures["reputation"] = percent(status.reputation)
    copies = tuple(sorted(status.copies.items()))
    links = tuple(sorted((one.key, one.address) for one in facts.peers(100).peers))
    alerts = tuple(one.id for one in await facts.open_alerts())
    regions = {
        "alerts": alerts,
        "alerts-answer": alerts,
        "alerts-closed": alerts,
        "nav": alerts,
        "answer": (status.answer, pulse.stale, copies),
        "check-list": (tuple((one.name, one.state, one.text) for one in checks), status.free, pulse.stale),
        "mine": copies,
        "log": last,
        "history-rows": last,
        "life-list": last,
        "sectors": last,
        "peers": links,
        "plan-answer": pulse.block // PLAN_BLOCKS,
        "plan-lanes": pulse.block // PLAN_BLOCKS,
        "plan-pot": pulse.block // PLAN_BLOCKS,
    }
    return LiveView(figures, regions, AWAY if pulse.stale else status.answer)
