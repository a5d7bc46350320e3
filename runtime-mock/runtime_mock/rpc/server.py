"""The server: one port for WebSocket and HTTP, with limits on what strangers may send."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from typing import Any

import structlog
from aiohttp import WSMsgType, web

from ..node.pool import PoolError
from . import control  # noqa: F401 (registers its methods)
from .errors import INTERNAL, INVALID_REQUEST, NO_METHOD, PARSE, TOO_BIG_BATCH, TOO_BIG_RESPONSE, RpcError, invalid
from .methods import MAX_ANSWER_BYTES, METHODS, Node
from .subscriptions import SUBSCRIBE, UNSUBSCRIBE, Subscriptions

log = structlog.get_logger(__name__)

MAX_REQUEST_BYTES = 15 * 1024 * 1024
MAX_CONNECTIONS = 512
MAX_BATCH = 1000
MAX_UNREAD_BYTES = 64 * 1024 * 1024
"""Bytes that may wait for a slow client. Answers wait for room; notifications beyond the limit end the connection."""
SLOW_BYTES = 1024 * 1024
LEAVE_SECONDS = 2.0
"""How long a stopping node waits for a client's close frame before it cuts the connection."""
METHOD_NAMES = sorted({*METHODS, *SUBSCRIBE, *UNSUBSCRIBE, "rpc_methods"})

After = Callable[[], None]


class Outbox:
    """The messages waiting to be sent to one client."""

    def __init__(self, socket: web.WebSocketResponse, node: Node, transport: asyncio.Transport) -> None:
        self._socket, self._node, self._transport = socket, node, transport
        self._waiting: asyncio.Queue[str] = asyncio.Queue()
        self._bytes = 0
        self._drained = asyncio.Event()
        self._drained.set()
        self._gone = False

    def put(self, message: Any) -> None:
        """Queue a message. A client that never reads is cut off."""
        if self._gone:
            return
        data = json.dumps(message, separators=(",", ":"))
        self._bytes += len(data)
        if self._bytes > MAX_UNREAD_BYTES:
            log.warning("cutting off a client that does not read", unread=self._bytes)
            self.cut_off()
            return
        if self._bytes > SLOW_BYTES:
            self._drained.clear()
        self._waiting.put_nowait(data)

    def cut_off(self) -> None:
        """End the connection without a close frame."""
        self._end()
        self._transport.abort()

    def _end(self) -> None:
        """Mark the connection as dead: nothing more is queued, and nobody waits for it."""
        self._gone = True
        self._drained.set()

    async def drained(self) -> None:
        """Wait until few enough messages are queued."""
        await self._drained.wait()

    async def run(self) -> None:
        """Send messages until the connection ends."""
        try:
            while True:
                data = await self._waiting.get()
                await self._node.faults.answering.wait()
                await self._socket.send_str(data)
                self._bytes -= len(data)
                if self._bytes <= SLOW_BYTES:
                    self._drained.set()
        except ConnectionError:
            pass  # the reading side notices the end as well, unless it waits for `drained`
        finally:
            self._end()


