"""Verification of answers: the nodes they prove and the roots they lead to. Pure. The caller checks signatures."""

from __future__ import annotations

from collections.abc import Sequence

from ..codec import MAX_UINT
from ..crypto import Node, leaf_node, parent_node
from . import flat
from .proof import MAX_HEIGHT, Batch, Proof, ProofError, UpgradeProof


class _Queue:
    """The nodes in the order in which the path needs them. `extra` is one that was already computed."""

    def __init__(self, nodes: Sequence[Node], extra: Node | None) -> None:
        self._nodes, self._next, self.extra = nodes, 0, extra

    @property
    def left(self) -> int:
        return len(self._nodes) - self._next + (self.extra is not None)

    def shift(self, index: int) -> Node:
        extra = self.extra
        if extra is not None and extra.index == index:
            self.extra = None
            return extra
        if self._next >= len(self._nodes):
            raise ProofError(f"node {index} is missing")
        node = self._nodes[self._next]
        self._next += 1
        if node.index != index:
            raise ProofError(f"expected node {index}, got {node.index}")
        return node


def _climb_queue(start: Node, queue: _Queue, batch: Batch) -> Node:
    """Join siblings from the queue until it is empty."""
    root, nodes = start, batch.nodes
    nodes.append(root)
    index, step = start.index, 2 << flat.depth(start.index)  # flat.sibling and flat.parent, level by level
    limit = step << MAX_HEIGHT
    while queue.left:
        if step == limit:
            raise ProofError("the path is too long")
        beside = index - step if index & step else index + step
        sibling = queue.shift(beside)
        root = parent_node(root, sibling)
        nodes.append(sibling)
        nodes.append(root)
        index, step = (index + beside) >> 1, step << 1
    return root


def verify_tree(proof: Proof, batch: Batch) -> Node | None:
    """Compute the root of the subtree that contains block, hash and seek. Its nodes go into `batch`, still unproven."""
    root: Node | None = None
    if proof.seek is not None and proof.seek.nodes:
        first, *rest = proof.seek.nodes
        root = _climb_queue(first, _Queue(rest, None), batch)
    if proof.block is not None:
        start = leaf_node(proof.block.index, proof.block.value)
        return _climb_queue(start, _Queue(proof.block.nodes, root), batch)
    if proof.hash is not None:
        queue = _Queue(proof.hash.nodes, root)
        return _climb_queue(queue.shift(proof.hash.index), queue, batch)
    return root


def worked_out(proof: Proof) -> bool:
    """Return whether the size of the root that `verify_tree` returns follows from what its hash covers.

    A node's hash binds the sum of its children's sizes, not each of them, so a sender can lie about a node that was
    sent as it is. Its size must then not be believed against a known one.
    """
    return proof.block is not None or (proof.hash is not None and len(proof.hash.nodes) > 1)


class _Growth:
    """Roots that grow by the nodes of an upgrade."""

    def __init__(self, roots: Sequence[Node], length: int, batch: Batch) -> None:
        self.roots, self.length, self._batch = list(roots), length, batch

    def append(self, node: Node, it: flat.Iterator) -> None:
        self.length += it.factor >> 1
        self.roots.append(node)
        self._batch.nodes.append(node)
        while len(self.roots) > 1:
            last, before = self.roots[-1], self.roots[-2]
            if it.sibling() != before.index:
                it.sibling()
                return
            it.parent()
            if last.size + before.size > MAX_UINT:
                raise ProofError(f"a tree of {last.size + before.size} bytes, over 2^53 - 1")
            joined = parent_node(last, before)
            self._batch.nodes.append(joined)
            self.roots[-2:] = [joined]


def verify_upgrade(
    upgrade: UpgradeProof, roots: Sequence[Node], length: int, subtree: Node | None, batch: Batch
) -> Node | None:
    """Grow `roots` by an upgrade. The new ones go into `batch`. Return `subtree` if the upgrade did not use it.

    The caller must check the signature. Raises ProofError.
    """
    if upgrade.start != length:
        raise ProofError(f"an upgrade from {upgrade.start} blocks, but {length} are here")
    growth = _Growth(roots, length, batch)
    queue = _Queue(upgrade.nodes, subtree)
    to = 2 * (upgrade.start + upgrade.length)
    grow, place = bool(growth.roots), 0
    it = flat.Iterator(0)
    while it.full_root(to):
        if place < len(growth.roots) and growth.roots[place].index == it.index:
            place += 1
            it.next_tree()
            continue
        if grow:
            grow = False
            root = it.index
            if place < len(growth.roots):
                it.seek(growth.roots[-1].index)
                while it.index != root:
                    growth.append(queue.shift(it.sibling()), it)
                it.next_tree()
                continue
        growth.append(queue.shift(it.index), it)
        it.next_tree()
    _additional(upgrade.additional, growth)
    if queue.left - (queue.extra is not None):
        raise ProofError("the upgrade has nodes that it does not need")
    batch.roots, batch.length = growth.roots, growth.length
    return queue.extra


def _additional(nodes: Sequence[Node], growth: _Growth) -> None:
    if not nodes:
        return
    if not growth.roots:
        raise ProofError("additional nodes without a tree")
    it = flat.Iterator(growth.roots[-1].index)
    place = 0
    while place < len(nodes) and nodes[place].index == it.sibling():
        growth.append(nodes[place], it)
        place += 1
    for node in nodes[place:]:
        while node.index != it.index:
            if it.factor == 2:
                raise ProofError(f"node {node.index} does not follow")
            it.left_child()
        growth.append(node, it)
        it.sibling()
