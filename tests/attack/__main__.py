"""Besiege a hoster: `python -m tests.attack [--minutes N]` prints each span, and fails if a duty was missed.

It counts challenges and retrievals, the honest readers' downloads, and the hoster's memory and descriptors, before, during
and after all attackers at once. Processes and network are this machine's own.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from pathlib import Path

from .siege import Siege, Span, besieged, describe

QUIET_ERAS, AFTER_ERAS = 3, 8
SPARE_MIB = 96
"""Memory that may stay taken: caches of blocks and pages, and pieces that the allocator cannot give back."""


async def attack(minutes: float, directory: Path, chain: str, readers: int) -> list[Span]:
    """Run a quiet span, a span of attack and one more of quiet. Return them."""
    spans: list[Span] = []

    async def siege(found: Siege) -> None:
        async def show(span: Span) -> None:
            spans.append(span)
            print(describe(span), flush=True)
            for reason in sorted(set(span.reasons)):
                print(f"    {reason}", flush=True)

        async def attacked() -> None:
            async def wait() -> None:
                end = time.monotonic() + 60 * minutes
                while time.monotonic() < end:
                    await found.eras(1)

            await found.under_attack(wait)
            print(found.counts, flush=True)

        await show(await found.span("quiet", lambda: found.eras(QUIET_ERAS)))
        await show(await found.span("attack", attacked))
        await show(await found.span("after", lambda: found.eras(AFTER_ERAS)))

    await besieged(directory, siege, chain, readers)
    return spans


def main() -> int:
    """Parse the options and run. Return 1 if a challenge, a retrieval or a reader failed, or if memory stays up."""
    parser = argparse.ArgumentParser(prog="python -m tests.attack", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0, help="how long the attack lasts")
    parser.add_argument("--chain", choices=("model", "wasm"), default="model")
    parser.add_argument("--readers", type=int, default=16, help="strangers who read the whole feed again and again")
    options = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="datdot-attack-"))
    spans = asyncio.run(attack(options.minutes, directory, options.chain, options.readers))
    quiet, during, after = spans
    failed = [
        name
        for name, holds in (
            ("challenges were missed", not during.missed),
            ("attesters were not served", not during.not_served),
            ("honest readers failed", not during.read_failed),
            ("descriptors stay open", after.descriptors <= quiet.descriptors + 16),
            ("memory stays taken", after.memory_mib <= quiet.memory_mib + SPARE_MIB),
        )
        if not holds
    ]
    print("ok" if not failed else f"FAILED: {', '.join(failed)}; the network's files are in {directory}")
    if not failed:
        shutil.rmtree(directory)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
