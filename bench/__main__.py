"""Run the measurements, print them as a table and write them to `bench/results.json`."""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path

from rich.console import Console
from rich.table import Table

from . import registry
from .registry import Figures, Measurement, Unavailable

RESULTS = Path(__file__).with_name("results.json")
WIDTH = 120  # of the table in a log


def table(rows: dict[str, Figures]) -> Table:
    """Return the figures as a table, one measurement per row."""
    result = Table(title="datdot beside its peers", title_justify="left")
    for heading in ("measurement", "unit", "ours", "peer", "ours / peer", "the peer is"):
        numeric = heading in ("ours", "peer", "ours / peer")
        width = max(map(len, rows), default=0) if heading == "measurement" else None  # names are never truncated
        result.add_column(heading, justify="right" if numeric else "left", no_wrap=numeric, min_width=width)
    for name, row in rows.items():
        result.add_row(name, row.unit, f"{row.ours:,.3f}", f"{row.peer:,.3f}", f"{row.ratio:.2f}", row.peer_name)
    return result


def record(name: str, row: Figures) -> dict[str, str | float]:
    """Return one entry of results.json."""
    return {
        "name": name,
        "unit": row.unit,
        "ours": row.ours,
        "peer": row.peer,
        "peer_name": row.peer_name,
        "ratio": row.ratio,
        "how": row.how,
    }


def measure(measurements: list[Measurement], console: Console) -> tuple[dict[str, Figures], bool]:
    """Run the measurements in order, showing progress. Return the figures, and whether all succeeded."""
    rows: dict[str, Figures] = {}
    for place, measurement in enumerate(measurements, 1):
        prefix = f"[{place}/{len(measurements)}] {measurement.name}"
        with console.status(prefix) as status:

            def report(text: str, status: object = status, prefix: str = prefix) -> None:
                status.update(f"{prefix}: {text}")  # type: ignore[attr-defined]

            try:
                row = rows[measurement.name] = measurement.run(report)
            except Unavailable as reason:
                console.print(f"{prefix}: not measured: {reason}", markup=False)
            except Exception:  # noqa: BLE001 - the other measurements still have their turn; the exit code tells
                console.print(f"{prefix}: failed\n{traceback.format_exc()}", markup=False)
            else:
                console.print(f"{prefix}: {row.ours:,.3f} {row.unit}, {row.ratio:.2f} of the peer", markup=False)
    return rows, len(rows) == len(measurements)


def main(arguments: list[str]) -> int:
    """Run `python -m bench [NAME-PREFIX …]`. Return 0 if all was measured, 1 if not, 2 if no measurement has such a name.

    Afterwards results.json holds this run and nothing else.
    """
    console = Console(stderr=True)
    registry.load()
    measurements = list(registry.chosen(arguments))
    if not measurements:
        console.print(f"no measurement begins with {' or '.join(arguments)}", markup=False)
        return 2
    rows, complete = measure(measurements, console)
    out = Console()
    (out if out.is_terminal else Console(width=WIDTH)).print(table(rows))
    RESULTS.write_text(json.dumps([record(name, row) for name, row in rows.items()], indent=2) + "\n")
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
