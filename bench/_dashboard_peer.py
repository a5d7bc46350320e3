"""The servers of the measurement `dashboard`, each a process: python -m bench._dashboard_peer chain|node|bare ARGUMENTS.

`chain HOSTERS COPIES` is a model chain that begins with such a network; it prints {url}, and for each line that it is given
it seals a block. `node URL DIR` is a hoster's dashboard; `bare FILE` an aiohttp server that sends the bytes in that file. Both
print {port}; with each line the latter sends all its streams what a block brings. Each answers a line with {block, rss}.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import resource
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import structlog
from aiohttp import web

from runtime_mock.model.frame import system
from service.chain_client import ChainClient, Follower
from service.chain_client.pallet.items import COPY_SLOTS
from service.operating.alerts.table import AlertTable
from service.operating.entries import Followed
from service.operating.facts import NodeFacts, Sources
from service.operating.table import JournalTable
from service.roles.common.database import Database
from service.ui.mounted import Dashboard
from service.web.app import serving

from ._network import Network, Party
from ._tcp_peer import tell

LOOPBACK = "127.0.0.1"


def more_files() -> None:
    """Let this process have as many open files as it may."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def resident() -> int:
    """Return the resident memory of this process, in bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


async def lines() -> str:
    """Return the next line of stdin, empty at its end."""
    return await asyncio.to_thread(sys.stdin.readline)


async def chain(hosters: int, copies: int) -> None:
    """Serve a chain that begins with a network, until stdin ends."""
    from tests.support.chain_world import World, load_runtime, load_spec  # the other processes do without

    network, spec = Network(hosters, copies), load_spec()
    system.Number.put(network.state, 0)  # its records are of later blocks, so that nothing is due
    state = network.state.trie()
    code = spec.genesis.get(b":code")
    world = World(load_runtime(), replace(spec, genesis=state if code is None else state.set(b":code", code)))
    await world.start()
    tell(url=world.url)
    while await lines():
        world.seal()
        tell(block=world.best.number, rss=resident())
    await world.stop()


async def node(url: str, directory: Path) -> None:
    """Serve the dashboard of the first hoster, until stdin ends."""
    account = Party("hoster", 0).id
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(await ChainClient.connect(url))
        follower = Follower(client)
        database = Database(directory / "roles.sqlite")
        stack.callback(database.close)
        own = {copy async for page in client.storage.pages(COPY_SLOTS, 4, None, account) for copy in page.values()}
        table = JournalTable(database)
        with database.transaction() as db:
            table.add(db, [], Followed(own))
        sources = Sources(
            client, follower, account, account, ("hoster",), table, directory,
            lambda: 0, list, lambda: 0, AlertTable(database),
        )  # fmt: skip
        facts = NodeFacts(sources)
        running = [asyncio.create_task(follower.run()), asyncio.create_task(facts.run())]
        _, port = await stack.enter_async_context(serving(facts, LOOPBACK, 0, (), Dashboard(facts)))
        tell(port=port)
        while await lines():
            tell(block=facts.last_block or 0, rss=resident())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


class Bare:
    """Handlers that send what they are given: `page`, `status`, `snapshot` to a new stream, `block` to all of them."""

    def __init__(self, said: dict[str, str]) -> None:
        self._said = {name: base64.b64decode(text) for name, text in said.items()}
        self._news = asyncio.Condition()
        self._blocks = 0

    def application(self) -> web.Application:
        """Return the application."""
        app = web.Application()
        app.router.add_get("/", self._answer("page", "text/html"))
        app.router.add_get("/api/status", self._answer("status", "application/json"))
        app.router.add_get("/api/events", self._stream)
        return app

    def _answer(self, name: str, kind: str) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(_: web.Request) -> web.Response:
            return web.Response(body=self._said[name], content_type=kind)

        return handle

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        await answer.write(self._said["snapshot"])
        seen = self._blocks
        while True:
            async with self._news:
                while self._blocks == seen:
                    await self._news.wait()
                seen = self._blocks
            await answer.write(self._said["block"])

    async def tell_all(self) -> int:
        """Send what a block brings."""
        async with self._news:
            self._blocks += 1
            self._news.notify_all()
        return self._blocks


async def bare(said: dict[str, str]) -> None:
    """Serve these bytes, until stdin ends."""
    peer = Bare(said)
    runner = web.AppRunner(peer.application(), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, LOOPBACK, 0)
    await site.start()
    tell(port=runner.addresses[0][1])
    while await lines():
        tell(block=await peer.tell_all(), rss=resident())
    await runner.cleanup()


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    more_files()
    kind, arguments = sys.argv[1], sys.argv[2:]
    if kind == "chain":
        asyncio.run(chain(int(arguments[0]), int(arguments[1])))
    elif kind == "node":
        asyncio.run(node(arguments[0], Path(arguments[1])))
    else:
        asyncio.run(bare(json.loads(Path(arguments[0]).read_text())))
