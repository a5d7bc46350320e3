"""Sum tables: trees of fan-out 64 over weighted slots (pallet-spec/README.md section 6).

Nodes are numbered: 0 is the root, the children of n are 64 n + 1 .. 64 n + 64. Slot numbers are paths: base-64 digits
from the top.
"""

from __future__ import annotations

from typing import Any

from ..storage import Map, State
from .types import Node

FULL = 2**64 - 1


class Table:
    """A sum table of 64^depth slots. Its nodes are in a storage item, under a key if that is a double map."""

    def __init__(self, s: State, nodes: Map[Node, None], depth: int, *key: Any) -> None:
        self._s, self._nodes, self._depth, self._key = s, nodes, depth, key

    def _node(self, node: int) -> Node:
        return self._nodes.get(self._s, *self._key, node) or Node(0, [0] * 64)

    def _store(self, at: int, node: Node, total: int) -> None:
        if node.mask or total:
            self._nodes.put(self._s, *self._key, at, node)
        else:
            self._nodes.remove(self._s, *self._key, at)

    def total(self) -> int:
        """Return the sum of all weights."""
        root = self._nodes.get(self._s, *self._key, 0)
        return _total(root) if root else 0

    def weight(self, slot: int) -> int:
        """Return the weight of a slot."""
        at, place = self._path(slot)[-1]
        return self._node(at).sums[place]

    def _path(self, slot: int) -> list[tuple[int, int]]:
        """Return, root first, the nodes on a slot's path, each with the place in it."""
        steps, at = [], 0
        for level in reversed(range(self._depth)):
            place = slot >> 6 * level & 63
            steps.append((at, place))
            at = 64 * at + 1 + place
        return steps

    def _write(self, slot: int, weight: int, taken: bool) -> None:
        """Write a slot's weight and whether it is taken, bottom up."""
        total, full = weight, taken
        for at, place in reversed(self._path(slot)):
            node = self._node(at)
            node.sums[place] = total
            node.mask = node.mask | 1 << place if full else node.mask & ~(1 << place)
            total, full = _total(node), node.mask == FULL
            self._store(at, node, total)

    def take(self, weight: int) -> int | None:
        """Take the lowest free slot with a weight, and return it, or None if all are taken."""
        at = slot = 0
        for _ in range(self._depth):
            mask = self._node(at).mask
            free = (~mask & (mask + 1)).bit_length() - 1  # the lowest clear bit
            if free == 64:
                return None
            slot = slot << 6 | free
            at = 64 * at + 1 + free
        self._write(slot, weight, True)
        return slot

    def set(self, slot: int, weight: int) -> None:
        """Give a taken slot a new weight."""
        self._write(slot, weight, True)

    def free(self, slot: int) -> None:
        """Free a slot."""
        self._write(slot, 0, False)

    def pick(self, x: int) -> tuple[int, int] | None:
        """Return the slot that x mod total falls into, lowest slot first, and how far into it.

        Return None if all weights are 0.
        """
        node = self._nodes.get(self._s, *self._key, 0)
        total = _total(node) if node else 0
        if total == 0:
            return None
        rest, at, slot = x % total, 0, 0
        for _ in range(self._depth):
            found = self._nodes.get(self._s, *self._key, at)
            if found is None:
                return None
            place = 0
            while place < 64 and rest >= found.sums[place]:
                rest -= found.sums[place]
                place += 1
            if place == 64:
                return None
            slot = slot << 6 | place
            at = 64 * at + 1 + place
        return slot, rest


def _total(node: Node) -> int:
    return min(sum(node.sums), FULL)
