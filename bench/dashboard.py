"""A hoster's dashboard with a thousand pages open, on a chain with 10,000 copies, beside a bare aiohttp server that sends the same.

Chain, dashboard and bare server are processes of their own; this one is all clients, each from an address of its own on
loopback, since a server counts the requests of an address. Both servers are asked alike, one after the other.
"""

from __future__ import annotations

import asyncio
import base64
import json
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from service.ui.events import MOST_STREAMS

from ._dashboard_peer import LOOPBACK, more_files
from ._sides import PYTHON, Side, command, running
from .registry import Figures, Report, measures

HOSTERS, COPIES, CLIENTS = 10, 10_000, 1_000
ROUNDS, PER_ROUND = 10, 20
"""Blocks that come meanwhile, and requests of each path with each: the two paths in turns, one request at a time."""
PATHS = ("/", "/api/status")
SECONDS = 900.0
"""For which a run may last: most of it makes the chain."""
UPDATE, END = b"event: figures\r\n", b"\r\n\r\n"


@dataclass(frozen=True)
class Crowd:
    """What a server cost with all clients: resident bytes without and with them, milliseconds of each path's requests, sorted."""

    before: int
    after: int
    taken: dict[str, list[float]]

    def percentile(self, path: str, percent: int) -> float:
        """Return how long requests took at most, in milliseconds, of so many in a hundred."""
        taken = self.taken[path]
        return taken[min(len(taken) - 1, len(taken) * percent // 100)]


_OPEN: list[Client] = []


class Client:
    """A connection from an address of its own."""

    def __init__(self, number: int, port: int) -> None:
        self._local, self._port = f"127.1.{number >> 8}.{number & 255}", port
        self.seen = b""
        self._out: asyncio.StreamWriter | None = None
        _OPEN.append(self)

    async def open(self) -> None:
        """Connect."""
        self._in, self._out = await asyncio.open_connection(LOOPBACK, self._port, local_addr=(self._local, 0))

    async def ask(self, path: str) -> tuple[int, bytes]:
        """Ask for a path; return the status and the head."""
        assert self._out is not None
        self._out.write(f"GET {path} HTTP/1.1\r\nHost: {LOOPBACK}:{self._port}\r\n\r\n".encode())
        head = await self._in.readuntil(b"\r\n\r\n")
        return int(head.split(b" ", 2)[1]), head

    async def get(self, path: str) -> bytes:
        """Return what a path answers. Raises RuntimeError if it is refused."""
        status, head = await self.ask(path)
        length = next(int(one[15:]) for one in head.lower().split(b"\r\n") if one.startswith(b"content-length:"))
        body = await self._in.readexactly(length)
        if status != 200:
            raise RuntimeError(f"{path} was answered {status}: {body[:300]!r}")
        return body

    async def until(self, mark: bytes, times: int) -> None:
        """Read the stream until this was in it so many times. Raises RuntimeError if it ends before."""
        while self.seen.count(mark) < times:
            data = await self._in.read(1 << 16)
            if not data:
                raise RuntimeError(f"the stream of {self._local} ended")
            self.seen += data

    def close(self) -> None:
        """Hang up."""
        if self._out is not None:
            self._out.close()
            self._out = None


def chunks(raw: bytes) -> bytes:
    """Return the bodies of chunks of HTTP."""
    found = b""
    while raw:
        size, _, rest = raw.partition(b"\r\n")
        if len(rest) < int(size, 16) + 2:
            break  # the last one is still on its way
        found, raw = found + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    return found


async def crowd(
    port: int, server: Side, news: Callable[[int], tuple[bytes, int]], report: Report
) -> tuple[Crowd, list[Client]]:
    """Open all streams, then ask while blocks come. Return what it cost, and the streams.

    `news` lets the block of a round come, and returns what must then be in each stream how often.
    """
    asking = [Client(CLIENTS + 1 + number, port) for number in range(ROUNDS)]
    for one in asking:
        await one.open()
        for path in PATHS:
            await one.get(path)  # what is made with the first request is there before
    before = server.ask()["rss"]
    report("the streams are opened")
    streams = [Client(number, port) for number in range(CLIENTS)]
    for one in streams:
        await one.open()
        status, _ = await one.ask("/api/events")
        if status != 200:
            raise RuntimeError(f"a stream was refused: {status}")
        await one.until(UPDATE, 1)
    taken: dict[str, list[float]] = {path: [] for path in PATHS}
    for number, one in enumerate(asking):
        report(f"block {number + 1} of {ROUNDS}")
        mark, times = await asyncio.to_thread(news, number)
        waiting = [asyncio.create_task(stream.until(mark, times)) for stream in streams]
        for _ in range(PER_ROUND):
            for path in PATHS:
                begun = time.perf_counter()
                await one.get(path)
                taken[path].append((time.perf_counter() - begun) * 1e3)
        await asyncio.gather(*waiting)
        one.close()
    return Crowd(before, server.ask()["rss"], {path: sorted(ms) for path, ms in taken.items()}), streams


async def refused(port: int, streams: list[Client]) -> None:
    """Open as many streams as there may be, and one more. Raises RuntimeError unless that one alone is told to wait."""
    found = []
    for number in range(len(streams), MOST_STREAMS + 1):
        streams.append(Client(10_000 + number, port))
        await streams[-1].open()
        found.append((await streams[-1].ask("/api/events"))[0])
    if found != [200] * (MOST_STREAMS - CLIENTS) + [503]:
        raise RuntimeError(f"streams beyond {CLIENTS} were answered {found}")


def brought(messages: bytes, first: int, last: int) -> tuple[bytes, bytes]:
    """Return the snapshot of a stream, and its messages from block `first`'s figures to before those of block `last`."""
    told = [one + END for one in messages.split(END) if one]
    at = [next(place for place, one in enumerate(told) if mark_of(block) in one) for block in (first, last)]
    return told[0], b"".join(told[at[0] : at[1]])


def mark_of(block: int) -> bytes:
    """Return what is in the figures that name a block."""
    return f'"block": "{block}"'.encode()


async def measured_in(directory: Path, stack: ExitStack, report: Report) -> dict[str, Crowd]:
    """Measure both servers."""
    report(f"a chain with {COPIES:,} copies is made")
    chain = stack.enter_context(running(command(PYTHON, "dashboard_peer", "chain", str(HOSTERS), str(COPIES))))
    node = stack.enter_context(running(command(PYTHON, "dashboard_peer", "node", chain.line()["url"], str(directory))))
    port = node.line()["port"]

    def sealed(_: int) -> tuple[bytes, int]:
        return mark_of(chain.ask()["block"]), 1

    ours, streams = await crowd(port, node, sealed, report)
    snapshot, block = brought(chunks(streams[0].seen), ROUNDS - 1, ROUNDS)
    said = {"snapshot": snapshot, "block": block}
    asking = Client(20_000, port)
    await asking.open()
    said |= {name: await asking.get(path) for name, path in zip(("page", "status"), PATHS, strict=True)}
    asking.close()
    await refused(port, streams)
    for one in streams:
        one.close()
    file = directory / "said.json"
    file.write_text(json.dumps({name: base64.b64encode(data).decode() for name, data in said.items()}))
    bare = stack.enter_context(running(command(PYTHON, "dashboard_peer", "bare", str(file))))

    def told(number: int) -> tuple[bytes, int]:
        bare.ask()
        return UPDATE, 2 + number

    peer, streams = await crowd(bare.line()["port"], bare, told, report)
    for one in streams:
        one.close()
    return {"ours": ours, "peer": peer}


_KNOWN: dict[str, Crowd] = {}


def measured(report: Report) -> tuple[Crowd, Crowd]:
    """Return what ours and the bare server cost, in one run for all rows."""
    if not _KNOWN:
        more_files()
        with tempfile.TemporaryDirectory(prefix="datdot-bench-") as directory, ExitStack() as stack:

            async def bounded() -> dict[str, Crowd]:
                try:
                    async with asyncio.timeout(SECONDS):
                        return await measured_in(Path(directory), stack, report)
                finally:
                    for one in _OPEN:
                        one.close()
                    _OPEN.clear()

            _KNOWN.update(asyncio.run(bounded()))
    return _KNOWN["ours"], _KNOWN["peer"]


def figures(unit: str, about: str, of: Callable[[Crowd], float]) -> Callable[[Report], Figures]:
    """Return the measurement of a figure."""

    def measure(report: Report) -> Figures:
        ours, peer = measured(report)
        how = (
            f"{about}, with {CLIENTS:,} streams of /api/events open while {ROUNDS} blocks come, at a hoster of "
            f"{COPIES // HOSTERS:,} of a model chain's {COPIES:,} copies; stream {MOST_STREAMS + 1:,} "
            "is answered 503 and told to come back in 30 s"
        )
        return Figures(unit, of(ours), of(peer), "aiohttp, the same bytes", how)

    return measure


for name, path in (("page", "/"), ("status", "/api/status")):
    for percent in (50, 99):
        about = f"{percent} of 100 requests for {path} took no longer, of {ROUNDS * PER_ROUND}, one at a time"
        measures(f"dashboard/{name}/p{percent}")(
            figures("ms", about, partial(Crowd.percentile, path=path, percent=percent))
        )
measures("dashboard/memory")(figures("MiB", "resident memory of the process", lambda one: one.after / 2**20))
measures("dashboard/memory/client")(
    figures(
        "KiB a client",
        "resident memory more than before they came",
        lambda one: (one.after - one.before) / CLIENTS / 1024,
    )
)
