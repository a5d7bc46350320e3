"""Streams of others that a relay passes on: packet by packet, with nothing but the number of the stream changed."""

from __future__ import annotations

import asyncio

from .endpoint import Address, Streams, UdxSocket
from .packet import IP_UDP_BYTES
from .stream import TRAIN, Train

MAX_PACKET = 1500 - IP_UDP_BYTES
"""Bytes of a packet that is passed on: no path that UDX searches is wider."""


class PassingStream:
    """One peer's half. It takes packets from that peer's address alone, and sends it what comes for the other half.

    `remote_id` is the peer's number of its stream, `local_id` the number under which it sends here.
    """

    thins_acks = False

    def __init__(self, streams: Streams, remote_id: int, remote: Address, endpoint: UdxSocket) -> None:
        self.remote_id, self._remote, self._endpoint = remote_id, remote, endpoint
        self.local_id = streams.new_id()
        self.packets = self.bytes = 0
        """What this peer has sent."""
        self.heard_at = asyncio.get_running_loop().time()
        self._streams = streams
        self._other: PassingStream | None = None
        self._came: list[bytes] = []
        streams.add(self)

    def join(self, other: PassingStream) -> None:
        """Pass on what comes to the other half, and the other way round."""
        self._other, other._other = other, self

    def take(self, packet: memoryview, sender: Address, endpoint: UdxSocket) -> bool:
        """Take a packet of a burst. Return whether it counts."""
        if sender != self._remote or endpoint is not self._endpoint or len(packet) > MAX_PACKET or self._other is None:
            return False
        self._came.append(bytes(packet[:4]) + self._other.remote_id.to_bytes(4, "little") + bytes(packet[8:]))
        return True

    def burst_is_over(self, now: float) -> None:
        """Pass on what came."""
        came, self._came = self._came, []
        self.heard_at = now
        self.packets += len(came)
        self.bytes += sum(map(len, came))
        if self._other is not None:
            self._other._endpoint.send_trains(trains_of(came), self._other._remote)

    def close(self) -> None:
        """Pass on nothing more, in either direction."""
        self._streams.end(self, linger=False)
        other, self._other = self._other, None
        if other is not None:
            other.close()


def trains_of(packets: list[bytes]) -> list[Train]:
    """Return packets as trains: of one size each, but for the last, which may be shorter."""
    found: list[Train] = []
    run: list[bytes] = []
    for packet in packets:
        if run and (len(packet) > len(run[0]) or len(run[-1]) < len(run[0]) or len(run) == TRAIN):
            found.append(Train(b"".join(run), len(run[0]), len(run)))
            run = []
        run.append(packet)
    if run:
        found.append(Train(b"".join(run), len(run[0]), len(run)))
    return found
