"""`python -m tests.simulation`: random lives, a line for each seed; the exit status is 1 unless all are ok."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .life import Outcome, Settings, live
from .mutations import MUTATIONS

SEEDS = Path(__file__).with_name("seeds.txt")


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10, help="how many lives")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--peers", type=int, default=12)
    parser.add_argument("--hours", type=float, default=0.25, help="of faults, by the virtual clock")
    parser.add_argument("--block-seconds", type=float, default=6.0)
    parser.add_argument("--quiet", action="store_true", help="no faults")
    parser.add_argument(
        "--promises", action="store_true", help="hosters lose their power after the first run they stored"
    )
    parser.add_argument("--full-disks", action="store_true", help="every peer's disk is full now and then")
    parser.add_argument("--rotations", action="store_true", help="every peer gets another swarm key, twice")
    parser.add_argument("--operators", action="store_true", help="nodes sign as operators, who are replaced once")
    parser.add_argument("--mutation", choices=MUTATIONS, help="put a fault into the product")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="lives at the same time")
    parser.add_argument("--log", action="store_true", help="show the faults, and the peers' warnings")
    return parser.parse_args(arguments)


def _settings(asked: argparse.Namespace) -> Settings:
    faults, promises = not asked.quiet, asked.promises
    return Settings(
        asked.first,
        asked.peers,
        asked.hours,
        asked.block_seconds,
        faults,
        asked.mutation,
        promises,
        asked.full_disks,
        asked.rotations,
        asked.operators,
    )


def _command(settings: Settings) -> list[str]:
    """The arguments that replay a life."""
    return [
        *("--seeds", "1", "--first", str(settings.seed), "--peers", str(settings.peers)),
        *("--hours", f"{settings.hours:g}", "--block-seconds", f"{settings.block_seconds:g}"),
        *([] if settings.faults else ["--quiet"]),
        *(["--promises"] if settings.promises else []),
        *(["--full-disks"] if settings.full_disks else []),
        *(["--rotations"] if settings.rotations else []),
        *(["--operators"] if settings.operators else []),
        *(["--mutation", settings.mutation] if settings.mutation else []),
    ]


def _one(settings: Settings, log: bool) -> int:
    """Live one life in this process."""
    outcome = live(settings, log)
    print("\n".join(_report(settings, outcome, log)))
    return 1 if outcome.failures else 0


def _report(settings: Settings, outcome: Outcome, log: bool) -> Iterator[str]:
    yield outcome.line
    if log:
        yield from (f"  {one}" for one in outcome.told)
        yield "  " + ", ".join(f"{count} {name}" for name, count in outcome.sums.items())
    if outcome.failures:
        yield from (f"  {one}" for one in outcome.failures[:10])
        yield f"  replay: make simulate ARGS='{' '.join(_command(settings))} --log'"


def _many(asked: argparse.Namespace) -> int:
    """A process for each life, so many at the same time."""

    def run(seed: int) -> tuple[int, str]:
        asked_for = _parse([*_command(_settings(asked)), "--first", str(seed)])
        command = [sys.executable, "-m", "tests.simulation", *_command(_settings(asked_for))]
        done = subprocess.run(
            [*command, *(["--log"] if asked.log else [])], stdout=subprocess.PIPE, text=True, check=False
        )
        return done.returncode, done.stdout.rsplit("\n", 2)[0]

    good = 0
    with ThreadPoolExecutor(asked.jobs) as pool:
        for status, shown in pool.map(run, range(asked.first, asked.first + asked.seeds)):
            good += status == 0
            print(shown, flush=True)
    print(f"{good} of {asked.seeds} lives ok")
    return 0 if good == asked.seeds else 1


def main() -> int:
    """Live all lives."""
    asked = _parse(sys.argv[1:])
    if asked.seeds != 1:
        return _many(asked)
    status = _one(_settings(asked), asked.log)
    print(f"{1 - status} of 1 lives ok")
    return status


if __name__ == "__main__":
    ended = main()
    sys.stdout.flush()
    os._exit(ended)  # the coroutines of peers that crashed must not be tidied up
