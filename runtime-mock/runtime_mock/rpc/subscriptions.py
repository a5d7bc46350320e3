"""The methods with continuing answers: heads, storage, runtime version, and the status of an extrinsic."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ..node.chain import Header
from ..node.engine import Added, BestChanged, Event, Finalized
from ..node.pool import Status
from .archive import differences, storage
from .broadcast import Broadcasts
from .errors import (
    TOO_MANY_FOLLOWS,
    TOO_MANY_SUBSCRIPTIONS,
    RpcError,
    hex_bytes,
    hex_list,
    invalid,
    optional_hex,
    to_hex,
)
from .follow import Follow
from .methods import Node, header_json, version_json
from .outbox import encode
from .watched import Changes, WatchedKeys

MAX_SUBSCRIPTIONS = 1024
MAX_FOLLOWS = 4
"""chainHead_v1_follow subscriptions of one connection."""
MAX_STORAGE_KEYS = 1000
MAX_WATCHED_KEYS = 20_000
"""Keys that all storage subscriptions of a connection may watch together."""
# subscribe: (unsubscribe, the method of the notifications)
HEADS = {
    "chain_subscribeNewHeads": ("chain_unsubscribeNewHeads", "chain_newHead"),
    "chain_subscribeNewHead": ("chain_unsubscribeNewHead", "chain_newHead"),
    "subscribe_newHead": ("unsubscribe_newHead", "chain_newHead"),
    "chain_subscribeAllHeads": ("chain_unsubscribeAllHeads", "chain_allHead"),
    "chain_subscribeFinalizedHeads": ("chain_unsubscribeFinalizedHeads", "chain_finalizedHead"),
    "chain_subscribeFinalisedHeads": ("chain_unsubscribeFinalisedHeads", "chain_finalizedHead"),
}
OTHERS = {
    "state_subscribeStorage": "state_unsubscribeStorage",
    "state_subscribeRuntimeVersion": "state_unsubscribeRuntimeVersion",
    "chain_subscribeRuntimeVersion": "chain_unsubscribeRuntimeVersion",
    "author_submitAndWatchExtrinsic": "author_unwatchExtrinsic",
    "chainHead_v1_follow": "chainHead_v1_unfollow",
    "archive_v1_storage": "archive_v1_stopStorage",
    "archive_v1_storageDiff": "archive_v1_storageDiff_stopStorageDiff",
}
SUBSCRIBE = {*HEADS, *OTHERS}
UNSUBSCRIBE = {unsubscribe for unsubscribe, _ in HEADS.values()} | set(OTHERS.values())
KINDS = {"chain_newHead": BestChanged, "chain_allHead": Added, "chain_finalizedHead": Finalized}
# statuses that end a watch
LAST = ("invalid", "dropped", "finalized", "usurped", "finalityTimeout")

ARCHIVE = {"archive_v1_storage": storage, "archive_v1_storageDiff": differences}

Send = Callable[[bytes], None]
Drained = Callable[[], Awaitable[None]]
_numbers = itertools.count(1)


def _nothing() -> None:
    pass


async def _at_once() -> None:
    pass


@lru_cache(maxsize=4)
def _encoded(header: Header) -> bytes:
    """Return the header as JSON, once for all subscriptions that tell of it."""
    return encode(header_json(header))


@dataclass(slots=True)
class _Subscription:
    """A subscription. Its notifications wait in `early` until the reply with its id is on its way."""

    identifier: str
    notification: str
    early: list[bytes] | None
    heard: Callable[[Event], None] | None = None
    begin: Callable[[], None] = _nothing
    end: Callable[[], None] = _nothing


class Subscriptions:
    """The subscriptions of one connection. `send` queues a message; nothing is awaited."""

    def __init__(self, node: Node, send: Send, watched: WatchedKeys, drained: Drained | None = None) -> None:
        self.node, self.broadcasts = node, Broadcasts(node)
        self.follows: dict[str, Follow] = {}
        self._node, self._send, self._watched = node, send, watched
        self._drained = drained or _at_once
        self._keys = 0
        self._open: dict[str, _Subscription] = {}
        self._stop = node.engine.listen(self._hear)

    def __len__(self) -> int:
        return len(self._open)

    def idle(self) -> bool:
        """Return whether the connection follows nothing, and broadcasts nothing."""
        return not self._open and not self.broadcasts

    def close(self) -> None:
        """End all of them."""
        self._stop()
        for one in self._open.values():
            one.end()
        self._open.clear()
        self.broadcasts.close()

    def subscribe(self, name: str, parameters: list[Any]) -> tuple[str, Callable[[], None]]:
        """Begin a subscription. Return its id and what to call once the reply is queued.

        Raises RpcError and PoolError.
        """
        if len(self._open) >= MAX_SUBSCRIPTIONS:
            why = f"Exceeded max limit of {MAX_SUBSCRIPTIONS}"
            raise RpcError(TOO_MANY_SUBSCRIPTIONS, "Too many subscriptions on the connection", why)
        new = _Subscription(f"{next(_numbers):016x}", "", [])
        if name in HEADS:
            self._heads(new, HEADS[name][1])
        elif name.endswith("RuntimeVersion"):
            self._runtime_version(new)
        elif name == "state_subscribeStorage":
            self._storage(new, parameters)
        elif name == "chainHead_v1_follow":
            self._follow(new, parameters)
        elif name in ARCHIVE:
            self._archive(new, name, parameters)
        else:
            self._watch(new, parameters)
        return new.identifier, lambda: self._flush(new)

    def unsubscribe(self, name: str, parameters: list[Any]) -> bool:
        """End a subscription. Return whether it existed."""
        if not parameters:
            raise invalid("No more params")
        found = str(parameters[0]) in self._open
        self._close(str(parameters[0]))
        return found

    def _hear(self, event: Event) -> None:
        for one in list(self._open.values()):
            if one.heard is not None:
                one.heard(event)

    def _flush(self, one: _Subscription) -> None:
        early, one.early = one.early or [], None
        for message in early:
            self._send(message)
        if one.identifier in self._open:
            one.begin()

    def _notify(self, one: _Subscription, result: Any) -> None:
        self._notify_encoded(one, encode(result))

    def _notify_encoded(self, one: _Subscription, result: bytes) -> None:
        head = f'{{"jsonrpc":"2.0","method":"{one.notification}","params":{{"subscription":"{one.identifier}","result":'
        message = head.encode() + result + b"}}"
        if one.early is None:
            self._send(message)
        else:
            one.early.append(message)

    def _heads(self, new: _Subscription, notification: str) -> None:
        kind = KINDS[notification]

        def heard(event: Event) -> None:
            if isinstance(event, kind):
                self._notify_encoded(new, _encoded(event.block.header))

        new.notification, new.heard = notification, heard
        self._open[new.identifier] = new
        chain = self._node.chain
        self._notify_encoded(new, _encoded((chain.finalized if kind is Finalized else chain.best).header))

    def _runtime_version(self, new: _Subscription) -> None:
        shown: Any = None

        def heard(event: Event) -> None:
            nonlocal shown
            if isinstance(event, BestChanged):
                found = version_json(self._node, event.block)
                if found != shown:
                    shown = found
                    self._notify(new, found)

        new.notification, new.heard = "state_runtimeVersion", heard
        self._open[new.identifier] = new
        heard(BestChanged(self._node.chain.best, ()))

    def _storage(self, new: _Subscription, parameters: list[Any]) -> None:
        if not parameters or parameters[0] is None:
            raise invalid("keys: a list is needed")
        keys = list(dict.fromkeys(hex_list(parameters[0], "keys", MAX_STORAGE_KEYS)))
        if self._keys + len(keys) > MAX_WATCHED_KEYS:
            why = f"Exceeded max limit of {MAX_WATCHED_KEYS} keys"
            raise RpcError(TOO_MANY_SUBSCRIPTIONS, "Too many subscriptions on the connection", why)

        def changed(block: bytes, changes: Changes) -> None:
            found = [[to_hex(key), optional_hex(value)] for key, value in changes.items()]
            self._notify(new, {"block": to_hex(block), "changes": found})

        def end() -> None:
            self._keys -= len(keys)
            self._watched.end(keys, changed)

        best = self._node.chain.best
        state = self._node.chain.state(best)
        self._keys += len(keys)
        self._watched.watch(keys, changed)
        new.notification, new.end = "state_storage", end
        self._open[new.identifier] = new
        changed(best.hash, {key: state.get(key) for key in keys})

    def _follow(self, new: _Subscription, parameters: list[Any]) -> None:
        if len(self.follows) >= MAX_FOLLOWS:
            raise RpcError(TOO_MANY_FOLLOWS, "Maximum number of chainHead_follow has been reached")
        if not parameters or not isinstance(parameters[0], bool):
            raise invalid("withRuntime: true or false is needed")
        follow = Follow(
            self._node, parameters[0], lambda event: self._notify(new, event), lambda: self._close(new.identifier)
        )

        def end() -> None:
            del self.follows[new.identifier]
            follow.end()

        new.notification, new.end = "chainHead_v1_followEvent", end
        self._open[new.identifier], self.follows[new.identifier] = new, follow
        follow.begin()

    def _close(self, identifier: str) -> None:
        found = self._open.pop(identifier, None)
        if found is not None:
            found.end()

    def _archive(self, new: _Subscription, name: str, parameters: list[Any]) -> None:
        events = ARCHIVE[name](self._node, parameters)

        async def tell() -> None:
            try:
                async for event in events:
                    self._notify(new, event)
                    await self._drained()
            finally:
                self._open.pop(new.identifier, None)

        def begin() -> None:
            new.end = asyncio.create_task(tell()).cancel  # type: ignore[assignment]

        if len(parameters) < 2 or not isinstance(parameters[1], list):
            raise invalid("items: a list is needed")
        new.notification, new.begin = f"{name}Event", begin
        self._open[new.identifier] = new

    def _watch(self, new: _Subscription, parameters: list[Any]) -> None:
        if not parameters:
            raise invalid("No more params")
        extrinsic = hex_bytes(parameters[0], "extrinsic")
        engine = self._node.engine

        def told(status: Status) -> None:
            self._notify(new, status)
            if (status if isinstance(status, str) else next(iter(status))) in LAST:
                self._open.pop(new.identifier, None)

        new.notification = "author_extrinsicUpdate"
        new.end = lambda: engine.unwatch(told)
        self._open[new.identifier] = new
        try:
            engine.submit(extrinsic, told)
        except BaseException:
            self._open.pop(new.identifier, None)
            raise
