"""chainHead_v1: a client follows the chain, keeps the blocks it was told of pinned, and asks about them.

The rules are those of the JSON-RPC specification, https://paritytech.github.io/json-rpc-interface-spec/api/chainHead.html.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from ..node.chain import Block
from ..node.engine import Added, BestChanged, Event, Finalized
from ..state.trie import Trie
from .entries import Query, answers
from .errors import RpcError, to_hex
from .methods import Node, version_json

log = structlog.get_logger(__name__)

TOLD_FINALIZED = 16
"""How many of the newest finalized blocks a follower is told of at first."""
MAX_PINNED = 512
"""A follower that keeps more blocks pinned is told to begin anew."""
MAX_OPERATIONS = 16
PAGE_ENTRIES = 1_000
"""Entries that are sent before the client must ask to go on."""
NOT_PINNED, NO_RUNTIME, DUPLICATE = -32801, -32802, -32804

Notify = Callable[[dict[str, Any]], None]


def _nothing() -> None:
    pass


class Operation:
    """A question about a block whose answer comes as events."""

    def __init__(self, work: Coroutine[Any, Any, None]) -> None:
        self._work = work
        self._task: asyncio.Task[None] | None = None
        self.go_on = asyncio.Event()

    def start(self) -> None:
        """Begin, once the client knows the operation's name."""
        self._task = asyncio.create_task(self._work)

    def stop(self) -> None:
        """End it; nothing more is told of it."""
        if self._task is None:
            self._work.close()
        else:
            self._task.cancel()


