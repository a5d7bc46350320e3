"""Peers that speak rubbish, another protocol or too much of it, too slowly or too often: dropped, by name, in little memory."""

from __future__ import annotations

import asyncio
import re
import tracemalloc
from contextlib import suppress

import pytest

from service.hypercore import BlockRequest, Core, KeyPair, Request
from service.hypercore.codec import encode_uint
from service.hypercore.net import (
    ChannelClosed,
    Connection,
    ConnectionClosed,
    PeerAddress,
    Replication,
    Replicator,
    TcpTransport,
    connection,
)
from service.hypercore.net.replication import PROTOCOL
from service.hypercore.net.serving import MAX_QUEUED_REQUESTS
from service.hypercore.wire import messages as m
from tests.support.wire_peers import SECONDS, Side, closed, hear, side, speak, until


def feed(where: Side) -> Core:
    core = where.store.create()
    core.append([b"block %d" % number for number in range(300)])
    return core


async def raw(where: Side) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    assert where.transport.address is not None
    return await asyncio.open_connection(*where.transport.address)


async def ended(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    async with asyncio.timeout(SECONDS):
        try:
            while await reader.read(65536):
                pass
        except ConnectionError:
            pass
    writer.close()


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
        b"SSH-2.0-OpenSSH_9.6\r\n",
        bytes(3),
        b"\x20\0\0" + bytes(32),
        b"\xff" * 70_000,
    ],
    ids=["http", "tls", "ssh", "empty", "zeros", "ones"],
)
async def test_other_protocols(data: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    async with side() as one, side() as two:
        core = feed(one)
        reader, writer = await raw(one)
        writer.write(data)
        await ended(reader, writer)
        assert one.incoming == []
        assert "peer refused" in capsys.readouterr().out
        channel = await speak(await two.connect(one), core)  # everybody else is served
        assert m.decode_sync(await hear(channel, m.SYNC)).length == 300


async def test_another_key_than_expected() -> None:
    async with side() as one, side() as two:
        wrong = KeyPair.generate().public
        two.transport.add_peer(PeerAddress(wrong, one.peer.host, one.peer.port))
        with pytest.raises(Exception, match=f"the peer's key is {one.peer.key.hex()}, not {wrong.hex()}"):
            await two.transport.connect(wrong)


async def test_who_does_not_know_the_feeds_key_gets_nothing() -> None:
    async with side() as one, side() as two:
        core = feed(one)
        conn = await two.connect(one)
        channel = conn.open(PROTOCOL, core.discovery_key, encode_uint(1) + bytes(32))
        assert await closed(conn)
        with pytest.raises(ChannelClosed):
            await channel.receive()
        assert f"the peer does not know the key of core {core.discovery_key.hex()}" in one.incoming[0].reason


@pytest.mark.parametrize(
    ("kind", "body", "named"),
    [
        (m.SYNC, b"\1", "message 0 of core .*: fork at offset 1: the message ends"),
        (m.REQUEST, b"\1\1\0\xff" + b"\xff" * 8, "message 1 of core .*: block at offset 3"),
        (m.DATA, b"\1\1\0\0\xfe\xff\xff\xff\xff", "message 3 of core .*: length of block at offset 4"),
        (m.DATA, b"\1\1\0\0\1x\xfd\xff\xff", "message 3 of core .*: count of nodes at offset 6: 65535 is over 4096"),
        (m.WANT, m.encode_want(0, 1 << 22), "a want of 4194304 blocks"),
        (m.BITFIELD, b"\0\xfe\xff\xff\xff\xff", "message 7 of core .*: words at offset 1"),
        (m.RANGE, b"", "message 8 of core .*: flags at offset 0"),
    ],
)
async def test_broken_messages(kind: int, body: bytes, named: str) -> None:
    async with side() as one, side() as two:
        core = feed(one)
        conn = await two.connect(one)
        channel = await speak(conn, core)
        await channel.send(kind, body)
        await closed(conn)
        await closed(one.incoming[0])
        assert re.search(named, one.incoming[0].reason), one.incoming[0].reason


async def test_messages_of_the_future_are_passed_over() -> None:
    async with side() as one, side() as two:
        core = feed(one)
        channel = await speak(await two.connect(one), core)
        for kind in (m.EXTENSION, 10, 2**50):
            await channel.send(kind, b"whatever")
        await channel.send(m.REQUEST, m.encode_request(1, 0, Request(block=BlockRequest(3, 0))))
        assert m.decode_data(await hear(channel, m.DATA))[0] == 1


@pytest.mark.parametrize("flood", ["requests", "wants"])
async def test_floods_end_the_connection(flood: str) -> None:
    """More than anybody needs to have waiting, while nothing is read."""
    async with side() as one, side() as two:
        core = feed(one)
        core.clear(1, 2)
        conn = await two.connect(one)
        channel = await speak(conn, core)
        serving = one.incoming[0]
        serving.pause_writing()
        for number in range(2 * MAX_QUEUED_REQUESTS):
            if flood == "requests":
                await channel.send(m.REQUEST, m.encode_request(number, 0, Request(block=BlockRequest(3, 0))))
            else:
                await channel.send(m.WANT, m.encode_want(0, 1 << 21))
        await closed(serving)
        assert f"{flood} are waiting for an answer" in serving.reason


class Compared(int):
    """A number that counts how often one was compared."""

    times = 0

    def __eq__(self, other: object) -> bool:
        Compared.times += 1
        return int.__eq__(self, other)  # type: ignore[arg-type]

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = int.__hash__


async def test_requests_that_are_taken_back_cost_no_search() -> None:
    """A frame holds many of them: each must not go through all that waits."""
    async with side() as one, side() as two:
        core = feed(one)
        await speak(await two.connect(one), core)
        (peer,) = Replication.of(one.incoming[0])._peers.values()
        server = peer._server
        for number in range(MAX_QUEUED_REQUESTS):
            server.take_request(Compared(number), 0, Request(block=BlockRequest(3, 0)))
        Compared.times = 0
        server.cancel(Compared(10**6))
        server.cancel(Compared(7))
        assert Compared.times < 20
        assert len(server._requests) == MAX_QUEUED_REQUESTS - 1


async def test_refused_protocols_do_not_fill_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    async with side() as one, side() as two:
        feed(one)
        conn = await two.connect(one)
        channels = [conn.open(f"nobody/{number}", None) for number in range(500)]
        await until(lambda: all(channel.is_closed for channel in channels))
        told = capsys.readouterr().out
        assert told.count("is not served here") == connection.MAX_TOLD
        assert "'nobody/0' is not served here" in told


async def test_a_peer_that_calls_forth_answers_and_reads_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "MAX_UNSENT_BYTES", 100_000)
    async with side() as one, side() as two:
        core = feed(one)
        conn = await two.connect(one)
        channel = await speak(conn, core)
        serving = one.incoming[0]
        serving.pause_writing()  # as the transport does when nothing is read
        with suppress(ChannelClosed):  # either end may hear of it first
            for number in range(1 << 20):
                if serving.is_closed:
                    break
                await channel.send(m.SYNC, m.encode_sync(m.Sync(m.DOWNLOADING, 0, number, 0)))
                conn._flush()
                await asyncio.sleep(0)
        assert "the peer does not read the answers" in await closed(serving)


