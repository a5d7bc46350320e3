"""Manifests: who may sign a core's heads, and whether a signature is valid (docs/protocol/hypercore.md section 1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .codec import CodecError, Reader, encode_buffer, encode_uint
from .crypto import (
    DEFAULT_NAMESPACE,
    MANIFEST,
    SIGNATURE_BYTES,
    Node,
    blake2b,
    parent_node,
    signable,
    signable_compat,
    tree_hash,
    verify,
)
from .tree import flat

MAX_SIGNERS = 256
MAX_USER_DATA = 4096
MAX_LINKED = 256
MAX_PATCH_NODES = 1024
ALLOW_PATCH, PROLOGUE, LINKED, USER_DATA = 1, 2, 4, 8


class ManifestError(ValueError):
    """An invalid manifest or signature container. The message says what is wrong."""


@dataclass(frozen=True, slots=True)
class ManifestSigner:
    """A permitted signer, with an ed25519 key."""

    namespace: bytes
    public_key: bytes


@dataclass(frozen=True, slots=True)
class Manifest:
    """A core's manifest. `prologue` is (tree hash, length) of a beginning that needs no signature."""

    version: int
    quorum: int
    signers: tuple[ManifestSigner, ...]
    allow_patch: bool = False
    prologue: tuple[bytes, int] | None = None
    linked: tuple[bytes, ...] = ()
    user_data: bytes | None = None

    def encode(self) -> bytes:
        """Return the manifest's bytes, whose hash is the core's key."""
        signers = b"".join(b"\0" + one.namespace + one.public_key for one in self.signers)
        if self.version == 0:
            if self.prologue and not self.signers:
                return b"\0\0\0" + self.prologue[0]
            if self.quorum == 1 and len(self.signers) == 1 and not self.allow_patch:
                return b"\0\0\1" + signers
            head = b"\0\0\2" + encode_uint(int(self.allow_patch)) + encode_uint(self.quorum)
            return head + encode_uint(len(self.signers)) + signers
        flags = ALLOW_PATCH * self.allow_patch | PROLOGUE * (self.prologue is not None)
        flags |= LINKED * bool(self.linked) | USER_DATA * (self.user_data is not None)
        out = encode_uint(self.version) + encode_uint(flags) + b"\0" + encode_uint(self.quorum)
        out += encode_uint(len(self.signers)) + signers
        if self.prologue is not None:
            out += self.prologue[0] + encode_uint(self.prologue[1])
        if self.linked:
            out += encode_uint(len(self.linked)) + b"".join(self.linked)
        if self.user_data is not None:
            out += encode_buffer(self.user_data)
        return out

    @property
    def key(self) -> bytes:
        """The key of the core with this manifest."""
        return blake2b(MANIFEST, self.encode())

    @classmethod
    def read(cls, reader: Reader) -> Manifest:
        """Read a manifest from the wire. Raises ManifestError and CodecError."""
        version = reader.uint("manifest version")
        if version > 3:
            raise ManifestError(f"unknown manifest version {version}")
        if version == 0:
            return cls._read_v0(reader)
        flags = reader.uint("manifest flags", 15)
        _hash_type(reader)
        quorum = reader.uint("quorum", MAX_SIGNERS)
        signers = _signers(reader)
        prologue = (reader.fixed(32), reader.uint("prologue length")) if flags & PROLOGUE else None
        linked: tuple[bytes, ...] = ()
        if flags & LINKED:
            linked = tuple(reader.fixed(32) for _ in range(reader.uint("linked cores", MAX_LINKED)))
        user_data = reader.buffer(MAX_USER_DATA, "user data") if flags & USER_DATA else None
        if version < 2 and (linked or user_data is not None):
            raise ManifestError("linked cores and user data need a manifest of version 2")
        return cls(version, quorum, signers, bool(flags & ALLOW_PATCH), prologue, linked, user_data)

    @classmethod
    def _read_v0(cls, reader: Reader) -> Manifest:
        _hash_type(reader)
        kind = reader.uint("manifest type")
        if kind == 0:
            return cls(0, 0, (), prologue=(reader.fixed(32), 0))
        if kind == 1:
            return cls(0, 1, (_signer(reader),))
        if kind == 2:
            allow_patch = bool(reader.uint("flags", 1))
            return cls(0, reader.uint("quorum", MAX_SIGNERS), _signers(reader), allow_patch)
        raise ManifestError(f"unknown manifest type {kind}")

    @classmethod
    def decode(cls, data: bytes) -> Manifest:
        """Decode exactly a manifest's bytes. Raises ManifestError and CodecError."""
        reader = Reader(data)
        manifest = cls.read(reader)
        reader.end()
        return manifest


def _hash_type(reader: Reader) -> None:
    if reader.uint("hash type"):
        raise ManifestError("the manifest's hash is not BLAKE2b")


def _signer(reader: Reader) -> ManifestSigner:
    if reader.uint("signature type"):
        raise ManifestError("a signer's signature is not ed25519")
    return ManifestSigner(reader.fixed(32), reader.fixed(32))


def _signers(reader: Reader) -> tuple[ManifestSigner, ...]:
    return tuple(_signer(reader) for _ in range(reader.uint("signers", MAX_SIGNERS)))


def default_manifest(public_key: bytes, version: int = 1) -> Manifest:
    """Return the manifest of a core with one signer."""
    return Manifest(version, 1, (ManifestSigner(DEFAULT_NAMESPACE, public_key),))


