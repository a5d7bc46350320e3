"""Serving blocks that are stored as encoded sectors, to one and to eight npm readers, beside serving the plain feed.

The server decodes what it serves. Each side is a process; the clock runs in the readers, from before their connection until
they have checked and stored every block. Turns alternate with the plain feed's, and the best of each counts.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from ._sides import LARGE, NODE, PYTHON, TURNS, command, running
from .registry import Figures, Report, measures


def served(kind: str, readers: int) -> tuple[float, float]:
    """Return the MB/s of all readers together, and the longest stand of the server's loop in milliseconds of processor."""
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        at = Path(directory)
        (at / "server").mkdir()
        sizes = str(LARGE.count), str(LARGE.size)
        server = stack.enter_context(running(command(PYTHON, "serve_peer", kind, str(at / "server"), *sizes)))
        serving = server.line()
        where = serving["key"], str(serving["port"]), str(LARGE.count)
        fetching = [
            stack.enter_context(running(command(NODE, "tcp_peer", "fetch", str(at / f"reader-{number}"), *where)))
            for number in range(readers)
        ]
        fetched = [side.line() for side in fetching]
        size = LARGE.count * LARGE.size
        if any(one["bytes"] != size for one in fetched):
            raise RuntimeError(f"a reader did not get all {size} bytes: {fetched}")
        return readers * size / max(one["seconds"] for one in fetched) / 1e6, float(server.ask()["stand_ms"])


def beside_plain(readers: int) -> Callable[[Report], Figures]:
    """Return the measurement with so many readers."""

    def measure(report: Report) -> Figures:
        ours, peer = [], []
        for turn in range(TURNS):
            report(f"turn {turn + 1} of {TURNS}")
            peer.append(served("plain", readers))
            ours.append(served("encoded", readers))
        how = (
            f"{LARGE.count} blocks of {LARGE.size >> 10} KiB to {readers} readers of npm hypercore over TCP, all together; "
            f"the longest stand of the server's loop is {min(stand for _, stand in ours):.1f} ms of processor, "
            f"{min(stand for _, stand in peer):.1f} with the plain feed"
        )
        return Figures("MB/s", max(rate for rate, _ in ours), max(rate for rate, _ in peer), "plain feed", how)

    return measure


measures("serve/encoded/1")(beside_plain(1))
measures("serve/encoded/8")(beside_plain(8))
