"""`python -m tests.play.lives --lives 1000`: random lives on the model alone; the exit status is 1 unless all are right.

In each life the state keeps its rules, no unit appears or vanishes, nobody is paid twice, and all closes at the end.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

from runtime_mock.model.datdot import events
from runtime_mock.model.datdot.items import Burned, Minted
from service.units import UNIT
from tests.support.model_life import ModelLife, paid_once

BLOCKS = 300
TOLD_EACH = 50
STOPPED = 130


@dataclass(frozen=True, slots=True)
class Lived:
    """What came of a life; amounts in the smallest unit."""

    number: int
    why: str
    blocks: int
    payments: int
    minted: int
    burned: int


def lived(number: int, blocks: int) -> Lived:
    """Live one life, which follows from its number."""
    life, why = ModelLife(number), ""
    try:
        life.live(blocks)
        paid_once(life)
    except Exception as error:  # noqa: BLE001 - whatever ends a life is its failure
        why = f"{type(error).__name__}: {error}"
    chain = life.chain
    payments = sum(isinstance(event, events.Paid) for _, event in chain.events)
    return Lived(number, why, chain.number, payments, Minted.get(chain.state), Burned.get(chain.state))


def main(arguments: Sequence[str]) -> int:
    """Live them all. Return 1 unless all are right, 130 after an interrupt."""
    parser = argparse.ArgumentParser(prog="python -m tests.play.lives", description=__doc__)
    parser.add_argument("--lives", type=int, default=1_000)
    parser.add_argument("--first", type=int, default=1, help="number of the first")
    parser.add_argument("--blocks", type=int, default=BLOCKS, help="of faults, before all is closed")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="lives at the same time")
    asked = parser.parse_args(arguments)
    numbers, found = range(asked.first, asked.first + asked.lives), []
    began = time.monotonic()
    with ProcessPoolExecutor(asked.jobs, initializer=_quiet) as pool:
        try:
            for one in pool.map(partial(lived, blocks=asked.blocks), numbers):
                found.append(one)
                if one.why:
                    print(f"life {one.number}, block {one.blocks}: {one.why}", flush=True)
                    print(
                        f"    replay: python -m tests.play.lives --lives 1 --first {one.number} --blocks {asked.blocks}"
                    )
                if len(found) % TOLD_EACH == 0:
                    print(
                        f"… {len(found)} of {asked.lives}, {time.monotonic() - began:.0f} s",
                        file=sys.stderr,
                        flush=True,
                    )
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
            print(f"stopped after {len(found)}", file=sys.stderr)
            return STOPPED
    good = sum(not one.why for one in found)
    print(
        f"{good} of {len(found)} lives right: {sum(one.blocks for one in found)} blocks, "
        f"{sum(one.payments for one in found)} payments, {sum(one.minted for one in found) / UNIT:.3f} UNIT minted, "
        f"{sum(one.burned for one in found) / UNIT:.3f} burned"
    )
    return 0 if found and good == len(found) else 1


def _quiet() -> None:
    """Leave Ctrl-C to the parent, which ends its children."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
