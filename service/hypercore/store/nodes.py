"""A core's tree nodes: those of the open transaction and those used lately in memory, the others in the storage."""

from __future__ import annotations

from collections.abc import Iterable

from ..crypto import Node
from .storage import CoreStorage

MAX_KEPT = 4096


class Nodes:
    """What is :meth:`put` is there at once, and in the storage's transaction with :meth:`save`."""

    def __init__(self, storage: CoreStorage, core: int) -> None:
        self._storage, self._core = storage, core
        self._kept: dict[int, Node] = {}  # holds all fresh ones, too
        self._fresh: dict[int, Node] = {}
        self._absent: set[int] = set()

    def get(self, index: int) -> Node | None:
        """A node, if it is known."""
        node = self._kept.get(index)
        if node is None:
            node = self._storage.node(self._core, index)
            if node is not None:
                self._keep(node)
        return node

    def has(self, index: int) -> bool:
        """Whether a node is known, as far as this process did the writing: a node is asked for again otherwise."""
        if index in self._kept:
            return True
        if index in self._absent:
            return False
        if self.get(index) is not None:
            return True
        if len(self._absent) >= MAX_KEPT:
            self._absent.clear()
        self._absent.add(index)
        return False

    def _keep(self, node: Node) -> None:
        if len(self._kept) >= MAX_KEPT + len(self._fresh):
            self._kept = dict(self._fresh)
        self._kept[node.index] = node
        self._absent.discard(node.index)

    def put(self, nodes: Iterable[Node]) -> None:
        """Nodes that are proven."""
        for node in nodes:
            if self._kept.get(node.index) != node:
                self._keep(node)
                self._fresh[node.index] = node

    def save(self) -> None:
        """Put what is fresh into the open transaction."""
        if self._fresh:
            self._storage.put_nodes(self._core, self._fresh.values())
            self._fresh.clear()

    def delete_beyond(self, length: int) -> None:
        """Drop nodes that are not wholly within the first ``length`` blocks."""
        self.save()
        self._kept.clear()
        self._storage.delete_nodes_beyond(self._core, length)

    def larger_leaf(self, start: int, end: int, limit: int) -> Node | None:
        """A known leaf of blocks [start, end) of more than ``limit`` bytes."""
        self.save()
        return self._storage.larger_leaf(self._core, start, end, limit)
