"""Crowds, and peers that say very much in very little: what they take is bounded, and everybody else gets turns."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Callable
from contextlib import AsyncExitStack
from types import SimpleNamespace
from typing import Any

import pytest

from service.hypercore import BlockRequest, Core, Corestore, KeyPair, Request
from service.hypercore.codec import encode_buffer, encode_string, encode_uint
from service.hypercore.net import (
    Channel,
    Connection,
    PeerAddress,
    TcpTransport,
    connection,
    fetch,
    origin_of,
    serving,
)
from service.hypercore.net import admission as rules
from service.hypercore.net.admission import Admission, places_of, raise_file_limit
from service.hypercore.net.channel import MESSAGE_COST
from service.hypercore.net.replication import PROTOCOL
from service.hypercore.net.serving import Server
from service.hypercore.net.shared import COMPLAINTS, Complaints
from service.hypercore.store.storage import StorageError
from service.hypercore.wire import messages as m
from service.hypercore.wire.protomux import MAX_BATCH, OPEN_WORK
from tests.support.wire_peers import SECONDS, Side, closed, hear, side, speak, until


def feed(where: Side) -> Core:
    core = where.store.create()
    core.append([b"block %d" % number for number in range(300)])
    return core


async def serves_p(channel: Channel) -> None:
    await channel.opened()
    async for _ in channel:
        pass


def and_serve(where: Side, protocol: str, handle: Callable[[Channel], object]) -> None:
    """Serve a protocol of tasks besides the feeds."""
    accept = where.accept

    def both(incoming: Connection) -> None:
        accept(incoming)
        incoming.on_protocol(protocol, lambda *_: b"", handle)  # type: ignore[arg-type]

    where.accept = both  # type: ignore[method-assign]


async def test_frames_full_of_tiny_messages() -> None:
    """Each is 3 bytes on the wire and far more to keep: the rest waits as bytes until they are read."""
    reads, heard = asyncio.Event(), list[bytes]()

    async def reads_late(channel: Channel) -> None:
        await channel.opened()
        await reads.wait()
        async for _, body in channel:
            heard.append(body)

    async with side() as one, side() as two:
        and_serve(one, "p", reads_late)
        conn = await two.connect(one)
        channel = conn.open("p", None)
        await channel.opened()
        (serving,) = one.incoming
        for _ in range(5):
            conn._write_message(b"\0\0\1" + b"\1\0" * MAX_BATCH)
        conn._flush()
        await until(lambda: "unread" in serving._paused)
        assert serving._unread <= connection.MAX_UNREAD_BYTES + connection.WORK * MESSAGE_COST
        reads.set()
        await until(lambda: len(heard) == 5 * MAX_BATCH)
        assert not serving.reason
        assert not serving._paused


def flood(kind: str, own: int, count: int) -> bytes:
    """One frame of so many small messages, on channel `own` or about channels."""
    channel = own
    match kind:
        case "sync":
            bodies = [b"\0" + encode_uint(1) + encode_uint(number % 2) + b"\5\5" for number in range(count)]
        case "range":
            starts = (number * 10 if number % 2 else (1 << 40) - number * 10 for number in range(count))
            bodies = [b"\x08\0" + encode_uint(start) + b"\5" for start in starts]
        case "cancel":
            bodies = [b"\2" + encode_uint(number) for number in range(count)]
        case "opens":
            channel, opening = 0, b"\1\2" + encode_string("p") + encode_buffer(b"")
            bodies = [b"\3\2" if number % 2 else opening for number in range(count)]
        case _:
            channel = 0
            bodies = [b"\1\2" + encode_string("refused") + encode_buffer(b"")] * count
    return b"\0\0" + encode_uint(channel) + b"".join(encode_uint(len(body)) + body for body in bodies)


@pytest.mark.case("network/stall_frame")
@pytest.mark.parametrize("kind", ["sync", "range", "cancel", "opens", "refused"])
async def test_frames_of_small_messages_leave_turns_to_others(kind: str) -> None:
    """While frames of 65,000 messages from four peers are worked off, another one is served within a few turns."""
    async with side() as one, side() as two:
        core = feed(one)
        and_serve(one, "p", serves_p)
        attackers = [await two.connect(one) for _ in range(4)]
        channels = [await speak(conn, core) for conn in attackers]
        honest = await speak(await two.connect(one), core)
        await hear(honest, m.SYNC)
        for conn, channel in zip(attackers, channels, strict=True):
            for _ in range(2):
                conn._write_message(flood(kind, channel._endpoint.local_id, 65_000))
            conn._flush()
        await until(lambda: all("work" in serving._paused for serving in one.incoming[:4]))
        before = one.transport._shared._turns
        await honest.send(m.REQUEST, m.encode_request(1, 0, Request(block=BlockRequest(3, 0))))
        assert m.decode_data(await hear(honest, m.DATA))[0] == 1
        assert one.transport._shared._turns - before < 100
        assert all("work" in serving._paused for serving in one.incoming[:4]), "the floods are far from over"
        assert all(len(serving._tasks) <= connection.MAX_HANDLERS for serving in one.incoming)


async def test_opens_are_bounded_by_the_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "OPENS", 10)
    monkeypatch.setattr(connection, "OPENS_PER_SECOND", 50.0)
    async with side() as one, side() as two:
        conn = await two.connect(one)
        (serving,) = one.incoming
        serving._opens = 10.0
        begun = serving._loop.time()
        channels = [conn.open(f"nobody/{number}", None) for number in range(60)]
        await until(lambda: all(channel.is_closed for channel in channels))
        assert serving._loop.time() - begun >= (60 - 10 - connection.WORK // OPEN_WORK) / 50


async def test_a_connection_without_a_channel_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "KEEP_ALIVE_SECONDS", 0.05)
    monkeypatch.setattr(connection, "IDLE_SECONDS", 0.2)
    async with side() as one, side() as two:
        core = feed(one)
        busy = await two.connect(one)
        await speak(busy, core)
        idle = await two.connect(one)
        idle._write_message(b"\x05\1rubbish for a channel that is not there")
        idle._flush()
        await closed(idle)
        assert "no channel was open" in one.incoming[1].reason
        assert not busy.reason


@pytest.mark.case("network/idle_flood")
async def test_idle_strangers_give_way() -> None:
    """All places are taken by connections that say nothing: who comes gets the place of the idlest."""
    async with side() as one, side() as two:
        core = feed(one)
        one.transport._admission = Admission(8)
        peer = await two.connect(one)
        one.transport._admission.recognise(one.incoming[0], two.transport.public_key, 0.0)
        held = [await two.connect(one) for _ in range(4)]  # as many as one host may have
        await until(lambda: len(one.transport._admission) == 5)
        await asyncio.sleep(rules.BUSY_SECONDS)  # by the clock of the loop
        channel = await speak(await two.connect(one), core)
        assert m.decode_sync(await hear(channel, m.SYNC)).length == 300
        await closed(held[0])
        assert len(one.transport._admission) == 5
        assert [conn.reason for conn in held[1:]] == ["", "", ""]
        assert not peer.reason


@pytest.mark.case("network/idle_flood")
def test_places_leave_room_for_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        assert raise_file_limit() >= soft
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[1] == hard
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    for files in (64, 256, 512, 1024, 4096, 65_536):
        assert 0 < places_of(files) <= rules.MAX_PLACES
        assert files - places_of(files) >= min(rules.RESERVED_FILES, files - files // 4)


async def test_opens_in_many_small_frames_are_bounded_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each frame is less than one turn's work, so that only the count of opens can make the peer wait."""
    monkeypatch.setattr(connection, "OPENS", 10)
    monkeypatch.setattr(connection, "OPENS_PER_SECOND", 50.0)
    async with side() as one, side() as two:
        conn = await two.connect(one)
        (serving,) = one.incoming
        serving._opens = 10.0
        begun = serving._loop.time()
        for number in range(60):
            channel = conn.open(f"nobody/{number}", None)
            await until(lambda channel=channel: channel.is_closed)  # type: ignore[misc]
        assert serving._loop.time() - begun >= (60 - 11) / 50


