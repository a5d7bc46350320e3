"""A box for what a peer stores: only who has the account's secret opens it."""

from __future__ import annotations

from nacl.exceptions import CryptoError
from nacl.secret import SecretBox

from .keys import KeyFileError

FORMAT = b"\x02"
"""First byte of what is locked. What older versions stored in the open begins with 1."""


class Locker:
    """Locks and opens bytes with a key of 32 bytes (XSalsa20-Poly1305)."""

    def __init__(self, key: bytes) -> None:
        self._box = SecretBox(key)

    def lock(self, data: bytes) -> bytes:
        """Return the bytes locked."""
        return FORMAT + bytes(self._box.encrypt(data))

    def open(self, data: bytes, where: object) -> bytes:
        """Return what was locked. Raises KeyFileError, which names `where`, if it is damaged or another account's."""
        try:
            return bytes(self._box.decrypt(data.removeprefix(FORMAT)))
        except (CryptoError, ValueError):
            raise KeyFileError(f"{where} is damaged, or was locked by another account") from None
