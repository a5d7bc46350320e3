"""Heads: keys, manifests, roots, signatures (pallet-spec/README.md section 7; docs/protocol/hypercore.md section 1)."""

from __future__ import annotations

from dataclasses import dataclass

from ..scale import U64
from .crypto import digest, ensure_signed_by
from .errors import Error, ensure, error
from .limits import MAX_SAFE
from .records import Head, Root, SignedHead

# namespace("hypercore", 0) and namespace("hypercore", 3).
TREE = bytes.fromhex("9fac70b50ca14efc4e91c833b204e75b8b5aad8b5881bfc0adb5ef38a3275b9c")
MANIFEST = bytes.fromhex("e64b7108eacce47cfc61ac850568f55f8b15b82ec5ed78c4ec597b036e2a1498")
# The bytes before namespace and key in a single signer's manifest of version 0 and of version 1.
V0 = bytes.fromhex("00000100")
V1 = bytes.fromhex("010000010100")


@dataclass(frozen=True, slots=True)
class Subtree:
    """A full subtree of blocks [start, start + 2^height)."""

    start: int
    height: int

    @property
    def end(self) -> int:
        """The block after the subtree's last one."""
        return self.start + (1 << self.height)

    @property
    def index(self) -> int:
        """The flat-tree index: 2 x start + 2^height - 1."""
        return 2 * self.start + (1 << self.height) - 1

    def contains(self, other: Subtree) -> bool:
        """Return whether another subtree lies inside this one."""
        return self.start <= other.start and other.end <= self.end


def tiles(start: int, end: int) -> list[Subtree]:
    """Return the maximal full subtrees that tile blocks [start, end), left to right.

    Those of [0, length) are the roots.
    """
    out = []
    at = start
    while at < end:
        aligned = 63 if at == 0 else (at & -at).bit_length() - 1
        height = min(aligned, (end - at).bit_length() - 1)
        out.append(Subtree(at, height))
        at += 1 << height
    return out


def tree_hash(length: int, roots: list[Root]) -> bytes:
    """Return the tree hash over roots, left to right."""
    parts = [b"\x02"]
    for subtree, root in zip(tiles(0, length), roots, strict=True):
        parts += [root.hash, U64.encode(subtree.index), U64.encode(root.size)]
    return digest(*parts)


def _signer(key: bytes, manifest: bytes) -> tuple[bytes, bytes]:
    """Return a core's signing key, and the manifest's part of the signed bytes (empty for a compat key).

    Raises BadManifest or WrongFeedKey.
    """
    if not manifest:
        return key, b""
    prefix = next((prefix for prefix in (V0, V1) if manifest.startswith(prefix)), None)
    if prefix is None or len(manifest) != len(prefix) + 64:
        raise error(Error.BadManifest)
    ensure(digest(MANIFEST, manifest) == key, Error.WrongFeedKey)
    namespace, public = manifest[-64:-32], manifest[-32:]
    return public, namespace if prefix == V0 else key


def check(signed: SignedHead) -> Head:
    """Check a head and its signature. Raises BadManifest, WrongFeedKey, BadHead, SmallOrderKey or BadSignature."""
    public, context = _signer(signed.key, signed.manifest)
    byte_length = sum(root.size for root in signed.roots)
    in_range = signed.fork <= MAX_SAFE and 1 <= signed.length <= MAX_SAFE and byte_length <= MAX_SAFE
    ensure(in_range and len(signed.roots) == signed.length.bit_count(), Error.BadHead)
    tree = tree_hash(signed.length, signed.roots)
    message = TREE + context + tree + U64.encode(signed.length) + U64.encode(signed.fork)
    ensure_signed_by(signed.signature, message, public)
    return Head(signed.fork, signed.length, byte_length, tree)
