"""`python -m tests.simulation`: random lives, a line for each seed; the exit status is 1 unless all are ok."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

import structlog

from .life import Outcome, Settings, live


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10, help="how many lives")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--peers", type=int, default=12)
    parser.add_argument("--hours", type=float, default=0.25, help="of faults, by the virtual clock")
    parser.add_argument("--block-seconds", type=float, default=6.0)
    parser.add_argument("--quiet", action="store_true", help="no faults")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="lives at the same time")
    parser.add_argument("--log", action="store_true", help="show the peers' warnings, and the faults")
    return parser.parse_args()


def prepare(log: bool) -> None:
    """Let peers be silent, or show their warnings."""
    level = logging.WARNING if log else logging.CRITICAL
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def main() -> int:
    """Live all lives."""
    asked = _parse()
    first = Settings(
        asked.first, asked.peers, asked.hours, block_seconds=asked.block_seconds, faults=not asked.quiet
    )
    lives = [replace(first, seed=asked.first + number) for number in range(asked.seeds)]
    good = 0
    for settings, outcome in zip(lives, _all(lives, asked), strict=True):
        good += not outcome.failures
        print(outcome.line, flush=True)
        if asked.log:
            print(f"  {outcome.copies} copies, {outcome.crashes} crashes, {outcome.steps} steps, {outcome.seconds:.1f} s")
            print("\n".join(f"  {one}" for one in outcome.told))
        if outcome.failures:
            print("\n".join(f"  {one}" for one in outcome.failures[:10]))
            print(f"  replay: {_replay(settings)}", flush=True)
    print(f"{good} of {len(lives)} lives ok")
    return 0 if good == len(lives) else 1


def _all(lives: list[Settings], asked: argparse.Namespace) -> object:
    if asked.jobs == 1 or len(lives) == 1:
        prepare(asked.log)
        return map(live, lives)
    pool = ProcessPoolExecutor(asked.jobs, initializer=prepare, initargs=(asked.log,), max_tasks_per_child=1)
    return pool.map(live, lives)


def _replay(settings: Settings) -> str:
    more = f" --peers {settings.peers} --hours {settings.hours:g} --block-seconds {settings.block_seconds:g}"
    quiet = "" if settings.faults else " --quiet"
    return f"make simulate ARGS='--seeds 1 --first {settings.seed}{more}{quiet} --log'"


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # crashed peers' coroutines must not be tidied up


__all__ = ["Outcome"]
