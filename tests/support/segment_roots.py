"""The root of a segment's Merkle tree, written down anew from the specification, out of a file and what the chain tells."""

from __future__ import annotations

import hashlib
from typing import Any

from service.address import account_id

SECTOR = 256


def blake2(*parts: bytes) -> bytes:
    """BLAKE2b-256."""
    return hashlib.blake2b(b"".join(parts), digest_size=32).digest()


def root_of(data: bytes, genesis: bytes, copy: dict[str, Any], segment: dict[str, Any]) -> bytes:
    """The root over a segment's sectors; ``copy`` and ``segment`` as `datdot plan show` prints them."""
    contract = blake2(b"datdot/v1/copy\0", genesis, copy["copy"].to_bytes(8, "little"))
    key = (2048).to_bytes(2, "little") + (3).to_bytes(4, "little") + bytes.fromhex(segment["modulus"])
    ctx = blake2(
        b"repenc/v1/ctx",
        contract,
        account_id(segment["encoder"]),
        account_id(copy["hoster"]),
        bytes([segment["profile"]]),
        blake2(key),
        bytes.fromhex(segment["salt"]),
    )
    sectors = [data[at : at + SECTOR] for at in range(0, len(data), SECTOR)]
    level = [blake2(b"\0", ctx, index.to_bytes(8, "little"), one) for index, one in enumerate(sectors)]
    while len(level) > 1:
        pairs = [blake2(b"\1", *level[at : at + 2]) for at in range(0, len(level) - 1, 2)]
        level = pairs + (level[-1:] if len(level) % 2 else [])
    return blake2(b"\2", ctx, len(sectors).to_bytes(8, "little"), SECTOR.to_bytes(4, "little"), level[0])
