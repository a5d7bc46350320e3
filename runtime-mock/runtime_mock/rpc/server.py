"""The server: one port for WebSocket and HTTP, with limits on what strangers may send."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass
from typing import Any

import structlog
from aiohttp import WSMsgType, web

from ..node.engine import MANUAL
from ..node.pool import PoolError
from . import control, system  # noqa: F401 (they register their methods)
from .access import Access
from .connected import CONNECTED, After
from .door import MAX_CONNECTIONS, Door
from .errors import (
    INTERNAL,
    INVALID_REQUEST,
    NO_METHOD,
    PARSE,
    TOO_BIG_BATCH,
    TOO_BIG_REQUEST,
    TOO_BIG_RESPONSE,
    RpcError,
    invalid,
)
from .frames import TOO_LARGE, Socket
from .methods import MAX_ANSWER_BYTES, METHODS, Node
from .outbox import Outbox, encode
from .room import Lease, Room
from .subscriptions import SUBSCRIBE, UNSUBSCRIBE, Subscriptions
from .watched import WatchedKeys

log = structlog.get_logger(__name__)

MAX_REQUEST_BYTES = 15 * 1024 * 1024
MAX_SOCKETS = 512
"""WebSockets at once. When all are taken, the one that has been without a request for longest and follows nothing is ended."""
MAX_BATCH = 1000
BODY_SECONDS = ANSWER_SECONDS = 60.0
"""How long a client may take to send a request's body over HTTP, and to take its answer."""
LEAVE_SECONDS = 2.0
"""How long a stopping node waits for a client's close frame, and for requests still being answered, before it cuts them."""
CONTROL, ENGINE = "mock_", "engine_"
JSON = "application/json"


class _TooLarge(Exception):
    """A body beyond the limit."""


@dataclass(slots=True)
class _Client:
    """A client that came by WebSocket. `busy` says whether a request of it is being answered."""

    outbox: Outbox
    subscriptions: Subscriptions
    busy: bool = False


