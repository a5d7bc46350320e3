"""What chainHead_v1 and archive_v1 ask of a state: values, hashes, Merkle values, and all below a key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..codec import blake2_256
from ..state.trie import Trie
from .errors import hex_bytes, invalid, to_hex
from .methods import SLICE_KEYS, Node

VALUE, HASH, CLOSEST = "value", "hash", "closestDescendantMerkleValue"
BELOW = {"descendantsValues": VALUE, "descendantsHashes": HASH}
MAX_QUERIES = 1_000

Entry = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Query:
    """A key, and what is asked of it."""

    key: bytes
    kind: str


def queries(given: Any) -> list[Query]:
    """Parse a list of queries. Raises RpcError."""
    if not isinstance(given, list) or len(given) > MAX_QUERIES:
        raise invalid(f"items: a list of at most {MAX_QUERIES} is needed")
    found = []
    for one in given:
        if not isinstance(one, dict) or one.get("type") not in (VALUE, HASH, CLOSEST, *BELOW):
            raise invalid(
                f"items: each needs a key, and one of the types {VALUE}, {HASH}, {CLOSEST}, {', '.join(BELOW)}"
            )
        found.append(Query(hex_bytes(one.get("key"), "key"), one["type"]))
    return found


def entry(key: bytes, kind: str, value: bytes) -> Entry:
    """Return an entry as clients expect it: the value, or its hash."""
    return {"key": to_hex(key), kind: to_hex(value if kind == VALUE else blake2_256(value))}


def _shown(kind: str, found: tuple[bytes, bytes]) -> Entry:
    return entry(found[0], kind, found[1])


async def answers(node: Node, state: Trie, wanted: list[Query]) -> AsyncIterator[list[Entry]]:
    """Yield what the queries find, in lists, each found in a turn of its own. What is not there is left out."""
    for query in wanted:
        if query.kind in BELOW:
            shown = partial(_shown, BELOW[query.kind])
            async for part in node.turns.each(state.items(query.key), SLICE_KEYS, shown):
                yield part
            continue
        async with node.turns.one():
            found = _single(node, state, query)
        if found is not None:
            yield [found]


def _single(node: Node, state: Trie, query: Query) -> Entry | None:
    if query.kind == CLOSEST:
        closest = state.closest(query.key, node.chain.version.state_version)
        return None if closest is None else {"key": to_hex(query.key), CLOSEST: to_hex(closest)}
    value = state.get(query.key)
    return None if value is None else entry(query.key, query.kind, value)
