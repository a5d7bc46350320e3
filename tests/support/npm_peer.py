"""npm hypercore as a peer: a Node.js process that a test tells what to do, and the Python side that speaks with it."""

from __future__ import annotations

import asyncio
import itertools
import json
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from service.hypercore import Core, Corestore, KeyPair
from service.hypercore.net import Connection, PeerAddress, Replication, TcpTransport
from tests.support.needs import missing

HERE = Path(__file__).parents[1] / "interop"
SECONDS = 60.0


def node_command() -> str:
    """Node.js, with the packages of this folder. Skips without."""
    found = shutil.which("node")
    if found is None:
        missing("Node.js is not installed")
    if not (HERE / "node_modules" / "hypercore").is_dir():
        missing("the npm packages of tests/interop are not installed: make tests/interop/node_modules/.setup")
    assert found is not None
    return found


class PeerError(Exception):
    """What the npm peer answers when a command failed."""


class NodePeer:
    """One Node.js process with hypercore 11 or 10."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self.events: list[dict[str, Any]] = []
        self._changed = asyncio.Event()
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            if not line.startswith(b"{"):  # npm hypercore logs a conflict to the console
                self.events.append({"event": "said", "line": line.decode()})
                self._changed.set()
                continue
            told = json.loads(line)
            if "id" not in told:
                self.events.append(told)
                self._changed.set()
            elif "error" in told:
                self._answers.pop(told["id"]).set_exception(PeerError(told["error"]))
            else:
                self._answers.pop(told["id"]).set_result(told["answer"])
        for waiting in self._answers.values():
            waiting.set_exception(PeerError("the Node.js process has ended"))

    def begin(self, command: str, **values: object) -> asyncio.Future[Any]:
        """Give a command; the future is its answer."""
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        line = json.dumps({"id": number, "command": command, **values}) + "\n"
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode())
        return answer

    async def __call__(self, command: str, **values: object) -> Any:
        """Give a command and wait for its answer. Raises :class:`PeerError`."""
        async with asyncio.timeout(SECONDS):
            return await self.begin(command, **values)

    async def event(self, name: str, matches: Callable[[dict[str, Any]], bool] = lambda event: True) -> dict[str, Any]:
        """Wait for an event, or find one that has come already."""
        async with asyncio.timeout(SECONDS):
            while True:
                for event in self.events:
                    if event["event"] == name and matches(event):
                        return event
                self._changed.clear()
                await self._changed.wait()

    async def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(10):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        await self._reader


@asynccontextmanager
async def node_peer(version: str, directory: Path) -> AsyncIterator[NodePeer]:
    process = await asyncio.create_subprocess_exec(
        *(node_command(), str(HERE / "peer.mjs"), version, str(directory)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 26,
    )
    peer = NodePeer(process)
    try:
        await peer.event("ready")
        yield peer
    finally:
        await peer.stop()


class Here:
    """The Python side: a corestore in memory, and connections to the npm peers in either direction."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self.store = Corestore()
        self.incoming: list[Connection] = []
        self._stack = stack
        self._changed = asyncio.Event()
        self._transport: TcpTransport | None = None

    @classmethod
    @asynccontextmanager
    async def alone(cls) -> AsyncIterator[Here]:
        """One more Python side."""
        async with AsyncExitStack() as stack:
            side = cls(stack)
            try:
                yield side
            finally:
                await stack.aclose()
                side.store.close()

    async def transport(self) -> TcpTransport:
        if self._transport is None:
            transport = TcpTransport(KeyPair.generate(), on_connection=self._accept)
            self._transport = await self._stack.enter_async_context(transport)
        return self._transport

    def _accept(self, connection: Connection) -> None:
        Replication.of(connection).serve(self.store.find)
        self.incoming.append(connection)
        self._changed.set()

    async def dial(self, node: NodePeer) -> Connection:
        """Connect to an npm peer."""
        listening = await node("listen")
        transport = await self.transport()
        key = bytes.fromhex(listening["key"])
        transport.add_peer(PeerAddress(key, "127.0.0.1", listening["port"]))
        connection = await transport.connect(key)
        Replication.of(connection).serve(self.store.find)
        return connection

    async def dialled_by(self, node: NodePeer) -> Connection:
        """Be connected to by an npm peer."""
        transport = await self.transport()
        if transport.address is None:
            await transport.listen("127.0.0.1", 0)
        assert transport.address is not None
        before = len(self.incoming)
        await node("connect", port=transport.address[1])
        async with asyncio.timeout(SECONDS):
            while len(self.incoming) == before:
                self._changed.clear()
                await self._changed.wait()
        return self.incoming[-1]

    async def dial_here(self, other: Here) -> Connection:
        """Connect to another Python side."""
        listening = await other.transport()
        if listening.address is None:
            await listening.listen("127.0.0.1", 0)
        assert listening.address is not None
        transport = await self.transport()
        transport.add_peer(PeerAddress(listening.public_key, *listening.address))
        return await transport.connect(listening.public_key)

    async def connect(self, node: NodePeer, who_dials: str) -> Connection:
        return await (self.dial(node) if who_dials == "python" else self.dialled_by(node))


async def until(core: Core, condition: Callable[[], bool]) -> None:
    """Wait until ``condition`` holds, looking after each change of ``core``."""
    changed = asyncio.Event()
    stop = core.on_change(lambda change: changed.set())
    try:
        async with asyncio.timeout(SECONDS):
            while not condition():
                changed.clear()
                await changed.wait()
    finally:
        stop()