@pytest.mark.parametrize("fault_at", [1, 3 * connection.WORK], ids=["at once", "in a later turn"])
async def test_a_fault_of_ours_ends_the_connection_that_met_it(
    fault_at: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """It must not stay for ever without being read. The others go on."""
    async with side() as one, side() as two:
        core = feed(one)
        and_serve(one, "p", serves_p)
        other, conn = await speak(await two.connect(one), core), await two.connect(one)
        channel = conn.open("p", None)
        await channel.opened()
        serving = one.incoming[1]
        await until(lambda: bool(serving.mux._local))
        count = iter(range(1, 4 * connection.WORK))

        def meet(kind: int, body: bytes) -> None:
            if next(count) == fault_at:
                raise RuntimeError("a fault of ours")

        next(iter(serving.mux._local.values())).on_message = meet
        conn._write_message(b"\0\0\1" + b"\1\0" * 4 * connection.WORK)
        conn._flush()
        await closed(conn)
        await until(lambda: serving.is_closed)
        assert "a fault of ours" in serving.reason
        assert "a message failed" in capsys.readouterr().out
        await other.send(m.REQUEST, m.encode_request(1, 0, Request(block=BlockRequest(3, 0))))
        assert m.decode_data(await hear(other, m.DATA))[0] == 1


@pytest.mark.parametrize("kind", ["feed", "task"])
async def test_what_a_failing_disk_tells_of_strangers_is_bounded(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    """They may ask again and again for what cannot be read here now."""

    def cannot_be_read(*_: object) -> Core:
        raise StorageError("the disk is broken")

    async def fails(channel: Channel) -> None:
        raise RuntimeError("the disk is broken")

    async with side() as one, side() as two:
        core = feed(one)
        one.store.find = cannot_be_read  # type: ignore[method-assign]
        and_serve(one, "p", fails)
        conn = await two.connect(one)
        for _ in range(5 * connection.MAX_TOLD):
            channel = conn.open(PROTOCOL, core.discovery_key) if kind == "feed" else conn.open("p", None)
            await until(lambda channel=channel: channel.is_closed)  # type: ignore[misc]
    told = capsys.readouterr().out
    assert told.count("cannot serve a feed" if kind == "feed" else "channel failed") == connection.MAX_TOLD
    assert "the disk is broken" in told


@pytest.mark.parametrize("asked", ["tiny blocks", "what is not here"])
def test_a_turn_has_few_answers_even_if_they_are_small(asked: str) -> None:
    """Each may be dear to find: a hoster decodes sectors for one byte."""
    core, turns, sent = Corestore().create(), list[Callable[[], None]](), list[int]()
    core.append([b"x"] * 100)
    conn: Any = SimpleNamespace(
        writable=True, take_serving_turn=turns.append, count_served=lambda size: None, context={}
    )
    server = Server(conn, core, lambda kind, body: sent.append(kind))
    for number in range(1000):
        block = number % 100 + (0 if asked == "tiny blocks" else 1000)
        server.take_request(number, 0, Request(block=BlockRequest(block, 0)))
    most = serving.SERVE_BYTES // serving.ANSWER_COST
    answered = 0
    while turns:
        turns.pop(0)()
        assert answered < len(sent) <= answered + most
        answered = len(sent)
    assert answered == 1000


class Visitor:
    """An incoming connection, as far as the admission knows it."""

    def __init__(self, host: str, heard_at: float) -> None:
        self.host, self.heard_at = host, heard_at


def test_the_idlest_stranger_leaves_and_no_peer_of_the_network() -> None:
    admission = Admission(8)  # two of them are for peers of the network
    visitors = [Visitor(f"10.0.0.{number}", float(number)) for number in range(6)]
    assert [admission.enter(one, one.heard_at) for one in visitors] == [None] * 6
    admission.recognise(visitors[0], b"key", 6.0)
    late, busy = Visitor("10.0.1.1", 20.0), Visitor("10.0.1.4", 30.5)
    assert admission.enter(late, 20.0) is None
    assert admission.enter(Visitor("10.0.1.2", 20.0), 20.0) is visitors[1]
    for one in (*visitors, late):
        one.heard_at = 30.0
    assert admission.enter(Visitor("10.0.1.3", 30.0), 30.0) is not None, "the last newcomer has said nothing since 20"
    assert admission.enter(busy, 30.5) is None, "it may be a peer of the network"
    assert admission.stay(busy, 30.5) is busy, "all are busy"
    assert len(admission) == 7
    admission.leave(late)
    assert admission.enter(busy, 30.5) is None
    assert admission.stay(busy, 30.5) is None


def test_strangers_that_are_all_busy_keep_no_peer_of_the_network_out() -> None:
    """Who somebody is shows after the handshake only: until then a newcomer may have a place that is kept."""
    admission = Admission(16)
    strangers = [Visitor(f"10.0.0.{number}", 10.0 + number / 100) for number in range(12)]
    for one in strangers:
        assert admission.enter(one, 10.1) is admission.stay(one, 10.1) is None
    ended = []
    for number in range(14):
        peer = Visitor(f"10.0.1.{number}", 10.5)
        assert admission.enter(peer, 10.5) is None
        ended.append(admission.recognise(peer, b"%d" % number, 10.5))
    assert ended == [None] * 3 + strangers[:11]
    assert len(admission) == 15
    half_open = [Visitor(f"10.0.2.{number}", 10.5) for number in range(3)]
    assert [admission.enter(one, 10.5) for one in half_open] == [None, half_open[0], half_open[1]]
    assert admission.stay(half_open[2], 10.6) is half_open[2], "the stranger that was there is busy"
    assert admission.enter(half_open[0], 12.0) is strangers[11]


def test_few_hosts_that_are_all_busy_keep_no_other_host_out() -> None:
    """Attesters come under keys of their own making: a hoster fails retrievals if crowds keep strangers out."""
    admission = Admission(16)
    crowd = [Visitor(f"10.0.0.{number % 2}", 10.0) for number in range(12)]
    for one in crowd:
        assert admission.enter(one, 10.0) is admission.stay(one, 10.0) is None
    came = []
    for number in range(4):
        attester = Visitor(f"10.0.1.{number}", 10.5)
        assert admission.enter(attester, 10.5) is None
        assert admission.stay(attester, 10.5) in crowd
        came.append(attester)
    again = Visitor("10.0.0.1", 10.5)
    assert admission.enter(again, 10.5) is None
    assert admission.stay(again, 10.5) in (*crowd, again)
    assert set(came) <= admission._strangers.keys()


def test_a_site_with_many_networks_is_one_crowd() -> None:
    """One customer may have 65,536 IPv6 networks, and a busy connection from each."""
    admission = Admission(16)
    crowd = [Visitor(f"2001:db8:7:{number:x}::1", 10.0) for number in range(12)]
    for one in crowd:
        assert admission.enter(one, 10.0) is admission.stay(one, 10.0) is None
    for number in range(4):
        attester = Visitor(f"2001:db8:{number:x}:1::1", 10.5)
        assert admission.enter(attester, 10.5) is None
        assert admission.stay(attester, 10.5) in crowd
    again = Visitor("2001:db8:7:ffff::1", 10.5)
    assert admission.enter(again, 10.5) is None
    assert admission.stay(again, 10.5) in (*crowd, again)


async def test_a_peer_that_becomes_expected_keeps_its_open_connections() -> None:
    async with side() as one, side() as two:
        await two.connect(one)
        admission = one.transport._admission
        await until(lambda: bool(admission._strangers) and not admission._new)
        one.transport.expect([two.transport.public_key])
        assert list(admission._known.values()) == [two.transport.public_key]
        assert not admission._strangers


def test_one_peer_of_the_network_has_not_all_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "MAX_PER_PEER", 3)
    admission = Admission(16)
    reader = Visitor("10.0.0.1", 9.5)
    assert admission.enter(reader, 9.5) is admission.stay(reader, 9.5) is None
    ended = []
    for number in range(30):
        peer = Visitor(f"10.0.1.{number}", 10.0)
        ended.append(admission.enter(peer, 10.0))
        ended.append(admission.recognise(peer, b"drawn", 10.0))
    assert reader not in ended
    assert len(admission) == 15, "a place is left for another peer"
    assert len(admission._known) == 3


def test_one_host_has_not_all_places() -> None:
    admission = Admission(16)
    network = [Visitor(f"2001:db8:1:2:{number:x}::1", 0.0) for number in range(8)]
    assert [admission.enter(one, 0.0) for one in network] == [None] * 8
    again = Visitor("2001:db8:1:2:ffff::", 0.5)
    assert admission.enter(again, 0.5) is again
    assert admission.enter(Visitor("2001:db8:1:2:ffff::", 5.0), 5.0) is network[0]
    assert admission.enter(Visitor("2001:db8:1:3::1", 5.0), 5.0) is None


def test_key_exchanges_of_a_host_are_bounded() -> None:
    admission = Admission()

    def come(now: float) -> bool:
        visitor = Visitor("10.0.0.1", now)
        refused = admission.enter(visitor, now) is visitor
        admission.leave(visitor)
        return not refused

    assert sum(come(0.0) for _ in range(2000)) == rules.CONNECTS
    assert sum(come(1.0) for _ in range(2000)) == rules.CONNECTS_PER_SECOND
    for number in range(3 * rules.MAX_HOSTS):
        visitor = Visitor(f"10.{number >> 12}.{number & 0xFFF}.1", 1000.0 + number)
        admission.enter(visitor, 1000.0 + number)
        admission.leave(visitor)
    assert len(admission._hosts) <= rules.MAX_HOSTS


def test_connections_from_very_many_hosts_keep_no_other_host_out() -> None:
    """Who has a large IPv6 network has more hosts than are counted. Those that were silent longest are forgotten first."""
    admission = Admission()

    def come(host: str, now: float) -> bool:
        visitor = Visitor(host, now)
        refused = admission.enter(visitor, now) is visitor
        admission.leave(visitor)
        return not refused

    assert sum(come("10.0.0.1", 0.0) for _ in range(2000)) == rules.CONNECTS
    for number in range(3 * rules.MAX_HOSTS):
        assert come(f"2001:db8:{number:x}::1", 0.0)
        assert not come("10.0.0.1", 0.0), "it is counted as long as it goes on"
    assert come("10.0.0.2", 0.0)
    assert len(admission._hosts) <= rules.MAX_HOSTS


@pytest.mark.parametrize(
    ("host", "counted", "site"),
    [
        ("192.0.2.7", "192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2::7", "2001:db8:1:2::/64", "2001:db8:1::/48"),
        ("fe80::7%eth0", "fe80::/64", "fe80::/48"),
        ("", "", ""),
        ("host", "host", "host"),
    ],
)
def test_what_counts_as_one_host_and_one_site(host: str, counted: str, site: str) -> None:
    assert origin_of(host) == (counted, site)


def test_what_is_told_of_strangers_is_bounded(capsys: pytest.CaptureFixture[str]) -> None:
    complaints = Complaints()
    for number in range(1000):
        complaints.tell(10.0, "peer refused", number=number)
    assert capsys.readouterr().out.count("peer refused") == COMPLAINTS
    complaints.tell(11.0, "peer refused", number=1000)
    assert f"dropped_lines={1000 - COMPLAINTS}" in capsys.readouterr().out


async def test_one_more_reader_than_places_ends_in_plain_words() -> None:
    async with side() as one, side() as two:
        feed(one)
        one.transport._admission = Admission(4)
        held = [await two.connect(one) for _ in range(2)]
        async with asyncio.timeout(SECONDS):
            reader, writer = await asyncio.open_connection(*one.peer_address)
            assert await reader.read() == b""
            writer.close()
        assert not any(conn.reason for conn in held)


@pytest.mark.case("network/readers")
async def test_two_hundred_readers_are_all_served_and_fairly() -> None:
    """Each gets the whole feed, and the last is done soon after the first: nobody's turns are forgotten."""
    readers, blocks = 200, [bytes([number]) * 3000 for number in range(40)]
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(side())
        core = one.store.create()
        core.append(blocks)
        done: list[int] = []

        async def read() -> None:
            async with side() as reader:
                copy = reader.store.get(core.key)
                await fetch(copy, await reader.connect(one))
                assert [copy.get(index) for index in range(copy.length)] == blocks
                done.append(one.transport._shared._turns)

        async with asyncio.TaskGroup() as group:
            for _ in range(readers):
                group.create_task(read())
        assert len(done) == readers
        assert max(done) <= one.transport._shared._turns
        assert not any("too many" in conn.reason for conn in one.incoming)


async def test_connections_are_made_from_the_address_that_was_given() -> None:
    host: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    async with TcpTransport(KeyPair.generate(), on_connection=lambda made: host.set_result(made.host)) as server:
        address = PeerAddress(server.public_key, *await server.listen("127.0.0.1", 0))
        async with TcpTransport(KeyPair.generate(), [address], source="127.0.0.3") as dialling:
            await dialling.connect(server.public_key)
            assert await host == "127.0.0.3"
