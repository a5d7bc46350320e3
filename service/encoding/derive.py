"""The hashes that bind an encoding to its copy: contract id, the chain's randomness, pk_hash, salt and context."""

from __future__ import annotations

import struct
from hashlib import blake2b

from .errors import EncodingError
from .profiles import P1, SECTOR, Profile


def blake2_256(data: bytes) -> bytes:
    """Return BLAKE2b with 32 bytes of output, as `sp_io::hashing::blake2_256` does."""
    return blake2b(data, digest_size=32).digest()


def _fixed(**fields: bytes) -> bytes:
    """Join the fields. Raises EncodingError if one is not 32 bytes long."""
    for name, value in fields.items():
        if len(value) != 32:
            raise EncodingError(f"{name} must be 32 bytes long, not {len(value)}")
    return b"".join(fields.values())


def contract_id(genesis: bytes, copy: int) -> bytes:
    """Return the id of a copy on the chain with this genesis hash (pallet-spec/README.md section 2)."""
    return blake2_256(b"datdot/v1/copy\0" + _fixed(genesis=genesis) + struct.pack("<Q", copy))


def chain_rand(seed: bytes, segment: int) -> bytes:
    """Return the chain's part of a salt (pallet-spec/README.md section 2).

    `seed` is that of block `begin_segment` + SeedDelay.
    """
    return blake2_256(b"datdot/v1/draw\0\x06" + _fixed(seed=seed) + struct.pack("<Q", segment))


def public_key(modulus: bytes, profile: Profile = P1) -> bytes:
    """Return the canonical public key: u16 bits | u32 e | modulus, big endian (docs/protocol/encoding.md section 5)."""
    if len(modulus) != SECTOR:
        raise EncodingError(f"modulus must be {SECTOR} bytes long, not {len(modulus)}")
    return struct.pack("<HI", profile.bits, profile.e) + modulus


def pk_hash(modulus: bytes, profile: Profile = P1) -> bytes:
    """Return the hash under which the public key enters salt, context and statement."""
    return blake2_256(public_key(modulus, profile))


def derive_salt(
    *,
    genesis: bytes,
    contract_id: bytes,
    encoder: bytes,
    hoster: bytes,
    feed_key: bytes,
    feed_root: bytes,
    chain_rand: bytes,
    pk_hash: bytes,
    profile: Profile = P1,
) -> bytes:
    """Return the salt of a segment. Encoder and hoster are accounts; `feed_root` is the segment's own tree hash."""
    return blake2_256(
        b"repenc/v1/salt"
        + bytes([profile.id])
        + _fixed(
            genesis=genesis,
            contract_id=contract_id,
            encoder=encoder,
            hoster=hoster,
            feed_key=feed_key,
            feed_root=feed_root,
            chain_rand=chain_rand,
            pk_hash=pk_hash,
        )
    )


def derive_ctx(
    *, contract_id: bytes, encoder: bytes, hoster: bytes, pk_hash: bytes, salt: bytes, profile: Profile = P1
) -> bytes:
    """Return the context in every leaf and the root of a segment's tree (docs/protocol/encoding.md section 5)."""
    return blake2_256(
        b"repenc/v1/ctx"
        + _fixed(contract_id=contract_id, encoder=encoder, hoster=hoster)
        + bytes([profile.id])
        + _fixed(pk_hash=pk_hash, salt=salt)
    )
