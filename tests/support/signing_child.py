"""A process that signs: it pays Bob each amount that it is told, says what came of it, and is killed by its parent.

``python -m tests.support.signing_child URL TABLE AMOUNT…`` prints
a line of JSON for each submission that the pool has, and for each receipt.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import structlog

from service.chain_client import frame
from tests.support.chain_world import BOB, eventually, following_peer


def say(**fields: object) -> None:
    print(json.dumps(fields), flush=True)


async def main(url: str, table: Path, amounts: list[int]) -> None:
    async with following_peer(url, table) as peer:
        say(event="ready")
        tasks = [asyncio.create_task(peer.signer.submit(frame.transfer(BOB.public_key, one))) for one in amounts]
        await eventually(lambda: len(peer.signer._sent) == len(amounts) or any(task.done() for task in tasks))
        say(event="sent")
        for receipt in await asyncio.gather(*tasks):
            assert receipt is not None
            say(event="receipt", block=receipt.block.number, hash=receipt.hash.hex())


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), [int(one) for one in sys.argv[3:]]))
