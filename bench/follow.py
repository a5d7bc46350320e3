"""What a block costs a peer that missed it and has nothing to do in it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, cast

from service.chain_client import BlockRef, ChainClient, Follower
from service.chain_client.block import Header
from service.chain_client.rpc import NodeRpc

from .client import a_runtime, by_scalecodec, events_of, processor
from .registry import Figures, Report, measures

MISSED = 10_000
TURNS = 3


async def best_of(work: Callable[[], Awaitable[Any]]) -> float:
    """Return the seconds of the processor that the best of some runs takes."""
    found = []
    for _ in range(TURNS):
        start = time.process_time()
        await work()
        found.append(time.process_time() - start)
    return min(found)


class Blocks:
    """A chain of blocks that all have the same events, asked as a node is."""

    def __init__(self, events: bytes) -> None:
        self.events = "0x" + events.hex()
        self.hashes = [number.to_bytes(32, "big") for number in range(MISSED + 1)]

    async def request(self, method: str, *parameters: Any) -> Any:
        """Answer what a follower asks for."""
        if method == "chain_getBlockHash":
            return "0x" + self.hashes[parameters[0]].hex()
        assert method == "state_getStorage", method
        return self.events


class Following(ChainClient):
    """A client whose headers are at hand: only what concerns events is measured."""

    async def header(self, block: bytes | None = None) -> Header | None:
        """Return a header of the chain."""
        assert block is not None
        number = int.from_bytes(block, "big")
        return Header(number, block, max(0, number - 1).to_bytes(32, "big"))

    async def runtime_at(self, at: bytes | None = None) -> Any:
        """Return the committed runtime."""
        return RUNTIME


RUNTIME = a_runtime()


def catch_up(foreign: int) -> Callable[[Report], Figures]:
    """Return the measurement of a follower that missed blocks of so many events of others."""

    def measure(report: Report) -> Figures:
        data = events_of(RUNTIME, "Balances", "Transfer", foreign)
        blocks = MISSED if not foreign else MISSED // 100  # the rest would be the same again

        async def follow() -> None:
            client = Following("", rpc=cast("NodeRpc", Blocks(data)))
            follower = Follower(client, BlockRef(0, client.rpc.hashes[0]))  # type: ignore[attr-defined]
            await follower._advance(BlockRef(blocks, client.rpc.hashes[blocks]))  # type: ignore[attr-defined]

        report(f"{blocks} blocks of {foreign} events")
        ours = asyncio.run(best_of(follow)) / blocks
        theirs = processor(lambda: by_scalecodec(RUNTIME, "System", "Events", data))
        how = f"{blocks} missed blocks of {foreign} events of others, the best of {TURNS} runs; the peer reads the events alone."
        return Figures("us of the processor a block", ours * 1e6, theirs * 1e6, "scalecodec, the events alone", how)

    return measure


measures("client/catch-up/0")(catch_up(0))
measures("client/catch-up/1000")(catch_up(1000))
