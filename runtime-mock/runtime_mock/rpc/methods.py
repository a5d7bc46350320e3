"""The methods that answer at once. Each is a function of the node and of the call's parameters."""

from __future__ import annotations

import inspect
import itertools
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from .. import ss58
from ..chainspec import ChainSpec
from ..codec import CodecError, Reader, blake2_256
from ..node.chain import Block, Header, UnknownBlock
from ..node.engine import Engine
from ..runtime import CODE, NoSuchMethod, RuntimeTrap
from ..state.overlay import Overlay
from ..state.trie import Trie
from .errors import (
    CLIENT,
    INTERNAL,
    NO_RANGE,
    TOO_BIG_RESPONSE,
    TOO_MANY_KEYS,
    RpcError,
    hex_bytes,
    hex_list,
    invalid,
    optional_hex,
    text,
    to_hex,
    whole_number,
)
from .faults import Faults
from .turns import Turns

PEER_ID_HEAD = bytes.fromhex("002408011220")
"""What stands before the 32 bytes of an ed25519 key in the name of a libp2p peer."""
MAX_KEYS = 10_000
MAX_PAGE = 1_000
MAX_BLOCKS = 1_000
SLICE_KEYS, SLICE_BLOCKS = 200, 10
"""How much of a long answer is found in one turn."""
MAX_BLOCK_NUMBER = 2**32 - 1
MAX_ANSWER_BYTES = 15 * 1024 * 1024

Function = Callable[..., Any | Awaitable[Any]]


class Node:
    """The chain and its spec, on which the methods work."""

    def __init__(self, engine: Engine, spec: ChainSpec) -> None:
        self.engine, self.spec = engine, spec
        self.chain = engine.chain
        self.faults = Faults()
        self.turns = Turns()
        self.peer_id = ss58.base58(PEER_ID_HEAD + secrets.token_bytes(32))
        self._metadata: tuple[bytes | None, str] = None, ""

    def block(self, value: Any) -> Block:
        """Return the block of a hash parameter; None stands for the best one. Raises RpcError."""
        if value is None:
            return self.chain.best
        name = hex_bytes(value, "block hash", 32)
        try:
            return self.chain.block(name)
        except UnknownBlock:
            why = f"Client error: UnknownBlock: Header was not found in the database: 0x{name.hex()}"
            raise RpcError(CLIENT, why) from None

    def state(self, value: Any) -> Trie:
        """Return the state after the block of a hash parameter. Raises RpcError."""
        try:
            return self.chain.state(self.block(value))
        except UnknownBlock as error:
            raise RpcError(CLIENT, f"Client error: UnknownBlock: {error}") from None

    def known(self, value: Any) -> Block | None:
        """Return the block of a hash parameter, or None if there is none. Raises RpcError."""
        try:
            return self.block(value)
        except RpcError as error:
            if error.code == CLIENT:
                return None
            raise

    def call(self, block: Block, name: str, data: bytes) -> bytes:
        """Call a runtime API at a block. Raises RpcError."""
        return self.call_on(self.state(to_hex(block.hash)), name, data)

    def call_on(self, state: Trie, name: str, data: bytes) -> bytes:
        """Call a runtime API on a state. Raises RpcError."""
        try:
            return self.chain.runtime.call(Overlay(state), name, data)
        except NoSuchMethod:
            why = f"Client error: Execution failed: Other: Exported method {name} is not found"
            raise RpcError(CLIENT, why) from None
        except RuntimeTrap as error:
            raise RpcError(CLIENT, f"Client error: Execution failed: {error}") from None

    def metadata(self, block: Block) -> str:
        """Return the metadata of the runtime in a block's state, in hex; the last one is remembered. Raises RpcError."""
        code = self.state(to_hex(block.hash)).get(CODE)
        if code is None or code is not self._metadata[0]:
            self._metadata = code, to_hex(Reader(self.call(block, "Metadata_metadata", b"")).bytes())
        return self._metadata[1]


