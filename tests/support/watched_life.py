"""A life of a simulated network in which each look of each peer's CopyWatch is compared with the chain: prints what differed.

A process of its own, as a life is lived once in one: python -m tests.support.watched_life SEED
"""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import Any

from service.roles.common.watch import CopyWatch
from tests.simulation.life import Settings, live

SILENT = {"slot", "tabled", "reserve", "debt", "halves"}
SILENT_OF_PLANS = {"reserved", "burned", "mark", "confirmed", "queued", "next_tick"}
"""What changes without an event of its own: no role decides by these, but the sponsor's, which reads its plans itself."""


def differing(one: Any, other: Any, silent: set[str]) -> set[str]:
    """The names of the fields that differ."""
    names = {field.name for field in dataclasses.fields(one)} - silent
    return {f"{type(one).__name__}.{name}" for name in names if getattr(one, name) != getattr(other, name)}


def main() -> None:
    """Live, and print what was looked at and what was wrong as JSON."""
    looked, wrong, look = 0, set[str](), CopyWatch.look

    async def compared(self: CopyWatch, block: Any) -> None:
        nonlocal looked
        await look(self, block)
        kept, storage = self._kept(), self._client.storage
        copies = {n: c for n, c in (await storage.all_copies(block.hash)).items() if n in kept or self._is_party(c)}
        if copies.keys() != self.copies.keys():
            wrong.add(f"the copies are {sorted(copies)}, not {sorted(self.copies)}")
        for number in copies.keys() & self.copies.keys():
            wrong.update(differing(copies[number], self.copies[number], SILENT))
        plans = await storage.plans_of({copy.plan for copy in copies.values()}, block.hash)
        if plans.keys() != self.plans.keys():
            wrong.add(f"the plans are {sorted(plans)}, not {sorted(self.plans)}")
        for number in plans.keys() & self.plans.keys():
            wrong.update(differing(plans[number], self.plans[number], SILENT_OF_PLANS))
        looked += len(copies)

    CopyWatch.look = compared  # type: ignore[method-assign]
    outcome = live(Settings(int(sys.argv[1]), hours=0.1))
    print(json.dumps({"looked": looked, "failures": outcome.failures, "wrong": sorted(wrong)}))


if __name__ == "__main__":
    main()
