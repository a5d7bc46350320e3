"""A mock's server in this process."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp

from runtime_mock.rpc.access import Access
from runtime_mock.rpc.methods import Node
from runtime_mock.rpc.server import Server

JSON = {"Content-Type": "application/json"}


class Served:
    """The server, and a client of it."""

    def __init__(self, node: Node, server: Server, port: int, session: aiohttp.ClientSession) -> None:
        self.node, self.server, self.port, self.session = node, server, port, session
        self.http, self.ws = f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}"

    async def post(self, body: Any) -> Any:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with self.session.post(self.http, data=io.BytesIO(data), headers=JSON) as answer:
            text = await answer.read()
            return json.loads(text) if answer.status == 200 and text else answer.status

    async def call(self, name: str, *parameters: Any) -> Any:
        return await self.post({"jsonrpc": "2.0", "id": 1, "method": name, "params": list(parameters)})

    @contextlib.asynccontextmanager
    async def socket(self) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        async with self.session.ws_connect(self.ws, max_msg_size=0) as socket:
            yield socket


@contextlib.asynccontextmanager
async def serving(node: Node, access: Access | None = None, **limits: Any) -> AsyncIterator[Served]:
    """Serve a node, with its control methods unless told otherwise."""
    server = Server(node, access or Access(control=True), **limits)
    port = server.open("127.0.0.1", 0)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(60), connector=connector) as session:
        yield Served(node, server, port, session)
    await server.close()


async def ask(socket: aiohttp.ClientWebSocketResponse, name: str, *parameters: Any) -> Any:
    """The answer to a call, whatever notifications come before it."""
    await socket.send_json({"jsonrpc": "2.0", "id": 9, "method": name, "params": list(parameters)})
    while True:
        answer = await socket.receive_json(timeout=60)
        if answer.get("id") == 9:
            return answer


async def alive(served: Served) -> None:
    assert (await served.call("system_chainType"))["result"] == "Development"