@dataclass(frozen=True, slots=True)
class Method:
    """A function, and how many parameters it must and may have."""

    function: Function
    least: int
    most: int

    async def call(self, node: Node, parameters: list[Any]) -> Any:
        """Call the function, in a turn unless it takes its own. Extra parameters are ignored, as by a real node.

        Raises RpcError.
        """
        if len(parameters) < self.least:
            raise invalid("No more params")
        given = parameters[: self.most]
        if inspect.iscoroutinefunction(self.function):
            return await self.function(node, *given)
        async with node.turns.one():
            return self.function(node, *given)


METHODS: dict[str, Method] = {}


def method(*names: str) -> Callable[[Function], Function]:
    """Register a method under its name and its aliases."""

    def register(function: Function) -> Function:
        own = list(inspect.signature(function).parameters.values())[1:]
        least = sum(one.default is inspect.Parameter.empty for one in own)
        METHODS.update(dict.fromkeys(names, Method(function, least, len(own))))
        return function

    return register


def header_json(header: Header) -> dict[str, Any]:
    """Return a header as clients expect it."""
    return {
        "parentHash": to_hex(header.parent),
        "number": hex(header.number),
        "stateRoot": to_hex(header.state_root),
        "extrinsicsRoot": to_hex(header.extrinsics_root),
        "digest": {"logs": [to_hex(item) for item in header.digest]},
    }


def version_json(node: Node, block: Block) -> dict[str, Any]:
    """Return the runtime version after a block as clients expect it."""
    found = node.chain.version_at(block)
    return {
        "specName": found.spec_name,
        "implName": found.impl_name,
        "authoringVersion": found.authoring_version,
        "specVersion": found.spec_version,
        "implVersion": found.impl_version,
        "apis": [[to_hex(name), number] for name, number in found.apis],
        "transactionVersion": found.transaction_version,
        "systemVersion": found.system_version,
        "stateVersion": found.state_version,
    }


@method("chain_getBlockHash", "chain_getHead")
def _block_hash(node: Node, number: Any = None) -> Any:
    if isinstance(number, list):
        if len(number) > MAX_BLOCKS or any(isinstance(one, list) for one in number):
            raise invalid(f"a list of at most {MAX_BLOCKS} numbers is needed")
        return [_block_hash(node, one) for one in number]
    if number is None:
        return to_hex(node.chain.best.hash)
    block = node.chain.at(whole_number(number, "block number", MAX_BLOCK_NUMBER))
    return None if block is None else to_hex(block.hash)


@method("chain_getFinalizedHead", "chain_getFinalisedHead")
def _finalized_head(node: Node) -> Any:
    return to_hex(node.chain.finalized.hash)


@method("chain_getHeader")
def _header(node: Node, block: Any = None) -> Any:
    found = node.known(block)
    return None if found is None else header_json(found.header)


@method("chain_getBlock")
def _block(node: Node, block: Any = None) -> Any:
    found = node.known(block)
    if found is None:
        return None
    extrinsics = [to_hex(one) for one in found.body]
    return {"block": {"header": header_json(found.header), "extrinsics": extrinsics}, "justifications": None}


@method("state_getRuntimeVersion", "chain_getRuntimeVersion")
def _runtime_version(node: Node, block: Any = None) -> Any:
    found = node.block(block)
    node.state(block)
    return version_json(node, found)


@method("state_getMetadata")
def _metadata(node: Node, block: Any = None) -> Any:
    return node.metadata(node.block(block))


@method("state_call", "state_callAt")
def _state_call(node: Node, name: Any, data: Any, block: Any = None) -> Any:
    return to_hex(node.call(node.block(block), text(name, "method"), hex_bytes(data, "data")))


@method("state_getStorage", "state_getStorageAt")
def _storage(node: Node, key: Any, block: Any = None) -> Any:
    return optional_hex(node.state(block).get(hex_bytes(key, "key")))


