"""`python -m tests.differential --hours N`: random lives on model and runtime for so long, a line for each seed.

The exit status is 1 at a difference, and the command that replays it is printed; Hypothesis has made it small by then.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from hypothesis import given, seed, settings

from .test_lives import DRAWN, SETTINGS, live

LIVES = 20
"""Lives of a seed."""
STOPPED = 130


def lives_of(number: int, count: int) -> int:
    """Live so many lives, which follow from a number; the blocks of all. Raises Difference."""
    blocks = 0

    @seed(number)
    @settings(max_examples=count, print_blob=False, **SETTINGS)  # type: ignore[arg-type]
    @given(*DRAWN)
    def lived(patch: dict[str, Any], published: list[list[Any]], actions: list[list[Any]]) -> None:
        nonlocal blocks
        blocks += live(patch, published, actions).next_block

    lived()
    return blocks


class Fuzz:
    """Processes, each with a seed of its own, until the time is over or one finds a difference."""

    def __init__(self, seconds: float, lives: int) -> None:
        self._end, self._lives = time.monotonic() + seconds, lives
        self._running: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()
        self._over = False
        self.found: list[str] = []
        self.seeds = 0

    def run(self, numbers: Iterator[int], jobs: int) -> None:
        """Take numbers until the end."""
        with ThreadPoolExecutor(jobs) as pool:
            try:
                list(pool.map(lambda _: self._work(numbers), range(jobs)))
            except KeyboardInterrupt:
                self.stop()
                raise

    def _work(self, numbers: Iterator[int]) -> None:
        while True:
            with self._lock:
                if self._over or time.monotonic() >= self._end:
                    return
                number = next(numbers)
                command = [
                    sys.executable,
                    "-m",
                    "tests.differential",
                    "--seed",
                    str(number),
                    "--lives",
                    str(self._lives),
                ]
                process = subprocess.Popen(
                    command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
                )
                self._running.add(process)
            out, err = process.communicate()
            with self._lock:
                self._running.discard(process)
                if self._over:
                    return
                self.seeds += 1
                print(out.strip() or f"seed {number} ended with status {process.returncode}", flush=True)
                if process.returncode:
                    print(err, file=sys.stderr, flush=True)
                    self.found.append(f"python -m tests.differential --seed {number} --lives {self._lives}")
                    self._over = True

    def stop(self) -> None:
        """End all."""
        with self._lock:
            self._over = True
            for process in self._running:
                process.send_signal(signal.SIGINT)


def _numbers(first: int) -> Iterator[int]:
    while True:
        yield first
        first += 1


def main(arguments: Sequence[str]) -> int:
    """Search for a difference. Return 1 if there is one, 130 after an interrupt."""
    parser = argparse.ArgumentParser(prog="python -m tests.differential", description=__doc__)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--first", type=int, help="the first seed (default: drawn)")
    parser.add_argument("--seed", type=int, help="this one only, in this process")
    parser.add_argument("--lives", type=int, default=LIVES, help="of each seed")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="seeds at the same time")
    asked = parser.parse_args(arguments)
    if asked.seed is not None:
        try:
            blocks = lives_of(asked.seed, asked.lives)
        except BaseException:
            print(f"seed {asked.seed}: model and runtime differ", flush=True)
            raise
        print(f"seed {asked.seed}: {asked.lives} lives, {blocks} blocks, equal", flush=True)
        return 0
    fuzz = Fuzz(3600 * asked.hours, asked.lives)
    first = time.time_ns() % 1_000_000_000 if asked.first is None else asked.first
    try:
        fuzz.run(_numbers(first), asked.jobs)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return STOPPED
    for command in fuzz.found:
        print(f"replay: {command}")
    print(f"{fuzz.seeds} seeds of {asked.lives} lives, {'a difference' if fuzz.found else 'no difference'}")
    return 1 if fuzz.found or not fuzz.seeds else 0


if __name__ == "__main__":
    try:
        ended = main(sys.argv[1:])
    except KeyboardInterrupt:
        ended = STOPPED
    sys.exit(ended)
