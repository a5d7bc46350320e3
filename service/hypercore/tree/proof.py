"""Merkle proofs: requests and answers. Answers are made in `proving` and checked in `checking`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from ..crypto import Node

MAX_HEIGHT = 60


class ProofError(Exception):
    """A proof is invalid, or a request cannot be answered. The message says what is wrong."""


class OtherTree(ProofError):
    """A proof is well formed, but not of the tree that is known here: it was made up, or the owner signed two trees."""


class Unconnected(OtherTree):
    """A path leads to a node that is not known here: it was made up, or what would connect it did not come."""


class MissingNode(ProofError):
    """A tree node that a proof needs is not stored here."""

    def __init__(self, index: int) -> None:
        super().__init__(f"tree node {index} is not here")
        self.index = index


class BlockRequest(NamedTuple):
    """A request for a block, with the path up to `nodes` levels above its leaf."""

    index: int  # type: ignore[assignment]  # hides tuple.index, which is not used
    nodes: int


@dataclass(frozen=True, slots=True)
class HashRequest:
    """A request for a tree node (flat-tree index), with the path up to `nodes` levels above it."""

    index: int
    nodes: int


@dataclass(frozen=True, slots=True)
class SeekRequest:
    """A request for the node at a byte offset. `padding` bytes of each block do not count."""

    bytes: int
    padding: int = 0


@dataclass(frozen=True, slots=True)
class UpgradeRequest:
    """A request for the tree to grow from `start` blocks to `start + length`."""

    start: int
    length: int


class Request(NamedTuple):
    """A peer's request, answered in one message."""

    block: BlockRequest | None = None
    hash: HashRequest | None = None
    seek: SeekRequest | None = None
    upgrade: UpgradeRequest | None = None
    manifest: bool = False


class BlockProof(NamedTuple):
    """A block's bytes (as stored) and its path."""

    index: int  # type: ignore[assignment]  # hides tuple.index, which is not used
    value: bytes
    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class HashProof:
    """A tree node and its path. The first of `nodes` is the node itself."""

    index: int
    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class SeekProof:
    """The node at a byte offset, and its path."""

    bytes: int
    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class UpgradeProof:
    """A longer tree and its head's signature, which covers the sender's whole tree, hence `additional`."""

    start: int
    length: int
    nodes: tuple[Node, ...]
    additional: tuple[Node, ...]
    signature: bytes


class Proof(NamedTuple):
    """An answer. `manifest` is encoded."""

    fork: int
    block: BlockProof | None = None
    hash: HashProof | None = None
    seek: SeekProof | None = None
    upgrade: UpgradeProof | None = None
    manifest: bytes | None = None


@dataclass(slots=True)
class Batch:
    """The additions of a verified proof: all nodes whose hashes it proves, and the new roots if it has an upgrade."""

    nodes: list[Node] = field(default_factory=list)
    roots: list[Node] | None = None
    length: int = 0

    @property
    def upgraded(self) -> bool:
        """Whether the tree grew."""
        return self.roots is not None


NodeAt = Callable[[int], Node]
"""A function that returns a node of the tree. Raises ProofError if it is missing."""
