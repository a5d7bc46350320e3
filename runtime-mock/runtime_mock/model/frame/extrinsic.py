"""Extrinsics: bare ones (inherents, v4 or v5), signed ones (v4) and general ones (v5), with the runtime's extensions."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import ed25519_zebra
import sr25519

from ...secp256k1 import recover
from ..scale import BYTES32, COMPACT, U8, U32, FixedBytes, ScaleError
from ..storage import State
from . import system
from .calls import CALL, MAX_DEPTH, Call
from .dispatch import Invalid, RuntimePanic, cannot_lookup, invalid
from .limits import SPEC_VERSION, TRANSACTION_VERSION
from .registry import ADDRESS, COMPACT128

_SIGNATURE = {0: FixedBytes(64), 1: FixedBytes(64), 2: FixedBytes(65)}
_BARE, _SIGNED, _GENERAL = 0, 0x80, 0x40


@dataclass(frozen=True)
class Mortality:
    """An era. It is immortal if `period` is 0."""

    period: int
    phase: int

    def birth(self, current: int) -> int:
        """Return the first block of the period that contains block `current`."""
        if self.period == 0:
            return 0
        return (max(current, self.phase) - self.phase) // self.period * self.period + self.phase

    def death(self, current: int) -> int:
        """Return the first block after that period."""
        return self.birth(current) + self.period if self.period else 2**64 - 1


@dataclass(frozen=True)
class Extensions:
    """The transaction extensions that carry data."""

    era: Mortality
    nonce: int
    tip: int
    encoded: bytes


@dataclass(frozen=True)
class Extrinsic:
    """A decoded extrinsic. `address` is None in bare and general ones, and where no lookup resolves it."""

    kind: int
    call: Call
    call_bytes: bytes
    encoded: bytes
    address: bytes | None = None
    signature: tuple[int, bytes] = (0, b"")
    extensions: Extensions | None = None
    too_deep: bool = False

    @property
    def bare(self) -> bool:
        """Whether it is bare: it carries neither signature nor extensions."""
        return self.kind == _BARE

    @property
    def signed(self) -> bool:
        """Whether it is signed in the form of version 4."""
        return self.kind == _SIGNED

    @property
    def inherent(self) -> bool:
        """Whether it is the inherent that sets the time."""
        return self.bare and (self.call.pallet, self.call.index) == (1, 0)


def _read_era(data: bytes, at: int) -> tuple[Mortality, int]:
    first, at = U8.read(data, at)
    if first == 0:
        return Mortality(0, 0), at
    second, at = U8.read(data, at)
    encoded = first | second << 8
    period = 2 << (encoded % 16)
    phase = (encoded >> 4) * max(1, period >> 12)
    if period < 4 or phase >= period:
        raise ScaleError("invalid era")
    return Mortality(period, phase), at


def _read_extensions(data: bytes, start: int) -> tuple[Extensions, int]:
    era, at = _read_era(data, start)
    nonce, at = COMPACT.read(data, at)
    tip, at = COMPACT128.read(data, at)
    return Extensions(era, nonce, tip, data[start:at]), at


def decode(data: bytes, start: int = 0) -> tuple[Extrinsic, int]:
    """Read an extrinsic with its length prefix. Raises RuntimePanic, as the runtime's decoding does."""
    try:
        return _decode(data, start)
    except ScaleError as error:
        raise RuntimePanic(f"Bad input data provided: {error}") from error


def _decode(data: bytes, start: int) -> tuple[Extrinsic, int]:
    size, at = COMPACT.read(data, start)
    end = at + size
    version, at = U8.read(data, at)
    kind, version = version & 0xC0, version & 0x3F
    address, signature, extensions = None, (0, b""), None
    if kind == _BARE and version in (4, 5):
        pass
    elif kind == _SIGNED and version == 4:
        address, at = ADDRESS.read(data, at)
        scheme, at = U8.read(data, at)
        if scheme not in _SIGNATURE:
            raise ScaleError(f"{scheme} is not a kind of signature")
        raw, at = _SIGNATURE[scheme].read(data, at)
        signature = (scheme, raw)
        extensions, at = _read_extensions(data, at)
    elif kind == _GENERAL and version == 5:
        extension_version, at = U8.read(data, at)
        if extension_version:
            raise ScaleError(f"{extension_version} is not a version of the extensions")
        extensions, at = _read_extensions(data, at)
    else:
        raise ScaleError("Invalid transaction version")
    call, call_end = CALL.read(data, at)
    if call_end != end:
        raise ScaleError("Invalid length prefix")
    too_deep = CALL.deepest > MAX_DEPTH
    return Extrinsic(kind, call, data[at:end], data[start:end], address, signature, extensions, too_deep), end


def implicit(s: State, extensions: Extensions) -> bytes:
    """Return the bytes that are signed but not sent. Raises ValidityError(ANCIENT_BIRTH_BLOCK)."""
    birth = extensions.era.birth(system.Number.get(s))
    genesis, mortal = system.BlockHash.get(s, 0), system.BlockHash.get(s, birth) if birth < 2**32 else None
    if mortal is None:
        raise invalid(Invalid.ANCIENT_BIRTH_BLOCK)
    return U32.encode(SPEC_VERSION) + U32.encode(TRANSACTION_VERSION) + (genesis or bytes(32)) + mortal


def verify_signature(scheme: int, signature: bytes, message: bytes, account: bytes) -> bool:
    """Verify a signature as sp_runtime::MultiSignature::verify does."""
    if scheme == 0:
        return bool(ed25519_zebra.ed_verify(signature, message, account))
    if scheme == 1:
        try:
            return bool(sr25519.verify(signature, message, account))
        except Exception:  # noqa: BLE001 - the binding raises bare exceptions for keys that are no points
            return False
    key = recover(hashlib.blake2b(message, digest_size=32).digest(), signature)
    return key is not None and hashlib.blake2b(key, digest_size=32).digest() == account


def check(s: State, extrinsic: Extrinsic) -> None:
    """Look up the signer and verify the signature. Raises ValidityError."""
    if extrinsic.too_deep:
        raise invalid(Invalid.CALL)
    if not extrinsic.signed:
        return
    if extrinsic.address is None:
        raise cannot_lookup()
    assert extrinsic.extensions is not None
    payload = extrinsic.call_bytes + extrinsic.extensions.encoded + implicit(s, extrinsic.extensions)
    if len(payload) > 256:
        payload = hashlib.blake2b(payload, digest_size=32).digest()
    if not verify_signature(*extrinsic.signature, payload, extrinsic.address):
        raise invalid(Invalid.BAD_PROOF)


__all__ = ["BYTES32", "Extensions", "Extrinsic", "check", "decode", "implicit"]