class Follow:
    """One `chainHead_v1_follow`. `notify` tells the client of an event, `over` ends the subscription after a `stop`."""

    def __init__(self, node: Node, with_runtime: bool, notify: Notify, over: Callable[[], None]) -> None:
        self._node, self._with_runtime, self._notify, self._over = node, with_runtime, notify, over
        self._known: dict[bytes, int] = {}
        self._pinned: dict[bytes, tuple[Block, Trie | None]] = {}
        self._operations: dict[str, Operation] = {}
        self._numbers = 0
        self._unlisten: Callable[[], None] = _nothing

    # the chain

    def begin(self) -> None:
        """Tell of the newest finalized blocks and of those on them, and listen from now on."""
        chain = self._node.chain
        newest = chain.finalized.number
        line = [chain.at(number) for number in range(max(0, newest - TOLD_FINALIZED + 1), newest + 1)]
        finalized = [block for block in line if block is not None]
        for block in finalized:
            self._pin(block)
        told: dict[str, Any] = {
            "event": "initialized",
            "finalizedBlockHashes": [to_hex(block.hash) for block in finalized],
        }
        if self._with_runtime:
            told["finalizedBlockRuntime"] = self._runtime(finalized[-1])
        self._notify(told)
        number = newest + 1
        while level := chain.level(number):
            for block in level:
                self._added(block)
            number += 1
        self._notify({"event": "bestBlockChanged", "bestBlockHash": to_hex(chain.best.hash)})
        self._unlisten = self._node.engine.listen(self._hear)

    def end(self) -> None:
        """Listen no longer, and drop all operations."""
        self._unlisten()
        self._unlisten = _nothing
        for one in self._operations.values():
            one.stop()
        self._operations.clear()
        self._pinned.clear()

    def _pin(self, block: Block) -> None:
        self._known[block.hash] = block.number
        self._pinned[block.hash] = block, block.state

    def _hear(self, event: Event) -> None:
        if isinstance(event, Added):
            known = self._added(event.block)
            # one on a fork that was ruled out is of no concern; but after a jump, those in between are missing
            sound = known or not self._node.chain.is_best(event.block)
        else:
            sound = event.block.hash in self._known
            if sound and isinstance(event, BestChanged):
                self._notify({"event": "bestBlockChanged", "bestBlockHash": to_hex(event.block.hash)})
            elif sound and isinstance(event, Finalized):
                self._finalized(event)
        if not sound or len(self._pinned) > MAX_PINNED:
            self._notify({"event": "stop"})
            self._over()

    def _added(self, block: Block) -> bool:
        if block.header.parent not in self._known:
            return False
        told: dict[str, Any] = {
            "event": "newBlock",
            "blockHash": to_hex(block.hash),
            "parentBlockHash": to_hex(block.header.parent),
        }
        if self._with_runtime:
            told["newRuntime"] = self._new_runtime(block)
        self._pin(block)
        self._notify(told)
        return True

    def _finalized(self, event: Finalized) -> None:
        gone = [to_hex(block.hash) for block in event.ruled_out if block.hash in self._known]
        told = {"finalizedBlockHashes": [to_hex(event.block.hash)], "prunedBlockHashes": gone}
        number = event.block.number
        ruled_out = {block.hash for block in event.ruled_out}
        self._known = {one: at for one, at in self._known.items() if at >= number and one not in ruled_out}
        self._notify({"event": "finalized", **told})

    def _runtime(self, block: Block) -> dict[str, Any]:
        found = version_json(self._node, block)
        wanted = ("specName", "implName", "specVersion", "implVersion", "transactionVersion")
        return {"type": "valid", "spec": {**{name: found[name] for name in wanted}, "apis": dict(found["apis"])}}

    def _new_runtime(self, block: Block) -> dict[str, Any] | None:
        parent = self._node.chain.block(block.header.parent)
        if parent.state is None:
            return None
        now = self._runtime(block)
        return None if now == self._runtime(parent) else now

    # what the client asks

    def block(self, block_hash: bytes) -> tuple[Block, Trie | None]:
        """Return a pinned block with its state, which is None if it is pruned. Raises RpcError."""
        found = self._pinned.get(block_hash)
        if found is None:
            raise RpcError(NOT_PINNED, "Invalid block hash")
        return found

    def callable(self, block_hash: bytes) -> Trie | None:
        """Return the state of a pinned block, to call its runtime. Raises RpcError if the client wanted no runtime."""
        _, state = self.block(block_hash)
        if not self._with_runtime:
            why = "The `chainHead_follow` subscription was started with `withRuntime` set to `false`"
            raise RpcError(NO_RUNTIME, why)
        return state

    def unpin(self, hashes: list[bytes]) -> None:
        """Unpin blocks, all or none. Raises RpcError."""
        if len(set(hashes)) != len(hashes):
            raise RpcError(DUPLICATE, "Received duplicate hashes for the `chainHead_unpin` method")
        for one in hashes:
            self.block(one)
        for one in hashes:
            del self._pinned[one]

    def operate(self, work: Callable[[str], Coroutine[Any, Any, None]]) -> tuple[str, Callable[[], None]] | None:
        """Prepare an operation. Return its name and what starts it, or None if there are too many."""
        if len(self._operations) >= MAX_OPERATIONS:
            return None
        self._numbers += 1
        name = str(self._numbers)
        operation = self._operations[name] = Operation(self._run(name, work))
        return name, operation.start

    def stop(self, name: str) -> None:
        """End an operation, if there is one of that name."""
        operation = self._operations.pop(name, None)
        if operation is not None:
            operation.stop()

    def go_on(self, name: str) -> None:
        """Let an operation go on that waits for the client."""
        operation = self._operations.get(name)
        if operation is not None:
            operation.go_on.set()

    async def _run(self, name: str, work: Callable[[str], Coroutine[Any, Any, None]]) -> None:
        try:
            await work(name)
        except RpcError as error:
            self.tell(name, "Error", error=error.message.removeprefix("Client error: "))
        except Exception as error:
            log.exception("an operation failed")
            self.tell(name, "Error", error=repr(error))
        finally:
            self._operations.pop(name, None)

    def tell(self, name: str, what: str, **more: Any) -> None:
        """Tell the client of an operation."""
        self._notify({"event": f"operation{what}", "operationId": name, **more})

    async def body(self, name: str, block: Block) -> None:
        """Answer with a block's extrinsics."""
        self.tell(name, "BodyDone", value=[to_hex(one) for one in block.body])

    async def call(self, name: str, state: Trie | None, function: str, data: bytes) -> None:
        """Answer with what the runtime says."""
        if state is None:
            self.tell(name, "Inaccessible")
            return
        async with self._node.turns.one():
            output = self._node.call_on(state, function, data)
        self.tell(name, "CallDone", output=to_hex(output))

    async def storage(self, name: str, state: Trie | None, wanted: list[Query]) -> None:
        """Answer with entries of the state, page by page."""
        if state is None:
            self.tell(name, "Inaccessible")
            return
        sent = 0
        async for found in answers(self._node, state, wanted):
            self.tell(name, "StorageItems", items=found)
            sent += len(found)
            if sent >= PAGE_ENTRIES:
                sent = 0
                go_on = self._operations[name].go_on
                go_on.clear()
                self.tell(name, "WaitingForContinue")
                await go_on.wait()
        self.tell(name, "StorageDone")