class Server:
    """The server of a node. `access` says who may use it, `most` is the number of connections at once."""

    def __init__(self, node: Node, access: Access | None = None, most: int = MAX_CONNECTIONS) -> None:
        self._node, self._access = node, access or Access()
        self._door = Door(self._request, most)
        self._clients: dict[web.WebSocketResponse, _Client] = {}
        self._room = Room(self._cut_off_largest)
        self._watched = WatchedKeys(node)
        # as a node that seals by hand has its own methods for that
        by_hand = self._access.control or node.engine.seal_mode == MANUAL
        hidden = ((CONTROL,) if not self._access.control else ()) + ((ENGINE,) if not by_hand else ())
        self._methods = {name: one for name, one in METHODS.items() if not name.startswith(hidden)}
        self.names = sorted({*self._methods, *CONNECTED, *SUBSCRIBE, *UNSUBSCRIBE, "rpc_methods"})

    def open(self, host: str, port: int) -> int:
        """Listen. Return the port, which is chosen if 0 is given. Raises OSError."""
        return self._door.open(host, port)

    async def close(self) -> None:
        """Listen no longer, and part from the clients."""
        await self._door.shut()
        self._node.faults.hang(0)
        self._door.pre_shutdown()
        await asyncio.gather(*(self._part(socket, client.outbox) for socket, client in list(self._clients.items())))
        await self._door.shutdown(LEAVE_SECONDS)

    async def _part(self, socket: web.WebSocketResponse, outbox: Outbox) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_SECONDS):
                await socket.close(code=1001, message=b"the node stops")
        outbox.cut_off()

    async def _request(self, request: web.BaseRequest) -> web.StreamResponse:
        transport = request.transport
        if transport is None:  # gone already
            return web.Response()
        self._door.heard(transport)
        origin = request.headers.get("Origin")
        refusal = self._access.refusal(request.headers.get("Host"), origin)
        if refusal is not None:
            return web.Response(status=403, text=refusal)
        if request.method == "GET":
            return await self._websocket(request, transport)
        with self._room.lease() as lease:
            response = await self._answer(request, lease)
            if origin is not None:
                response.headers.update({"Access-Control-Allow-Origin": origin, "Vary": "Origin"})
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    await response.prepare(request)
                    await response.write_eof()
            except TimeoutError:
                transport.abort()
        self._door.answered(transport)
        return response

    async def _answer(self, request: web.BaseRequest, lease: Lease) -> web.Response:
        if request.method == "OPTIONS":
            asked = {"Access-Control-Allow-Methods": "POST", "Access-Control-Allow-Headers": "content-type"}
            return web.Response(headers=asked)
        if request.method != "POST":
            return web.Response(status=405, text="Used HTTP Method is not allowed. POST is required\n")
        if request.content_type != JSON:  # other types are what a page of any origin may send without asking
            why = f"Supplied content type is not allowed. Content-Type: {JSON} is required\n"
            return web.Response(status=415, text=why)
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await _body(request, lease)
        except _TooLarge:
            return web.Response(status=413, body=_too_large(), content_type=JSON)
        except web.RequestPayloadError:
            return web.Response(status=400, text="The request's body is not encoded as its head says.\n")
        except RpcError as error:
            return web.Response(status=503, text=f"{error.data}\n")
        except TimeoutError:
            return web.Response(status=408, text=f"The request took longer than {BODY_SECONDS:.0f} s.\n")
        answer, _ = await self._handle(body, None, lease)
        return web.Response() if answer is None else web.Response(body=answer, content_type=JSON)

    async def _websocket(self, request: web.BaseRequest, transport: asyncio.Transport) -> web.StreamResponse:
        socket = Socket(MAX_REQUEST_BYTES)
        if not socket.can_prepare(request).ok:
            return web.Response(text="A Substrate JSON-RPC server: connect by WebSocket, or POST a request.\n")
        if len(self._clients) >= MAX_SOCKETS and not self._cut_off_idlest():
            return web.Response(status=429, text=f"more than {MAX_SOCKETS} connections\n")
        outbox = Outbox(socket, self._node, transport, self._room)
        subscriptions = Subscriptions(self._node, outbox.put, self._watched, outbox.drained)
        client = self._clients[socket] = _Client(outbox, subscriptions)
        self._node.faults.transports.add(transport)
        sending: asyncio.Task[None] | None = None
        try:
            await socket.prepare(request)
            sending = asyncio.create_task(outbox.run())
            async for message in socket:
                if message.type is WSMsgType.BINARY and socket in self._clients:
                    self._clients[socket] = self._clients.pop(socket)  # the last that asked is the last in line
                    await self._serve(message.data, client)
        finally:
            subscriptions.close()
            self._clients.pop(socket, None)
            self._node.faults.transports.discard(transport)
            if sending is not None:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)
        return socket

    def _cut_off_idlest(self) -> bool:
        """End the client without a request for longest that follows nothing. Return whether there was one."""
        for socket, client in self._clients.items():
            if not client.busy and client.subscriptions.idle():
                del self._clients[socket]
                client.outbox.cut_off()
                return True
        return False

    def _cut_off_largest(self) -> bool:
        """End the client that leaves most bytes unread. Return whether there was one."""
        outbox = max((one.outbox for one in self._clients.values()), key=lambda one: one.unread, default=None)
        if outbox is None or not outbox.unread:
            return False
        log.warning("cutting off the client that reads least, for room", unread=outbox.unread)
        outbox.cut_off()
        return True

    async def _serve(self, data: Any, client: _Client) -> None:
        outbox = client.outbox
        if data is TOO_LARGE:
            outbox.put(_too_large())
            return
        client.busy = True
        with self._room.lease() as lease:
            answer, after = await self._handle(data, client.subscriptions, lease)
        if answer is not None:
            outbox.put(answer)
        for one in after:
            one()
        client.busy = False
        await outbox.drained()

    async def _handle(
        self, data: str | bytes, subscriptions: Subscriptions | None, lease: Lease
    ) -> tuple[bytes | None, list[After]]:
        """Return the encoded answer, None if none is due, and what to do once it is queued."""
        after: list[After] = []
        try:
            request = json.loads(data)
        except (ValueError, RecursionError):
            return _failure(None, RpcError(PARSE, "Parse error")), after
        if not isinstance(request, list):
            return await self._one(request, subscriptions, after, lease), after
        if not request:
            return _failure(None, RpcError(INVALID_REQUEST, "Invalid request")), after
        if len(request) > MAX_BATCH:
            why = f"Exceeded max limit of {MAX_BATCH}"
            return _failure(None, RpcError(TOO_BIG_BATCH, "The batch request was too large", why)), after
        answers = []
        size = 0
        for one in request:
            answer = await self._one(one, subscriptions, after, lease)
            if answer is not None:
                answers.append(answer)
                size += len(answer)
            if size > MAX_ANSWER_BYTES:
                return _failure(None, RpcError(TOO_BIG_RESPONSE, "The batch response was too large")), after
        return b"[" + b",".join(answers) + b"]" if answers else None, after

    async def _one(
        self, request: Any, subscriptions: Subscriptions | None, after: list[After], lease: Lease
    ) -> bytes | None:
        if not isinstance(request, dict):
            return _failure(None, RpcError(INVALID_REQUEST, "Invalid request"))
        identifier = request.get("id")
        name = request.get("method")
        sound = isinstance(identifier, str | int | None) and not isinstance(identifier, bool)
        if not sound or not isinstance(name, str) or request.get("jsonrpc") != "2.0":
            return _failure(identifier if sound else None, RpcError(INVALID_REQUEST, "Invalid request"))
        try:
            result = await self._call(name, _positional(request.get("params")), subscriptions, after)
            answer = encode({"jsonrpc": "2.0", "id": identifier, "result": result})
            lease.take(len(answer))
        except RpcError as error:
            answer = _failure(identifier, error)
        except PoolError as error:
            answer = _failure(identifier, RpcError(error.code, error.message, error.data))
        except Exception as error:
            log.exception("a call failed", method=name)
            answer = _failure(identifier, RpcError(INTERNAL, "Internal error", repr(error)))
        return answer if "id" in request else None

    async def _call(
        self, name: str, parameters: list[Any], subscriptions: Subscriptions | None, after: list[After]
    ) -> Any:
        self._node.faults.check(name)
        if name == "rpc_methods":
            return {"methods": self.names}
        if name in SUBSCRIBE or name in UNSUBSCRIBE:
            if subscriptions is None:
                raise RpcError(INTERNAL, "Internal error", "subscriptions need a WebSocket")
            if name in UNSUBSCRIBE:
                return subscriptions.unsubscribe(name, parameters)
            async with self._node.turns.one():
                found, flush = subscriptions.subscribe(name, parameters)
            after.append(flush)
            return found
        if name in CONNECTED:
            # without a connection nothing is followed, and what is broadcast is handed over once
            connection = subscriptions
            if connection is None:
                connection = Subscriptions(self._node, lambda message: None, self._watched)
            try:
                async with self._node.turns.one():
                    return CONNECTED[name].call(connection, after, parameters)
            finally:
                if subscriptions is None:
                    connection.close()
        method = self._methods.get(name)
        if method is None:
            why = "start the node with --control" if name.startswith(CONTROL) else None
            raise RpcError(NO_METHOD, "Method not found", why)
        return await method.call(self._node, parameters)


async def _body(request: web.BaseRequest, lease: Lease) -> bytes:
    if (request.content_length or 0) > MAX_REQUEST_BYTES:
        raise _TooLarge
    body = bytearray()
    async for part in request.content.iter_any():
        lease.take(len(part))
        body += part
        if len(body) > MAX_REQUEST_BYTES:
            raise _TooLarge
    return bytes(body)


def _too_large() -> bytes:
    return _failure(None, RpcError(TOO_BIG_REQUEST, "Request is too big", f"Exceeded max limit of {MAX_REQUEST_BYTES}"))


def _positional(parameters: Any) -> list[Any]:
    if parameters is None or parameters == {}:
        return []
    if not isinstance(parameters, list):
        raise invalid("parameters by name are not supported: a list is needed")
    return parameters


def _failure(identifier: Any, error: RpcError) -> bytes:
    return encode({"jsonrpc": "2.0", "id": identifier, "error": error.json()})
