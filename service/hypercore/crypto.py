"""hypercore's hashes, signatures, capabilities and block encryption."""

from __future__ import annotations

import ctypes
import hashlib
import hmac
import secrets
from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

import nacl._sodium
from nacl import bindings

HASH_BYTES = 32
SIGNATURE_BYTES = 64
SEED_BYTES = 32
PADDING = 8


class CryptoError(Exception):
    """A key or ciphertext cannot be used. The message says why."""


def blake2b(*parts: bytes, key: bytes = b"") -> bytes:
    """Return the BLAKE2b hash of 32 bytes, keyed or not."""
    digest = hashlib.blake2b(digest_size=HASH_BYTES, key=key)
    for part in parts:
        digest.update(part)
    return digest.digest()


def namespace(name: str, count: int) -> list[bytes]:
    """Return the namespaces that a name gives."""
    root = blake2b(name.encode())
    return [blake2b(root, bytes((number,))) for number in range(count)]


TREE, INITIATOR, RESPONDER, MANIFEST, DEFAULT_NAMESPACE, DEFAULT_ENCRYPTION = namespace("hypercore", 6)


def _u64(value: int) -> bytes:
    return value.to_bytes(8, "little")


class Node(NamedTuple):
    """A node of the Merkle tree: its flat-tree index, the bytes below it, its hash."""

    index: int  # type: ignore[assignment]  # hides tuple.index, which is not used
    size: int
    hash: bytes


def leaf_node(block: int, data: bytes) -> Node:
    """Return the leaf of a block."""
    return Node(2 * block, len(data), blake2b(b"\0" + _u64(len(data)), data))


def parent_node(one: Node, other: Node) -> Node:
    """Return the parent of two siblings, given in either order."""
    left, right = (one, other) if one.index < other.index else (other, one)
    size = left.size + right.size
    covered = b"\1" + size.to_bytes(8, "little") + left.hash + right.hash
    digest = hashlib.blake2b(covered, digest_size=HASH_BYTES).digest()
    return Node((left.index + right.index) >> 1, size, digest)


def tree_hash(roots: Iterable[Node]) -> bytes:
    """Return the hash of a tree by its roots, left to right."""
    return blake2b(b"\2", *(root.hash + _u64(root.index) + _u64(root.size) for root in roots))


def discovery_key(key: bytes) -> bytes:
    """Return the name under which peers look for a core. It does not reveal the core's key."""
    return blake2b(b"hypercore", key=key)


def capability(key: bytes, handshake_hash: bytes, of_initiator: bool) -> bytes:
    """Return the proof, for one connection, that a side knows a core's key."""
    return blake2b((INITIATOR if of_initiator else RESPONDER) + key, key=handshake_hash)


def equal(one: bytes, other: bytes) -> bool:
    """Compare secrets in constant time."""
    return hmac.compare_digest(one, other)


def signable(context: bytes, digest: bytes, length: int, fork: int) -> bytes:
    """Return the bytes that a manifest's signer signs for a head."""
    return TREE + context + digest + _u64(length) + _u64(fork)


def signable_compat(digest: bytes, length: int, fork: int) -> bytes:
    """Return the bytes that the signer of a compat core signs for a head."""
    return TREE + digest + _u64(length) + _u64(fork)


class KeyPair:
    """An ed25519 key pair."""

    __slots__ = ("_secret", "public", "seed")

    def __init__(self, seed: bytes) -> None:
        if len(seed) != SEED_BYTES:
            raise CryptoError(f"a seed has {SEED_BYTES} bytes, not {len(seed)}")
        self.seed = seed
        self.public, self._secret = bindings.crypto_sign_seed_keypair(seed)

    @classmethod
    def generate(cls) -> KeyPair:
        """Return a new random key pair."""
        return cls(secrets.token_bytes(SEED_BYTES))

    def sign(self, message: bytes) -> bytes:
        """Return a signature of 64 bytes."""
        return bytes(bindings.crypto_sign(message, self._secret)[:SIGNATURE_BYTES])

    def scalar(self) -> bytes:
        """Return the clamped scalar, for Diffie-Hellman on ed25519 keys."""
        digest = bytearray(hashlib.sha512(self.seed).digest()[:32])
        digest[0] &= 248
        digest[31] = digest[31] & 127 | 64
        return bytes(digest)


