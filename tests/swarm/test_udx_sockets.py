"""UDX on real sockets: two ends of ours, as asyncio's transports, and npm's udx-native at the other end."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from service.hypercore.swarm.udx import endpoint as module
from service.hypercore.swarm.udx.endpoint import MAX_LINGERING, Address, Streams, UdxSocket
from service.hypercore.swarm.udx.packet import DATA, SACK, header
from service.hypercore.swarm.udx.receiver import WINDOW
from service.hypercore.swarm.udx.stream import Ended, Train
from service.hypercore.swarm.udx.transport import UdxTransport
from tests.support.npm_peer import HERE, node_command

MOST_SECONDS = 60
BLOCK = bytes((7 * i + (i >> 8)) & 255 for i in range(65_536))


class Noted(asyncio.Protocol):
    """Notes what happens to it."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.news = asyncio.Event()
        self.writable = asyncio.Event()
        self.writable.set()
        self.eof = self.keep = False
        self.lost: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        self.data += data
        self.news.set()

    def eof_received(self) -> bool:
        self.eof = True
        self.news.set()
        return self.keep

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set_result(exc)

    async def until(self, size: int) -> None:
        async with asyncio.timeout(MOST_SECONDS):
            while len(self.data) < size:
                self.news.clear()
                await self.news.wait()

    async def end(self) -> Exception | None:
        return await asyncio.wait_for(asyncio.shield(self.lost), MOST_SECONDS)


class Ends:
    """Two streams on two sockets."""

    def __init__(self, trains: tuple[bool, bool]) -> None:
        self.sockets = [UdxSocket("127.0.0.1", 0, Streams(), trains=one) for one in trains]
        self.told = [Noted(), Noted()]
        self.transports = [UdxTransport(one, told) for one, told in zip(self.sockets, self.told, strict=True)]
        for own, other in ((0, 1), (1, 0)):
            self.transports[own].connect(self.transports[other].local_id, self.sockets[other].address)

    async def send(self, end: int, data: bytes) -> None:
        view = memoryview(data)
        for at in range(0, len(data), 65_536):
            self.transports[end].write(view[at : at + 65_536])
            await asyncio.wait_for(self.told[end].writable.wait(), MOST_SECONDS)


@pytest.fixture(params=[(True, True), (False, True), (True, False), (False, False)], ids=str)
async def ends(request: pytest.FixtureRequest) -> AsyncIterator[Ends]:
    made = Ends(request.param)
    yield made
    for one in made.sockets:
        one.close()


@pytest.fixture
async def pair() -> AsyncIterator[Ends]:
    made = Ends((True, True))
    yield made
    for one in made.sockets:
        one.close()


async def test_both_ways_at_once(ends: Ends) -> None:
    data = BLOCK * 64
    await asyncio.gather(ends.send(0, data), ends.send(1, data))
    for one in ends.transports:
        one.write_eof()
        with pytest.raises(RuntimeError, match="after write_eof"):
            one.write(b"more")
    assert [await one.end() for one in ends.told] == [None, None]
    assert [one.data for one in ends.told] == [data, data]
    assert {one.ended for one in ends.transports} == {Ended.FINISHED}


async def test_a_silence_is_told_long_before_the_stream_is_given_up(pair: Ends) -> None:
    sender, silent = pair.transports[0], asyncio.Event()
    sender.on_silent = silent.set
    sender.write(b"hello")
    await pair.told[1].until(5)
    pair.sockets[1].close()
    sender.write(b"still there?")
    await asyncio.wait_for(silent.wait(), MOST_SECONDS)
    assert sender.ended is None
    assert sender.stream.sender.timeouts == 1


async def test_writes_of_one_turn_share_a_packet(pair: Ends) -> None:
    before = pair.sockets[0].packets_out
    for _ in range(100):
        pair.transports[0].write(b"ten bytes.")
    await pair.told[1].until(1000)
    assert pair.sockets[0].packets_out - before == 1


async def test_close_sends_what_was_written_and_ends_both(pair: Ends) -> None:
    pair.transports[0].write(BLOCK * 16)
    pair.transports[0].close()
    assert pair.transports[0].is_closing()
    pair.transports[0].write(b"not this")
    assert await pair.told[1].end() is None
    assert await pair.told[0].end() is None
    assert pair.told[1].data == BLOCK * 16
    assert pair.told[1].eof


