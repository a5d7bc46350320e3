"""A crowd of readers over UDX: `python -m tests.attack.crowd [--readers 100] [--minutes 5]` fails if a hoster missed a duty.

The readers find the hoster by its key in the network's DHT and fetch the whole feed again and again. It prints what was proved and
served before, during and after, what the readers got, and the most memory and descriptors that the hoster held.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from .crowd_readers import Wanted, argument
from .siege import Siege, Span, besieged, describe, descriptors, memory_mib

QUIET_ERAS, AFTER_ERAS = 2, 4
SPARE_MIB, SPARE_DESCRIPTORS = 96, 16
READER_MIB = 2.0
"""Memory that a reader may cost: what waits to be sent to it, and its connection."""


@dataclass
class Crowded:
    """A run: the spans, what the readers counted, and the most that the hoster held meanwhile."""

    spans: list[Span]
    counts: dict[str, int]
    memory_mib: int = 0
    descriptors: int = 0


def wanted_of(siege: Siege, readers: int) -> Wanted:
    """Return what the readers are to read."""
    data, hoster = siege.published.data, siege.hoster.keys.swarm_key.hex()
    bootstrap = siege.net.net.bootstrap[0]
    return Wanted(siege.published.core.key.hex(), hashlib.sha256(data).hexdigest(), hoster, bootstrap, readers)


async def crowded(
    siege: Siege, readers: int, enough: Callable[[Crowded], bool], show: Callable[[Span], None] = lambda span: None,
    quiet: int = QUIET_ERAS, after: int = AFTER_ERAS,
) -> Crowded:  # fmt: skip
    """Let a crowd read until it is enough, between two quiet spans."""
    run = Crowded([], {})

    async def wait() -> None:
        while not enough(run):
            await siege.eras(1)
            run.counts = dict(siege.counts)
            run.memory_mib = max(run.memory_mib, memory_mib(siege.pid))
            run.descriptors = max(run.descriptors, descriptors(siege.pid))

    async def span(name: str, during: Callable[[], Awaitable[None]]) -> None:
        run.spans.append(await siege.span(name, during))
        show(run.spans[-1])

    await span("quiet", lambda: siege.eras(quiet))
    program, given = "tests.attack.crowd_readers", argument(wanted_of(siege, readers))
    await span("crowd", lambda: siege.under_attack(wait, program, given))
    await span("after", lambda: siege.eras(after))
    return run


def faults(run: Crowded, readers: int) -> list[str]:
    """Return what is wrong with a run."""
    quiet, during, after = run.spans
    told = (
        ("challenges were missed", during.missed + after.missed),
        ("nothing was proved", not during.proofs),
        ("attesters were not served", during.not_served + after.not_served),
        ("other readers failed", during.read_failed),
        ("readers of the crowd failed", run.counts.get("failed", 0)),
        ("some never got the feed", run.counts.get("readers", 0) < readers),
        ("memory", run.memory_mib > quiet.memory_mib + SPARE_MIB + READER_MIB * readers),
        ("memory stays taken", after.memory_mib > quiet.memory_mib + SPARE_MIB),
        ("descriptors: a reader over UDX needs none", run.descriptors > quiet.descriptors + SPARE_DESCRIPTORS),
    )
    return [what for what, wrong in told if wrong]


def main() -> int:
    """Parse the options and run. Return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.attack.crowd", description=__doc__)
    parser.add_argument("--readers", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=5.0, help="how long they read, at least")
    parser.add_argument("--chain", choices=("model", "wasm"), default="model")
    options = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="datdot-crowd-"))
    runs: list[Crowded] = []

    async def siege(found: Siege) -> None:
        begun = time.monotonic()

        def enough(run: Crowded) -> bool:
            minutes = (time.monotonic() - begun) / 60
            return bool(minutes >= options.minutes and run.counts.get("readers", 0) >= options.readers)

        runs.append(await crowded(found, options.readers, enough, lambda span: print(describe(span), flush=True)))

    asyncio.run(besieged(directory, siege, options.chain))
    (run,) = runs
    print(f"the crowd: {run.counts}; the hoster held {run.memory_mib} MiB and {run.descriptors} descriptors at most")
    failed = faults(run, options.readers)
    print("ok" if not failed else f"FAILED: {', '.join(failed)}; the network's files are in {directory}")
    if not failed:
        shutil.rmtree(directory)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
