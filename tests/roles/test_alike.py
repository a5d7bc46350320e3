"""What a hoster sees of an attester, beside what it sees of a reader: every message on a connection, in order, both ways."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from service.chain_client.pallet import calls
from service.feeds import fetch
from service.hypercore import Corestore, KeyPair
from service.hypercore.crypto import capability
from service.hypercore.net import Connection, TcpTransport, Transport
from service.roles.attester.committee import read_target
from service.roles.attester.probe import Target, probe
from service.roles.encoder.role import EncoderRole
from service.roles.hoster.role import HosterRole
from service.roles.sponsor.checks import check_head
from service.roles.sponsor.heads import extension
from tests.support.small_net import LivePeer, Net, author, copied, is_active

SIZES = [700, 65_536, 0, 20_000, *[3_000] * 40, 300, 30_000, *[100] * 100, 17]
PROBE_BYTES = 64 * 1024
Patch = pytest.MonkeyPatch

Seen = tuple[str, bytes]
"""Who sent a message ("in" or "out", from the hoster), and the message with all that differs by connection taken out."""


@dataclass
class Visit:
    """One connection to the hoster."""

    key: bytes
    initiator: bool
    seen: list[Seen] = field(default_factory=list)
    ended: str = ""

    def came(self) -> list[bytes]:
        """Return what the visitor sent."""
        return [message for way, message in self.seen if way == "in"]


class Watched:
    """A hoster that writes down all that it can see of those who connect to it."""

    def __init__(self, hoster: LivePeer) -> None:
        self.visits: list[Visit] = []
        self.hoster = hoster
        hoster.transport._on_connection = self._accept

    def _accept(self, connection: Connection) -> None:
        visit = Visit(connection.remote_key, connection.initiator)
        self.visits.append(visit)
        core = next(core for core in self.hoster.store.cores() if core.length)
        proofs = [capability(core.key, connection.handshake_hash, first) for first in (True, False)]

        def keep(way: str, then: Callable[[bytes], None]) -> Callable[[bytes], None]:
            def take(message: bytes) -> None:
                visit.seen.append((way, re.sub(b"|".join(map(re.escape, proofs)), b"<capability>", bytes(message))))
                then(message)

            return take

        connection.mux.receive_frame = keep("in", connection.mux.receive_frame)  # type: ignore[method-assign]
        connection.mux._write = keep("out", connection.mux._write)
        connection.on_closed.append(lambda: setattr(visit, "ended", connection.reason))
        self.hoster._accept(connection)


class Known(TcpTransport):
    """A transport that writes down what it is asked for."""

    def __init__(self, net: Net, peers: list[LivePeer], asked: list[tuple[str, bytes]] | None = None) -> None:
        super().__init__(KeyPair.generate(), [net.addresses[one.keys.swarm_key] for one in peers])
        self.asked: list[tuple[str, bytes]] = [] if asked is None else asked
        self._again = net, peers

    @asynccontextmanager
    async def apart(self) -> AsyncIterator[Transport]:
        """See `Transport.apart`."""
        async with Known(*self._again, self.asked) as other:
            yield other

    async def providers(self, feed: bytes) -> list[bytes]:
        """See `Transport.providers`."""
        self.asked.append(("providers", feed))
        return await super().providers(feed)

    async def connect(self, public_key: bytes, *, key_pair: KeyPair | None = None) -> Connection:
        """See `Transport.connect`."""
        self.asked.append(("connect", public_key))
        return await super().connect(public_key, key_pair=key_pair)


@asynccontextmanager
async def hosted(net: Net) -> AsyncIterator[tuple[LivePeer, LivePeer, int]]:
    """Return an author, a hoster that has an active copy of its feed, and the copy."""
    async with copied(net, SIZES) as (writer, _, hoster, _, copy):
        await net.chain.until(is_active(net, copy))
        await net.chain.wait_for(net.chain.number + 1)  # the hoster has seen that it is active
        yield writer, hoster, copy


async def read_all(transport: Known, target: Target, hoster: LivePeer, monkeypatch: Patch, stopped: bool) -> None:
    """Fetch a feed as `datdot feed fetch` does, begun at a probe's sector and with its hoster; `stopped` after the first part."""

    def drawn(connections: Sequence[Connection]) -> Connection:
        return next(one for one in connections if one.remote_key == hoster.keys.swarm_key)

    with monkeypatch.context() as patched:
        patched.setattr("secrets.randbelow", lambda below: byte_of(target))
        patched.setattr(fetch, "_drawn", drawn)
        core = Corestore().get(target.feed_key)
        if stopped:
            patched.setattr(fetch, "read_part", stopping(fetch.read_part))
            with suppress(Stopped):
                await fetch.fetch_feed(core, transport)
        else:
            await fetch.fetch_feed(core, transport)
        assert (core.contiguous_length == core.length) == (not stopped)


