"""Speed of replication over TCP on one machine, with us and npm hypercore 11 on either side, beside npm with itself.

Each side is a separate process with its core on disk. The clock runs in the process that downloads, from before the
connection until every block is checked and stored. Turns alternate with the peer's, and the best of each counts.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .registry import Figures, Report, Unavailable, measures

TURNS = 3
ROOT = Path(__file__).parents[1]
PACKAGES = ROOT / "tests" / "interop" / "node_modules"
PYTHON, NODE = "python", "node"


@dataclass(frozen=True)
class Feed:
    """What is replicated: a number of blocks of one size."""

    count: int
    size: int


LARGE, SMALL = Feed(1024, 64 * 1024), Feed(16 * 1024, 1024)


def command(side: str, *arguments: str) -> list[str]:
    """Return the command that starts a side. Raises Unavailable without Node.js and its packages."""
    if side == PYTHON:
        return [sys.executable, "-m", "bench._tcp_peer", *arguments]
    node = shutil.which("node")
    if node is None:
        raise Unavailable("Node.js is not installed")
    if not (PACKAGES / "hypercore").is_dir():
        raise Unavailable("the npm packages of tests/interop are not installed")
    return [node, str(Path(__file__).with_name("tcp_peer.mjs")), *arguments]


@contextmanager
def running(arguments: list[str]) -> Iterator[dict[str, Any]]:
    """Run a process and yield its line of JSON. The process ends with its stdin."""
    with subprocess.Popen(
        arguments, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            line = process.stdout.readline()
            if not line:
                raise RuntimeError(f"{arguments[1:3]} ended: {process.stderr.read().decode(errors='replace')[-2000:]}")
            yield json.loads(line)
        finally:
            process.kill()


def megabytes_per_second(server: str, client: str, feed: Feed) -> float:
    """Return the speed of one download of a feed."""
    with tempfile.TemporaryDirectory() as directory:
        at = Path(directory)
        with running(command(server, "serve", str(at / "server"), str(feed.count), str(feed.size))) as serving:
            if client == PYTHON:
                where = [serving["key"], f"{serving['peer']}@127.0.0.1:{serving['port']}"]
            else:
                where = [serving["key"], str(serving["port"]), str(feed.count)]
            with running(command(client, "fetch", str(at / "client"), *where)) as fetched:
                if fetched["bytes"] != feed.count * feed.size:
                    raise RuntimeError(f"{fetched['bytes']} bytes arrived, but {feed.count * feed.size} were served")
                return float(fetched["bytes"] / fetched["seconds"] / 1e6)


def beside_node(server: str, client: str, feed: Feed) -> Callable[[Report], Figures]:
    """Return the measurement of these two sides, beside npm with itself."""

    def measure(report: Report) -> Figures:
        ours, peer = [], []
        for turn in range(TURNS):
            report(f"turn {turn + 1} of {TURNS}")
            peer.append(megabytes_per_second(NODE, NODE, feed))
            ours.append(megabytes_per_second(server, client, feed))
        how = (
            f"{server} serves {feed.count} blocks of {feed.size >> 10} KiB, {client} downloads and checks them; "
            f"each a process with its core on disk; the best of {TURNS} turns, taken in alternation with the peer"
        )
        return Figures("MB/s", max(ours), max(peer), "node to node", how)

    return measure


measures("tcp/64KiB/node-python")(beside_node(NODE, PYTHON, LARGE))
measures("tcp/64KiB/python-node")(beside_node(PYTHON, NODE, LARGE))
measures("tcp/64KiB/python-python")(beside_node(PYTHON, PYTHON, LARGE))
measures("tcp/1KiB/node-python")(beside_node(NODE, PYTHON, SMALL))
