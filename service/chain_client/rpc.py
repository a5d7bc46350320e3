"""JSON-RPC to a Substrate node over one WebSocket that is rebuilt when it breaks or hangs."""

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
CONNECT_SECONDS = 10.0
HEARTBEAT_SECONDS = 15.0
ABORT_SECONDS = 1.0
FIRST_RETRY_SECONDS = 0.25
LONGEST_RETRY_SECONDS = 4.0
MAX_MESSAGE_BYTES = 64 * 1024 * 1024
MAX_UNREAD = 4096
DISCARDED = "State already discarded"  # by which a node says it; the code is that of all unknown blocks
UNSUBSCRIBED = 0  # the id of requests whose answers nobody waits for


class NodeRpc(Protocol):
    """What a client needs of its connection to a node: :class:`Rpc` over a WebSocket, or another way to the same answers."""

    @property
    def genesis(self) -> bytes | None:
        """The hash of the genesis block; None before :meth:`start`."""
        ...

    async def start(self) -> None:
        """Connect, and keep the connection up. Raises :class:`ConnectionLost` and :class:`WrongChain`."""
        ...

    async def close(self) -> None:
        """Close the connection and end what waits for it."""
        ...

    async def reset(self, reason: str) -> None:
        """Give the connection up and build a new one."""
        ...

    async def request(self, method: str, *parameters: Any) -> Any:
        """Return the result of a call. Raises :class:`RpcError`, :class:`ConnectionLost` and :class:`WrongChain`."""
        ...

    def subscribe(self, method: str, unsubscribe: str, *parameters: Any) -> AbstractAsyncContextManager[Subscription]:
        """Return a subscription, open for the time of the ``async with``."""
        ...


class Subscription:
    """Notifications of one subscription, in order; it ends with :class:`ConnectionLost` when its connection does.

    One whose reader falls :data:`MAX_UNREAD` behind ends too: nothing is left out silently.
    """

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Any] = asyncio.Queue(MAX_UNREAD)
        self._lost = False
        self.identifier: str | None = None

    def put(self, value: Any) -> None:
        """A notification came."""
        if self._lost:
            return
        try:
            self._queue.put_nowait((value,))
        except asyncio.QueueFull:
            self._lost = True

    def lose(self) -> None:
        """The connection is gone."""
        self._lost = True
        with suppress(asyncio.QueueFull):
            self._queue.put_nowait(None)

    async def next(self) -> Any:
        """The next notification. Raises :class:`ConnectionLost`."""
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
    #: how to end what the answer brings, when nobody waits for it any more
    unsubscribe: str | None


class Rpc:
    """One node. Requests wait for a connection; each has a time limit, whose passing rebuilds the connection.

    ``genesis``: the chain that every connection must be on; None: the one of the first connection.
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
        """Connect, and keep the connection up. The first try decides, so that a wrong address is told at once.

        Raises :class:`ConnectionLost` and :class:`WrongChain`.
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
            # whoever still waits for a connection is told
            self._connected.set()

    async def request(self, method: str, *parameters: Any) -> Any:
        """The result of a call. Raises :class:`RpcError`, :class:`ConnectionLost` and :class:`WrongChain`."""
        return await self._send(method, parameters)

    @asynccontextmanager
    async def subscribe(self, method: str, unsubscribe: str, *parameters: Any) -> AsyncIterator[Subscription]:
        """A subscription, for the time of the ``async with``."""
        subscription = Subscription()
        try:
            await self._send(method, parameters, subscription, unsubscribe)
            yield subscription
        finally:
            # still among them only when the connection is the one that it was made on
            if self._subscriptions.pop(subscription.identifier or "", None) is not None:
                await self._tell(unsubscribe, subscription.identifier)

    async def reset(self, reason: str) -> None:
        """Give the connection up and build a new one."""
        if self._socket is not None:
            log.warning("connection given up", url=self.url, reason=reason)
            socket = self._socket
            self._drop(reason)
            self._part(_abort(socket))

    def _part(self, farewell: Coroutine[Any, Any, None]) -> None:
        """Do something of no consequence in the background."""
        task = asyncio.create_task(farewell)
        self._parting.add(task)
        task.add_done_callback(self._parting.discard)

    async def _tell(self, method: str, *parameters: Any) -> None:
        """A request whose answer is of no interest."""
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
        """The connection that there is now."""
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
            # a subscription that is asked for and wanted no more is ended when its answer comes
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
        """Connect, and serve the connection until it ends; whether there was one."""
        try:
            socket = await self._open(session)
        except WrongChain as error:
            # told to everybody who asks, until the node is on the right chain
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
        """A connection to the right chain."""
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
        """Ask for the genesis before anything else: behind an address may stand another chain after a reconnect."""
        await socket.send_json(_request(UNSUBSCRIBED, "chain_getBlockHash", (0,)))
        answer = await socket.receive_json()
        result = answer.get("result") if isinstance(answer, dict) else None
        if not isinstance(result, str):
            raise ValueError(f"no genesis block: {answer!r:.200}")
        found = bytes.fromhex(result[2:])
        if self.genesis is None:
            self.genesis = found
        if found != self.genesis:
            raise WrongChain(f"{self.url} is the chain {found.hex()}, not {self.genesis.hex()}")

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
        """Raises ValueError for what is not JSON-RPC."""
        if not isinstance(message, dict):
            raise ValueError("a message that is no JSON-RPC object")
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
            # registered here and now: the first notification may be in the same packet
            pending.subscription.identifier = str(result)
            self._subscriptions[str(result)] = pending.subscription
        pending.answer.set_result(result)

    def _drop(self, reason: str) -> None:
        """There is no connection any more: end all that hangs on it."""
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
    """Why there is no connection, in few words."""
    if isinstance(error, aiohttp.ClientConnectorError):
        cause = error.os_error
        number = cause.errno or 0
        return os.strerror(number) if number > 0 else cause.strerror or str(cause)
    if isinstance(error, TimeoutError):
        return f"no answer within {CONNECT_SECONDS:g} s"
    return str(error) or type(error).__name__


def _retrieve(answer: asyncio.Future[Any]) -> None:
    """A fault that nobody waits for any more is not one of the loop."""
    if not answer.cancelled():
        answer.exception()


def _request(number: int, method: str, parameters: tuple[Any, ...]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": list(parameters)}


async def _abort(socket: aiohttp.ClientWebSocketResponse) -> None:
    """Close without waiting for a peer that may hang."""
    with suppress(OSError, aiohttp.ClientError, TimeoutError):
        async with asyncio.timeout(ABORT_SECONDS):
            await socket.close()