async def test_a_half_that_stays_open(pair: Ends) -> None:
    pair.told[1].keep = True
    pair.transports[0].write_eof()
    async with asyncio.timeout(MOST_SECONDS):
        await pair.told[1].news.wait()
    pair.transports[1].write(b"the other way")
    await pair.told[0].until(13)
    pair.transports[1].close()
    assert await pair.told[0].end() is None


async def test_a_peer_that_does_not_end_its_half_is_not_waited_for(pair: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.hypercore.swarm.udx.transport.CLOSE_SECONDS", 0.05)
    pair.told[1].keep = True
    pair.transports[0].close()
    assert await pair.told[0].end() is None
    assert isinstance(await pair.told[1].end(), ConnectionResetError)


async def test_abort_tells_the_peer(pair: Ends) -> None:
    pair.transports[0].write(b"hello")
    await pair.told[1].until(5)
    pair.transports[0].abort()
    assert await pair.told[0].end() is None
    error = await pair.told[1].end()
    assert isinstance(error, ConnectionResetError)
    assert str(error) == "the peer gave it up"
    assert [len(one.streams) for one in pair.sockets] == [0, 0]


async def test_who_pauses_reading_slows_the_writer(pair: Ends) -> None:
    pair.transports[1].pause_reading()
    data = BLOCK * 128
    sending = asyncio.create_task(pair.send(0, data))
    receiver = pair.transports[1].stream.receiver
    async with asyncio.timeout(MOST_SECONDS):
        while receiver.unread < WINDOW - 3000:  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)
    assert not sending.done()
    assert pair.told[1].data == b""
    pair.transports[1].resume_reading()
    await sending
    await pair.told[1].until(len(data))
    assert pair.told[1].data == data


async def test_a_protocol_with_a_buffer_of_its_own_and_one_that_fails(pair: Ends) -> None:
    class Buffered(asyncio.BufferedProtocol):
        def __init__(self) -> None:
            self.buffer, self.data = bytearray(100), bytearray()

        def get_buffer(self, sizehint: int) -> bytearray:
            return self.buffer

        def buffer_updated(self, nbytes: int) -> None:
            self.data += self.buffer[:nbytes]
            if len(self.data) == 5000:
                raise RuntimeError("enough")

    buffered = Buffered()
    pair.transports[1].set_protocol(buffered)
    assert pair.transports[1].get_protocol() is buffered
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))
    pair.transports[0].write(BLOCK[:5000])
    assert isinstance(await pair.told[0].end(), ConnectionResetError)
    assert buffered.data == BLOCK[:5000]
    assert [str(one["exception"]) for one in told] == ["enough"]


