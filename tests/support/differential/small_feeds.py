"""Feeds as the chain sees them: a signed head, tree nodes that prove sizes, and blocks with their proofs. A block of more than
a mebibyte is never read, so it may claim any size: feeds of many GiB cost nothing."""

from __future__ import annotations

import hashlib
import random
from typing import Any

from nacl.signing import SigningKey

from service.hypercore.crypto import DEFAULT_NAMESPACE, MANIFEST, Node, blake2b, parent_node, signable, tree_hash
from service.hypercore.crypto import signable_compat as compat_message
from service.hypercore.tree import flat
from service.roles.sponsor.ranges import opened

KINDS = ("compat", "v0", "v1")
# Longest block that is there, and not only claimed: what a proof of fraud may show.
READABLE = 1 << 20


class Feed:
    """A feed of `sizes`, signed by a key that follows from its name."""

    def __init__(
        self, name: str, kind: str, sizes: list[int], fork: int = 0, blocks: list[bytes] | None = None
    ) -> None:
        """`blocks` are what it holds; without them it holds what follows from its name."""
        self.name, self.kind, self.sizes, self.fork, self._blocks = name, kind, sizes, fork, blocks
        self._secret = SigningKey(hashlib.blake2b(b"feed " + name.encode(), digest_size=32).digest())
        public = bytes(self._secret.verify_key)
        self.manifest = b""
        if kind != "compat":
            head = b"\0\0\1\0" if kind == "v0" else b"\1\0\0\1\1\0"
            self.manifest = head + DEFAULT_NAMESPACE + public
        self.key = blake2b(MANIFEST, self.manifest) if self.manifest else public
        self._nodes: dict[int, Node] = {}
        for block, size in enumerate(sizes):
            if size <= READABLE:
                hash_ = blake2b(b"\0", size.to_bytes(8, "little"), self.block(block))
            else:
                hash_ = blake2b(name.encode(), block.to_bytes(8, "little"))
            self._nodes[2 * block] = Node(2 * block, size, hash_)
        self.indices = flat.full_roots(2 * len(sizes))
        self.roots = [self._grow(index) for index in self.indices]

    def _grow(self, index: int) -> Node:
        if index not in self._nodes:
            left, right = self._grow(flat.left_child(index)), self._grow(flat.right_child(index))
            self._nodes[index] = parent_node(left, right)
        return self._nodes[index]

    def block(self, index: int) -> bytes:
        """What a block of at most a mebibyte holds."""
        if self._blocks is not None:
            return self._blocks[index]
        return random.Random(f"{self.name} {index} {self.sizes[index]}").randbytes(self.sizes[index])

    def block_proof(self, index: int) -> dict[str, Any]:
        """`BlockProof`."""
        at, siblings = 2 * index, []
        while at not in self.indices:
            siblings.append(self._grow(flat.sibling(at)))
            at = flat.parent(at)
        return {
            "length": self.length,
            "roots": [{"hash": root.hash, "size": root.size} for root in self.roots],
            "index": index,
            "data": self.block(index),
            "siblings": [{"hash": node.hash, "size": node.size} for node in siblings],
        }

    def again(self, sizes: list[int], fork: int = 0) -> Feed:
        """The same feed with other blocks."""
        return Feed(self.name, self.kind, sizes, fork)

    @property
    def length(self) -> int:
        return len(self.sizes)

    def head(self) -> dict[str, Any]:
        """`SignedHead`."""
        digest = tree_hash(self.roots)
        if self.kind == "compat":
            message = compat_message(digest, self.length, self.fork)
        else:
            context = DEFAULT_NAMESPACE if self.kind == "v0" else self.key
            message = signable(context, digest, self.length, self.fork)
        return {
            "key": self.key,
            "manifest": self.manifest,
            "fork": self.fork,
            "length": self.length,
            "roots": [{"hash": root.hash, "size": root.size} for root in self.roots],
            "signature": bytes(self._secret.sign(message).signature),
        }

    def extension(self, length: int) -> list[dict[str, Any]]:
        """`OpenedNode`s that show that this feed extends its own first `length` blocks: from the last root upwards."""
        roots, index = set(flat.full_roots(2 * self.length)), flat.full_roots(2 * length)[-1]
        found = []
        while index not in roots:
            index = flat.parent(index)
            found.append(self.opened_node(index))
        return found

    def path(self, root: int, to: int) -> list[dict[str, Any]]:
        """`OpenedNode`s from a root down to the parent of a node below it, by their indices."""
        found = []
        while to != root:
            to = flat.parent(to)
            found.append(self.opened_node(to))
        return found[::-1]

    def opened_node(self, index: int) -> dict[str, Any]:
        """An `OpenedNode`."""
        node, left, right = (self._grow(one) for one in (index, flat.left_child(index), flat.right_child(index)))
        return {"index": index, "size": node.size, "left": left.hash, "right": right.hash}

    def open(self, ranges: list[tuple[int, int]]) -> list[dict[str, Any]]:
        """`OpenedNode`s that prove the ranges' bytes."""
        return [self.opened_node(index) for index in opened(self.length, ranges)]


class TallestFeed(Feed):
    """A feed of 2^53 - 1 blocks, of which block 0 has a mebibyte and all others nothing: its proof is the longest there is."""

    def __init__(self) -> None:
        super().__init__("the tallest", "v1", [READABLE])
        self.indices = flat.full_roots(2 * self.length)
        self.roots = [self._grow(index) for index in self.indices]

    @property
    def length(self) -> int:
        return 2**53 - 1

    def _grow(self, index: int) -> Node:
        if flat.left_span(index) == 0:
            return super()._grow(index)
        return Node(index, 0, blake2b(b"nothing", index.to_bytes(8, "little")))
