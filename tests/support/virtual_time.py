"""Tests of asyncio code under the clock and the network of the simulation: no socket is opened, and no second is waited."""

from __future__ import annotations

import asyncio
import zlib

from tests.simulation.loop import VirtualLoop
from tests.simulation.network import Network

BANDWIDTH = 100e6


def virtual_loop() -> asyncio.AbstractEventLoop:
    """Return a loop whose one host is reached as `127.0.0.1`; its order of turns is the same in each run."""
    loop = VirtualLoop(zlib.crc32(b"tests"))
    network = Network(loop, 0)
    network.hosts["127.0.0.1"] = network.add(loop.outside.host, 0.0001, BANDWIDTH)
    return loop