async def test_streams_of_asyncio_work_on_it(pair: Ends) -> None:
    loop = asyncio.get_running_loop()
    ends = []
    for one in pair.transports:
        reader = asyncio.StreamReader(loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        one.set_protocol(protocol)
        protocol.connection_made(one)
        ends.append((reader, asyncio.StreamWriter(one, protocol, reader, loop)))
    (_, here), (there, back) = ends
    here.write(BLOCK * 32)
    await here.drain()
    here.close()
    assert await asyncio.wait_for(there.read(), MOST_SECONDS) == BLOCK * 32
    back.close()
    await asyncio.wait_for(back.wait_closed(), MOST_SECONDS)
    assert here.get_extra_info("peername") == pair.sockets[1].address
    assert here.get_extra_info("sockname") == pair.sockets[0].address
    assert here.get_extra_info("cipher", "none") == "none"


async def test_limits_of_what_waits_to_be_sent(pair: Ends) -> None:
    one = pair.transports[0]
    one.set_write_buffer_limits(high=1000)
    assert one.get_write_buffer_limits() == (250, 1000)
    one.set_write_buffer_limits(low=1000)
    assert one.get_write_buffer_limits() == (1000, 4000)
    with pytest.raises(ValueError, match="must not be less"):
        one.set_write_buffer_limits(high=1, low=2)
    one.write(bytes(4001))
    assert (one.get_write_buffer_size(), pair.told[0].writable.is_set()) == (4001, False)
    await pair.told[1].until(4001)
    assert pair.told[0].writable.is_set()


# ---- strangers


async def test_packets_from_elsewhere_do_not_count(pair: Ends) -> None:
    """A stream's number may be guessed; the address of its peer decides."""
    forged = header(DATA, pair.transports[1].local_id, WINDOW, 0, 0) + b"forged"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.sendto(forged, pair.sockets[1].address)
        stranger.sendto(b"\xff\x01" + bytes(30), pair.sockets[1].address)
        stranger.sendto(b"marker", pair.sockets[1].address)
        marker = asyncio.Event()
        heard: list[bytes] = []

        def note(data: bytes, sender: Address, endpoint: UdxSocket) -> None:
            heard.append(data)
            if data == b"marker":
                marker.set()

        pair.sockets[1].on_datagram = note
        await asyncio.wait_for(marker.wait(), MOST_SECONDS)
    assert pair.told[1].data == b""
    assert heard == [b"\xff\x01" + bytes(30), b"marker"]
    pair.transports[0].write(b"true")
    await pair.told[1].until(4)
    assert pair.told[1].data == b"true"


async def test_the_first_packet_may_tell_where_the_peer_is() -> None:
    one, two = (UdxSocket("127.0.0.1", 0, Streams()) for _ in range(2))
    told = [Noted(), Noted()]
    known, waits = UdxTransport(one, told[0]), UdxTransport(two, told[1])

    def accepts(endpoint: UdxSocket, sender: Address) -> bool:
        if not waits.stream.connected:
            asyncio.get_running_loop().call_soon(waits.connect, known.local_id, sender, endpoint)
        return True

    waits.accepts = accepts
    known.connect(waits.local_id, two.address)
    known.write(b"here I am")
    await told[1].until(9)
    waits.write(b"found")
    await told[0].until(5)
    for end in (one, two):
        end.close()


# ---- acknowledgements


class Counting:
    """A stream that notes the packets that it is given."""

    def __init__(self, number: int, *, thins: bool) -> None:
        self.local_id, self.thins_acks = number, thins
        self.packets: list[bytes] = []
        self.bursts = 0

    def take(self, packet: memoryview, sender: Address, endpoint: UdxSocket) -> bool:
        self.packets.append(bytes(packet))
        return True

    def burst_is_over(self, now: float) -> None:
        self.bursts += 1


def bare(stream: int, ack: int, kind: int = 0) -> bytes:
    return header(kind, stream, WINDOW, 0, ack)


async def burst(opened: UdxSocket, packets: list[tuple[int, bytes]]) -> None:
    """Send packets from as many sockets as are named, and wait until all were read."""
    with contextlib.ExitStack() as stack:
        senders: dict[int, socket.socket] = {}
        before = opened.packets_in
        for number, packet in packets:
            if number not in senders:
                senders[number] = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            senders[number].sendto(packet, opened.address)
        async with asyncio.timeout(MOST_SECONDS):
            while opened.packets_in < before + len(packets):  # noqa: ASYNC110 - what is waited for has no event
                await asyncio.sleep(0)


@pytest.mark.parametrize("trains", [True, False])
async def test_of_acknowledgements_that_come_together_the_newest_counts(*, trains: bool) -> None:
    opened = UdxSocket("127.0.0.1", 0, Streams(), trains=trains)
    one, other, passing = (Counting(number, thins=number != 3) for number in (1, 2, 3))
    for stream in (one, other, passing):
        opened.streams.add(stream)
    await burst(opened, [(0, bare(1, ack)) for ack in (4, 5, 7, 6, 2**32 - 1, 7)])
    assert (one.packets, one.bursts) == ([bare(1, 7)], 1)
    await burst(opened, [(0, bare(3, ack)) for ack in range(20)])
    assert passing.packets == [bare(3, ack) for ack in range(20)]  # a relay passes on what it is given
    one.packets.clear()
    mixed = [
        bare(1, 8),
        bare(1, 9, SACK),
        bare(1, 10),
        bare(1, 11),
        bare(2, 3),
        bare(1, 12),
        bare(1, 13, DATA),
        bare(1, 14),
    ]
    await burst(opened, [(0, packet) for packet in mixed])
    assert one.packets == [
        mixed[0],
        mixed[1],
        mixed[3],
        mixed[5],
        mixed[6],
        mixed[7],
    ]  # in the order in which they came
    assert other.packets == [bare(2, 3)]
    one.packets.clear()
    await burst(opened, [(0, bare(1, 20)), (1, bare(1, 99)), (0, bare(1, 21)), (0, bare(1, 22))])
    assert one.packets == [bare(1, 20), bare(1, 99), bare(1, 22)]  # a stranger's replaces nobody's
    opened.close()


async def test_a_burst_ends_after_a_mebibyte(pair: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who sends without end does not keep others from their turn."""
    opened, stream = pair.sockets[0], Counting(7, thins=True)
    opened.streams.add(stream)
    monkeypatch.setattr(module, "BURST_BYTES", 3000)
    await burst(opened, [(0, bare(7, 0, DATA) + bytes(980))] * 9)
    assert stream.bursts == 3
    stream.bursts = 0
    await burst(opened, [(0, bare(7, ack)) for ack in range(2 * module.BURST_CALLS)])
    assert stream.bursts == 2


async def test_streams_that_are_over_do_not_pile_up(pair: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    streams = pair.sockets[0].streams
    made = [UdxTransport(pair.sockets[0], Noted()) for _ in range(MAX_LINGERING + 10)]
    for one in made:
        streams.end(one, linger=True)
    assert streams.get(made[0].local_id) is None
    assert streams.get(made[-1].local_id) is made[-1]
    monkeypatch.setattr(module, "LINGER_SECONDS", 0.0)
    last = UdxTransport(pair.sockets[0], Noted())
    streams.end(last, linger=True)
    async with asyncio.timeout(MOST_SECONDS):
        while streams.get(last.local_id) is not None:  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0)


async def test_a_kernel_without_room_is_waited_for(pair: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits is sent in order; what is beyond the limit is dropped, and sent again by its stream."""
    real = pair.sockets[0]._socket
    refused = 0

    class Full:
        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

        def sendmsg(self, *arguments: Any) -> int:
            nonlocal refused
            refused += 1
            if refused % 3:
                raise BlockingIOError
            return real.sendmsg(*arguments)

    monkeypatch.setattr(pair.sockets[0], "_socket", Full())
    await pair.send(0, BLOCK * 40)
    await pair.told[1].until(40 * len(BLOCK))
    assert pair.told[1].data == BLOCK * 40
    assert refused > 3
    monkeypatch.setattr(module, "MAX_WAITING_BYTES", 100)
    before = pair.sockets[0].dropped
    monkeypatch.setattr(pair.sockets[0], "_try", lambda train, to: False)
    pair.sockets[0].send_trains([Train(bytes(90), 90, 1)] * 3, pair.sockets[1].address)
    assert pair.sockets[0].dropped - before == 2


async def test_datagrams_go_out_with_a_time_to_live(pair: Ends) -> None:
    heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    pair.sockets[1].on_datagram = lambda data, sender, endpoint: heard.set_result(data)
    pair.sockets[0].send(b"\0", pair.sockets[1].address, ttl=5)
    assert await asyncio.wait_for(heard, MOST_SECONDS) == b"\0"
    pair.sockets[0].send(bytes(70_000), pair.sockets[1].address)
    assert pair.sockets[0].dropped == 1
    pair.sockets[0].close()
    pair.sockets[0].close()
    pair.sockets[0].send(b"late", pair.sockets[1].address)


# ---- npm


@contextlib.asynccontextmanager
async def npm(own: int, peer: int, port: int, size: int, echo: bool) -> AsyncIterator[asyncio.StreamReader]:
    """An end of npm's, that sends to a port and begins at once. Its lines."""
    process = await asyncio.create_subprocess_exec(
        node_command(), "udx.mjs", *(str(int(one)) for one in (own, peer, 0, port, size, echo)),
        cwd=HERE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield process.stdout
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def line(reader: asyncio.StreamReader) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(await asyncio.wait_for(reader.readline(), MOST_SECONDS))
    return found


@pytest.mark.parametrize("trains", [True, False])
@pytest.mark.parametrize("way", ["from npm", "to npm and back"])
async def test_with_npm(way: str, trains: bool) -> None:
    echo = way != "from npm"
    data = BLOCK * 48
    told = Noted()
    here = UdxSocket("127.0.0.1", 0, Streams(), trains=trains)
    transport = UdxTransport(here, told)
    transport.accepts = lambda endpoint, sender: True
    async with npm(77, transport.local_id, here.address[1], 0 if echo else len(data), echo) as lines:
        port = (await line(lines))["port"]
        transport.connect(77, ("127.0.0.1", port))
        transport.send_message(b"beside")
        heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        transport.on_message = heard.set_result
        if echo:
            for at in range(0, len(data), 65_536):
                transport.write(data[at : at + 65_536])
                await asyncio.wait_for(told.writable.wait(), MOST_SECONDS)
            await told.until(len(data))
        assert await asyncio.wait_for(heard, MOST_SECONDS) == b"beside"
        transport.write_eof()
        assert await told.end() is None
        report = await line(lines)
    assert told.data == data
    assert transport.ended is Ended.FINISHED
    assert report["read"] == (len(data) if echo else 0)
    if echo:
        assert report["sha256"] == hashlib.sha256(data).hexdigest()
    assert report["ended"]
    here.close()
