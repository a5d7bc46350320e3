"""Speed of replication over TCP on one machine, with us and npm hypercore 11 on either side, beside npm with itself.

Each side is a separate process with its core on disk. The clock runs in the process that downloads, from before the
connection until every block is checked and stored. Turns alternate with the peer's, and the best of each counts.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from ._sides import LARGE, NODE, PYTHON, SMALL, TURNS, Feed, command, running
from .registry import Figures, Report, measures

PROGRAM = "tcp_peer"


def megabytes_per_second(server: str, client: str, feed: Feed) -> float:
    """Return the speed of one download of a feed."""
    with tempfile.TemporaryDirectory() as directory:
        at = Path(directory)
        with running(command(server, PROGRAM, "serve", str(at / "server"), str(feed.count), str(feed.size))) as side:
            serving = side.line()
            if client == PYTHON:
                where = [serving["key"], f"{serving['peer']}@127.0.0.1:{serving['port']}"]
            else:
                where = [serving["key"], str(serving["port"]), str(feed.count)]
            with running(command(client, PROGRAM, "fetch", str(at / "client"), *where)) as fetching:
                fetched = fetching.line()
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
measures("tcp/1KiB/python-node")(beside_node(PYTHON, NODE, SMALL))
measures("tcp/1KiB/python-python")(beside_node(PYTHON, PYTHON, SMALL))