async def test_whatever_a_peer_claims_takes_little_memory() -> None:
    async with side() as one, side() as two:
        core = feed(one)
        channel = await speak(await two.connect(one), core)
        await hear(channel, m.SYNC)
        tracemalloc.start()
        for number in range(40):
            await channel.send(m.RANGE, m.encode_range(number << 40, 1 << 39))
            await channel.send(m.BITFIELD, m.encode_bitfield(number << 30, b"\x55" * (1 << 18)))
            await channel.send(m.SYNC, m.encode_sync(m.Sync(7, 0, 2**53 - 1 - number, 0)))
        await channel.send(m.REQUEST, m.encode_request(1, 0, Request(block=BlockRequest(3, 0))))
        await hear(channel, m.DATA)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 64 * 1024 * 1024


async def test_a_slow_handshake_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HANDSHAKE_SECONDS", 0.2)
    async with side() as one:
        reader, writer = await raw(one)
        writer.write(b"\x20")
        await ended(reader, writer)
        await until(lambda: not one.transport._connections)
        assert one.incoming == []


async def test_a_frame_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "KEEP_ALIVE_SECONDS", 0.1)
    monkeypatch.setattr(connection, "FRAME_SECONDS", 0.2)
    async with side() as one, side() as two:
        conn = await two.connect(one)
        assert conn._transport is not None
        conn._transport.write(b"\xff\xff\xff" + bytes(100))
        await closed(one.incoming[0])
        assert "a frame was not complete" in one.incoming[0].reason


