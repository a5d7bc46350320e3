"""Time from a dial to an open stream, by key and by topic, through NATs of three kinds, beside npm's hyperdht and hyperswarm.

Hosts, gateways and the nodes of the DHT lie in network namespaces (`tests/matrix`), so this needs root. Both programs are timed by
themselves, after they have joined the DHT; runs alternate, and the median of each counts.
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Callable

from tests.matrix.cells import Cell, Outcome, run_cells
from tests.matrix.topology import what_is_missing

from ._sides import NODE, PYTHON, command
from .registry import Figures, Report, Unavailable, measures

RUNS = 5
GATEWAYS = {"open": ("pub", "cons"), "consistent": ("cons", "cons"), "random": ("rand", "cons")}
"""The server's gateway and the client's: a NAT of each kind is met by one as most homes have."""
PAIRINGS = (("npm", "npm"), ("python", "python"))


async def outcomes(cell: Cell, report: Report) -> list[Outcome]:
    """Run a cell RUNS times with npm at both ends, and with ours."""
    found: list[Outcome] = []
    async for outcome in run_cells(0, (cell.server, cell.client), [cell] * RUNS, PAIRINGS):
        found.append(outcome)
        report(f"{len(found)} of {RUNS * len(PAIRINGS)}: {outcome.line()}")
    return found


def median(found: list[Outcome], program: str) -> float:
    """Return the median of a program's times in ms. Raises RuntimeError if it did not always connect."""
    those = [outcome for outcome in found if outcome.server == program]
    failed = [outcome.reason for outcome in those if not outcome.green or outcome.ms is None]
    if failed or not those:
        raise RuntimeError(f"{program} did not connect: {'; '.join(failed)}")
    return max(1.0, statistics.median(outcome.ms for outcome in those if outcome.ms is not None))


def beside_npm(kind: str, way: str) -> Callable[[Report], Figures]:
    """Return the measurement for a kind of NAT, by key or by topic."""

    def measure(report: Report) -> Figures:
        missing = what_is_missing()
        if missing is not None:
            raise Unavailable(missing)
        command(NODE, "udx_peer")  # says so if Node.js is not there
        server, client = GATEWAYS[kind]
        found = asyncio.run(outcomes(Cell(server, client, "topic" if way == "topic" else ""), report))
        how = (
            f"from the dial, or from joining the topic, to an open stream; server behind '{server}', client behind '{client}' "
            f"(tests/matrix/topology.py), no delay on the wires; the median of {RUNS} runs, taken in alternation"
        )
        return Figures("ms", median(found, PYTHON), median(found, "npm"), "npm to npm", how)

    return measure


for _way in ("key", "topic"):
    for _kind in GATEWAYS:
        measures(f"connect/{_way}/{_kind}")(beside_npm(_kind, _way))
