"""npm's hyperdht as a peer, and networks of our nodes on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

from service.hypercore.swarm import DHT
from service.hypercore.swarm.dht.address import Address
from tests.support.npm_peer import HERE, node_command

MOST_SECONDS = 60
ANY = Address("127.0.0.1", 0)


class NpmDht:
    """A node of npm's, which does what it is told."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        found: dict[str, Any] = json.loads(await asyncio.wait_for(self._process.stdout.readline(), MOST_SECONDS))
        return found

    async def __call__(self, command: str, **given: Any) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"command": command} | given).encode() + b"\n")
        told = await self.line()
        assert "error" not in told, told
        return told["answer"]


@contextlib.asynccontextmanager
async def npm(bootstrap: Address) -> AsyncIterator[NpmDht]:
    process = await asyncio.create_subprocess_exec(
        node_command(), "dht.mjs", str(bootstrap.port),
        cwd=HERE, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        one = NpmDht(process)
        assert (await one.line())["ready"] is True
        yield one
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@contextlib.asynccontextmanager
async def network(count: int) -> AsyncIterator[list[DHT]]:
    """Nodes that stay, of which the first is what the others begin with."""
    async with contextlib.AsyncExitStack() as stack:
        nodes: list[DHT] = []
        for _ in range(count):
            bootstrap = [nodes[0].address] if nodes else []
            nodes.append(await stack.enter_async_context(DHT(ANY, bootstrap, ANY)))
        yield nodes
