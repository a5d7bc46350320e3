"""JSON-RPC to a Substrate node over one WebSocket, which is rebuilt when it breaks or hangs."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
from collections.abc import AsyncIterator, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol

import aiohttp
import structlog

from .errors import ConnectionLost, RpcError, StateDiscarded, WrongChain

log = structlog.get_logger(__name__)

REQUEST_SECONDS = 30.0
"""Time limit of one request. When it passes, the connection counts as hung."""
CONNECT_SECONDS = 10.0
"""Time limit of one try to connect."""
HEARTBEAT_SECONDS = 15.0
"""Interval of WebSocket pings, which find a dead connection while no request is open."""
ABORT_SECONDS = 1.0
"""Time for a courteous close or unsubscribe: the peer may hang."""
FIRST_RETRY_SECONDS = 0.25
"""First pause before reconnecting. It doubles up to `LONGEST_RETRY_SECONDS`, so a restarted node is found soon."""
LONGEST_RETRY_SECONDS = 4.0
MAX_MESSAGE_BYTES = 64 * 1024 * 1024
MAX_UNREAD = 4096
"""Notifications a subscription holds for its reader."""
DISCARDED = "State already discarded"  # the node's message; its error code is shared by all unknown blocks
UNSUBSCRIBED = 0  # the id of requests whose answers are ignored


class NodeRpc(Protocol):
    """The interface of a connection to a node: `Rpc` over a WebSocket, or another way to the same answers."""

    @property
    def genesis(self) -> bytes | None:
        """The hash of the genesis block, or None before `start`."""
        ...

    async def start(self) -> None:
        """Connect, and keep the connection up. Raises ConnectionLost and WrongChain."""
        ...

    async def close(self) -> None:
        """Close the connection and end what waits for it."""
        ...

    async def reset(self, reason: str) -> None:
        """Give up the connection and build a new one."""
        ...

    async def request(self, method: str, *parameters: Any) -> Any:
        """Return the result of a call. Raises RpcError, ConnectionLost and WrongChain."""
        ...

    def subscribe(self, method: str, unsubscribe: str, *parameters: Any) -> AbstractAsyncContextManager[Subscription]:
        """Return a subscription that is open for the duration of the `async with`."""
        ...


class Subscription:
    """The notifications of one subscription, in order. It ends with ConnectionLost when its connection does.

    It also ends if its reader falls `MAX_UNREAD` behind: nothing is left out silently.
    """

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Any] = asyncio.Queue(MAX_UNREAD)
        self._lost = False
        self.identifier: str | None = None

    def put(self, value: Any) -> None:
        """Queue a notification."""
        if self._lost:
            return
        try:
            self._queue.put_nowait((value,))
        except asyncio.QueueFull:
            self._lost = True

    def lose(self) -> None:
        """End the subscription because its connection is gone."""
        self._lost = True
        with suppress(asyncio.QueueFull):
            self._queue.put_nowait(None)

    async def next(self) -> Any:
        """Wait for the next notification and return it. Raises ConnectionLost."""
        if self._lost and self._queue.empty():
            raise ConnectionLost("the subscription's connection is gone")
        item = await self._queue.get()
        if item is None:
            raise ConnectionLost("the subscription's connection is gone")
        return item[0]


@dataclass(slots=True)
class _Pending:
    answer: asyncio.Future[Any]
    subscription: Subscription | None
    unsubscribe: str | None
    """The method that ends a subscription whose requester has gone before the answer came."""


class Rpc:
    """A connection to one node.

    Requests wait for a connection. Each has a time limit; when it passes, the connection is rebuilt. `genesis` is the
    chain that every connection must be on; None takes that of the first connection.
    """

    def __init__(self, url: str, request_seconds: float = REQUEST_SECONDS, genesis: bytes | None = None) -> None:
        self.url, self.genesis = url, genesis
        self._limit = request_seconds
        self._ids = itertools.count(UNSUBSCRIBED + 1)
        self._pending: dict[int, _Pending] = {}
        self._subscriptions: dict[str, Subscription] = {}
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._connected = asyncio.Event()
        self._tried = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._parting: set[asyncio.Task[None]] = set()
        self._wrong: WrongChain | None = None
        self._fault = "not connected yet"

    async def start(self) -> None:
        """Connect, and keep the connection up.

        The first try decides, so that a wrong address is reported at once. Raises ConnectionLost and WrongChain.
        """
        self._task = asyncio.create_task(self._keep_up())
        try:
            await self._tried.wait()
            self._present()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close the connection and end what waits for it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, *self._parting, return_exceptions=True)
            self._task = None
            self._fault = "closed"
            # wake those who still wait for a connection, so that they fail
            self._connected.set()

    async def request(self, method: str, *parameters: Any) -> Any:
        """Return the result of a call. Raises RpcError, ConnectionLost and WrongChain."""
        return await self._send(method, parameters)

    @asynccontextmanager
    async def subscribe(self, method: str, unsubscribe: str, *parameters: Any) -> AsyncIterator[Subscription]:
        """Open a subscription for the duration of the `async with`."""
        subscription = Subscription()
        try:
            await self._send(method, parameters, subscription, unsubscribe)
            yield subscription
        finally:
            # only if the connection on which it was made still stands
            if self._subscriptions.pop(subscription.identifier or "", None) is not None:
                await self._tell(unsubscribe, subscription.identifier)

    async def reset(self, reason: str) -> None:
        """Give up the connection and build a new one."""
        if self._socket is not None:
            log.warning("connection given up", url=self.url, reason=reason)
            socket = self._socket
            self._drop(reason)
            self._part(_abort(socket))

    def _part(self, farewell: Coroutine[Any, Any, None]) -> None:
        """Run something of no consequence in the background."""
        task = asyncio.create_task(farewell)
        self._parting.add(task)
        task.add_done_callback(self._parting.discard)

    async def _tell(self, method: str, *parameters: Any) -> None:
        """Send a request and ignore its answer."""
        if self._socket is not None:
            with suppress(ConnectionError, aiohttp.ClientError, TimeoutError):
                async with asyncio.timeout(ABORT_SECONDS):
                    await self._socket.send_json(_request(UNSUBSCRIBED, method, parameters))

    async def _wait_for_connection(self, seconds: float) -> aiohttp.ClientWebSocketResponse:
        try:
            async with asyncio.timeout(seconds):
                await self._connected.wait()
        except TimeoutError:
            raise ConnectionLost(f"{self.url}: {self._fault}") from None
        return self._present()

    def _present(self) -> aiohttp.ClientWebSocketResponse:
        """Return the current connection. Raises WrongChain or ConnectionLost if there is none."""
        if self._wrong is not None:
            raise self._wrong
        if self._socket is None:
            raise ConnectionLost(f"{self.url}: {self._fault}")
        return self._socket

    async def _send(
        self,
        method: str,
        parameters: tuple[Any, ...],
        subscription: Subscription | None = None,
        unsubscribe: str | None = None,
    ) -> Any:
        socket, number = await self._wait_for_connection(self._limit), next(self._ids)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        answer.add_done_callback(_retrieve)
        self._pending[number] = _Pending(answer, subscription, unsubscribe)
        try:
            async with asyncio.timeout(self._limit):
                await socket.send_json(_request(number, method, parameters))
                return await answer
        except TimeoutError:
            reason = f"no answer to {method} within {self._limit:g} s"
            if socket is self._socket:
                await self.reset(reason)
            raise ConnectionLost(f"{self.url}: {reason}") from None
        except (ConnectionError, aiohttp.ClientError) as error:
            raise ConnectionLost(f"{self.url}: {error}") from error
        finally:
            abandoned = answer.cancel() or answer.cancelled()
            # keep the entry of an abandoned subscription: it is ended when its answer comes
            if unsubscribe is None or not abandoned:
                self._pending.pop(number, None)

    async def _keep_up(self) -> None:
        wait = FIRST_RETRY_SECONDS
        timeout = aiohttp.ClientTimeout(total=None, connect=CONNECT_SECONDS)
        try:
            async with aiohttp.ClientSession(timeout=timeout) as session:
                while True:
                    if await self._connect_once(session):
                        wait = FIRST_RETRY_SECONDS
                    await asyncio.sleep(wait)
                    wait = min(2 * wait, LONGEST_RETRY_SECONDS)
        finally:
            self._drop("closed")

    async def _connect_once(self, session: aiohttp.ClientSession) -> bool:
        """Connect, and serve the connection until it ends. Return whether there was one."""
        try:
            socket = await self._open(session)
        except WrongChain as error:
            # raised to every caller until the node is on the right chain
            self._wrong, self._fault = error, str(error)
            self._connected.set()
            return False
        except (OSError, aiohttp.ClientError, TimeoutError, ValueError, TypeError, RecursionError) as error:
            self._fault = f"cannot connect: {_why(error)}"
            return False
        else:
            self._wrong, self._socket = None, socket
            self._connected.set()
        finally:
            self._tried.set()
        await self._read(socket)
        return True

    async def _open(self, session: aiohttp.ClientSession) -> aiohttp.ClientWebSocketResponse:
        """Open a connection to the right chain."""
        async with asyncio.timeout(CONNECT_SECONDS):
            socket = await session.ws_connect(
                self.url, heartbeat=HEARTBEAT_SECONDS, max_msg_size=MAX_MESSAGE_BYTES, compress=0
            )
            try:
                await self._greet(socket)
            except BaseException:
                self._part(_abort(socket))
                raise
        return socket

    async def _greet(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Check the genesis before anything else: after a reconnect the address may belong to another chain."""
        await socket.send_json(_request(UNSUBSCRIBED, "chain_getBlockHash", (0,)))
        answer = await socket.receive_json()
        result = answer.get("result") if isinstance(answer, dict) else None
        if not isinstance(result, str):
            raise ValueError(f"no genesis block: {answer!r:.200}")
        found = bytes.fromhex(result[2:])
        if self.genesis is None:
            self.genesis = found
        if found != self.genesis:
            raise WrongChain(f"{self.url} is on chain {found.hex()}, not {self.genesis.hex()}")

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        fault = "closed"
        try:
            async for message in socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    self._dispatch(json.loads(message.data))
            fault = f"the node closed the connection ({socket.close_code})"
        except (OSError, aiohttp.ClientError, ValueError, RecursionError) as error:
            fault = f"the connection broke: {error}"
        finally:
            if self._socket is socket:
                self._drop(fault)
            await _abort(socket)

    def _dispatch(self, message: Any) -> None:
        """Deliver a message. Raises ValueError if it is not JSON-RPC."""
        if not isinstance(message, dict):
            raise ValueError("the message is not a JSON-RPC object")
        number = message.get("id")
        if number is not None:
            pending = self._pending.pop(number, None) if isinstance(number, int) else None
            if pending is not None:
                self._answer(pending, message)
            return
        parameters = message.get("params")
        if isinstance(parameters, dict) and "subscription" in parameters:
            subscription = self._subscriptions.get(str(parameters["subscription"]))
            if subscription is not None:
                subscription.put(parameters.get("result"))

    def _answer(self, pending: _Pending, message: dict[str, Any]) -> None:
        error = message.get("error")
        if pending.answer.done():
            if error is None and pending.unsubscribe is not None:
                self._part(self._tell(pending.unsubscribe, message.get("result")))
            return
        if error is not None:
            if not isinstance(error, dict) or not isinstance(error.get("code"), int):
                pending.answer.set_exception(ConnectionLost(f"{self.url}: an error without a code: {error!r:.200}"))
                return
            reason, data = str(error.get("message", "")), error.get("data")
            kind = StateDiscarded if DISCARDED in f"{reason} {data}" else RpcError
            pending.answer.set_exception(kind(error["code"], reason, data))
            return
        result = message.get("result")
        if pending.subscription is not None:
            # register before returning to the loop: the first notification may be in the same packet
            pending.subscription.identifier = str(result)
            self._subscriptions[str(result)] = pending.subscription
        pending.answer.set_result(result)

    def _drop(self, reason: str) -> None:
        """Mark the connection as gone and end all requests and subscriptions on it."""
        self._socket, self._fault = None, reason
        self._connected.clear()
        pending, self._pending = self._pending, {}
        for one in pending.values():
            if not one.answer.done():
                one.answer.set_exception(ConnectionLost(f"{self.url}: {reason}"))
        subscriptions, self._subscriptions = self._subscriptions, {}
        for subscription in subscriptions.values():
            subscription.lose()


def _why(error: Exception) -> str:
    """Return in a few words why there is no connection."""
    if isinstance(error, aiohttp.ClientConnectorError):
        cause = error.os_error
        number = cause.errno or 0
        return os.strerror(number) if number > 0 else cause.strerror or str(cause)
    if isinstance(error, TimeoutError):
        return f"no answer within {CONNECT_SECONDS:g} s"
    return str(error) or type(error).__name__


def _retrieve(answer: asyncio.Future[Any]) -> None:
    """Retrieve the exception of an abandoned answer, so that the loop does not report it."""
    if not answer.cancelled():
        answer.exception()


def _request(number: int, method: str, parameters: tuple[Any, ...]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": list(parameters)}


async def _abort(socket: aiohttp.ClientWebSocketResponse) -> None:
    """Close without waiting long for a peer that may hang."""
    with suppress(OSError, aiohttp.ClientError, TimeoutError):
        async with asyncio.timeout(ABORT_SECONDS):
            await socket.close()
