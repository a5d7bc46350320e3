"""PI-C, the public permutation: an 8-round Feistel network over each sector, with keyed BLAKE3 as round function."""

from __future__ import annotations

import struct

from blake3 import blake3
from gmpy2 import mpz

from .profiles import SECTOR

FEISTEL_ROUNDS = 8
_HALF = SECTOR // 2
_CONTEXT = "repenc 2025-01 v1 chunk round keys"


def round_keys(salt: bytes, round_number: int, first_sector: int, count: int) -> bytes:
    """Return the Feistel keys of `count` sectors: 256 bytes each, cut from one seekable stream.

    See docs/protocol/encoding.md section 6. `round_number` counts from 1. The block number is 0, and sectors count over
    the segment.
    """
    seed = blake3(salt + struct.pack("<QI", 0, round_number), derive_key_context=_CONTEXT)
    return seed.digest(length=SECTOR * count, seek=SECTOR * first_sector)


def permute(sectors: bytes, keys: bytes) -> bytes:
    """Apply PI-C to a run of whole sectors, with the `round_keys` of the same run."""
    return _feistel(sectors, keys, range(FEISTEL_ROUNDS))


def unpermute(sectors: bytes, keys: bytes) -> bytes:
    """Apply the inverse of `permute`."""
    return _feistel(sectors, keys, range(FEISTEL_ROUNDS - 1, -1, -1))


def _feistel(sectors: bytes, keys: bytes, order: range) -> bytes:
    """Run the rounds on all sectors at once: their halves are XORed as one big number, far faster than one by one."""
    count = len(sectors) // SECTOR
    size = count * _HALF
    halves = struct.Struct(f"{_HALF}s" * count)
    parts = struct.unpack(f"{_HALF}s" * (2 * count), sectors)
    split: list[tuple[bytes, ...]] = [parts[0::2], parts[1::2]]
    whole = [mpz.from_bytes(b"".join(side), "little") for side in split]
    subkeys = struct.unpack("32s" * (FEISTEL_ROUNDS * count), keys)
    for i in order:
        target, source = i & 1, 1 - (i & 1)
        pairs = zip(split[source], subkeys[i::FEISTEL_ROUNDS], strict=True)
        stream = b"".join([blake3(half, key=key).digest(_HALF) for half, key in pairs])
        whole[target] ^= mpz.from_bytes(stream, "little")
        split[target] = halves.unpack(whole[target].to_bytes(size, "little"))
    return b"".join([half for pair in zip(*split, strict=True) for half in pair])
