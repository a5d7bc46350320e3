"""`python -m tests.play scenarios|cheats [NAME...]`: a line for each; the exit status is 1 unless all are as they must be.

With `--chain node` those are played that can be with processes and the real node.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from service import durable
from service.units import UNIT

from .catalogue import MODULES, Act, acts
from .processes import play_with_processes
from .simulated import simulate
from .stage import Stage

BENCH = Path(__file__).parents[2] / "bench"
CHAINS = ("model", "wasm", "node")
STOPPED = 130


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one play."""

    name: str
    ok: bool
    why: str
    gain: int | None
    blocks: int
    seconds: float
    notes: tuple[str, ...] = ()

    def line(self) -> str:
        """As it is printed."""
        gain = "" if self.gain is None else f"  gain {self.gain / UNIT:+.6f} UNIT"
        said = "ok" if self.ok else f"NOT OK: {self.why}"
        lines = [f"{self.name:34} {self.blocks:6} blocks {self.seconds:6.1f} s{gain}  {said}"]
        return "\n".join([*lines, *(f"    {note}" for note in self.notes)])


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.play", description=__doc__)
    parser.add_argument("kind", choices=sorted(MODULES))
    parser.add_argument("names", nargs="*", metavar="NAME", help="which of them (default: all)")
    parser.add_argument("--chain", choices=CHAINS, default="model")
    parser.add_argument("--short", action="store_true", help="those that the suite plays")
    parser.add_argument("--list", action="store_true", help="say what there is, and play nothing")
    parser.add_argument("--log", action="store_true", help="show the peers' warnings")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="plays at the same time")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_intermixed_args(arguments)
    unknown = [name for name in asked.names if name not in acts(asked.kind)]
    if unknown:
        parser.error(f"there is no {asked.kind[:-1]} {', '.join(unknown)}: --list says which there are")
    return asked


def _chosen(asked: argparse.Namespace) -> list[Act]:
    found = [one for name, one in acts(asked.kind).items() if not asked.names or name in asked.names]
    return [one for one in found if (one.real or asked.chain != "node") and (one.short or not asked.short)]


# ---- one, in a process of its own


def _one(kind: str, act: Act, chain: str, show: bool) -> Result:
    began = time.monotonic()
    stage: Stage
    if chain == "node":
        stage, gain, failures = play_with_processes(kind, act)
    else:
        stage, gain, failures = simulate(act, chain, show)
    seconds = round(time.monotonic() - began, 1)
    return Result(act.name, not failures, "; ".join(failures[:3]), gain, stage.now, seconds, tuple(stage.notes))


# ---- all


class _Company:
    """The processes that play, each one act; they end with this one."""

    def __init__(self, asked: argparse.Namespace) -> None:
        self._asked = asked
        self._running: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def play(self, act: Act) -> Result:
        """Play one act in a process of its own, and wait for its result."""
        asked = self._asked
        command = [sys.executable, "-m", "tests.play", asked.kind, act.name, "--one", "--chain", asked.chain]
        print(f"… {act.name}", file=sys.stderr, flush=True)
        with self._lock:
            if self._stopped:
                return Result(act.name, False, "stopped", None, 0, 0.0)
            # inherited: the child hears of an interrupt once it is ready for it, and not among its imports
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            process = subprocess.Popen(
                [*command, *(["--log"] if asked.log else [])], stdout=subprocess.PIPE, text=True, start_new_session=True
            )
            self._running.add(process)
        told, _ = process.communicate()
        with self._lock:
            self._running.discard(process)
        try:
            return Result(**json.loads(told.rpartition("\n")[2] or told))
        except (ValueError, TypeError):
            return Result(act.name, False, f"it ended with status {process.returncode}", None, 0, 0.0)

    def stop(self) -> None:
        """End all that run, and let no other begin."""
        with self._lock:
            self._stopped = True
            for process in self._running:
                process.send_signal(signal.SIGINT)


def _all(asked: argparse.Namespace, chosen: list[Act]) -> list[Result]:
    """Play them, so many at a time. Raises KeyboardInterrupt once all processes have ended."""
    company, results = _Company(asked), []
    # processes of the real node are a dozen each: one play at a time
    with ThreadPoolExecutor(1 if asked.chain == "node" else asked.jobs) as pool:
        try:
            for result in pool.map(company.play, chosen):
                results.append(result)
                print(result.line(), flush=True)
        except KeyboardInterrupt:
            company.stop()
            raise
    return results


def _keep(kind: str, chain: str, results: list[Result]) -> None:
    """Write the results where figures are kept; those of other chains, and of what was not played now, stay as they are."""
    path = BENCH / f"{kind}.json"
    kept: list[dict[str, Any]] = json.loads(path.read_text()) if path.exists() else []
    rows = {(row["name"], row["chain"]): row for row in kept}
    rows |= {(one.name, chain): {"chain": chain, **asdict(one)} for one in results}
    durable.replace(path, (json.dumps([rows[key] for key in sorted(rows)], indent=1) + "\n").encode(), mode=0o644)


def main(arguments: Sequence[str]) -> int:
    """Play what is asked for. Return 1 unless all are as they must be, 130 after an interrupt."""
    asked = _parse(arguments)
    chosen = _chosen(asked)
    if asked.list:
        for one in chosen:
            print(f"{one.name:34} {'*' if one.real else ' '} {one.says}")
        return 0
    if asked.one:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        (act,) = chosen
        print(json.dumps(asdict(_one(asked.kind, act, asked.chain, asked.log))), flush=True)
        return 0
    try:
        results = _all(asked, chosen)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return STOPPED
    _keep(asked.kind, asked.chain, results)
    good = sum(one.ok for one in results)
    print(f"{good} of {len(results)} as they must")
    return 0 if results and good == len(results) else 1


if __name__ == "__main__":
    try:
        ended = main(sys.argv[1:])
    except KeyboardInterrupt:
        ended = STOPPED
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(ended)  # the coroutines of peers that were killed must not be tidied up
