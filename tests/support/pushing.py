"""An author that pushes blocks to a reader, each a side on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from service.hypercore import Core
from service.hypercore.net import Connection, CorePeer, Replication
from service.hypercore.tree.proof import Request
from service.hypercore.wire import push
from tests.support.replicated import feed
from tests.support.wire_peers import Side, side, until


@asynccontextmanager
async def pushing(blocks: list[bytes]) -> AsyncIterator[tuple[Core, Core, Connection, Side]]:
    """Return a core, its replica on another side, a connection to the first, and the first."""
    async with side() as one, side() as two:
        core = feed(one, blocks)
        yield core, two.store.get(core.key), await two.connect(one), one


async def pusher(one: Side, core: Core) -> CorePeer:
    """Return the author's end of the last replication, once the reader's sync allows pushes."""
    await until(lambda: bool(one.incoming))
    peer = Replication.of(one.incoming[-1]).add(core)
    await until(lambda: push.takes(peer.state, core.fork, core.length))
    return peer


def requests(peer: CorePeer, monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """Return the list to which every request is added that comes from now on."""
    asked: list[Request] = []
    take = peer._server.take_request

    def note(number: int, fork: int, request: Request) -> None:
        asked.append(request)
        take(number, fork, request)

    monkeypatch.setattr(peer._server, "take_request", note)
    return asked
