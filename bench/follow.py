"""What a block costs a peer that has nothing to do in it: blocks that it missed, and those in which its copies rest."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any, cast

from runtime_mock.model.datdot import items
from runtime_mock.model.datdot.records import CopyState
from service.chain_client import Block, BlockRef, ChainClient, Follower
from service.chain_client.block import Header
from service.chain_client.own_copies import own_hosted
from service.chain_client.rpc import NodeRpc
from service.roles.common.watch import READ_AGAIN, CopyWatch

from ._network import Network
from .client import AT, a_runtime, by_scalecodec, client_of, events_of, processor
from .registry import Figures, Report, measures

MISSED = 10_000
FOREIGN = 2_000
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


def resting(own: int, foreign: int) -> Callable[[Report], Figures]:
    """Return the measurement of a hoster whose copies rest, beside so many copies of others that are being made."""

    def measure(report: Report) -> Figures:
        network = Network(3 + foreign // own, 3 * own + foreign)
        account = network.hosting[0].id
        for number, copy in items.Copies.entries(network.state):
            if copy.hoster != account and foreign:
                items.Copies.put(network.state, number, replace(copy, state=CopyState.ENCODING))
        state = network.state.trie()
        client = client_of(state, network)
        mine = {n: copy for n, copy in items.Copies.entries(network.state) if copy.hoster == account}
        plans = {copy.plan for copy in mine.values()}

        async def look() -> float:
            find = partial(own_hosted, client.storage, account, ())
            watch = CopyWatch(client, account, lambda copy: copy.hoster == account, find)
            await watch.look(Block(0, AT, AT, ()))
            start = time.process_time()
            for number in range(1, 1 + READ_AGAIN):
                await watch.look(Block(number, AT, AT, ()))
            assert len(watch.copies) == len(mine)
            return (time.process_time() - start) / READ_AGAIN

        report(f"a hoster of {len(mine)} copies")
        ours = min(asyncio.run(look()) for _ in range(TURNS))
        copies = [state.get(RUNTIME.storage_key("DatDot", "Copies", n.to_bytes(8, "little"))) for n in mine]
        orders = [state.get(RUNTIME.storage_key("DatDot", "Plans", n.to_bytes(8, "little"))) for n in plans]
        report("the same entries by scalecodec")
        theirs = processor(
            lambda: [by_scalecodec(RUNTIME, "DatDot", "Copies", one) for one in copies if one]
        ) + processor(lambda: [by_scalecodec(RUNTIME, "DatDot", "Plans", one) for one in orders if one])
        how = (
            f"{len(mine)} own copies of {len(plans)} plans at rest, {foreign} copies of others in the making; the mean of "
            f"{READ_AGAIN} blocks, "
            "the stand-in for a node included; scalecodec reads the own copies and their plans once, as each block did before."
        )
        return Figures("ms of the processor a block", ours * 1e3, theirs * 1e3, "scalecodec, own copies and plans", how)

    return measure


measures("client/catch-up/0")(catch_up(0))
measures("client/catch-up/1000")(catch_up(1000))
measures("client/idle-block/10")(resting(10, 0))
measures("client/idle-block/1000")(resting(1000, 0))
measures("client/idle-block/10+2000")(resting(10, FOREIGN))
