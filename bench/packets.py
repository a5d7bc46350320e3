"""What a datagram of UDX costs on its way out, beside asyncio-dgram: why the data path has a socket of its own."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import closing

import asyncio_dgram

from service.hypercore.swarm.udx.endpoint import Streams, UdxSocket
from service.hypercore.swarm.udx.stream import Train

from ._sides import TURNS
from .registry import Figures, Report, measures

SIZE, TRAIN = 1_200, 44
"""Bytes of a datagram, and as many as a train of a stream in full flow has."""
TRAINS = 1_000


async def ours(to: tuple[str, int]) -> float:
    """Return the microseconds of the processor for each datagram that leaves in trains."""
    train = Train(bytes(SIZE * TRAIN), SIZE, TRAIN)
    with closing(UdxSocket("127.0.0.1", 0, Streams())) as sender:
        began = time.process_time()
        for _ in range(TRAINS):
            sender.send_trains([train], to)
        spent = time.process_time() - began
        if sender.dropped or sender.packets_out != TRAIN * TRAINS:
            raise RuntimeError(
                f"{sender.packets_out} of {TRAIN * TRAINS} datagrams were sent, {sender.dropped} dropped"
            )
    return 1e6 * spent / (TRAIN * TRAINS)


async def theirs(to: tuple[str, int]) -> float:
    """Return the microseconds of the processor for each datagram that asyncio-dgram sends."""
    data = bytes(SIZE)
    with closing(await asyncio_dgram.connect(to)) as sender:
        began = time.process_time()
        for _ in range(TRAIN * TRAINS):
            await sender.send(data)
        return 1e6 * (time.process_time() - began) / (TRAIN * TRAINS)


@measures("udx/packet")
def packet(report: Report) -> Figures:
    """Measure both, to a socket on loopback that nobody reads."""
    own, other = [], []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink:
        sink.bind(("127.0.0.1", 0))
        for turn in range(TURNS):
            report(f"turn {turn + 1} of {TURNS}")
            other.append(asyncio.run(theirs(sink.getsockname())))
            own.append(asyncio.run(ours(sink.getsockname())))
    how = f"datagrams of {SIZE:,} bytes, ours in trains of {TRAIN}; the best of {TURNS} turns, taken in alternation with the peer"
    return Figures("µs of the processor", min(own), min(other), "asyncio-dgram", how)
