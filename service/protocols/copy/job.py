"""A segment job: what both ends of a copy connection know from the chain, and the statement they sign."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from nacl.exceptions import CryptoError
from nacl.signing import VerifyKey

from service.encoding import contract_id, derive_ctx, pk_hash, sector_count
from service.encoding.profiles import SECTOR
from service.hypercore.crypto import Node

from .stream import MAX_SEGMENT, CopyStream, PlanHead, StreamRange

STATEMENT = b"datdot/v1/segment\x00"

Sign = Callable[[bytes], bytes]
Verify = Callable[[bytes, bytes, bytes], bool]


def verify(key: bytes, message: bytes, signature: bytes) -> bool:
    """Return whether libsodium accepts the signature.

    It refuses all that the chain refuses, including small-order points.
    """
    try:
        VerifyKey(key).verify(message, signature)
    except (CryptoError, ValueError):
        return False
    return True


@dataclass(frozen=True, slots=True)
class Party:
    """A peer of the copy: its account, and the two keys it bound on the chain."""

    account: bytes
    swarm_key: bytes
    statement_key: bytes


@dataclass(frozen=True, slots=True)
class SegmentJob:
    """One segment of one copy, as the chain describes it. `first_byte` counts in the copy stream.

    `most` is how many bytes the segment has at most.
    """

    genesis: bytes
    plan: int
    copy: int
    segment: int
    feed_key: bytes
    head: PlanHead
    roots: tuple[Node, ...]
    ranges: tuple[StreamRange, ...]
    first_byte: int
    encoder: Party
    hoster: Party
    modulus: bytes
    salt: bytes
    profile: int = 1
    most: int = MAX_SEGMENT

    @property
    def stream(self) -> CopyStream:
        """The plan's ranges as one stream."""
        return CopyStream(self.ranges)

    @property
    def total(self) -> int:
        """Length of the whole copy stream in bytes."""
        return sum(blocks.bytes for blocks in self.ranges)

    @property
    def ends_stream(self) -> bool:
        """Whether this segment is the copy's last."""
        return self.first_byte + self.length == self.total

    @property
    def length(self) -> int:
        """Length of the segment in bytes: the rest of the stream, but at most `most`."""
        return min(self.total - self.first_byte, self.most)

    @property
    def sectors(self) -> int:
        """Number of sectors in the segment. The last one may be padded where the stream ends."""
        return sector_count(self.length)

    @property
    def pk_hash(self) -> bytes:
        """The hash of the encoder's public key for this segment."""
        return pk_hash(self.modulus)

    @property
    def contract(self) -> bytes:
        """The 32 bytes that stand for the copy."""
        return contract_id(self.genesis, self.copy)

    @property
    def ctx(self) -> bytes:
        """The context of the segment's Merkle tree."""
        return derive_ctx(
            contract_id=self.contract,
            encoder=self.encoder.account,
            hoster=self.hoster.account,
            pk_hash=self.pk_hash,
            salt=self.salt,
        )

    def covered(self, sectors: int) -> int:
        """Return the bytes of the stream that the first `sectors` sectors hold."""
        return min(self.total - self.first_byte, sectors * SECTOR)

    def statement(self, sectors: int, root: bytes) -> bytes:
        """Return the statement `segment` over the first `sectors` sectors (pallet-spec/README.md section 2)."""
        return b"".join(
            (
                STATEMENT,
                self.genesis,
                struct.pack("<QQ", self.copy, self.segment),
                self.encoder.account,
                self.hoster.account,
                self.pk_hash,
                self.salt,
                struct.pack("<QQQ", self.first_byte, self.covered(sectors), sectors),
                root,
            )
        )
