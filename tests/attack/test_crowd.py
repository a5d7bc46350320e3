"""The short form of `make crowd`: twenty readers over UDX, all of whom get the feed; and what a run is to be faulted for.

Whether a proof comes in time depends on the machine, so that is for `make crowd` to say.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from .crowd import Crowded, crowded, faults
from .siege import Siege, Span, besieged

READERS = 20
FINE = Crowded([Span(name, proofs=3, memory_mib=100, descriptors=20) for name in "abc"], {"readers": 100}, 150, 22)


async def test_a_crowd_over_udx_gets_the_feed_and_costs_the_hoster_no_descriptors(tmp_path: Path) -> None:
    runs: list[Crowded] = []

    async def siege(found: Siege) -> None:
        runs.append(
            await crowded(found, READERS, lambda run: run.counts.get("readers", 0) >= READERS, quiet=1, after=1)
        )

    await besieged(tmp_path, siege)
    (run,) = runs
    assert run.counts["by direct"] >= READERS
    depends = {"challenges were missed", "attesters were not served", "nothing was proved"}
    assert set(faults(run, READERS)) <= depends, run


def test_what_a_run_is_faulted_for() -> None:
    assert faults(FINE, 100) == []
    assert faults(FINE, 101) == ["some never got the feed"]
    missed = [FINE.spans[0], replace(FINE.spans[1], missed=1), FINE.spans[2]]
    assert faults(replace(FINE, spans=missed), 100) == ["challenges were missed"]
    left = [*FINE.spans[:2], replace(FINE.spans[2], memory_mib=197)]
    assert faults(replace(FINE, spans=left), 100) == ["memory stays taken"]
    assert faults(replace(FINE, descriptors=37), 100) == ["descriptors: a reader over UDX needs none"]
    assert faults(replace(FINE, memory_mib=397), 100) == ["memory"]
    assert faults(replace(FINE, counts={"readers": 100, "failed": 1}), 100) == ["readers of the crowd failed"]
