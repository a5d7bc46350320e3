"""What keeps hole punching private and honest: messages sealed with the handshake's secret, and tokens for hosts."""

from __future__ import annotations

import secrets

from nacl import bindings
from nacl.exceptions import CryptoError as SodiumError

from ...codec import CodecError
from ...crypto import blake2b
from ..dht.messages import HOLEPUNCH_NAME, PunchPayload

NONCE_BYTES = 24


class PunchSeal:
    """Seals and opens the messages of one hole punch. Who echoes a token has received at the host that it was made for."""

    def __init__(self, handshake_hash: bytes, token_secret: bytes | None = None) -> None:
        self._key = blake2b(HOLEPUNCH_NAME, key=handshake_hash)
        self._token_secret = token_secret or secrets.token_bytes(32)

    def seal(self, payload: PunchPayload, nonce: bytes | None = None) -> bytes:
        """Return a message that only the other peer can open."""
        nonce = nonce or secrets.token_bytes(NONCE_BYTES)
        return nonce + bytes(bindings.crypto_secretbox(payload.encode(), nonce, self._key))

    def open(self, data: bytes) -> PunchPayload | None:
        """Return what a message says, or None if it is not the other peer's, or cannot be read."""
        nonce, sealed = data[:NONCE_BYTES], data[NONCE_BYTES:]
        try:
            return PunchPayload.decode(bytes(bindings.crypto_secretbox_open(sealed, nonce, self._key)))
        except (SodiumError, CodecError, ValueError, TypeError):
            return None

    def token(self, host: str) -> bytes:
        """Return the token of a host."""
        return blake2b(host.encode(), key=self._token_secret)
