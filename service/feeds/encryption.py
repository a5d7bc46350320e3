"""Feeds whose blocks are encrypted: their key is checked before it is kept, and blocks without one are told apart."""

from __future__ import annotations

from collections import Counter

from service.hypercore import Core

SAMPLE = 64 * 1024
LEAST = 16
"""Bytes below which nothing can be told."""
_EVEN = 400
"""The largest chi-square over 256 values of random bytes, by far: the mean is 255, the deviation 23."""


class EncryptionKeyError(Exception):
    """An encryption key does not fit the feed. The message names the feed."""


def unlock(core: Core, encryption_key: bytes) -> None:
    """Decrypt a feed's blocks with this key from now on, and keep the key.

    Raises EncryptionKeyError if a block that is here was not encrypted with it, and CoreError if another key is kept.
    """
    if core.opened_by(encryption_key) is False:
        raise EncryptionKeyError(f"feed {core.key.hex()}: the encryption key is not the one of its blocks")
    core.use_encryption(encryption_key)


def looks_encrypted(core: Core) -> bool:
    """Return whether the blocks look like ciphertext, for which there is no key here. It is a guess."""
    if core.padding:
        return False
    sample = bytearray()
    for index in range(core.length):
        block = core.raw(index)
        if block is None or len(sample) >= SAMPLE:
            break
        sample += block[: SAMPLE - len(sample)]
    return _random(bytes(sample))


def _random(sample: bytes) -> bool:
    size = len(sample)
    if size < LEAST:
        return False
    counts = Counter(sample)
    if size >= 2048:
        expected = size / 256
        return sum((counts[value] - expected) ** 2 for value in range(256)) / expected < _EVEN
    return len(counts) > 0.85 * 256 * (1 - (255 / 256) ** size)
