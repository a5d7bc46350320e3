"""Peers that were found out, or that promise a longer head and show none: the feed is read from the others."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from service.feeds.fetch import FIRST_SECONDS, fetch_feed
from service.hypercore import Core
from service.hypercore.net import ReplicationError, Replicator
from service.hypercore.wire.scheduler import OVERDUE_SECONDS
from service.roles.common.feed_window import open_feed
from tests.support.histories import OURS, THEIRS, blocks, history, same_owner
from tests.support.replicated import BLOCKS, content, feed, sides
from tests.support.wire_peers import Impostor, Side

pytestmark = pytest.mark.case("network/evil_server")


async def found_out(reader: Side, honest: Side, other: Side) -> tuple[Core, Core]:
    """Let a reader find out that a peer has another history of a feed. Return the true one and the reader's copy."""
    same_owner(honest.store, other.store)
    core = history(honest.store, blocks(2, 8, OURS))
    history(other.store, blocks(2, 8, THEIRS))
    replica = reader.store.get(core.key)
    with Replicator(replica) as replicator:
        replicator.attach(await reader.connect(honest))
        await replicator.update()
    with Replicator(replica) as replicator:
        replicator.attach(await reader.connect(other))
        with pytest.raises(ReplicationError, match="signed two histories"):
            await replicator.download()
    return core, replica


async def test_a_peer_that_was_found_out_is_passed_over_when_the_feed_is_read_again() -> None:
    async with AsyncExitStack() as stack:
        honest, other, reader = await sides(stack, 3)
        core, replica = await found_out(reader, honest, other)
        async with open_feed(reader.store, reader.transport, core.key) as opened:
            assert [peer.connection.remote_key for peer in opened._replicator.peers] == [honest.peer.key]
        sources = await fetch_feed(replica, reader.transport)
        assert content(replica) == content(core)
        assert [one.key for one in sources] == [honest.peer.key]


async def test_if_nobody_else_has_it_the_error_says_what_was_found_out() -> None:
    async with AsyncExitStack() as stack:
        honest, other, reader = await sides(stack, 3)
        core, replica = await found_out(reader, honest, other)
        await honest.transport.close()
        with pytest.raises(ReplicationError, match=r"no peer is left for .*has another history of it"):
            await fetch_feed(replica, reader.transport)
        assert core.length == 8


async def test_peers_that_tell_of_a_longer_head_and_show_none_hold_a_fetch_up_for_seconds_each() -> None:
    async with AsyncExitStack() as stack:
        honest, reader, *boasters = await sides(stack, 5)
        core, longer = feed(honest), feed(boasters[0], [b""] * 1000)
        longer._record.key, longer._record.discovery_key = core.key, core.discovery_key
        for one in boasters:
            Impostor(one, longer, lambda *_: None)
        for one in (honest, *boasters):
            reader.transport.add_peer(one.peer)
        copy, loop = reader.store.get(core.key), asyncio.get_running_loop()
        begun = loop.time()
        await fetch_feed(copy, reader.transport)
        assert content(copy) == BLOCKS
        most = FIRST_SECONDS + (len(boasters) + 2) * OVERDUE_SECONDS
        assert loop.time() - begun <= most, "of the virtual clock"
