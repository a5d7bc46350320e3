"""The Noise handshakes XX and IK over ed25519 keys, as hyperswarm's secret streams use them. Sans-IO.

`Noise_*_Ed25519_ChaChaPoly_BLAKE2b` (the Noise specification, revision 34; docs/protocol/hypercore.md section 5).
"""

from __future__ import annotations

import copy
import hashlib
import hmac

from nacl import bindings
from nacl.exceptions import CryptoError as SodiumError

from ..crypto import KeyPair
from .errors import ProtocolError

PATTERNS = {"XX": (False, ("e", "e ee s es", "s se")), "IK": (True, ("e es s ss", "e ee se"))}
KEY_BYTES, TAG_BYTES = 32, 16


def _hash(data: bytes) -> bytes:
    return hashlib.blake2b(data).digest()


def _hmac(key: bytes, data: bytes) -> bytes:
    return hmac.new(key, data, hashlib.blake2b).digest()


def _hkdf(chaining_key: bytes, material: bytes) -> tuple[bytes, bytes]:
    secret = _hmac(chaining_key, material)
    first = _hmac(secret, b"\1")
    return first, _hmac(secret, first + b"\2")


class Noise:
    """One side of a handshake. Call `write` and `read` alternately until `done`."""

    def __init__(
        self,
        pattern: str,
        initiator: bool,
        static: KeyPair,
        prologue: bytes = b"",
        remote_static: bytes | None = None,
        ephemeral: KeyPair | None = None,
    ) -> None:
        known, messages = PATTERNS[pattern]
        self._messages = [message.split() for message in messages]
        self.initiator, self._static, self._ephemeral = initiator, static, ephemeral
        self.remote_static = remote_static
        self._remote_ephemeral: bytes | None = None
        self._digest = self._chaining = f"Noise_{pattern}_Ed25519_ChaChaPoly_BLAKE2b".encode().ljust(64, b"\0")
        self._key: bytes | None = None
        self._nonce = 0
        self._mix_hash(prologue)
        if known:
            responder = remote_static if initiator else static.public
            if responder is None:
                raise ValueError("IK needs the responder's key")
            self._mix_hash(responder)
        self.sending_key = self.receiving_key = self.hash = b""

    def fork(self) -> Noise:
        """Return a copy, on which a message that may be forged can be tried: one that cannot be read spoils the handshake."""
        found = copy.copy(self)
        found._messages = list(self._messages)
        return found

    @property
    def done(self) -> bool:
        """Whether the handshake is complete. Then the keys and `hash` are set."""
        return not self._messages

    def write(self, payload: bytes = b"") -> bytes:
        """Return the next message to send."""
        out = b""
        for token in self._messages.pop(0):
            if token == "e":
                self._ephemeral = self._ephemeral or KeyPair.generate()
                self._mix_hash(self._ephemeral.public)
                out += self._ephemeral.public
            elif token == "s":
                out += self._encrypt(self._static.public)
            else:
                self._mix_dh(token)
        out += self._encrypt(payload)
        self._finish()
        return out

    def read(self, message: bytes) -> bytes:
        """Take the peer's next message and return its payload. Raises ProtocolError."""
        offset = 0
        for token in self._messages.pop(0):
            if token == "e":
                self._remote_ephemeral = message[:KEY_BYTES]
                offset = KEY_BYTES
                if len(self._remote_ephemeral) != KEY_BYTES:
                    raise ProtocolError("the handshake message is too short")
                self._mix_hash(self._remote_ephemeral)
            elif token == "s":
                size = KEY_BYTES + (TAG_BYTES if self._key is not None else 0)
                self.remote_static = self._decrypt(message[offset : offset + size])
                offset += size
                if len(self.remote_static) != KEY_BYTES:
                    raise ProtocolError("the handshake message is too short")
            else:
                self._mix_dh(token)
        payload = self._decrypt(message[offset:])
        self._finish()
        return payload

    def _mix_hash(self, data: bytes) -> None:
        self._digest = _hash(self._digest + data)

    def _mix_dh(self, token: str) -> None:
        local_static = {"ee": False, "ss": True, "es": not self.initiator, "se": self.initiator}[token]
        remote_static = {"ee": False, "ss": True, "es": self.initiator, "se": not self.initiator}[token]
        pair = self._static if local_static else self._ephemeral
        remote = self.remote_static if remote_static else self._remote_ephemeral
        if pair is None or remote is None:
            raise ProtocolError("the handshake's messages came out of order")
        try:
            shared = bindings.crypto_scalarmult_ed25519_noclamp(pair.scalar(), remote)
        except (SodiumError, RuntimeError) as error:
            raise ProtocolError("the peer's key is not a point of the curve, or of small order") from error
        self._chaining, key = _hkdf(self._chaining, shared)
        self._key, self._nonce = key[:KEY_BYTES], 0

    def _next_nonce(self) -> bytes:
        nonce = bytes(4) + self._nonce.to_bytes(8, "little")
        self._nonce += 1
        return nonce

    def _encrypt(self, plain: bytes) -> bytes:
        sealed = plain
        if self._key is not None:
            sealed = bindings.crypto_aead_chacha20poly1305_ietf_encrypt(
                plain, self._digest, self._next_nonce(), self._key
            )
        self._mix_hash(sealed)
        return sealed

    def _decrypt(self, sealed: bytes) -> bytes:
        plain = sealed
        if self._key is not None:
            try:
                plain = bindings.crypto_aead_chacha20poly1305_ietf_decrypt(
                    sealed, self._digest, self._next_nonce(), self._key
                )
            except (SodiumError, TypeError, ValueError) as error:
                raise ProtocolError("the handshake does not decrypt: another protocol, or another key") from error
        self._mix_hash(sealed)
        return plain

    def _finish(self) -> None:
        if self._messages:
            return
        first, second = _hkdf(self._chaining, b"")
        keys = first[:KEY_BYTES], second[:KEY_BYTES]
        self.sending_key, self.receiving_key = keys if self.initiator else keys[::-1]
        self.hash = self._digest
