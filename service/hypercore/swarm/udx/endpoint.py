"""A UDP socket that streams share with whatever else comes by it. Trains of packets go out and come in by one call each.

Linux takes a train of packets in one call (UDP_SEGMENT) and gives one out (UDP_GRO), which halves the cost of a byte or
better: asyncio's own datagram transport, and what is built on it, makes a call for every packet.
"""

from __future__ import annotations

import asyncio
import errno
import secrets
import socket
import struct
import sys
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Protocol

import structlog

from .packet import BARE_ACK, HALF, HEADER_BYTES, ack_of, is_udx, stream_of
from .stream import Train

log = structlog.get_logger(__name__)

Address = tuple[str, int]
OnDatagram = Callable[[bytes, Address, "UdxSocket"], None]

SOL_UDP, UDP_SEGMENT, UDP_GRO = 17, 103, 104
IP_MTU_DISCOVER, IP_PMTUDISC_PROBE = 10, 3
"""Send packets whole, and mind no message that says they are too large: UDX finds that out by itself."""
BUFFER_BYTES = 4 * 1024 * 1024
MAX_WAITING_BYTES = 4 * 1024 * 1024
"""Bytes that wait for the kernel. What is beyond is dropped, as a full router does."""
BURST_CALLS, BURST_BYTES = 128, 1024 * 1024
"""Calls that read from the socket before others have their turn, and bytes after which there is no further one."""
NO_TRAINS = (errno.EIO, errno.EINVAL, errno.EOPNOTSUPP, errno.EMSGSIZE)
CONTROL_BYTES = socket.CMSG_SPACE(4)
LINGER_SECONDS = 15.0
MAX_LINGERING = 1024


class TakesPackets(Protocol):
    """A stream, or one that is passed on."""

    local_id: int
    thins_acks: bool
    """Whether the newest of acknowledgements that came together is enough for it."""

    def take(self, packet: memoryview, sender: Address, endpoint: UdxSocket) -> bool:
        """Take a packet of a burst. Return whether it counts."""
        ...

    def burst_is_over(self, now: float) -> None:
        """Work off what came."""
        ...


class Streams:
    """The streams of some sockets, by their numbers, and for a while those that are over: their peers may not know."""

    def __init__(self) -> None:
        self._streams: dict[int, TakesPackets] = {}
        self._over: OrderedDict[int, TakesPackets] = OrderedDict()

    def __len__(self) -> int:
        return len(self._streams)

    def get(self, local_id: int) -> TakesPackets | None:
        """Return the stream with a number, also one that is over."""
        return self._streams.get(local_id) or self._over.get(local_id)

    def new_id(self) -> int:
        """Return a number that no stream has and nobody can guess."""
        while True:
            found = secrets.randbits(32)
            if found not in self._streams and found not in self._over:
                return found

    def add(self, transport: TakesPackets) -> None:
        """Add a stream."""
        self._streams[transport.local_id] = transport

    def end(self, transport: TakesPackets, linger: bool) -> None:
        """Take a stream out, for good or to answer for a while longer."""
        self._streams.pop(transport.local_id, None)
        if linger:
            self._over[transport.local_id] = transport
            if len(self._over) > MAX_LINGERING:
                self._over.popitem(last=False)
            asyncio.get_running_loop().call_later(LINGER_SECONDS, self._over.pop, transport.local_id, None)


class NewestAck:
    """The newest of acknowledgements that follow each other in a burst, of one stream and from one address.

    npm's peers acknowledge each packet: to work off all of them would cost more than to send.
    """

    def __init__(self) -> None:
        self.packet = b""
        self.sender: Address = ("", 0)
        self._head = b""

    def keep(self, packet: bytes, sender: Address) -> None:
        """Keep the first one."""
        self.packet, self.sender, self._head = packet, sender, packet[:8]

    def replaces(self, packet: bytes, sender: Address) -> bool:
        """Return whether a packet of 20 bytes is another one. If it is newer, it is kept instead."""
        if not self.packet or not packet.startswith(self._head) or sender != self.sender:
            return False
        if not (ack_of(packet) - ack_of(self.packet)) & HALF:
            self.packet = packet
        return True