async def test_frames_that_come_whole_are_not_taken_for_one_that_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each piece ends one frame and begins the next, and as much of it is held as before."""
    monkeypatch.setattr(connection, "FRAME_SECONDS", 100.0)
    async with side() as one, side() as two:
        conn = await two.connect(one)
        serving = one.incoming[0]
        wire = b"".join(conn._stream.send(bytes(83)) for _ in range(40))
        size = len(wire) // 40
        pieces = [
            wire[: size + 50],
            *(wire[start : start + size] for start in range(size + 50, len(wire) - size, size)),
        ]
        with monkeypatch.context() as patch:
            now = serving._loop.time()
            patch.setattr(serving._loop, "time", lambda: now)
            for piece in pieces:
                serving._shared.buffer[: len(piece)] = piece
                serving.buffer_updated(len(piece))
                assert serving._stream.held == 50
                now += 10
                assert serving._frame_since is not None
                assert now - serving._frame_since <= connection.FRAME_SECONDS


async def test_a_peer_that_must_wait_is_not_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """While nothing is read here, its answers and the rest of its frames cannot come."""
    async with side() as one, side() as two:
        core = feed(one)
        copy = two.store.get(core.key)
        conn = await two.connect(one)
        with Replicator(copy) as replicator:
            peer = replicator.attach(conn)
            await replicator.update()
            conn.unread(connection.MAX_UNREAD_BYTES + 1)
            wanted = asyncio.create_task(replicator.download())
            await until(lambda: bool(peer.state.asked))
            assert conn._paused_since is not None
            hour = 3600.0  # as if the request, a frame and the pause began an hour ago
            conn._frame_since = asyncio.get_running_loop().time() - conn.paused_seconds - hour
            conn._paused_since -= hour
            peer.state.heard -= hour
            for _ in range(3):
                peer._expire()
                conn._keep_alive()
            assert not conn.reason
            conn._frame_since = None
            conn.unread(-connection.MAX_UNREAD_BYTES - 1)
            async with asyncio.timeout(SECONDS):
                await wanted


async def test_unfinished_frames_of_all_peers_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    async with side() as one, side() as two, side() as three:
        one.transport._shared.limit = 3_000_000
        hoarders = [await two.connect(one), await three.connect(one)]
        for conn in hoarders:
            assert conn._transport is not None
            conn._transport.write(b"\xff\xff\xff" + bytes(2_000_000))
        await until(lambda: any(conn.is_closed for conn in one.incoming))
        assert [conn.reason for conn in one.incoming if conn.is_closed] == [
            "over 2 MiB of unfinished frames of all peers are held"
        ]
        assert one.transport._shared.used <= 3_000_000


async def test_a_peer_that_does_not_read_cannot_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "CLOSE_SECONDS", 0.2)
    async with side() as one, side() as two:
        opened: list[Connection] = []
        one.accept = opened.append  # type: ignore[method-assign]
        conn = await two.connect(one)
        assert conn._transport is not None
        conn._transport.pause_reading()
        channel = opened[0].open("p", None)
        for _ in range(30):
            opened[0].mux.send(channel._endpoint, 1, bytes(1_000_000))
        opened[0].close("enough")
        await closed(opened[0])
        assert opened[0].reason == "enough"


async def test_the_end_of_a_transport_ends_everything() -> None:
    async with side() as one, side() as two:
        conn = await two.connect(one)
        waiting = asyncio.create_task(conn.open("p", None).opened())
        await asyncio.sleep(0)
        await one.transport.close()
        assert "the peer closed the connection" in await closed(conn) or "the connection broke" in conn.reason
        with pytest.raises(ChannelClosed, match=conn.reason[:20]):
            await waiting
        with pytest.raises(ConnectionClosed):
            await conn.drain()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@",
        "ab@h:1",
        "0" * 64,
        "0" * 64 + "@h",
        "0" * 64 + "@h:0",
        "0" * 64 + "@h:65536",
        "0" * 64 + "@:1",
        "g" * 64 + "@h:1",
    ],
)
def test_no_peer(text: str) -> None:
    with pytest.raises(ValueError, match="is not of the form KEY@host:port"):
        PeerAddress.parse(text)


def test_peers_as_text() -> None:
    for host in ("127.0.0.1", "::1", "example.org"):
        peer = PeerAddress(bytes(range(32)), host, 49737)
        assert PeerAddress.parse(str(peer)) == peer


async def test_a_transport_without_a_listener_is_no_server() -> None:
    async with TcpTransport(KeyPair.generate()) as alone:
        assert alone.address is None
        assert alone.known == []
