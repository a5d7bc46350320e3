"""archive_v1: blocks and states of any height that is still there.

The rules are those of the JSON-RPC specification, https://paritytech.github.io/json-rpc-interface-spec/api/archive.html.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from ..node.chain import UnknownBlock
from ..state.trie import Trie
from .entries import HASH, VALUE, Entry, answers, entry, queries
from .errors import RpcError, hex_bytes, invalid, text, to_hex, whole_number
from .methods import MAX_BLOCK_NUMBER, SLICE_KEYS, Node, method

MAX_DIFFERENCES = 1_000


@method("archive_v1_genesisHash")
def _genesis_hash(node: Node) -> Any:
    return to_hex(node.chain.genesis.hash)


@method("archive_v1_finalizedHeight")
def _finalized_height(node: Node) -> Any:
    return node.chain.finalized.number


@method("archive_v1_hashByHeight")
def _hash_by_height(node: Node, height: Any) -> Any:
    if isinstance(height, str):  # numbers in hex are of the older methods
        raise invalid("height: a number is needed")
    number = whole_number(height, "height", MAX_BLOCK_NUMBER)
    return [to_hex(block.hash) for block in node.chain.level(number)]


@method("archive_v1_header")
def _header(node: Node, block: Any) -> Any:
    found = node.known(block)
    return None if found is None else to_hex(found.header.encoded)


@method("archive_v1_body")
def _body(node: Node, block: Any) -> Any:
    found = node.known(block)
    return None if found is None else [to_hex(one) for one in found.body]


@method("archive_v1_call")
def _call(node: Node, block: Any, name: Any, data: Any) -> Any:
    found, function, given = hex_bytes(block, "block hash", 32), text(name, "method"), hex_bytes(data, "data")
    try:
        return {"success": True, "value": to_hex(node.call_on(_state(node, found), function, given))}
    except RpcError as error:
        return {"success": False, "error": error.message.removeprefix("Client error: ")}


def _state(node: Node, block: bytes) -> Trie:
    try:
        return node.chain.state(node.chain.block(block))
    except UnknownBlock as error:
        raise RpcError(0, f"UnknownBlock: {error}") from None


async def storage(node: Node, parameters: list[Any]) -> AsyncIterator[Entry]:
    """Yield the events of `archive_v1_storage` for these parameters."""
    try:
        state = _state(node, hex_bytes(parameters[0], "block hash", 32))
        wanted = queries(parameters[1])
    except RpcError as error:
        yield {"event": "storageError", "error": error.data or error.message}
        return
    async for part in answers(node, state, wanted):
        for one in part:
            yield {"event": "storage", **one}
    yield {"event": "storageDone"}


async def differences(node: Node, parameters: list[Any]) -> AsyncIterator[Entry]:
    """Yield the events of `archive_v1_storageDiff`: what changed between a block and an older one, by default its parent."""
    try:
        name = hex_bytes(parameters[0], "block hash", 32)
        after = _state(node, name)
        older = parameters[2] if len(parameters) > 2 else None
        parent = node.chain.block(name).header.parent if older is None else hex_bytes(older, "previous hash", 32)
        before = _state(node, parent)
        wanted = _prefixes(parameters[1])
    except RpcError as error:
        yield {"event": "storageDiffError", "error": error.data or error.message}
        return

    def difference(key: bytes) -> Entry | None:
        for prefix, kind in wanted:
            if key.startswith(prefix):
                return _difference(key, kind, before.get(key), after.get(key))
        return None

    async for part in node.turns.each(after.differing(before), SLICE_KEYS, difference):
        for one in part:
            if one is not None:
                yield one
    yield {"event": "storageDiffDone"}


def _difference(key: bytes, kind: str, old: bytes | None, new: bytes | None) -> Entry:
    value = old if new is None else new
    assert value is not None
    change = "deleted" if new is None else "added" if old is None else "modified"
    return {"event": "storageDiff", **entry(key, kind, value), "type": change}


def _prefixes(given: Any) -> list[tuple[bytes, str]]:
    if not isinstance(given, list) or len(given) > MAX_DIFFERENCES:
        raise invalid(f"items: a list of at most {MAX_DIFFERENCES} is needed")
    found = []
    for one in given:
        if not isinstance(one, dict) or one.get("returnType") not in (VALUE, HASH):
            raise invalid(f"items: each needs a key, and a returnType, {VALUE} or {HASH}")
        found.append((hex_bytes(one.get("key"), "key"), one["returnType"]))
    return found or [(b"", VALUE)]
