"""The hashes of a segment's Merkle tree (docs/protocol/encoding.md section 8), one and many at a time."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from hashlib import blake2b

from . import native
from .errors import SectorError
from .profiles import SECTOR, check_run

HASH = 32


def leaf_hash(ctx: bytes, sector: int, data: bytes) -> bytes:
    """Return the hash of one encoded sector at its index (docs/protocol/encoding.md section 8)."""
    return blake2b(b"\x00" + ctx + struct.pack("<Q", sector) + data, digest_size=HASH).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the parent of two nodes. A node without a sibling is promoted unchanged instead."""
    return blake2b(b"\x01" + left + right, digest_size=HASH).digest()


def root_hash(ctx: bytes, sectors: int, top: bytes) -> bytes:
    """Return the root of a segment of `sectors` sectors whose topmost node is `top`."""
    return blake2b(b"\x02" + ctx + struct.pack("<QI", sectors, SECTOR) + top, digest_size=HASH).digest()


def check_context(ctx: bytes) -> None:
    """Raise SectorError unless a segment's context has 32 bytes."""
    if len(ctx) != HASH:
        raise SectorError(f"a context has {HASH} bytes, not {len(ctx)}")


def leaf_hashes(ctx: bytes, first_sector: int, data: bytes) -> list[bytes]:
    """Return the leaf hashes of a run of sectors.

    Raises SectorError for a partial sector, an index out of range, or a context that is none.
    """
    check_run(first_sector, data)
    check_context(ctx)
    library = native.library()
    if library is not None and len(data) > SECTOR:
        return _hashes(native.told(library, library.leaf_hashes, ctx, first_sector, bytes(data)))
    leaves = struct.unpack(f"{SECTOR}s" * (len(data) // SECTOR), data)
    return [leaf_hash(ctx, first_sector + i, leaf) for i, leaf in enumerate(leaves)]


def parents(level: Sequence[bytes]) -> list[bytes]:
    """Return the level above: pairs are hashed, an odd last node is promoted."""
    library = native.library()
    if library is not None and len(level) > 2:
        return _hashes(native.told(library, library.parents, b"".join(level)))
    paired = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
    return paired + list(level[len(level) & ~1 :])


def _hashes(joined: bytes) -> list[bytes]:
    return [joined[at : at + HASH] for at in range(0, len(joined), HASH)]
