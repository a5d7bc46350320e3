"""A core's tree nodes: those of the open transaction and the recently used ones in memory, others in the storage."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from ..crypto import Node
from .storage import CoreStorage

MAX_KEPT = 4096
AROUND_BITS = 5
"""Nodes whose indices differ in these lowest bits alone are neighbours: of blocks in a row, they are read at once."""
AROUND = (1 << AROUND_BITS) - 1
LATELY = 8
"""Readers in a row that are recognised at a time."""


class Nodes:
    """A core's tree nodes. What is `put` is visible at once, and part of the storage's transaction after `save`."""

    def __init__(self, storage: CoreStorage, core: int) -> None:
        self._storage, self._core = storage, core
        self._kept: dict[int, Node] = {}  # includes all fresh ones
        self._fresh: dict[int, Node] = {}
        self._absent: set[int] = set()
        self._lately: deque[int] = deque(maxlen=LATELY)
        """Neighbourhoods of which something was read lately."""

    def get(self, index: int) -> Node | None:
        """Return a node, if it is known."""
        node = self._kept.get(index)
        if node is None:
            node = self._read(index)
        return node

    def _read(self, index: int) -> Node | None:
        """Read a node; and with it those around, if the blocks before them were read lately: then theirs come next.

        npm's peers ask for blocks in a random order. One node costs a tenth of what those around it do.
        """
        if not self._in_a_row(index):
            node = self._storage.node(self._core, index)
            if node is not None:
                self._keep(node)
            return node
        found = None
        for node in self._storage.nodes(self._core, index & ~AROUND, index | AROUND):
            if node.index == index:
                found = node
            if node.index not in self._kept:  # it may be newer than what is stored
                self._keep(node)
        return found

    def _in_a_row(self, index: int) -> bool:
        if index & AROUND == AROUND:  # it is high in the tree, and those around are not
            return False
        place = index >> AROUND_BITS
        if place not in self._lately:
            self._lately.append(place)
        return place - 1 in self._lately

    def has(self, index: int) -> bool:
        """Return whether a node is known, as far as this process wrote it. If in doubt, it is asked for again."""
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
        """Add proven nodes."""
        for node in nodes:
            if self._kept.get(node.index) != node:
                self._keep(node)
                self._fresh[node.index] = node

    def save(self) -> None:
        """Write fresh nodes into the open transaction."""
        if self._fresh:
            self._storage.put_nodes(self._core, self._fresh.values())
            self._fresh.clear()

    def delete_beyond(self, length: int) -> None:
        """Drop nodes that are not wholly within the first `length` blocks."""
        self.save()
        self._kept.clear()
        self._storage.delete_nodes_beyond(self._core, length)

    def larger_leaf(self, start: int, end: int, limit: int) -> Node | None:
        """Return a known leaf of blocks [start, end) of more than `limit` bytes."""
        self.save()
        return self._storage.larger_leaf(self._core, start, end, limit)

    def unknown_leaf(self, start: int, end: int) -> tuple[int, int]:
        """Return the first block of [start, end) whose leaf is not known (or `end`), and how many such blocks there are."""
        self.save()
        return self._storage.unknown_leaf(self._core, start, end)
