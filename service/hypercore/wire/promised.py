"""The tree nodes that answers under way will bring, so that later requests need not ask for them once more.

With many requests under way, each would else bring all levels up to what was known when the first was sent: six more for 64
blocks in a row. A peer answers in order, so what its earlier answers bring is known when a later one comes. If one of them
fails after all, those that leaned on it cannot be checked, and are asked for again, with whole paths.
"""

from __future__ import annotations

from typing import Protocol

from .peer import PeerState

MAX_PROMISED = 65_536
"""Nodes of one peer that are remembered, and blocks of all. Beyond that the next paths are whole again."""
MAX_LEVELS = 60


class Tree(Protocol):
    """The part of a core that tells which path a request must ask for."""

    @property
    def whole_paths(self) -> set[int]:
        """Blocks of which a proof must climb to today's roots."""
        ...

    def missing_nodes(self, index: int) -> int:
        """Return how many tree nodes above the node `index` are missing."""
        ...


class Promised:
    """What the answers of each peer will bring."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._nodes: dict[PeerState, set[int]] = {}
        self._leaning: set[int] = set()
        """Blocks that were asked for with less than a whole path."""
        self._whole: set[int] = set()
        """Blocks whose answer could not be checked: they are asked for with whole paths."""

    def levels(self, peer: PeerState, block: int) -> int:
        """Return how many levels above a block a peer is to be asked for, and note what it will bring with them."""
        promised = self._nodes.setdefault(peer, set())
        if len(promised) > MAX_PROMISED:
            promised.clear()
        levels = None
        if block not in self._whole and block not in self._tree.whole_paths:
            levels = _levels_below(promised, 2 * block)
        if levels is None:
            self._leaning.discard(block)
            levels = self._tree.missing_nodes(2 * block)
        else:
            if len(self._leaning) >= MAX_PROMISED:
                self._leaning.clear()
            self._leaning.add(block)
        node, step = 2 * block, 2
        promised.add(node)
        for _ in range(levels):
            beside = node - step if node & step else node + step
            node, step = (node + beside) >> 1, step << 1
            promised.add(beside)
            promised.add(node)
        return levels

    def answered(self, block: int) -> bool:
        """Return whether a block that has come leans on what other answers were to bring."""
        self._whole.discard(block)
        if block not in self._leaning:
            return False
        self._leaning.discard(block)
        return True

    def failed(self, block: int) -> None:
        """Note that the answer for a block could not be checked, as it leaned on others."""
        if len(self._whole) >= MAX_PROMISED:
            self._whole.clear()
        self._whole.add(block)

    def broken(self, peer: PeerState) -> None:
        """Note that some of a peer's answers will not come."""
        self._nodes.pop(peer, None)

    def clear(self) -> None:
        """Forget what was promised: it was of another tree, or is lost again. What leaned on it may still come."""
        self._nodes.clear()


def _levels_below(promised: set[int], node: int) -> int | None:
    """Return how many levels above a node the first one stands that is promised, or None."""
    if not promised:
        return None
    step = 2
    for level in range(MAX_LEVELS):
        if node in promised:
            return level
        node = node - (step >> 1) if node & step else node + (step >> 1)
        step <<= 1
    return None
