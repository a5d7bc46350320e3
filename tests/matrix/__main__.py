"""Punch holes between hosts behind gateways of each kind: `python -m tests.matrix [SERVER:CLIENT[:WAY]...]`, as root.

Each cell is a server and a client, of npm's hyperdht and of ours, in network namespaces of this machine; nothing leaves them. They
know of each other the key alone; with the ways `topic` and `topic+relay` both join a topic, with `relay` and
`topic+relay` they may use a blind relay. A line for each, and the exit status is 1 unless all are green. Kinds of gateways:
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import signal
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import asdict

from .cells import PAIRINGS, ROOT, TRIES, Cell, Outcome, all_cells, by_ends, run_cells
from .topology import KINDS, TopologyError, sweep, what_is_missing

STOPPED = 130


def _pairing(text: str) -> tuple[str, str]:
    server, _, client = text.partition(":")
    if (server, client) not in PAIRINGS:
        raise argparse.ArgumentTypeError(f"{text}: a pair is one of {', '.join(map(':'.join, PAIRINGS))}")
    return server, client


def _cell(text: str) -> Cell:
    try:
        found = Cell.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if not {found.server, found.client} <= KINDS.keys():
        raise argparse.ArgumentTypeError(f"{text}: kinds are {', '.join(KINDS)}")
    return found


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    kinds = "\n".join(f"  {kind:6} {what}" for kind, what in KINDS.items())
    parser = argparse.ArgumentParser(
        prog="python -m tests.matrix",
        description=f"{__doc__}\n{kinds}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("cells", nargs="*", type=_cell, metavar="SERVER:CLIENT[:WAY]", help="default: all")
    parser.add_argument("--pair", action="append", type=_pairing, help="npm:npm, python:npm, ... (default: all four)")
    parser.add_argument(
        "--delay", type=float, default=0.0, metavar="MS", help="of each wire to the public segment, one way"
    )
    parser.add_argument("--nodes", type=int, default=3, help="nodes of the DHT on the public segment, 3 to 9")
    parser.add_argument("--tries", type=int, default=TRIES, help="before a cell is red")
    parser.add_argument("--jobs", type=int, default=2, help="pairs of gateways at the same time")
    parser.add_argument("--json", action="store_true", help="lines of JSON")
    asked = parser.parse_args(arguments)
    if not 3 <= asked.nodes <= 9:
        parser.error("--nodes: 3 to 9 (with fewer no peer learns what its gateway does)")
    return asked


async def run(asked: argparse.Namespace) -> AsyncGenerator[Outcome, None]:
    """Run what was asked for, some topologies at a time."""
    places = asyncio.Semaphore(max(1, asked.jobs))
    outcomes: asyncio.Queue[Outcome | None] = asyncio.Queue()

    async def some(number: int, ends: tuple[str, str], cells: list[Cell]) -> None:
        async with places:
            found = run_cells(
                number, ends, cells, asked.pair or PAIRINGS, delay_ms=asked.delay, nodes=asked.nodes, tries=asked.tries
            )
            async with aclosing(found) as those:
                async for outcome in those:
                    outcomes.put_nowait(outcome)

    async def everything() -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for number, (ends, cells) in enumerate(by_ends(asked.cells or all_cells())):
                    group.create_task(some(number, ends, cells))
        finally:
            outcomes.put_nowait(None)

    task = asyncio.create_task(everything())
    try:
        while (outcome := await outcomes.get()) is not None:
            yield outcome
        await task
    finally:
        task.cancel()
        await asyncio.wait({task})


async def main(asked: argparse.Namespace) -> int:
    """Print each outcome and the count. Return the exit status."""
    this = asyncio.current_task()
    assert this is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)
    done: list[Outcome] = []
    async with aclosing(run(asked)) as outcomes:
        async for outcome in outcomes:
            done.append(outcome)
            print(json.dumps(asdict(outcome)) if asked.json else outcome.line(), flush=True)
    green = sum(outcome.green for outcome in done)
    if asked.json:
        print(json.dumps({"green": green, "cells": len(done)}))
    else:
        print(f"{green} of {len(done)} cells green")
    return 0 if green == len(done) else 1


def begin(arguments: Sequence[str]) -> int:
    """Parse, look for what is needed, run, and leave nothing behind."""
    asked = _parse(arguments)
    missing = what_is_missing()
    if missing is None and shutil.which("node") is None:
        missing = "Node.js is not installed"
    if missing is None and not (ROOT / "tests" / "interop" / "node_modules" / "hyperdht").is_dir():
        missing = "the npm packages of tests/interop are not installed: make tests/interop/node_modules/.setup"
    if missing is not None:
        print(missing, file=sys.stderr)
        return 2
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that starts this with & has it ignored
    sweep(own=False)
    try:
        return asyncio.run(main(asked))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return STOPPED
    except ExceptionGroup as errors:
        known, others = errors.split(TopologyError)
        if others is not None or known is None:
            raise
        print("\n".join(str(error) for error in known.exceptions), file=sys.stderr)
        return 2
    finally:
        sweep(own=True)


if __name__ == "__main__":
    sys.exit(begin(sys.argv[1:]))