@dataclass(frozen=True, slots=True)
class Authority:
    """A core's key with what is known of its signers."""

    key: bytes
    manifest: Manifest

    @classmethod
    def of(cls, key: bytes, manifest: Manifest | None) -> Authority:
        """Return the authority of a key. `manifest` is None for a compat core, whose key signs itself.

        Raises ManifestError if key and manifest do not belong together.
        """
        if manifest is None:
            return cls(key, default_manifest(key))
        if manifest.key != key and not _is_compat(key, manifest):
            raise ManifestError(f"the manifest's hash is {manifest.key.hex()}, but the core's key is {key.hex()}")
        return cls(key, manifest)

    @property
    def compat(self) -> bool:
        """Whether the key is the signer's public key itself."""
        return _is_compat(self.key, self.manifest)

    def message(self, digest: bytes, length: int, fork: int) -> bytes:
        """Return the bytes that the (first) signer signs for a head."""
        if self.compat:
            return signable_compat(digest, length, fork)
        context = self.manifest.signers[0].namespace if self.manifest.version == 0 else self.key
        return signable(context, digest, length, fork)

    def container(self, signature: bytes) -> bytes:
        """Return a single signer's signature in the form used on the wire."""
        if self.compat or self.manifest.version == 0:
            return signature
        return b"\1\0" + signature + b"\0\0"

    def raw_signature(self, container: bytes) -> bytes:
        """Return the 64 bytes of a single signer's container. Raises ManifestError."""
        if self.compat or self.manifest.version == 0:
            if len(container) != SIGNATURE_BYTES:
                raise ManifestError("not a single signature")
            return container
        if len(container) != SIGNATURE_BYTES + 4 or container[:2] != b"\1\0" or container[-2:] != b"\0\0":
            raise ManifestError("not a single signer's signature")
        return container[2:-2]

    def verify(self, roots: Sequence[Node], length: int, fork: int, signature: bytes) -> bool:
        """Return whether `signature` is valid for the head (roots, length, fork)."""
        manifest, digest = self.manifest, tree_hash(roots)
        if self.compat:
            return verify(self.message(digest, length, fork), signature, self.key)
        if manifest.version == 0 and len(manifest.signers) == 1 and not manifest.allow_patch:
            return verify(self.message(digest, length, fork), signature, manifest.signers[0].public_key)
        if manifest.prologue is not None:
            first, prologue_length = manifest.prologue
            if manifest.version > 0 and length <= prologue_length:
                return length == prologue_length and digest == first
        return self._verify_many(list(roots), length, fork, signature)

    def _verify_many(self, roots: list[Node], length: int, fork: int, container: bytes) -> bool:
        try:
            proofs, patch_nodes = _read_container(self.manifest.version, container)
        except CodecError:
            return False
        quorum = self.manifest.quorum
        if quorum == 0 or len(proofs) < quorum:
            return False
        seen: set[int] = set()
        for number, signature, patch in proofs[:quorum]:
            if number in seen or number >= len(self.manifest.signers):
                return False
            seen.add(number)
            signer = self.manifest.signers[number]
            signed_roots, signed_length = roots, length
            if patch:
                if not self.manifest.allow_patch:
                    return False
                extended = _extend(roots, length, patch, patch_nodes)
                if extended is None:
                    return False
                signed_roots, signed_length = extended, length + patch
            context = signer.namespace if self.manifest.version == 0 else self.key
            message = signable(context, tree_hash(signed_roots), signed_length, fork)
            if not verify(message, signature, signer.public_key):
                return False
        return True


def _is_compat(key: bytes, manifest: Manifest) -> bool:
    return len(manifest.signers) == 1 and manifest.signers[0].public_key == key


def _read_container(version: int, data: bytes) -> tuple[list[tuple[int, bytes, int]], dict[int, Node]]:
    reader = Reader(data)
    proofs: list[tuple[int, bytes, int]] = []
    nodes: dict[int, Node] = {}
    for _ in range(reader.uint("proofs", MAX_SIGNERS)):
        if version == 0:
            flags = reader.uint("flags", 1)
            proofs.append((reader.uint("signer"), reader.fixed(SIGNATURE_BYTES), 0))
            if flags:
                raise CodecError("patches of version 0 are not supported")
        else:
            proofs.append((reader.uint("signer"), reader.fixed(SIGNATURE_BYTES), reader.uint("patch")))
    if version > 0:
        for _ in range(reader.uint("patch nodes", MAX_PATCH_NODES)):
            node = Node(reader.uint(), reader.uint(), reader.fixed(32))
            nodes[node.index] = node
    reader.end()
    return proofs, nodes


def _extend(roots: list[Node], length: int, patch: int, nodes: dict[int, Node]) -> list[Node] | None:
    """Return the roots of the tree that a signer saw, `patch` blocks longer, or None if the nodes do not lead there."""
    known = {root.index: root for root in roots} | nodes
    found = []
    for wanted in flat.full_roots(2 * (length + patch)):
        node = _find(wanted, known, 2 * length, 0)
        if node is None:
            return None
        found.append(node)
    return found


def _find(wanted: int, known: dict[int, Node], head: int, level: int) -> Node | None:
    node = known.get(wanted)
    if node is not None:
        return node
    if wanted & 1 == 0 or level > 64:
        return None
    left = _find(flat.left_child(wanted), known, head, level + 1)
    right = _find(flat.right_child(wanted), known, head, level + 1) if left is not None else None
    return parent_node(left, right) if left is not None and right is not None else None
