"""The part with which a fetch begins: from one peer, from anywhere, and no obstacle if it does not come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest

from service.feeds import fetch, reading
from service.feeds.fetch import FIRST_SECONDS, fetch_feed
from service.hypercore import Core, Corestore
from service.hypercore.net import Connection, ReplicationError
from service.hypercore.wire import messages as m
from tests.support.replicated import content, feed, honest
from tests.support.wire_peers import Impostor, Side, side

SIZES = [0, 5_000, 1, 0, 0, *[700] * 50, 60_000, 3, 20_000, 0]
BLOCKS = [bytes([number]) * size for number, size in enumerate(SIZES)]


def replica(core: Core) -> Core:
    return Corestore().get(core.key)


def begin_with(monkeypatch: pytest.MonkeyPatch, peer: Side) -> None:
    def drawn(connections: Sequence[Connection]) -> Connection:
        return next(one for one in connections if one.remote_key == peer.peer.key)

    monkeypatch.setattr(fetch, "_drawn", drawn)


def asked_in_order(core: Core) -> tuple[list[int], Callable[[int, int, m.Request], tuple[int, bytes]]]:
    """Return the list of blocks that are asked for, and the answers of an honest peer."""
    asked: list[int] = []

    def answer(number: int, fork: int, request: m.Request) -> tuple[int, bytes]:
        if request.block is not None:
            asked.append(request.block.index)
        return honest(core, number, request)

    return asked, answer


async def test_it_begins_at_any_byte_and_all_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "FIRST_BYTES", 3_000)
    total, begun = sum(SIZES), set()
    for byte in [0, 4_999, 5_000, 5_001, 20_000, total - 1, *range(0, total, 9_973)]:
        async with side() as one, side() as two:
            core = feed(one, BLOCKS)
            asked, answer = asked_in_order(core)
            Impostor(one, core, answer)
            two.transport.add_peer(one.peer)
            monkeypatch.setattr("secrets.randbelow", lambda below, byte=byte: byte if below == total else 0)
            copy = replica(core)
            await fetch_feed(copy, two.transport)
            assert content(copy) == BLOCKS
            assert sorted(asked) == list(range(len(BLOCKS))), "each once"
            begun.add(asked[0])
    assert len(begun) > 3


async def test_a_first_peer_that_does_not_answer_keeps_nobody_waiting_who_has_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with side() as one, side() as mute, side() as two:
        core = feed(one, BLOCKS)
        Impostor(mute, core, lambda *_: None)
        for peer in (mute, one):
            two.transport.add_peer(peer.peer)
        begin_with(monkeypatch, mute)
        copy, loop = replica(core), asyncio.get_running_loop()
        begun = loop.time()
        sources = await fetch_feed(copy, two.transport)
        assert content(copy) == BLOCKS
        assert FIRST_SECONDS <= loop.time() - begun < 4 * FIRST_SECONDS, "of the virtual clock"
        assert {source.key: source.received for source in sources} == {mute.peer.key: 0, one.peer.key: sum(SIZES)}


async def test_a_first_peer_that_leaves_is_no_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    async with side() as one, side() as gone, side() as two:
        core = feed(one, BLOCKS)

        def leave(*_: object) -> None:
            gone.incoming[0].abort("it leaves")

        Impostor(gone, core, leave)
        for peer in (gone, one):
            two.transport.add_peer(peer.peer)
        begin_with(monkeypatch, gone)
        copy = replica(core)
        await fetch_feed(copy, two.transport)
        assert content(copy) == BLOCKS


async def test_of_a_block_that_is_refused_the_fetch_says_so_once_all_else_is_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with side() as one, side() as two:
        core = feed(one, BLOCKS)

        def answer(number: int, fork: int, request: m.Request) -> tuple[int, bytes]:
            if request.block is not None and request.block.index == 55:
                return m.NO_DATA, m.encode_no_data(number, m.NOT_AVAILABLE)
            return honest(core, number, request)

        Impostor(one, core, answer)
        two.transport.add_peer(one.peer)
        monkeypatch.setattr("secrets.randbelow", lambda below: min(41_000, below - 1))
        copy = replica(core)
        with pytest.raises(ReplicationError, match="block 55: not to be had"):
            await fetch_feed(copy, two.transport)


async def test_who_goes_on_with_a_fetch_asks_for_what_is_missing_only(monkeypatch: pytest.MonkeyPatch) -> None:
    async with side() as one, side() as two:
        core = feed(one, BLOCKS)
        asked, answer = asked_in_order(core)
        Impostor(one, core, answer)
        two.transport.add_peer(one.peer)
        copy = replica(core)
        await fetch_feed(copy, two.transport)
        copy.clear(7, 9)
        asked.clear()
        monkeypatch.setattr(fetch, "read_part", None)
        await fetch_feed(copy, two.transport)
        assert asked == [7, 8]
        assert content(copy) == BLOCKS


async def test_no_more_than_so_many_blocks_are_read_from_a_byte_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_BLOCKS", 8)
    async with side() as one, side() as two:
        core = feed(one, [b"1"] * 400)
        two.transport.add_peer(one.peer)
        monkeypatch.setattr("secrets.randbelow", lambda below: below // 2)
        copy = replica(core)
        found: list[int] = []
        first = fetch._read_first

        async def then_count(*arguments: object) -> None:
            await first(*arguments)  # type: ignore[arg-type]
            found.append(sum(end - start for start, end in copy.ranges()))

        monkeypatch.setattr(fetch, "_read_first", then_count)
        await fetch_feed(copy, two.transport)
        assert 8 <= found[0] <= 16
        assert copy.contiguous_length == 400
