"""The making of answers from a tree, node by node in the order of hypercore's `MerkleTree.proof`. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from ..crypto import Node
from . import flat
from .proof import MAX_HEIGHT, BlockRequest, NodeAt, ProofError, Request, SeekRequest


class _Maker:
    """The state of an answer while it is made. The names are those of `MerkleTree.proof`."""

    def __init__(self, node_at: NodeAt, request: Request) -> None:
        self._at = node_at
        self.seek_request = request.seek
        block, wanted = request.block, request.hash
        self.has_value = block is not None
        self.target: tuple[int, int, int] | None = None  # node, levels, last block that it needs
        if block is not None:
            self.target = (2 * block.index, block.nodes, block.index)
        elif wanted is not None:
            self.target = (wanted.index, wanted.nodes, flat.right_span(wanted.index) // 2)
        self.node: list[Node] | None = None
        self.seek: list[Node] | None = None
        self.upgrade: list[Node] | None = None

    def block_and_seek(self, root: int, seek_root: int) -> None:
        if self.target is None:
            self.path_of_seek(root, seek_root)
            return
        it = flat.Iterator(self.target[0])
        self.node = [] if self.has_value else [self._at(it.index)]
        while it.index != root:
            it.sibling()
            if self.seek_request is not None and it.contains(seek_root) and it.index != seek_root:
                self.path_of_seek(it.index, seek_root)
            else:
                self.node.append(self._at(it.index))
            it.parent()

    def path_of_seek(self, root: int, seek_root: int) -> None:
        it = flat.Iterator(seek_root)
        self.seek = [self._at(it.index)]
        while it.index != root:
            it.sibling()
            self.seek.append(self._at(it.index))
            it.parent()

    def _holds(self, it: flat.Iterator, subtree: int) -> bool:
        return self.node is None and self.seek is None and it.contains(subtree)

    def upgrade_nodes(self, start: int, to: int, subtree: int) -> list[Node]:
        """Return the nodes that lead from a tree of `start` to one of `to` (both twice the blocks)."""
        found: list[Node] | None = [] if start == 0 else None
        it = flat.Iterator(0)
        while it.full_root(to):
            if it.index + (it.factor >> 1) < start:
                it.next_tree()
                continue
            if found is None and it.contains(start - 2):
                found = []
                self._connect(it, start - 2, subtree, found)
                it.next_tree()
                continue
            if found is None:
                found = []
            if self._holds(it, subtree):
                self.block_and_seek(it.index, subtree)
            else:
                found.append(self._at(it.index))
            it.next_tree()
        return found or []

    def _connect(self, it: flat.Iterator, target: int, subtree: int, found: list[Node]) -> None:
        root = it.index
        it.seek(target)
        while it.index != root:
            it.sibling()
            if it.index > target:
                if self._holds(it, subtree):
                    self.block_and_seek(it.index, subtree)
                else:
                    found.append(self._at(it.index))
            it.parent()


@dataclass(frozen=True, slots=True)
class Paths:
    """The nodes of an answer, or None for parts that were not requested."""

    node: tuple[Node, ...] | None
    seek: tuple[Node, ...] | None
    upgrade: tuple[Node, ...] | None
    additional: tuple[Node, ...]


def prove(node_at: NodeAt, length: int, request: Request) -> Paths:
    """Return the nodes that answer `request` from a tree of `length` blocks. Raises ProofError."""
    head = 2 * length
    upgrade = request.upgrade
    if upgrade is None and request.seek is None and request.block is not None and request.block.index < length:
        return Paths(_path(node_at, request.block, head), None, None, ())
    start = 2 * upgrade.start if upgrade else 0
    to = start + 2 * upgrade.length if upgrade else head
    if start >= to or to > head:
        raise ProofError(f"an upgrade from {start // 2} to {to // 2} blocks of a tree of {length}")
    maker = _Maker(node_at, request)
    target, seek = maker.target, request.seek
    if target is not None and (target[2] >= to // 2 or target[1] > MAX_HEIGHT):
        raise ProofError(f"node {target[0]} is not in a tree of {to // 2} blocks")
    subtree = head
    if target is not None and (upgrade is None or target[2] < upgrade.start):
        root = _climb(target[0], target[1], to)
        seek_root = _seek_below(node_at, root, seek) if seek is not None else head
        maker.block_and_seek(root, seek_root)
    elif upgrade is not None and (target is not None or seek is not None):
        subtree = _seek_from_head(node_at, to, seek) if seek is not None else target[0] if target else head
    if upgrade is not None:
        nodes = maker.upgrade_nodes(start, to, subtree)
        more = _Maker(node_at, Request()).upgrade_nodes(to, head, -1) if head > to else []
        return Paths(_tuple(maker.node), _tuple(maker.seek), tuple(nodes), tuple(more))
    return Paths(_tuple(maker.node), _tuple(maker.seek), None, ())


def _path(node_at: NodeAt, wanted: BlockRequest, head: int) -> tuple[Node, ...]:
    """Return the siblings on the way up from a block, which is what nearly all requests ask for."""
    if wanted.nodes > MAX_HEIGHT:
        raise ProofError(f"{wanted.nodes} levels above block {wanted.index} are more than a tree has")
    node, step = 2 * wanted.index, 2  # flat.sibling and flat.parent, level by level
    found = []
    for _ in range(wanted.nodes):
        beside = node - step if node & step else node + step
        node, step = (node + beside) >> 1, step << 1
        if node + (step >> 1) > head:
            raise ProofError(f"{wanted.nodes} levels above block {wanted.index} lead out of the tree")
        found.append(node_at(beside))
    return tuple(found)


def _tuple(nodes: list[Node] | None) -> tuple[Node, ...] | None:
    return None if nodes is None else tuple(nodes)


def _climb(node: int, levels: int, to: int) -> int:
    it = flat.Iterator(node)
    for _ in range(levels):
        it.parent()
        if it.contains(to):
            raise ProofError(f"{levels} levels above node {node} lead out of the tree")
    return it.index


def _unpadded(node: Node, padding: int) -> int:
    return node.size - padding * flat.leaves(node.index) if padding else node.size


def _seek_from_head(node_at: NodeAt, head: int, seek: SeekRequest) -> int:
    left = seek.bytes
    for root in flat.full_roots(head):
        size = _unpadded(node_at(root), seek.padding)
        if left == size:
            return root
        if left < size:
            return _seek_in(node_at, root, left, seek.padding)
        left -= size
    return head


def _seek_below(node_at: NodeAt, root: int, seek: SeekRequest) -> int:
    before = byte_offset(node_at, root, 2 * (flat.right_span(root) // 2 + 1), seek.padding)
    if before > seek.bytes:
        raise ProofError(f"byte {seek.bytes} is before node {root}")
    left = seek.bytes - before
    if left and left >= _unpadded(node_at(root), seek.padding):
        raise ProofError(f"byte {seek.bytes} is after node {root}")
    return _seek_in(node_at, root, left, seek.padding)


def _seek_in(node_at: NodeAt, root: int, left: int, padding: int) -> int:
    if not left:
        return root
    it = flat.Iterator(root)
    while it.index & 1:
        it.left_child()
        size = _unpadded(node_at(it.index), padding)
        if size == left:
            return it.index
        if size < left:
            left -= size
            it.sibling()
    return it.index


def byte_offset(node_at: NodeAt, node: int, head: int, padding: int = 0) -> int:
    """Return the bytes before a node, from the sizes of the nodes left of it in a tree of at least `head / 2` blocks."""
    first, total = flat.left_span(node), 0
    for root in flat.full_roots(head):
        if flat.right_span(root) < first:
            total += _unpadded(node_at(root), padding)
            continue
        it = flat.Iterator(root)
        while it.index != node and flat.left_span(it.index) != first:
            it.left_child()
            if flat.right_span(it.index) < first:
                total += _unpadded(node_at(it.index), padding)
                it.sibling()
        return total
    return total
