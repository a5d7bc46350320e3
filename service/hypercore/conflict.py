"""Two signed heads of one feed and fork that contradict each other, with the tree nodes that show it. Pure.

An owner who signs two histories (of one length, or a longer one that does not have the shorter at its beginning) shows one
to some peers and the other to others. Whoever sees both can prove it to everybody: that is a `Conflict`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .codec import CodecError, Reader, encode_buffer, encode_uint
from .crypto import HASH_BYTES, Node, parent_node
from .heads import CoreHead
from .manifest import Authority, Manifest
from .tree import flat

VERSION = 1
"""Of the bytes of `Conflict.encode`."""
MAX_MANIFEST = 64 * 1024
MAX_SIGNATURE = 32 * 1024
MAX_LEVELS = 53
"""Levels of a tree of 2^53 blocks."""

NodeOf = Callable[[int], Node | None]
"""A function that returns a tree node by its index, or None if it is not known."""


@dataclass(frozen=True, slots=True)
class HistoryHead:
    """One of the two heads. `signature` has the form used on the wire."""

    length: int
    roots: tuple[Node, ...]
    signature: bytes


@dataclass(frozen=True, slots=True)
class PathNode:
    """A tree node with its children's hashes, which its own hash covers."""

    index: int
    size: int
    left: bytes
    right: bytes


@dataclass(frozen=True, slots=True)
class Conflict:
    """The proof that the owner of a feed signed two histories of one fork.

    `first` is not longer than `second`. Its root number `root` is another node in the second's tree: there it is a root,
    too, or `nodes` lead down to it, from the second's root over it to its parent. `manifest` is None for a compat key.
    """

    key: bytes
    manifest: bytes | None
    fork: int
    first: HistoryHead
    second: HistoryHead
    root: int
    nodes: tuple[PathNode, ...]

    def __str__(self) -> str:
        return (
            f"the feed's owner signed two histories of fork {self.fork}:"
            f" {self.first.length} and {self.second.length} blocks that contradict each other"
        )

    def heads(self) -> tuple[CoreHead, CoreHead]:
        """Return both heads. Raises ManifestError if they have more than one signer."""
        authority = Authority.of(self.key, None if self.manifest is None else Manifest.decode(self.manifest))

        def head(one: HistoryHead) -> CoreHead:
            raw = authority.raw_signature(one.signature)
            return CoreHead(self.key, self.manifest, self.fork, one.length, one.roots, one.signature, raw)

        return head(self.first), head(self.second)

    def encode(self) -> bytes:
        """Return the proof in bytes: what a corestore keeps (docs/protocol/hypercore.md section 7)."""
        parts = [encode_uint(VERSION), self.key, encode_buffer(self.manifest or b""), encode_uint(self.fork)]
        for head in (self.first, self.second):
            parts.append(encode_uint(head.length))
            parts += (encode_uint(root.size) + root.hash for root in head.roots)
            parts.append(encode_buffer(head.signature))
        parts += (encode_uint(self.root), encode_uint(len(self.nodes)))
        parts += (encode_uint(one.index) + encode_uint(one.size) + one.left + one.right for one in self.nodes)
        return b"".join(parts)

    @classmethod
    def decode(cls, data: bytes) -> Conflict:
        """Decode exactly the bytes of `encode`. Raises CodecError."""
        reader = Reader(data)
        version = reader.uint("version")
        if version != VERSION:
            raise CodecError(f"a conflict of version {version}, but this program reads version {VERSION}")
        key, manifest = reader.fixed(HASH_BYTES, "key"), reader.buffer(MAX_MANIFEST, "manifest")
        fork = reader.uint("fork")
        first, second = _read_head(reader), _read_head(reader)
        root, count = reader.uint("root", MAX_LEVELS), reader.uint("nodes", MAX_LEVELS)
        nodes = tuple(
            PathNode(reader.uint("node"), reader.uint("size"), reader.fixed(HASH_BYTES), reader.fixed(HASH_BYTES))
            for _ in range(count)
        )
        reader.end()
        return cls(key, manifest or None, fork, first, second, root, nodes)


def _read_head(reader: Reader) -> HistoryHead:
    length = reader.uint("length")
    roots = []
    for index in flat.full_roots(2 * length):
        size = reader.uint("size")
        roots.append(Node(index, size, reader.fixed(HASH_BYTES, "root")))
    return HistoryHead(length, tuple(roots), reader.buffer(MAX_SIGNATURE, "signature"))


def contradiction(first: HistoryHead, second: HistoryHead, node_of: NodeOf) -> tuple[int, tuple[PathNode, ...]] | None:
    """Return the number of a root of the first head that is another node in the second's tree, and the way there.

    The first is not longer; `node_of` knows the nodes of the second's tree. None if they agree, or if too few nodes are
    known to show that they do not.
    """
    tops = {root.index: root for root in second.roots}
    for number, root in enumerate(first.roots):
        top = tops.get(root.index)
        if top is not None:
            if top != root:
                return number, ()
            continue
        over = next(
            top for top in second.roots if flat.left_span(top.index) <= root.index <= flat.right_span(top.index)
        )
        found = _way_down(over, root.index, node_of)
        if found is not None and found[1] != root.hash:
            return number, found[0]
    return None


def _way_down(over: Node, index: int, node_of: NodeOf) -> tuple[tuple[PathNode, ...], bytes] | None:
    """Return the nodes from a root down to the parent of a node below it, and the hash that this one names for the node.

    None if one of them is not known, or does not have the hash that the one above names.
    """
    way: list[PathNode] = []
    at, expected = over.index, over.hash
    while at != index:
        left, right = node_of(flat.left_child(at)), node_of(flat.right_child(at))
        if left is None or right is None:
            return None
        node = parent_node(left, right)
        if node.hash != expected:
            return None
        way.append(PathNode(at, node.size, left.hash, right.hash))
        below = left if index < at else right
        at, expected = below.index, below.hash
    return tuple(way), expected
