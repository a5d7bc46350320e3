"""Connections to the peers of a feed: who answers is used at once, and who is slow or gone keeps nobody waiting."""

from __future__ import annotations

import asyncio

import pytest

from service.feeds.connections import GRACE_SECONDS, PeerConnections
from service.hypercore.net import ConnectError, ConnectionClosed


class Reached:
    """A connection that remembers why it was closed."""

    def __init__(self, key: bytes) -> None:
        self.key = key
        self.closed: list[str] = []

    def close(self, reason: str) -> None:
        self.closed.append(reason)


class Slow:
    """A transport on which each peer answers, or fails, after a time of its own."""

    def __init__(self, **peers: float | Exception) -> None:
        self._peers = peers
        self.made: list[Reached] = []

    async def connect(self, key: bytes) -> Reached:
        after = self._peers[key.decode()]
        if isinstance(after, Exception):
            raise after
        await asyncio.sleep(after)
        self.made.append(Reached(key))
        return self.made[-1]


def names(connections: list[Reached]) -> list[str]:
    return [one.key.decode() for one in connections]


def to(transport: Slow) -> PeerConnections:
    return PeerConnections(transport, [name.encode() for name in transport._peers])  # type: ignore[arg-type]


async def test_all_that_answer_soon_are_there_and_others_come_later() -> None:
    transport = Slow(a=0.1, b=0.1 + GRACE_SECONDS / 2, c=5.0, d=900.0, e=ConnectError("no way"))
    late: list[Reached] = []
    loop = asyncio.get_running_loop()
    begun = loop.time()
    async with to(transport) as reached:
        assert loop.time() - begun == pytest.approx(0.1 + GRACE_SECONDS, abs=0.1)
        assert names(reached.connections) == ["a", "b"]  # type: ignore[arg-type]
        assert reached.reasons == ["no way"]
        reached.give_to(lambda one: late.append(one))  # type: ignore[arg-type]
        await asyncio.sleep(10)
        assert names(late) == ["a", "b", "c"]
    assert [one.closed for one in transport.made] == [["done"]] * 3


async def test_it_waits_for_the_first_however_long_that_takes() -> None:
    async with to(Slow(a=70.0, b=ConnectError("gone"))) as reached:
        assert names(reached.connections) == ["a"]  # type: ignore[arg-type]
        assert reached.reasons == ["gone"]


async def test_if_all_fail_it_says_why() -> None:
    async with to(Slow(a=ConnectError("x"), b=ConnectError("y"))) as reached:
        assert reached.connections == []
        assert reached.reasons == ["x", "y"]
        assert reached.failure == "cannot reach any peer: x; y"
    async with to(Slow()) as reached:
        assert reached.connections == []
        assert reached.failure == "no peer to fetch it from is known"


async def test_a_peer_that_has_just_left_is_passed_over_whether_it_came_soon_or_late() -> None:
    async with to(Slow(a=0.1, b=0.2, c=5.0, d=6.0)) as reached:
        taken: list[Reached] = []

        def take(one: Reached) -> None:
            if one.key in (b"a", b"c"):
                raise ConnectionClosed("it left")
            taken.append(one)

        reached.give_to(take)  # type: ignore[arg-type]
        await asyncio.sleep(10)
        assert names(taken) == ["b", "d"]


async def test_what_is_no_failure_of_a_peer_is_raised_and_nothing_is_left() -> None:
    transport = Slow(a=0.0, b=0.1, c=ZeroDivisionError("a fault of ours"))
    with pytest.raises(ZeroDivisionError, match="a fault of ours"):
        async with to(transport):
            pass
    assert all(one.closed == ["given up"] for one in transport.made)
    transport = Slow(a=0.1, b=50.0)
    with pytest.raises(RuntimeError, match="stop"):
        async with to(transport):
            raise RuntimeError("stop")
    assert [one.closed for one in transport.made] == [["done"]]