class Server:
    """The server of a node."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._sockets: dict[web.WebSocketResponse, Outbox] = {}

    def application(self) -> web.Application:
        """Return the aiohttp application."""
        application = web.Application(client_max_size=MAX_REQUEST_BYTES)
        application.router.add_route("GET", "/{path:.*}", self._websocket)
        application.router.add_route("POST", "/{path:.*}", self._http)
        application.on_shutdown.append(self._shut_down)
        return application

    async def _shut_down(self, application: web.Application) -> None:
        self._node.faults.hang(0)
        await asyncio.gather(*(self._part(socket, outbox) for socket, outbox in list(self._sockets.items())))

    async def _part(self, socket: web.WebSocketResponse, outbox: Outbox) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_SECONDS):
                await socket.close(code=1001, message=b"the node stops")
        outbox.cut_off()

    async def _http(self, request: web.Request) -> web.Response:
        answer, _ = await self._handle(await request.read(), None)
        if answer is None:
            return web.Response()
        return web.Response(body=_encode(answer), content_type="application/json")

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(max_msg_size=MAX_REQUEST_BYTES, compress=False)
        if not socket.can_prepare(request).ok:
            return web.Response(text="A Substrate JSON-RPC server: connect by WebSocket, or POST a request.\n")
        if len(self._sockets) >= MAX_CONNECTIONS:
            return web.Response(status=429, text=f"more than {MAX_CONNECTIONS} connections\n")
        transport = request.transport
        await socket.prepare(request)
        if transport is None:  # gone already
            return socket
        outbox = Outbox(socket, self._node, transport)
        self._sockets[socket] = outbox
        self._node.faults.transports.add(transport)
        sending = asyncio.create_task(outbox.run())
        subscriptions = Subscriptions(self._node, outbox.put)
        try:
            async for message in socket:
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    await self._serve(message.data, outbox, subscriptions)
        finally:
            subscriptions.close()
            self._sockets.pop(socket, None)
            self._node.faults.transports.discard(transport)
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
        return socket

    async def _serve(self, data: str | bytes, outbox: Outbox, subscriptions: Subscriptions) -> None:
        answer, after = await self._handle(data, subscriptions)
        if answer is not None:
            outbox.put(answer)
        for one in after:
            one()
        await outbox.drained()

    async def _handle(self, data: str | bytes, subscriptions: Subscriptions | None) -> tuple[Any, list[After]]:
        """Return the answer, None if none is due, and what to do once it is queued."""
        after: list[After] = []
        try:
            request = json.loads(data)
        except (ValueError, RecursionError):
            return _failure(None, RpcError(PARSE, "Parse error")), after
        if not isinstance(request, list):
            return await self._one(request, subscriptions, after), after
        if not request:
            return _failure(None, RpcError(INVALID_REQUEST, "Invalid request")), after
        if len(request) > MAX_BATCH:
            why = f"Exceeded max limit of {MAX_BATCH}"
            return _failure(None, RpcError(TOO_BIG_BATCH, "The batch request was too large", why)), after
        answers = []
        size = 0
        for one in request:
            answer = await self._one(one, subscriptions, after)
            await asyncio.sleep(0)  # let blocks and other clients in between the calls of a batch
            if answer is not None:
                answers.append(answer)
                size += len(_encode(answer))
            if size > MAX_ANSWER_BYTES:
                return _failure(None, RpcError(TOO_BIG_RESPONSE, "The batch response was too large")), after
        return answers or None, after

    async def _one(self, request: Any, subscriptions: Subscriptions | None, after: list[After]) -> Any:
        if not isinstance(request, dict):
            return _failure(None, RpcError(INVALID_REQUEST, "Invalid request"))
        identifier = request.get("id")
        name = request.get("method")
        sound = isinstance(identifier, str | int | None) and not isinstance(identifier, bool)
        if not sound or not isinstance(name, str) or request.get("jsonrpc") != "2.0":
            return _failure(identifier if sound else None, RpcError(INVALID_REQUEST, "Invalid request"))
        try:
            result = await self._call(name, _positional(request.get("params")), subscriptions, after)
        except RpcError as error:
            answer = _failure(identifier, error)
        except PoolError as error:
            answer = _failure(identifier, RpcError(error.code, error.message, error.data))
        except Exception as error:
            log.exception("a call failed", method=name)
            answer = _failure(identifier, RpcError(INTERNAL, "Internal error", repr(error)))
        else:
            answer = {"jsonrpc": "2.0", "id": identifier, "result": result}
        return answer if "id" in request else None

    async def _call(
        self, name: str, parameters: list[Any], subscriptions: Subscriptions | None, after: list[After]
    ) -> Any:
        self._node.faults.check(name)
        if name == "rpc_methods":
            return {"methods": METHOD_NAMES}
        if name in SUBSCRIBE or name in UNSUBSCRIBE:
            if subscriptions is None:
                raise RpcError(INTERNAL, "Internal error", "subscriptions need a WebSocket")
            if name in UNSUBSCRIBE:
                return subscriptions.unsubscribe(name, parameters)
            found, flush = subscriptions.subscribe(name, parameters)
            after.append(flush)
            return found
        method = METHODS.get(name)
        if method is None:
            raise RpcError(NO_METHOD, "Method not found")
        result = method.call(self._node, parameters)
        return await result if asyncio.iscoroutine(result) else result


def _positional(parameters: Any) -> list[Any]:
    if parameters is None or parameters == {}:
        return []
    if not isinstance(parameters, list):
        raise invalid("parameters by name are not supported: a list is needed")
    return parameters


def _failure(identifier: Any, error: RpcError) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": identifier, "error": error.json()}


def _encode(answer: Any) -> bytes:
    return json.dumps(answer, separators=(",", ":")).encode()
