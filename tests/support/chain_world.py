"""A chain in this process, sealed by hand, whose sockets and answers fail on command; and peers that follow it and sign."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from substrateinterface import Keypair

from runtime_mock.chainspec import ChainSpec, artifacts
from runtime_mock.model import ModelRuntime
from runtime_mock.node.chain import Chain
from runtime_mock.node.engine import MANUAL, Engine
from runtime_mock.rpc.methods import Node
from runtime_mock.rpc.server import Server
from runtime_mock.runtime import Runtime
from service.chain_client import Block, BlockRef, ChainClient, Follower, Signer
from service.chain_client.runtime.extrinsic import extrinsic_hash

T = TypeVar("T")
ALICE, BOB, CHARLIE = (Keypair.create_from_uri(name) for name in ("//Alice", "//Bob", "//Charlie"))
UNIT = 10**12
LONGEST = 120.0
MAX_SEALED = 200

Hook = Callable[[], Awaitable[None] | None]


def load_runtime() -> Runtime:
    """The model: its blocks cost a millisecond."""
    return ModelRuntime(artifacts())


def load_spec() -> ChainSpec:
    return ChainSpec.load(artifacts() / "chain-spec.json")


class HookedServer(Server):
    """Calls what a test left for a method, before it is carried out or after, when its answer is not yet sent."""

    def __init__(self, node: Node) -> None:
        super().__init__(node)
        self.before: dict[str, Hook] = {}
        self.after: dict[str, Hook] = {}
        self.asked: list[str] = []

    async def _call(self, name: str, *rest: Any) -> Any:
        self.asked.append(name)
        await _run(self.before.pop(name, None))
        result = await super()._call(name, *rest)
        await _run(self.after.pop(name, None))
        return result


async def _run(hook: Hook | None) -> None:
    if hook is not None:
        result = hook()
        if inspect.isawaitable(result):
            await result


class World:
    """The chain, and the server in front of it."""

    def __init__(self, runtime: Runtime, spec: ChainSpec) -> None:
        self.engine = Engine(Chain(runtime, spec.genesis), MANUAL)
        self.node = Node(self.engine, spec)
        self.server = HookedServer(self.node)
        self.port = 0

    async def start(self) -> None:
        """Serve; on the same port as before, if it served before."""
        self.port = self.server.open("127.0.0.1", self.port)

    async def stop(self) -> None:
        await self.server.close()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    @property
    def genesis(self) -> bytes:
        return self.engine.chain.genesis.hash

    @property
    def best(self) -> BlockRef:
        block = self.engine.chain.best
        return BlockRef(block.number, block.hash)

    def seal(self, count: int = 1) -> None:
        for _ in range(count):
            self.engine.seal()

    def drop(self) -> None:
        """Cut all connections off."""
        self.node.faults.drop()

    def hang(self) -> None:
        """Answer nothing from now on."""
        self.node.faults.hang(3_600_000)

    def go_on(self) -> None:
        self.node.faults.hang(0)

    def pooled(self) -> int:
        """Extrinsics in the pool."""
        return len(self.engine.pool)

    def executions(self, account: bytes) -> list[bytes]:
        """The account's extrinsics in the best chain, in order."""
        chain = self.engine.chain
        blocks = [chain.at(number) for number in range(1, chain.best.number + 1)]
        return [one for block in blocks if block is not None for one in block.body if account in one[:40]]

    def hashes(self, account: bytes) -> list[bytes]:
        return [extrinsic_hash(one) for one in self.executions(account)]


@dataclass
class Peer:
    """A client with a follower and a signer that run."""

    client: ChainClient
    follower: Follower
    signer: Signer
    tasks: list[asyncio.Task[Any]] = field(default_factory=list)

    async def caught_up(self, world: World) -> None:
        """Wait until the finalized head has been seen."""
        await bounded(self.follower.wait_for(world.engine.chain.finalized.number))

    async def until(self, task: Awaitable[T], world: World) -> T:
        """Seal block after block, each once the last was seen, until something is done."""
        future = asyncio.ensure_future(task)
        try:
            for _ in range(MAX_SEALED):
                await asyncio.wait({future}, timeout=0.05)
                if future.done():
                    return await future
                world.seal()
                await self.caught_up(world)
            raise AssertionError(f"not done after {MAX_SEALED} blocks")
        finally:
            future.cancel()
            await asyncio.gather(future, return_exceptions=True)


async def bounded(wait: Awaitable[T]) -> T:
    async with asyncio.timeout(LONGEST):
        return await wait


async def eventually(holds: Callable[[], object]) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(LONGEST):
        while not holds():  # noqa: ASYNC110 - nobody tells of it
            await asyncio.sleep(0.01)


@asynccontextmanager
async def following_peer(
    url: str,
    path: Path,
    pair: Keypair = ALICE,
    start: BlockRef | None = None,
    request_seconds: float = 30.0,
    watchdog_seconds: float = 600.0,
    operates: bytes | None = None,
) -> AsyncIterator[Peer]:
    """A peer for the time of the context. `operates` is the account whose operator the pair is."""
    async with await ChainClient.connect(url, request_seconds=request_seconds) as client:
        follower = Follower(client, start, watchdog_seconds)
        signer = Signer(client, pair, path, follower, peer=operates)
        tasks = [asyncio.create_task(follower.run()), asyncio.create_task(signer.run())]
        try:
            await bounded(follower.wait_for(0))
            yield Peer(client, follower, signer, tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            signer.close()


async def take(blocks: AsyncIterator[Block], until: int) -> list[Block]:
    """Blocks up to a number."""
    found = []
    async with asyncio.timeout(LONGEST):
        async for block in blocks:
            found.append(block)
            if block.number >= until:
                return found
    raise AssertionError("the follower ended")
