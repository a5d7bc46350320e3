"""Feeds as the chain sees them: a signed head, and tree nodes that prove sizes. No block is ever read, so a block may
claim any size: feeds of many GiB cost nothing."""

from __future__ import annotations

import hashlib
from typing import Any

from nacl.signing import SigningKey

from service.hypercore.crypto import DEFAULT_NAMESPACE, MANIFEST, Node, blake2b, parent_node, signable, tree_hash
from service.hypercore.crypto import signable_compat as compat_message
from service.hypercore.tree import flat
from service.roles.sponsor.ranges import opened

KINDS = ("compat", "v0", "v1")


class Feed:
    """A feed of `sizes`, signed by a key that follows from its name."""

    def __init__(self, name: str, kind: str, sizes: list[int], fork: int = 0) -> None:
        self.name, self.kind, self.sizes, self.fork = name, kind, sizes, fork
        self._secret = SigningKey(hashlib.blake2b(b"feed " + name.encode(), digest_size=32).digest())
        public = bytes(self._secret.verify_key)
        self.manifest = b""
        if kind != "compat":
            head = b"\0\0\1\0" if kind == "v0" else b"\1\0\0\1\1\0"
            self.manifest = head + DEFAULT_NAMESPACE + public
        self.key = blake2b(MANIFEST, self.manifest) if self.manifest else public
        self._nodes: dict[int, Node] = {}
        for block, size in enumerate(sizes):
            self._nodes[2 * block] = Node(2 * block, size, blake2b(name.encode(), block.to_bytes(8, "little")))
        self.indices = flat.full_roots(2 * len(sizes))
        self.roots = [self._grow(index) for index in self.indices]

    def _grow(self, index: int) -> Node:
        if index not in self._nodes:
            left, right = self._grow(flat.left_child(index)), self._grow(flat.right_child(index))
            self._nodes[index] = parent_node(left, right)
        return self._nodes[index]

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