class UdxSocket:
    """A bound socket. What is no packet of one of its streams goes to `on_datagram`. Raises OSError if it cannot be bound."""

    def __init__(self, host: str, port: int, streams: Streams, *, trains: bool = True) -> None:
        self.streams = streams
        self.on_datagram: OnDatagram | None = None
        self.packets_in = self.packets_out = self.dropped = 0
        self._loop = asyncio.get_running_loop()
        self._socket = _bound(host, port)
        self._send_trains = trains and sys.platform == "linux"
        self._take_trains = trains and _takes_trains(self._socket)
        self._buffer = bytearray(65_536)
        self._waiting: deque[tuple[Train, Address]] = deque()
        self._waiting_bytes = 0
        self._closed = False
        self._loop.add_reader(self._socket.fileno(), self._readable)

    @property
    def address(self) -> Address:
        """The host and port that it is bound to."""
        host, port = self._socket.getsockname()[:2]
        return host, port

    def close(self) -> None:
        """Close the socket. Streams that use it are not told."""
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self._socket.fileno())
        self._loop.remove_writer(self._socket.fileno())
        self._socket.close()
        self._waiting.clear()

    # ---- sending

    def send(self, data: bytes, to: Address, ttl: int = 0) -> None:
        """Send one datagram, if the kernel takes it now. `ttl`: after how many routers it is dropped (0: the usual)."""
        if self._closed:
            return
        self.packets_out += 1
        try:
            if ttl:
                self._socket.sendmsg([data], [(socket.IPPROTO_IP, socket.IP_TTL, struct.pack("i", ttl))], 0, to)
            else:
                self._socket.sendto(data, to)
        except OSError:  # no route, no room, a firewall: it is lost, as any datagram may be
            self.dropped += 1

    def send_trains(self, trains: list[Train], to: Address) -> None:
        """Send packets of a stream, in order. They wait while the kernel has no room."""
        for train in trains:
            if not self._waiting and self._try(train, to):
                continue
            if self._closed or self._waiting_bytes + len(train.data) > MAX_WAITING_BYTES:
                self.dropped += train.count
                continue
            if not self._waiting:
                self._loop.add_writer(self._socket.fileno(), self._writable)
            self._waiting.append((train, to))
            self._waiting_bytes += len(train.data)

    def _writable(self) -> None:
        while self._waiting:
            train, to = self._waiting[0]
            if not self._try(train, to):
                return
            self._waiting.popleft()
            self._waiting_bytes -= len(train.data)
        self._loop.remove_writer(self._socket.fileno())

    def _try(self, train: Train, to: Address) -> bool:
        """Send a train. Return False if it has to wait. What the network refuses is lost."""
        if self._closed:
            return False
        try:
            if train.count == 1:
                self._socket.sendto(train.data, to)
            elif self._send_trains:
                self._socket.sendmsg([train.data], [(SOL_UDP, UDP_SEGMENT, struct.pack("H", train.size))], 0, to)
            else:
                self._one_by_one(train, to)
        except BlockingIOError:
            return False
        except OSError as error:
            if train.count > 1 and self._send_trains and error.errno in NO_TRAINS:
                if error.errno != errno.EMSGSIZE:  # that tells of the path, and only of it
                    self._send_trains = False
                self._one_by_one(train, to)
            else:
                self.dropped += train.count
        self.packets_out += train.count
        return True

    def _one_by_one(self, train: Train, to: Address) -> None:
        for at in range(0, len(train.data), train.size):
            try:
                self._socket.sendto(train.data[at : at + train.size], to)
            except OSError:
                self.dropped += 1

    # ---- receiving

    def _readable(self) -> None:
        touched: dict[int, TakesPackets] = {}
        view, newest = memoryview(self._buffer), NewestAck()
        left = BURST_BYTES
        for _ in range(BURST_CALLS):
            try:
                if self._take_trains:
                    size, control, _, sender = self._socket.recvmsg_into([self._buffer], CONTROL_BYTES)
                    each = struct.unpack_from("i", control[0][2])[0] if control else size
                else:
                    size, sender = self._socket.recvfrom_into(self._buffer)
                    each = size
            except BlockingIOError:
                break
            except OSError:  # what an earlier datagram met: it is told once, and nothing of this socket's
                continue
            if size == HEADER_BYTES:
                packet = bytes(view[:HEADER_BYTES])
                if newest.replaces(packet, sender):
                    self.packets_in += 1
                    continue
                self._take_ack(newest, touched)
                if self._thins(packet):
                    newest.keep(packet, sender)
                    continue
            elif newest.packet:
                self._take_ack(newest, touched)
            for at in range(0, size, each or 1):
                self._take(view[at : min(at + each, size)], sender, touched)
            left -= size
            if self._closed or left <= 0:
                break
        self._take_ack(newest, touched)
        now = self._loop.time()
        for transport in touched.values():
            transport.burst_is_over(now)

    def _thins(self, packet: bytes) -> bool:
        """Return whether a packet only acknowledges, and its stream can do without those that a newer one follows."""
        if packet[:4] != BARE_ACK:
            return False
        transport = self.streams.get(stream_of(packet))
        return transport is not None and transport.thins_acks

    def _take_ack(self, newest: NewestAck, touched: dict[int, TakesPackets]) -> None:
        if newest.packet:
            packet, newest.packet = newest.packet, b""
            self._take(memoryview(packet), newest.sender, touched)

    def _take(self, packet: memoryview, sender: Address, touched: dict[int, TakesPackets]) -> None:
        self.packets_in += 1
        if is_udx(packet):
            transport = self.streams.get(stream_of(packet))
            if transport is not None:
                if transport.take(packet, sender, self):
                    touched[transport.local_id] = transport
                return
        if self.on_datagram is not None:
            self.on_datagram(bytes(packet), sender, self)


def _bound(host: str, port: int) -> socket.socket:
    found = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        found.setblocking(False)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
        if sys.platform == "linux":
            found.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE)
        found.bind((host, port))
    except OSError:
        found.close()
        raise
    return found


def _takes_trains(opened: socket.socket) -> bool:
    if sys.platform != "linux":
        return False
    try:
        opened.setsockopt(SOL_UDP, UDP_GRO, 1)
    except OSError:
        return False
    return True