@method("state_getStorageHash", "state_getStorageHashAt")
def _storage_hash(node: Node, key: Any, block: Any = None) -> Any:
    value = node.state(block).get(hex_bytes(key, "key"))
    return None if value is None else to_hex(blake2_256(value))


@method("state_getStorageSize", "state_getStorageSizeAt")
def _storage_size(node: Node, key: Any, block: Any = None) -> Any:
    value = node.state(block).get(hex_bytes(key, "key"))
    return None if value is None else len(value)


class _Room:
    """The room left in an answer."""

    def __init__(self) -> None:
        self._left = MAX_ANSWER_BYTES

    def take(self, key: bytes, value: bytes | None) -> None:
        """Charge an entry against the response limit. Raises RpcError if it does not fit."""
        self._left -= 2 * (len(key) + len(value or b""))
        if self._left < 0:
            raise RpcError(TOO_BIG_RESPONSE, "Response is too big", f"Exceeded max limit of {MAX_ANSWER_BYTES}")

    def changes(self, entries: dict[bytes, bytes | None]) -> list[list[str | None]]:
        """Return entries as clients expect them. Raises RpcError if they do not fit."""
        for key, value in entries.items():
            self.take(key, value)
        return [[to_hex(key), optional_hex(value)] for key, value in entries.items()]


async def _entries(node: Node, prefix: Any, block: Any) -> AsyncIterator[tuple[bytes, bytes]]:
    room = _Room()
    found = node.state(block).items(hex_bytes(prefix, "prefix"))
    async for part in node.turns.each(found, SLICE_KEYS, lambda entry: entry):
        for key, value in part:
            room.take(key, value)
            yield key, value


@method("state_getKeys")
async def _keys(node: Node, prefix: Any, block: Any = None) -> Any:
    return [to_hex(key) async for key, _ in _entries(node, prefix, block)]


@method("state_getPairs")
async def _pairs(node: Node, prefix: Any, block: Any = None) -> Any:
    return [[to_hex(key), to_hex(value)] async for key, value in _entries(node, prefix, block)]


@method("state_getKeysPaged", "state_getKeysPagedAt")
def _keys_paged(node: Node, prefix: Any, count: Any, start: Any = None, block: Any = None) -> Any:
    wanted = whole_number(count, "count", MAX_BLOCK_NUMBER)
    if wanted > MAX_PAGE:
        raise RpcError(TOO_MANY_KEYS, f"count exceeds maximum value. value: {wanted}, max: {MAX_PAGE}")
    after = None if start is None else hex_bytes(start, "start key")
    first = b"" if prefix is None else hex_bytes(prefix, "prefix")
    found: list[str] = []
    for key, _ in node.state(block).items(first, after):
        if after is not None and key <= after:
            continue
        if len(found) >= wanted:
            break
        found.append(to_hex(key))
    return found


@method("state_queryStorageAt")
async def _query_storage_at(node: Node, keys: Any, block: Any = None) -> Any:
    wanted = hex_list(keys, "keys", MAX_KEYS)
    found = _range_end(node, block)
    # a key that is asked for twice is answered once, as by a real node
    changes = _Room().changes(await _values(node, node.state(to_hex(found.hash)), wanted))
    return [{"block": to_hex(found.hash), "changes": changes}] if changes else []


async def _values(node: Node, state: Trie, keys: list[bytes]) -> dict[bytes, bytes | None]:
    found: dict[bytes, bytes | None] = {}
    async for part in node.turns.each(keys, SLICE_KEYS, lambda key: (key, state.get(key))):
        found.update(part)
    return found


def _range_end(node: Node, block: Any) -> Block:
    try:
        return node.block(block)
    except RpcError as error:
        if error.code != CLIENT:
            raise
        raise RpcError(NO_RANGE, f"Cannot resolve a block range: {error.message}") from None


