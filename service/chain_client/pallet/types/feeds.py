# Generated from pallet-spec/artifacts/metadata.scale by `python -m service.codegen`: do not edit.
"""The pallet's types: feeds."""

from __future__ import annotations

from dataclasses import dataclass

from .aliases import Bytes, Hash


@dataclass(frozen=True, slots=True)
class Root:
    """A root of a hypercore's tree, left to right."""

    hash: Hash
    size: int


@dataclass(frozen=True, slots=True)
class SignedHead:
    """A feed's signed head as `publish_plan` takes it."""

    key: Bytes
    """The hypercore's key."""
    manifest: Bytes
    """Empty for a compat key, else the manifest of one signer (v0: 68 bytes, v1: 70 bytes)."""
    fork: int
    length: int
    """Blocks."""
    roots: tuple[Root, ...]
    signature: Bytes
    """The raw ed25519 signature, without hypercore's container."""


@dataclass(frozen=True, slots=True)
class BlockRange:
    """Blocks [start, end) of a feed, as `publish_plan` takes them."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class OpenedNode:
    """An opened node of a hypercore's tree: its hash is H(0x01 | size | left | right)."""

    index: int
    """Flat-tree index, odd."""
    size: int
    left: Hash
    right: Hash


@dataclass(frozen=True, slots=True)
class Head:
    """A feed's head: what of it is signed."""

    fork: int
    length: int
    byte_length: int
    tree_hash: Hash


@dataclass(frozen=True, slots=True)
class Range:
    """Blocks [start, end) of a feed, and the bytes [first_byte, first_byte + bytes) that they are in it."""

    start: int
    end: int
    first_byte: int
    bytes: int
