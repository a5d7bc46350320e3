"""The methods that belong to a connection: what followers ask about their blocks, and transactions that are broadcast."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .entries import queries
from .errors import RpcError, hex_bytes, invalid, text, to_hex
from .follow import Follow
from .subscriptions import Subscriptions

After = Callable[[], None]
"""What is done once the reply is queued."""
Function = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Connected:
    """A function of a connection, and how many parameters it must and may have."""

    function: Function
    least: int
    most: int

    def call(self, connection: Subscriptions, after: list[After], parameters: list[Any]) -> Any:
        """Call it. Extra parameters are ignored, as by a real node. Raises RpcError."""
        if len(parameters) < self.least:
            raise invalid("No more params")
        return self.function(connection, after, *parameters[: self.most])


CONNECTED: dict[str, Connected] = {}


def connected(name: str) -> Callable[[Function], Function]:
    """Register such a method."""

    def register(function: Function) -> Function:
        own = list(inspect.signature(function).parameters.values())[2:]
        least = sum(one.default is inspect.Parameter.empty for one in own)
        CONNECTED[name] = Connected(function, least, len(own))
        return function

    return register


def _follow(connection: Subscriptions, name: Any) -> Follow | None:
    return connection.follows.get(text(name, "followSubscription"))


def _started(after: list[After], begun: tuple[str, After] | None) -> dict[str, Any]:
    if begun is None:
        return {"result": "limitReached"}
    name, start = begun
    after.append(start)
    return {"result": "started", "operationId": name}


@connected("chainHead_v1_header")
def _header(connection: Subscriptions, after: list[After], name: Any, block: Any) -> Any:
    follow, wanted = _follow(connection, name), hex_bytes(block, "block hash", 32)
    return None if follow is None else to_hex(follow.block(wanted)[0].header.encoded)


@connected("chainHead_v1_body")
def _body(connection: Subscriptions, after: list[After], name: Any, block: Any) -> Any:
    follow, wanted = _follow(connection, name), hex_bytes(block, "block hash", 32)
    if follow is None:
        return {"result": "limitReached"}
    found, _ = follow.block(wanted)
    return _started(after, follow.operate(lambda operation: follow.body(operation, found)))


@connected("chainHead_v1_call")
def _call(connection: Subscriptions, after: list[After], name: Any, block: Any, function: Any, data: Any) -> Any:
    follow, wanted = _follow(connection, name), hex_bytes(block, "block hash", 32)
    called, given = text(function, "function"), hex_bytes(data, "callParameters")
    if follow is None:
        return {"result": "limitReached"}
    state = follow.callable(wanted)
    return _started(after, follow.operate(lambda operation: follow.call(operation, state, called, given)))


@connected("chainHead_v1_storage")
def _storage(
    connection: Subscriptions, after: list[After], name: Any, block: Any, items: Any, child: Any = None
) -> Any:
    follow, wanted, asked = _follow(connection, name), hex_bytes(block, "block hash", 32), queries(items)
    if follow is None:
        return {"result": "limitReached"}
    _, state = follow.block(wanted)
    if child is not None:
        hex_bytes(child, "childTrie")
        asked = []  # there are no child tries
    begun = _started(after, follow.operate(lambda operation: follow.storage(operation, state, asked)))
    return {**begun, "discardedItems": 0} if "operationId" in begun else begun


@connected("chainHead_v1_continue")
def _continue(connection: Subscriptions, after: list[After], name: Any, operation: Any) -> Any:
    follow = _follow(connection, name)
    if follow is not None:
        follow.go_on(text(operation, "operationId"))


@connected("chainHead_v1_stopOperation")
def _stop_operation(connection: Subscriptions, after: list[After], name: Any, operation: Any) -> Any:
    follow = _follow(connection, name)
    if follow is not None:
        follow.stop(text(operation, "operationId"))


@connected("chainHead_v1_unpin")
def _unpin(connection: Subscriptions, after: list[After], name: Any, blocks: Any) -> Any:
    follow = _follow(connection, name)
    hashes = [hex_bytes(one, "block hash", 32) for one in (blocks if isinstance(blocks, list) else [blocks])]
    if follow is not None:
        follow.unpin(hashes)


@connected("transaction_v1_broadcast")
def _broadcast(connection: Subscriptions, after: list[After], transaction: Any) -> Any:
    return connection.broadcasts.begin(hex_bytes(transaction, "transaction"))


@connected("transaction_v1_stop")
def _stop(connection: Subscriptions, after: list[After], operation: Any) -> Any:
    if not connection.broadcasts.stop(text(operation, "operationId")):
        raise RpcError(-32602, "Invalid operation id")
