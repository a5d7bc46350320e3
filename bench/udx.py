"""UDX beside npm's: streams of bytes, clean and with one packet in a hundred lost, and replication by key; and what it costs.

Each side is a process of its own. Speed is timed by the side that downloads. The processor's time is that of both sides together,
from when they were ready. Turns alternate with the peer's; the best of each counts.
"""

from __future__ import annotations

import functools
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ._lossy import lossy_loopback
from ._sides import LARGE, NODE, PYTHON, SMALL, TURNS, Feed, command, running
from .registry import Figures, Report, measures

PROGRAM = "udx_peer"
DHT_NODES = 3
RAW_BYTES, LOSSY_BYTES = 200_000_000, 60_000_000
LOST_OF_THOUSAND = 10

SPEED, PROCESSOR = "MB/s", "ms of the processor per MB"


@dataclass(frozen=True, slots=True)
class Transfer:
    """One transfer: bytes, seconds, and the processor's seconds of both ends."""

    bytes: int
    seconds: float
    cpu: float

    @property
    def speed(self) -> float:
        """MB/s."""
        return self.bytes / self.seconds / 1e6

    @property
    def cost(self) -> float:
        """Milliseconds of the processor for each MB."""
        return 1000 * self.cpu / self.bytes * 1e6


def free_ports(count: int) -> list[int]:
    """Return UDP ports that nobody has."""
    opened = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]
    try:
        for one in opened:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in opened]
    finally:
        for one in opened:
            one.close()


def raw(sender: str, taker: str, size: int, inside: tuple[str, ...] = ()) -> Transfer:
    """Send bytes over one stream. `inside` is put before the commands, as to run them in a namespace."""
    own, peer = free_ports(2)

    def program(side: str, task: str, *ports: int) -> list[str]:
        return [*inside, *command(side, PROGRAM, task, *map(str, ports), str(size))]

    with running(program(taker, "take", own, peer)) as taking:
        taking.line()
        with running(program(sender, "send", peer, own)) as sending:
            took, sent = taking.line(), sending.line()
    if took["bytes"] != size:
        raise RuntimeError(f"{took['bytes']} bytes came, but {size} were sent")
    return Transfer(size, took["seconds"], took["cpu"] + sent["cpu"])


def replicate(server: str, client: str, feed: Feed) -> Transfer:
    """Download a feed from a peer that is found and dialled by its key, in a DHT of three nodes of ours."""
    with (
        tempfile.TemporaryDirectory() as directory,
        running(command(PYTHON, PROGRAM, "dht", str(DHT_NODES))) as nodes,
    ):
        at, port = Path(directory), str(nodes.line()["bootstrap"])
        given = str(at / "server"), str(feed.count), str(feed.size), port
        with running(command(server, PROGRAM, "serve", *given)) as serving:
            told = serving.line()
            wanted = str(at / "client"), told["key"], told["peer"], str(feed.count), port
            with running(command(client, PROGRAM, "fetch", *wanted)) as fetching:
                fetched, spent = fetching.line(), serving.ask()
    if fetched["bytes"] != feed.count * feed.size:
        raise RuntimeError(f"{fetched['bytes']} bytes came, but {feed.count * feed.size} were served")
    return Transfer(fetched["bytes"], fetched["seconds"], fetched["cpu"] + spent["cpu"])


class Turns:
    """Transfers of ours and of the peer's in alternation, made once for all figures that are taken from them."""

    def __init__(self, run: Callable[[str, str], Transfer], server: str, client: str, what: str) -> None:
        self._run, self._ends, self._what = run, (server, client), what
        self._made: list[tuple[Transfer, Transfer]] = []

    def _pairs(self, report: Report) -> list[tuple[Transfer, Transfer]]:
        while len(self._made) < TURNS:
            report(f"turn {len(self._made) + 1} of {TURNS}")
            peer = self._run(NODE, NODE)
            self._made.append((self._run(*self._ends), peer))
        return self._made

    def speed(self, report: Report) -> Figures:
        """Return the best speed of each."""
        pairs = self._pairs(report)
        ours, peer = max(one.speed for one, _ in pairs), max(one.speed for _, one in pairs)
        return Figures(SPEED, ours, peer, "node to node", self._how())

    def cost(self, report: Report) -> Figures:
        """Return the least processor time of each."""
        pairs = self._pairs(report)
        ours, peer = min(one.cost for one, _ in pairs), min(one.cost for _, one in pairs)
        return Figures(
            PROCESSOR, ours, peer, "node to node", "both ends together, from when they are ready; " + self._how()
        )

    def _how(self) -> str:
        return f"{self._what}; the best of {TURNS} turns, taken in alternation with the peer"


@contextmanager
def _nowhere() -> Iterator[tuple[str, ...]]:
    yield ()


def _raw(place: Callable[[], object], size: int) -> Callable[[str, str], Transfer]:
    def run(sender: str, taker: str) -> Transfer:
        with place() as inside:  # type: ignore[attr-defined]
            return raw(sender, taker, size, inside)

    return run


def _register(name: str, turns: Turns) -> None:
    measures(name)(turns.speed)
    measures(f"{name}/processor")(turns.cost)


def _register_all() -> None:
    clean = f"{RAW_BYTES // 1_000_000} MB over one stream on loopback, python to python"
    lossy = f"{LOSSY_BYTES // 1_000_000} MB, {LOST_OF_THOUSAND} of 1000 data packets lost one by one (nft), python to python"
    _register("udx/raw/clean", Turns(_raw(_nowhere, RAW_BYTES), PYTHON, PYTHON, clean))
    place = functools.partial(lossy_loopback, LOST_OF_THOUSAND)
    _register("udx/raw/loss1", Turns(_raw(place, LOSSY_BYTES), PYTHON, PYTHON, lossy))
    for label, feed in (("64KiB", LARGE), ("1KiB", SMALL)):
        for server, client in ((NODE, PYTHON), (PYTHON, NODE), (PYTHON, PYTHON)):
            what = (
                f"{server} serves {feed.count} blocks of {feed.size >> 10} KiB, {client} finds it by its key in a DHT on loopback, "
                f"downloads and checks them; each a process with its core on disk"
            )
            run = functools.partial(replicate, feed=feed)
            _register(f"udx/{label}/{server}-{client}", Turns(run, server, client, what))


_register_all()