@method("state_queryStorage")
async def _query_storage(node: Node, keys: Any, first: Any, last: Any = None) -> Any:
    wanted = hex_list(keys, "keys", MAX_KEYS)
    low, high = _range_end(node, first), _range_end(node, last)
    if not (node.chain.is_best(low) and node.chain.is_best(high)) or not 0 <= high.number - low.number < MAX_BLOCKS:
        raise RpcError(
            NO_RANGE, f"Cannot resolve a block range: at most {MAX_BLOCKS} blocks of the best chain, in order"
        )
    line = [node.chain.at(number) for number in range(low.number, high.number + 1)]
    states = [(to_hex(block.hash), node.state(to_hex(block.hash))) for block in line if block is not None]
    room = _Room()
    first_values = await _values(node, states[0][1], wanted)
    answer = [{"block": states[0][0], "changes": room.changes(first_values)}] if first_values else []
    asked = set(wanted)
    pairs = itertools.pairwise(states)

    def changed(pair: tuple[tuple[str, Trie], tuple[str, Trie]]) -> tuple[str, dict[bytes, bytes | None]]:
        (_, before), (name, state) = pair
        return name, {key: state.get(key) for key in state.differing(before) if key in asked}

    async for part in node.turns.each(pairs, SLICE_BLOCKS, changed):
        answer += [{"block": name, "changes": room.changes(fresh)} for name, fresh in part if fresh]
    return answer


@method("state_getReadProof")
async def _read_proof(node: Node, keys: Any, block: Any = None) -> Any:
    found = node.block(block)
    prover = node.state(block).prover(node.chain.version.state_version)
    async for _ in node.turns.each(hex_list(keys, "keys", MAX_KEYS), SLICE_KEYS, prover.add):
        if 2 * prover.size > MAX_ANSWER_BYTES:
            raise RpcError(TOO_BIG_RESPONSE, "Response is too big", f"Exceeded max limit of {MAX_ANSWER_BYTES}")
    return {"at": to_hex(found.hash), "proof": [to_hex(one) for one in prover.proof]}


@method("author_submitExtrinsic")
def _submit(node: Node, extrinsic: Any) -> Any:
    return to_hex(node.engine.submit(hex_bytes(extrinsic, "extrinsic")))


@method("author_pendingExtrinsics")
def _pending(node: Node) -> Any:
    return [to_hex(one.extrinsic) for one in node.engine.pool.ready()]


@method("payment_queryInfo")
def _query_info(node: Node, extrinsic: Any, block: Any = None) -> Any:
    reader = _payment(node, "dispatch info", "TransactionPaymentApi_query_info", extrinsic, block)
    weight = {"ref_time": reader.compact(), "proof_size": reader.compact()}
    kind = ("normal", "operational", "mandatory")[reader.uint(1)]
    return {"weight": weight, "class": kind, "partialFee": str(reader.uint(16))}


@method("payment_queryFeeDetails")
def _query_fee_details(node: Node, extrinsic: Any, block: Any = None) -> Any:
    reader = _payment(node, "fee details", "TransactionPaymentApi_query_fee_details", extrinsic, block)
    if not reader.uint(1):
        return {"inclusionFee": None}
    names = ("baseFee", "lenFee", "adjustedWeightFee")
    return {"inclusionFee": {name: hex(reader.uint(16)) for name in names}}


def _payment(node: Node, what: str, name: str, extrinsic: Any, block: Any) -> Reader:
    raw = hex_bytes(extrinsic, "extrinsic")
    try:
        Reader(raw).bytes()
    except CodecError as error:
        raise RpcError(2, f"Unable to query {what}.", f"not an extrinsic: {error}") from None
    try:
        return Reader(node.call(node.block(block), name, raw + len(raw).to_bytes(4, "little")))
    except RpcError as error:
        raise RpcError(1, f"Unable to query {what}.", error.message) from None
    except CodecError as error:
        raise RpcError(INTERNAL, f"Internal error: the runtime's answer: {error}") from None
