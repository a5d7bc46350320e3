"""Signed extrinsics of version 4: the bytes that are signed, and those that are sent. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from .metadata import blake2_256

SR25519, ECDSA = 1, 2
PERIOD = 64
"""Blocks for which an extrinsic stays valid."""
VERSION_SIGNED = 0x84


@dataclass(frozen=True, slots=True)
class Mortality:
    """The block from which on an extrinsic is valid, for `PERIOD` blocks."""

    birth: int
    birth_hash: bytes

    @property
    def death(self) -> int:
        """The first block that may not contain the extrinsic."""
        return self.birth + PERIOD

    @property
    def era(self) -> bytes:
        """The SCALE bytes of the mortal era."""
        phase = self.birth % PERIOD
        return (PERIOD.bit_length() - 2 | phase << 4).to_bytes(2, "little")


def compact(value: int) -> bytes:
    """Return SCALE's compact encoding. Raises ValueError for a negative number or one of more than 67 bytes."""
    if value < 0:
        raise ValueError(f"{value} has no compact encoding")
    if value < 1 << 6:
        return bytes([value << 2])
    if value < 1 << 14:
        return (value << 2 | 1).to_bytes(2, "little")
    if value < 1 << 30:
        return (value << 2 | 2).to_bytes(4, "little")
    size = (value.bit_length() + 7) // 8
    if size > 67:
        raise ValueError("too large for a compact encoding")
    return bytes([(size - 4) << 2 | 3]) + value.to_bytes(size, "little")


def extra(mortality: Mortality, nonce: int) -> bytes:
    """Return what the transaction extensions add to the extrinsic: era, nonce and no tip."""
    return mortality.era + compact(nonce) + compact(0)


def payload(
    call: bytes, mortality: Mortality, nonce: int, spec_version: int, transaction_version: int, genesis: bytes
) -> bytes:
    """Return the bytes that the account signs: the payload, or its hash if it exceeds 256 bytes."""
    implicit = (
        spec_version.to_bytes(4, "little") + transaction_version.to_bytes(4, "little") + genesis + mortality.birth_hash
    )
    data = call + extra(mortality, nonce) + implicit
    return data if len(data) <= 256 else blake2_256(data)


def signed(
    account: bytes, signature: bytes, call: bytes, mortality: Mortality, nonce: int, kind: int = SR25519
) -> bytes:
    """Return the extrinsic as it is sent, with its length prefix.

    `kind` is the signature's number in MultiSignature.
    """
    body = bytes([VERSION_SIGNED, 0]) + account + bytes([kind]) + signature + extra(mortality, nonce) + call
    return compact(len(body)) + body


def signer_of(extrinsic: bytes) -> bytes:
    """Return the account that signed an extrinsic made by `signed`."""
    prefix = (1, 2, 4)[extrinsic[0] & 3]
    return extrinsic[prefix + 2 : prefix + 34]


def signed_call(extrinsic: bytes) -> bytes | None:
    """Return the encoded call of an extrinsic of version 4 that an account signed, as blocks hold it, or None.

    Raises IndexError if it ends before its call.
    """
    at = (1, 2, 4)[extrinsic[0] & 3] if extrinsic[0] & 3 < 3 else 5 + (extrinsic[0] >> 2)
    if extrinsic[at] != VERSION_SIGNED or extrinsic[at + 1] != 0:
        return None  # an inherent, or an address that is no account
    at += 34
    at += 1 + (65 if extrinsic[at] == ECDSA else 64)
    at += 1 if extrinsic[at] == 0 else 2  # immortal, or a mortal era
    for _ in ("nonce", "tip"):
        mode = extrinsic[at] & 3
        at += (1, 2, 4)[mode] if mode < 3 else 5 + (extrinsic[at] >> 2)
    return extrinsic[at:]


def extrinsic_hash(extrinsic: bytes) -> bytes:
    """Return the hash that names an extrinsic."""
    return blake2_256(extrinsic)
