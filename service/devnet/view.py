"""The demo's output for people: a line per event, and two tables at the end."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from service.encoding.profiles import SECTOR
from service.units import UNIT

TELL_SECONDS = 3.0
"""Interval between two progress lines of one copy."""


@dataclass(slots=True)
class CopyLife:
    """What the demo has seen of one copy."""

    hoster: bytes = b""
    state: str = ""
    verdicts: int = 0
    reveals: int = 0
    latency_ms: int = 0
    kib_per_s: int = 0
    told: float = 0.0


@dataclass(slots=True)
class View:
    """The demo's printer. It is silent without a console."""

    console: Console | None
    started: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Seconds since the demo began."""
        return time.monotonic() - self.started

    def say(self, text: str) -> None:
        """Print one line."""
        if self.console is not None:
            self.console.print(f"{self.seconds:6.1f} s  {text}", markup=False, soft_wrap=True)

    def progress(self, life: CopyLife, line: dict[str, Any]) -> None:
        """Print an encoder's progress with rate and time left, at intervals, and always at its end."""
        now = time.monotonic()
        if now < life.told + TELL_SECONDS and line["sectors"] != line["of"]:
            return
        life.told = now
        left = line.get("seconds_left")
        rate = float(line.get("rate") or 0) * SECTOR / 1024
        rest = f", {left:.0f} s left" if left else ""
        self.say(f"copy {line['copy']}  encoding {100 * line['sectors'] // line['of']:3d} %, {rate:.0f} KiB/s{rest}")

    def tables(self, result: dict[str, Any], copies: dict[int, CopyLife], proofs: dict[str, int]) -> None:
        """Print the copies with segments, challenges and figures, then what each peer earned."""
        if self.console is None:
            return
        self.console.print()
        self.console.print(_copies(result, copies, proofs))
        self.console.print(_money(result))


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, box=SIMPLE_HEAD, title_justify="left", pad_edge=False, padding=0)
    for name in columns:
        table.add_column(name, no_wrap=True)
    return table


def _copies(result: dict[str, Any], copies: dict[int, CopyLife], proofs: dict[str, int]) -> Table:
    plan = result["plan"]
    table = _table(
        f"plan {plan['plan']}: {result['bytes']} bytes of feed {plan['feed'][:16]}…",
        *("copy", "hoster", "encoder", "seg.", "sectors", "root", "proofs", "reports", "latency", "KiB/s"),
    )
    for copy in plan["copies"]:
        life = copies.get(copy["copy"], CopyLife())
        for segment in copy["segments"]:
            table.add_row(
                str(copy["copy"]), copy["hoster"][:8], segment["encoder"][:8], str(segment["segment"]),
                str(segment["sectors"]), segment["root"][:8], str(proofs.get(copy["hoster"], 0)), str(life.reveals),
                f"{life.latency_ms} ms", str(life.kib_per_s),
            )  # fmt: skip
    return table


def _money(result: dict[str, Any]) -> Table:
    burned, minted = int(result["burned"]), int(result["minted"])
    table = _table(f"burned from the pot {_unit(burned)}, minted {_unit(minted)}", "peer", "account", "earned UNIT")
    for peer in result["peers"]:
        table.add_row(peer["role"], peer["account"], f"{int(peer['earned']) / UNIT:.9f}")
    return table


def _unit(amount: int) -> str:
    return f"{amount / UNIT:.9f} UNIT"
