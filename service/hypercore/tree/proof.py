"""Merkle proofs: what is asked for and what answers it. Answers are made in `proving` and checked in `checking`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ..crypto import Node

MAX_HEIGHT = 60


class ProofError(Exception):
    """A proof that does not hold, or a request that cannot be answered; says what is wrong."""


@dataclass(frozen=True, slots=True)
class BlockRequest:
    """A block, with the path up to ``nodes`` levels above its leaf."""

    index: int
    nodes: int


@dataclass(frozen=True, slots=True)
class HashRequest:
    """A tree node (flat-tree index), with the path up to ``nodes`` levels above it."""

    index: int
    nodes: int


@dataclass(frozen=True, slots=True)
class SeekRequest:
    """The node at a byte offset; ``padding`` bytes of each block do not count."""

    bytes: int
    padding: int = 0


@dataclass(frozen=True, slots=True)
class UpgradeRequest:
    """From ``start`` blocks to ``start + length``."""

    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Request:
    """What a peer asks for, all in one answer."""

    block: BlockRequest | None = None
    hash: HashRequest | None = None
    seek: SeekRequest | None = None
    upgrade: UpgradeRequest | None = None
    manifest: bool = False


@dataclass(frozen=True, slots=True)
class BlockProof:
    """A block's bytes (as stored) and its path."""

    index: int
    value: bytes
    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class HashProof:
    """The first of ``nodes`` is the node itself."""

    index: int
    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class SeekProof:
    """The node at a byte offset, and its path."""

    bytes: int
    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class UpgradeProof:
    """A longer tree, and its head's signature (of the sender's whole tree: hence ``additional``)."""

    start: int
    length: int
    nodes: tuple[Node, ...]
    additional: tuple[Node, ...]
    signature: bytes


@dataclass(frozen=True, slots=True)
class Proof:
    """An answer; ``manifest`` in its encoding."""

    fork: int
    block: BlockProof | None = None
    hash: HashProof | None = None
    seek: SeekProof | None = None
    upgrade: UpgradeProof | None = None
    manifest: bytes | None = None


@dataclass(slots=True)
class Batch:
    """What a verified proof adds: all nodes whose hashes it proves, and the new roots if it has an upgrade."""

    nodes: list[Node] = field(default_factory=list)
    roots: list[Node] | None = None
    length: int = 0

    @property
    def upgraded(self) -> bool:
        """Whether the tree grew."""
        return self.roots is not None


NodeAt = Callable[[int], Node]
"""Gives a node of the tree. Raises :class:`ProofError` when it is not there."""
