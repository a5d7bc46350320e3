"""Flat trees: a binary tree's nodes, numbered in order. Leaves are even, block i is node 2i."""

from __future__ import annotations


def depth(node: int) -> int:
    """Return a node's height above the leaves."""
    return ((node + 1) & -(node + 1)).bit_length() - 1


def offset(node: int) -> int:
    """Return a node's position among the nodes of its depth."""
    return node >> (depth(node) + 1)


def index(level: int, place: int) -> int:
    """Return the node at a depth and a position."""
    return ((2 * place + 1) << level) - 1


def sibling(node: int) -> int:
    """Return the other child of the node's parent."""
    level = depth(node)
    return index(level, (node >> (level + 1)) ^ 1)


def parent(node: int) -> int:
    """Return the node's parent."""
    level = depth(node)
    return index(level + 1, node >> (level + 2))


def left_child(node: int) -> int:
    """Return the left child. Raises ValueError for a leaf."""
    level = depth(node)
    if level == 0:
        raise ValueError(f"node {node} is a leaf")
    return node - (1 << (level - 1))


def right_child(node: int) -> int:
    """Return the right child. Raises ValueError for a leaf."""
    return sibling(left_child(node))


def left_span(node: int) -> int:
    """Return the leftmost leaf below the node."""
    return node - (1 << depth(node)) + 1


def right_span(node: int) -> int:
    """Return the rightmost leaf below the node."""
    return node + (1 << depth(node)) - 1


def leaves(node: int) -> int:
    """Return how many leaves are below the node."""
    return 1 << depth(node)


def full_roots(head: int) -> list[int]:
    """Return the roots of the full subtrees that make up `head / 2` blocks, left to right."""
    blocks, start, found = head >> 1, 0, []
    while blocks:
        size = 1 << (blocks.bit_length() - 1)
        found.append(start + size - 1)
        start += 2 * size
        blocks -= size
    return found


class Iterator:
    """A cursor in a flat tree. `factor` is the distance between neighbours of the current depth."""

    __slots__ = ("factor", "index", "offset")

    def __init__(self, node: int = 0) -> None:
        self.seek(node)

    def seek(self, node: int) -> None:
        """Go to a node."""
        level = depth(node)
        self.index, self.offset, self.factor = node, node >> (level + 1), 2 << level

    def sibling(self) -> int:
        """Go to the sibling."""
        step = -1 if self.offset & 1 else 1
        self.offset += step
        self.index += step * self.factor
        return self.index

    def parent(self) -> int:
        """Go up."""
        self.index += -(self.factor >> 1) if self.offset & 1 else self.factor >> 1
        self.offset >>= 1
        self.factor <<= 1
        return self.index

    def left_child(self) -> int:
        """Go to the left child. A leaf stays where it is."""
        if self.factor > 2:
            self.factor >>= 1
            self.index -= self.factor >> 1
            self.offset <<= 1
        return self.index

    def contains(self, node: int) -> bool:
        """Return whether a node is in the subtree here."""
        half = self.factor >> 1
        return self.index - half < node < self.index + half

    def full_root(self, head: int) -> bool:
        """Climb from the leftmost leaf of a tree to the largest full root that ends before `head`.

        Return whether there is one.
        """
        if head <= self.index or self.index & 1:
            return False
        while head > self.index + self.factor + (self.factor >> 1):
            self.index += self.factor >> 1
            self.factor <<= 1
            self.offset >>= 1
        return True

    def next_tree(self) -> int:
        """Go to the first leaf after the subtree here."""
        self.seek(self.index + (self.factor >> 1) + 1)
        return self.index
