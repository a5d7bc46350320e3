"""Hashes, statements, keys and moduli: the bytes of pallet-spec/README.md sections 2, 7 and 8."""

from __future__ import annotations

import hashlib
from math import gcd, prod

import ed25519_zebra

from ..scale import U16, U32, U64, codec_of
from .errors import Error, error
from .limits import PROFILE_P1
from .records import Evidence, Report

_REPORT = codec_of(Report)
_EVIDENCE = codec_of(Evidence)


def digest(*parts: bytes) -> bytes:
    """Return H, the BLAKE2b-256 hash of the joined parts."""
    return hashlib.blake2b(b"".join(parts), digest_size=32).digest()


def low(hash_: bytes) -> int:
    """Return U, bytes 0..16 of a hash as a number."""
    return int.from_bytes(hash_[:16], "little")


_P = 2**255 - 19
# y-coordinates of the small-order points with bit 255 clear, and the non-canonical encodings of two of them.
SMALL_ORDER = frozenset(
    [y.to_bytes(32, "little") for y in (0, 1, _P - 1, _P, _P + 1)]
    + [
        bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
        bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
    ]
)


def small_order(point: bytes) -> bool:
    """Return whether an encoded point is of small order, which ZIP-215 would accept."""
    return point[:31] + bytes([point[31] & 0x7F]) in SMALL_ORDER


def ensure_signed_by(signature: bytes, message: bytes, key: bytes) -> None:
    """Check an ed25519 signature: small-order keys and R first, then ZIP-215.

    Raises SmallOrderKey or BadSignature.
    """
    if small_order(key) or small_order(signature[:32]):
        raise error(Error.SmallOrderKey)
    if not ed25519_zebra.ed_verify(signature, message, key):
        raise error(Error.BadSignature)


def _statement(name: bytes, genesis: bytes, *fields: bytes) -> bytes:
    return b"".join((b"datdot/v1/", name, b"\0", genesis, *fields))


def bind_statement(genesis: bytes, account: bytes, swarm_key: bytes, statement_key: bytes) -> bytes:
    """Return the statement `bind`."""
    return _statement(b"bind", genesis, account, swarm_key, statement_key)


def segment_statement(
    genesis: bytes,
    copy: int,
    segment: int,
    *,
    encoder: bytes,
    hoster: bytes,
    pk_hash: bytes,
    salt: bytes,
    first_byte: int,
    size: int,
    sectors: int,
    root: bytes,
) -> bytes:
    """Return the statement `segment`, which encoder and hoster sign."""
    return _statement(
        b"segment",
        genesis,
        U64.encode(copy),
        U64.encode(segment),
        encoder,
        hoster,
        pk_hash,
        salt,
        U64.encode(first_byte),
        U64.encode(size),
        U64.encode(sectors),
        root,
    )


def draw(tag: int, seed: bytes, ids: bytes, ctr: int) -> int:
    """Return D(tag, ids, ctr) for a seed."""
    return low(digest(b"datdot/v1/draw\0", bytes([tag]), seed, ids, U32.encode(ctr)))


def chain_rand(seed: bytes, segment: int) -> bytes:
    """Return chain_rand of a segment, from the seed of the block in which its salt is drawn."""
    return digest(b"datdot/v1/draw\0\x06", seed, U64.encode(segment))


def contract_id(genesis: bytes, copy: int) -> bytes:
    """Return contract_id of a copy."""
    return digest(b"datdot/v1/copy\0", genesis, U64.encode(copy))


def pk_hash(modulus: bytes) -> bytes:
    """Return pk_hash of an RSA-2048 modulus with e = 3."""
    return digest(U16.encode(2048), U32.encode(3), modulus)


def salt(
    genesis: bytes,
    copy: int,
    *,
    encoder: bytes,
    hoster: bytes,
    feed_key: bytes,
    feed_root: bytes,
    chain_rand: bytes,
    pk_hash: bytes,
) -> bytes:
    """Return a segment's salt (docs/protocol/encoding.md section 5), profile P1."""
    return digest(
        b"repenc/v1/salt",
        bytes([PROFILE_P1]),
        genesis,
        contract_id(genesis, copy),
        encoder,
        hoster,
        feed_key,
        feed_root,
        chain_rand,
        pk_hash,
    )


def context(contract: bytes, encoder: bytes, hoster: bytes, profile: int, pk_hash: bytes, salt: bytes) -> bytes:
    """Return ctx of a segment's Merkle tree (docs/protocol/encoding.md section 5)."""
    return digest(b"repenc/v1/ctx", contract, encoder, hoster, bytes([profile]), pk_hash, salt)


def next_link(genesis: bytes, account: bytes, link: bytes) -> bytes:
    """Return the link that follows `link` towards the anchor."""
    return digest(b"datdot/v1/chain\0", genesis, account, link)


def probe(link: bytes, copy: int, era: int, j: int) -> bytes:
    """Return q_j of (copy, era) for the holder of `link`."""
    return digest(b"datdot/v1/probe\0", link, U64.encode(copy), U32.encode(era), bytes([j]))


def commitment(
    genesis: bytes, account: bytes, era: int, copy: int, report: Report, link: bytes, leaf: bytes, salt: bytes
) -> bytes:
    """Return the commit of an attester's report.

    `leaf` is the leaf hash of the sector of j = 0, or zeros if not served.
    """
    return digest(
        b"datdot/v1/commit\0",
        genesis,
        account,
        U32.encode(era),
        U64.encode(copy),
        _REPORT.encode(report),
        link,
        leaf,
        salt,
    )


def report(genesis: bytes, account: bytes, copy: int, evidence: Evidence) -> bytes:
    """Return what the reporter of an invalid encoding commits to."""
    return digest(_statement(b"report", genesis, account, U64.encode(copy), _EVIDENCE.encode(evidence)))


# The product of the odd primes below 4,096.
_PRIMES = prod(n for n in range(3, 4_096, 2) if all(n % d for d in range(3, int(n**0.5) + 1, 2)))


def valid_modulus(modulus: bytes) -> bool:
    """Return whether N (big endian) is in [2^2048 - 2^1988, 2^2048), odd and without a prime factor below 4,096."""
    n = int.from_bytes(modulus, "big")
    return n >= 2**2048 - 2**1988 and n & 1 == 1 and gcd(n, _PRIMES) == 1
