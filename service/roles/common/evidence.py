"""Reports of invalid encodings: the bytes of their evidence, and the hash that a reporter commits to before.

See pallet-spec/README.md sections 2, 3 and 8. Pure functions.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable

from service.chain_client.pallet.types import ChainBlockProof, Evidence, Root


def _compact(number: int) -> bytes:
    """Encode a length below 2^30 as SCALE's compact integer."""
    if number < 1 << 6:
        return bytes([number << 2])
    if number < 1 << 14:
        return struct.pack("<H", number << 2 | 1)
    return struct.pack("<I", number << 2 | 2)


def _roots(roots: Iterable[Root]) -> bytes:
    encoded = [root.hash + struct.pack("<Q", root.size) for root in roots]
    return _compact(len(encoded)) + b"".join(encoded)


def _block(block: ChainBlockProof | None) -> bytes:
    if block is None:
        return b"\0"
    data = _compact(len(block.data)) + block.data
    head = struct.pack("<Q", block.length) + _roots(block.roots)
    return b"\1" + head + struct.pack("<Q", block.index) + data + _roots(block.siblings)


def encode(evidence: Evidence) -> bytes:
    """Return evidence in SCALE, as the chain hashes it.

    A block has at most 1 MiB (`MAX_BLOCK`), each vector at most 53 entries. The chain refuses others, this does not.
    """
    opening = evidence.opening
    siblings = _compact(len(opening.siblings)) + b"".join(opening.siblings)
    place = struct.pack("<QQ", evidence.segment, evidence.sector)
    return place + opening.data + siblings + _block(evidence.block)


def report_hash(genesis: bytes, account: bytes, copy: int, evidence: Evidence) -> bytes:
    """Return the hash that `commit_report` takes: the account can show this evidence of the copy four blocks later."""
    said = b"datdot/v1/report\0" + genesis + account + struct.pack("<Q", copy) + encode(evidence)
    return hashlib.blake2b(said, digest_size=32).digest()
