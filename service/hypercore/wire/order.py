"""In which order the blocks of a download are asked for: those that the fewest peers have first, else lowest first.

What each peer has is known as runs, so the work is by runs, never by blocks: one plan looks at no more than PLAN_RUNS of them.
What lies beyond comes after, lowest first, until a later plan. A plan decides about the order only; whether a peer has a block,
and whether it is asked for already, is looked up when it is asked.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

from .intervals import Intervals
from .peer import PeerState

PLAN_RUNS = 4096
"""Runs of blocks that one plan looks at: of all peers together, and as many of the core."""
PLAN_PEERS = 256
"""Peers that one plan looks at."""
STEP_BLOCKS, PLAN_STEPS = 32_768, 64
"""Blocks of the core that are looked at in one step, and the steps of one plan."""
NOBODY = 1 << 32
"""Stands for the count of blocks that nobody is known to have: they come after all others."""

Run = tuple[int, int]
Counted = tuple[int, int, int]
"""Start, end, and how many peers have these blocks."""


class Here(Protocol):
    """The part of a core that tells which blocks are here."""

    def ranges(self, start: int = 0, end: int | None = None) -> list[tuple[int, int]]:
        """Return the runs of available blocks in [start, end)."""
        ...


class Order:
    """Runs of blocks in the order in which they are asked for. A place in it is (rank of the run, block)."""

    def __init__(self, runs: Sequence[Run], rarity: int = NOBODY) -> None:
        """Take the runs. `rarity`: how many peers have the first of them."""
        self.runs, self.rarity = runs, rarity
        by_end = sorted(range(len(runs)), key=lambda rank: runs[rank][1])
        self._ends = [runs[rank][1] for rank in by_end]
        self._first, first = [0] * len(runs), len(runs)
        for at in range(len(runs) - 1, -1, -1):
            first = self._first[at] = min(first, by_end[at])

    @property
    def begin(self) -> tuple[int, int]:
        """The first place."""
        return 0, self.runs[0][0] if self.runs else 0

    def place(self, block: int) -> tuple[int, int]:
        """Return the first place at which a block stands that is not below `block`."""
        at = bisect_right(self._ends, block)
        if at == len(self._ends):
            return len(self.runs), 0
        rank = self._first[at]
        return rank, max(block, self.runs[rank][0])


@dataclass(eq=False, slots=True)
class Download:
    """Blocks [start, end) that a caller waits for."""

    start: int
    end: int
    left: int
    order: Order = field(init=False)
    at: dict[PeerState, tuple[int, int]] = field(default_factory=dict)
    """The place of each peer before which nothing is left to request from it."""
    low: int = field(init=False)
    """Where the last plan began: all blocks below were here."""
    partial: bool = False
    """Whether the last plan did not see all runs: there is another one to be made."""

    def __post_init__(self) -> None:
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget what was planned: blocks that were here may be missing again."""
        self.low = self.start
        self.take(Order([(self.start, self.end)]))

    def take(self, order: Order) -> None:
        """Ask in this order from now on."""
        self.order = order
        self.at.clear()

    def rewind(self, peer: PeerState, block: int) -> None:
        """Look again at the blocks that are not below `block`."""
        if peer in self.at:
            self.at[peer] = min(self.at[peer], self.order.place(block))

    def plan(self, core: Here, length: int, peers: Sequence[Intervals]) -> int:
        """Choose the order anew for a core of `length` blocks, and what its peers have. Return how many runs were looked at."""
        end, self.partial = min(self.end, length), False
        peers = peers[:PLAN_PEERS]
        if self.low >= end:
            return 1
        if all((known := has.next(self.low)) is None or known >= end or has.gap(self.low) >= end for has in peers):
            if len(self.order.runs) != 1:
                self.take(Order([(self.low, self.end)]))
            self.order.rarity = sum(has.next(self.low) == self.low for has in peers) or NOBODY
            return 1 + len(peers)  # each has all or nothing of it: lowest first
        missing, horizon, looked = _missing(core, self.low, end)
        self.low = missing[0][0] if missing else horizon
        counted, horizon = _counted(peers, self.low, horizon)
        runs = sorted(_both(counted, missing), key=lambda run: (run[2], run[0]))
        rarity = runs[0][2] if runs else NOBODY
        self.partial = horizon < end
        rest = [(horizon, self.end)] if horizon < self.end else []
        self.take(Order([*((start, stop) for start, stop, _ in runs), *rest], rarity))
        return looked + len(peers) + 2 * len(runs)


def _missing(core: Here, low: int, end: int) -> tuple[list[Run], int, int]:
    """Return the runs from `low` on that are not here, up to where they were looked for, and how many were looked at."""
    found: list[Run] = []
    at, looked = low, 0
    for _ in range(PLAN_STEPS):
        if at >= end or looked >= PLAN_RUNS:
            break
        stop = min(at + STEP_BLOCKS, end)
        here = core.ranges(at, stop)
        looked += 1 + len(here)
        for first, after in [*here, (stop, stop)]:
            if at < first:
                if found and found[-1][1] == at:
                    found[-1] = (found[-1][0], first)
                else:
                    found.append((at, first))
            at = after
    return found, at, looked


def _counted(peers: Sequence[Intervals], low: int, horizon: int) -> tuple[list[Counted], int]:
    """Return [low, horizon) as runs that equally many peers have, and the horizon: nearer if some peer has too many runs."""
    most = max(8, PLAN_RUNS // max(1, len(peers)))
    each = [has.some(low, most) for has in peers]
    for runs in each:
        if len(runs) == most:
            horizon = min(horizon, max(low, runs[-1][1]))
    steps: dict[int, int] = {low: 0, horizon: 0}
    for runs in each:
        for start, end in runs:
            if start < horizon:
                steps[max(start, low)] = steps.get(max(start, low), 0) + 1
                steps[min(end, horizon)] = steps.get(min(end, horizon), 0) - 1
    found: list[Counted] = []
    count, places = 0, sorted(steps)
    for start, end in pairwise(places):
        count += steps[start]
        rarity = count or NOBODY
        if found and found[-1][2] == rarity:
            found[-1] = (found[-1][0], end, rarity)
        else:
            found.append((start, end, rarity))
    return found, horizon


def _both(counted: Sequence[Counted], missing: Sequence[Run]) -> list[Counted]:
    """Return what is both counted and missing. Both are in order."""
    found: list[Counted] = []
    at = 0
    for start, end, count in counted:
        while at < len(missing) and missing[at][1] <= start:
            at += 1
        look = at
        while look < len(missing) and missing[look][0] < end:
            found.append((max(start, missing[look][0]), min(end, missing[look][1]), count))
            look += 1
        at = max(at, look - 1)
    return found
