"""Tokens: who stores something has shown before that it receives at the address that it sends from."""

from __future__ import annotations

import hmac
import secrets

from ...crypto import blake2b

ROTATE_SECONDS = 7.5
"""A token is good for this long, and at most twice as long."""


class Tokens:
    """The two secrets that tokens are made with. New ones are made with the second, those of the first are still good."""

    def __init__(self, now: float, first: bytes | None = None, second: bytes | None = None) -> None:
        self._secrets = (first or secrets.token_bytes(32), second or secrets.token_bytes(32))
        self._next = now + ROTATE_SECONDS

    def issue(self, host: str, now: float) -> bytes:
        """Return the token of a host."""
        self._rotate(now)
        return blake2b(host.encode(), key=self._secrets[1])

    def good(self, token: bytes, host: str, now: float) -> bool:
        """Return whether a token was issued to a host, not long ago."""
        self._rotate(now)
        return any(hmac.compare_digest(token, blake2b(host.encode(), key=one)) for one in reversed(self._secrets))

    def _rotate(self, now: float) -> None:
        turns = 0
        while now >= self._next and turns < 2:
            # the new secret follows from the old one, as in npm's nodes; who knows neither learns nothing from tokens
            self._secrets = (self._secrets[1], blake2b(self._secrets[0]))
            self._next += ROTATE_SECONDS
            turns += 1
        if now >= self._next:
            self._next = now + ROTATE_SECONDS