class Stopped(Exception):
    """Ctrl-C."""


def stopping(read: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[None]]:
    async def then_stop(*arguments: Any) -> None:
        await read(*arguments)
        raise Stopped

    return then_stop


def byte_of(target: Target) -> int:
    """Return where in the feed a sector begins."""
    (blocks,) = target.ranges
    return blocks.first_byte + target.offset


async def compare(net: Net, hoster: LivePeer, target: Target, others: list[LivePeer], monkeypatch: Patch) -> None:
    """Let a reader fetch a whole feed, another begin to, and an attester probe; compare what the hoster sees of them.

    The readers have `others` to fetch from beside the hoster, and begin with it.
    """
    monkeypatch.setattr("service.feeds.fetch.FIRST_BYTES", PROBE_BYTES)
    async with Known(net, [hoster]) as first:  # after it the hoster has all blocks decoded, and is as quick for each
        await read_all(first, target, hoster, monkeypatch, stopped=False)
    watched = Watched(hoster)
    found: list[list[tuple[str, bytes]]] = []
    for stopped_early in (False, True):
        async with Known(net, [*others, hoster]) as theirs:
            await read_all(theirs, target, hoster, monkeypatch, stopped_early)
        found.append([one for one in theirs.asked if one[1] not in {other.keys.swarm_key for other in others}])
    async with Known(net, [hoster]) as ours:
        measured = await probe(ours, target, PROBE_BYTES)
    assert measured.opening.sector == target.sector
    reader, stopped, attester, _ = watched.visits
    assert found[0] == found[1] == ours.asked[:2], "found and dialled in the same way"
    shared = len(attester.seen) - len(attester.came()[-1:])
    assert shared > 6
    assert attester.seen[:shared] == reader.seen[:shared]
    assert replace(attester, key=b"") == replace(stopped, key=b""), "who leaves then leaves in the same way"


@pytest.mark.parametrize("others", [False, True])
@pytest.mark.parametrize("part", [0.0, 0.01, 0.4, 0.77, 1.0])
async def test_a_hoster_sees_of_an_attester_what_it_sees_of_a_reader_until_all_is_served_and_timed(
    net: Net, monkeypatch: Patch, part: float, others: bool
) -> None:
    async with hosted(net) as (writer, hoster, copy):
        sector = round(part * (net.chain.copy(copy).sectors - 1))
        target = await read_target(net.chain.client, copy, sector, net.chain.latest.hash)
        await compare(net, hoster, target, [writer] if others else [], monkeypatch)


async def test_a_sector_of_a_feed_that_grew_since_is_read_as_by_a_reader_of_today(net: Net, monkeypatch: Patch) -> None:
    writer, core = await author(net, SIZES)
    hoster = await net.start("Hoster", HosterRole)
    await net.start("Encoder", EncoderRole)
    copy = await net.place(core, live=True)
    await net.chain.until(is_active(net, copy))
    core.append([b"more" * 500] * 20)
    nodes = extension(core, len(SIZES))
    await net.sponsor.signer.submit(calls.update_head(0, check_head(core.head()), nodes))
    await net.chain.until(lambda: len(net.chain.copy(copy).segments) == 2)
    await net.chain.until(is_active(net, copy))
    await net.chain.wait_for(net.chain.number + 1)
    await net.leave(writer)
    target = await read_target(net.chain.client, copy, 300, net.chain.latest.hash)
    assert target.head.length == len(SIZES)
    assert target.roots == ()
    await compare(net, hoster, target, [], monkeypatch)


async def test_each_retrieval_and_each_question_has_an_identity_of_its_own_and_the_question_comes_last(
    net: Net,
) -> None:
    async with hosted(net) as (_, hoster, copy):
        target = await read_target(net.chain.client, copy, 5, net.chain.latest.hash)
        watched = Watched(hoster)
        async with Known(net, [hoster]) as transport:
            for _ in range(2):
                await probe(transport, target, PROBE_BYTES)
            assert len(watched.visits) == 4
            keys = {visit.key for visit in watched.visits}
            assert len(keys) == 4
            assert transport.public_key not in keys
        for reading, asking in zip(watched.visits[::2], watched.visits[1::2], strict=True):
            assert reading.ended, "all is served before it is known who asked"
            assert not [one for one in reading.seen if b"datdot" in one[1]]
            assert [one for one in asking.came() if b"datdot/probe/1" in one]