@cache
def _sodium() -> ctypes.CDLL:
    # PyNaCl wraps neither detached verification nor XSalsa20; its shared object exports all of libsodium
    return ctypes.CDLL(nacl._sodium.__file__)


def verify(message: bytes, signature: bytes, public: bytes) -> bool:
    """Return whether a signature is valid by libsodium's rules, which are hypercore's."""
    if len(signature) != SIGNATURE_BYTES or len(public) != 32:
        return False
    length = ctypes.c_ulonglong(len(message))
    return bool(_sodium().crypto_sign_ed25519_verify_detached(signature, message, length, public) == 0)


def _xsalsa20(message: bytes, nonce: bytes, key: bytes) -> bytes:
    out = ctypes.create_string_buffer(len(message))
    _sodium().crypto_stream_xsalsa20_xor(out, message, ctypes.c_ulonglong(len(message)), nonce, key)
    return out.raw


class BlockCipher:
    """hypercore's block encryption: eight bytes of padding before each block. Tree hashes cover the encrypted form."""

    def __init__(self, core_key: bytes, encryption_key: bytes, compat: bool) -> None:
        if len(encryption_key) != 32:
            raise CryptoError(f"an encryption key has 32 bytes, not {len(encryption_key)}")
        self._block = (
            blake2b(encryption_key, key=core_key) if compat else blake2b(DEFAULT_ENCRYPTION, core_key, encryption_key)
        )
        self._blinding = blake2b(self._block)

    def encrypt(self, index: int, plain: bytes, fork: int) -> bytes:
        """Return a block as it is stored and sent."""
        padding = _xsalsa20(_u64(fork), _u64(index) + bytes(16), self._blinding)
        return padding + _xsalsa20(plain, _u64(index) + padding + bytes(8), self._block)

    def decrypt(self, index: int, data: bytes) -> bytes:
        """Return the block as it was appended. Raises CryptoError."""
        if len(data) < PADDING:
            raise CryptoError(f"block {index} is too short to be encrypted: {len(data)} bytes")
        return _xsalsa20(data[PADDING:], _u64(index) + data[:PADDING] + bytes(8), self._block)

    def opens(self, index: int, data: bytes, fork: int) -> bool:
        """Return whether a block was encrypted with this key at a fork up to `fork`: its padding says so, blinded."""
        if len(data) < PADDING:
            return False
        padding = _xsalsa20(data[:PADDING], _u64(index) + bytes(16), self._blinding)
        return int.from_bytes(padding, "little") <= fork


_ZBASE32 = "ybndrfg8ejkmcpqxot1uwisza345h769"


def to_z32(data: bytes) -> str:
    """Encode as z-base-32, as hypercore keys are printed: 32 bytes are 52 letters."""
    bits = len(data) * 8
    letters = -(-bits // 5)
    value = int.from_bytes(data, "big") << (letters * 5 - bits)
    return "".join(_ZBASE32[value >> 5 * (letters - 1 - place) & 31] for place in range(letters))


def parse_key(text: str) -> bytes:
    """Parse a key of 32 bytes from 64 hex digits or 52 letters of z-base-32. Raises CryptoError."""
    text = text.strip()
    if len(text) == 64:
        try:
            return bytes.fromhex(text)
        except ValueError:
            pass
    if len(text) == 52 and all(letter in _ZBASE32 for letter in text):
        value = 0
        for letter in text:
            value = value << 5 | _ZBASE32.index(letter)
        if not value & 15:
            return (value >> 4).to_bytes(32, "big")
    raise CryptoError(f"{text!r:.80} is not a key: expected 64 hex digits or 52 letters of z-base-32")
