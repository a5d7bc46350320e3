"""The decoder of one sector, profile P1 (docs/protocol/encoding.md sections 6 and 7), as a proof of fraud needs it."""

from __future__ import annotations

from blake3 import blake3

from ..scale import U32, U64
from .limits import SECTOR

_CONTEXT = "repenc 2025-01 v1 chunk round keys"
_ROUNDS = 2
_HALF, _KEY = SECTOR // 2, 32


def decode_sector(modulus: bytes, salt: bytes, index: int, encoded: bytes) -> bytes:
    """Return what sector `index` of a segment decodes to, from its 256 bytes and the segment's modulus (big endian)."""
    n, sector = int.from_bytes(modulus, "big"), encoded
    for round_ in range(_ROUNDS, 0, -1):
        x = int.from_bytes(sector, "big")
        sector = _unpermute(pow(x, 3, n) if x < n else x, _round_keys(salt, round_, index))
    return sector


def _round_keys(salt: bytes, round_: int, index: int) -> list[bytes]:
    """Return the eight keys of a sector in a round."""
    stream = blake3(salt + U64.encode(0) + U32.encode(round_), derive_key_context=_CONTEXT)
    keys = stream.digest(length=SECTOR, seek=SECTOR * index)
    return [keys[at : at + _KEY] for at in range(0, SECTOR, _KEY)]


def _unpermute(number: int, keys: list[bytes]) -> bytes:
    """Return PI-C backwards of a sector that is given as a number."""
    a, b = divmod(number, 1 << 8 * _HALF)
    for i in range(len(keys) - 1, -1, -1):
        if i % 2:
            b ^= _mask(keys[i], a)
        else:
            a ^= _mask(keys[i], b)
    return a.to_bytes(_HALF, "big") + b.to_bytes(_HALF, "big")


def _mask(key: bytes, half: int) -> int:
    return int.from_bytes(blake3(half.to_bytes(_HALF, "big"), key=key).digest(length=_HALF), "big")
