"""Encoding and decoding of runs of sectors: pure functions of bytes, sector index, salt and key."""

from __future__ import annotations

import struct
from collections.abc import Callable

from gmpy2 import mpz

from . import native
from .errors import BackendError, PaddingError, SectorError
from .hashes import check_context, leaf_hashes
from .keys import PrivateKey, check_modulus
from .permutation import permute, round_keys, unpermute
from .profiles import P1, SECTOR, Profile, check_run
from .rsa import Backend, OpenSslBackend, apply_sectors, invert_sectors, make_backend

_BATCH = 256 * SECTOR  # long runs are processed in pieces of this size, which bounds memory


class SectorEncoder:
    """An encoder of one segment's sectors, with the segment's salt and the encoder's private key.

    Raises KeyErased if the key has been erased. Do not close it while another thread encodes, unless it is native.
    """

    def __init__(self, salt: bytes, key: PrivateKey, backend: Backend | None = None) -> None:
        self._salt = _checked_salt(salt)
        self._key = key
        self._library = native.library()
        self._native: native.NativeEncoder | None = None
        self._backend = backend if backend is not None else self._chosen()

    def _chosen(self) -> Backend | None:
        """Make the native encoder and return None, or return a backend where that is faster or there is nothing else."""
        crt = self._key.crt
        if self._library is None:
            return make_backend(crt)
        if len(crt.primes) == 2 and not self._library.accelerated():
            try:
                return OpenSslBackend(crt)
            except BackendError:
                pass  # then GMP would be the alternative, which the native encoder outruns
        primes = [int(prime).to_bytes(-(-int(prime.bit_length()) // 8), "big") for prime in crt.primes]
        self._native = native.told(self._library, self._library.Encoder, primes, self._salt)
        return None

    @property
    def backend(self) -> str:
        """What does the RSA operation: `native`, `openssl` or `gmpy2`."""
        return "native" if self._backend is None else self._backend.name

    def encode(self, first_sector: int, plain: bytes) -> bytes:
        """Encode whole sectors, the first of which has index `first_sector` in its segment. The length stays the same.

        Raises SectorError for a partial sector or an index out of range, and ComputationFault if a result fails its
        check.
        """
        check_run(first_sector, plain)
        crt = self._key.crt
        if self._native is not None and self._library is not None:
            return native.told(self._library, self._native.encode, first_sector, bytes(plain))
        if len(plain) > _BATCH:
            return _in_batches(self.encode, first_sector, plain)
        assert self._backend is not None
        for number in range(1, self._key.profile.rounds + 1):
            plain = permute(plain, round_keys(self._salt, number, first_sector, len(plain) // SECTOR))
            plain = b"".join(invert_sectors(_split(plain), crt, self._backend))
        return plain

    def encode_and_hash(self, ctx: bytes, first_sector: int, plain: bytes) -> tuple[bytes, bytes]:
        """Encode as `encode` does, and return the leaf hashes of the sectors with them, one after another."""
        check_context(ctx)
        if self._native is None or self._library is None:
            encoded = self.encode(first_sector, plain)
            return encoded, b"".join(leaf_hashes(ctx, first_sector, encoded))
        check_run(first_sector, plain)
        self._key.crt  # noqa: B018 - raises if the key has been erased
        return native.told(self._library, self._native.encode_and_hash, ctx, first_sector, bytes(plain))

    def close(self) -> None:
        """Drop the key, as far as this object holds it."""
        if self._native is not None:
            self._native.close()
        if self._backend is not None:
            self._backend.close()


class SectorDecoder:
    """A decoder of one segment's sectors. It needs public values only.

    Raises ModulusError for a modulus that the profile does not allow.
    """

    def __init__(self, salt: bytes, modulus: bytes, profile: Profile = P1) -> None:
        check_modulus(modulus, profile)
        self._salt = _checked_salt(salt)
        self._profile = profile
        self._n = mpz.from_bytes(modulus, "big")
        self._library = native.library()
        self._native: native.NativeDecoder | None = None
        if self._library is not None and profile == P1:
            self._native = native.told(self._library, self._library.Decoder, bytes(modulus), self._salt)

    def decode(self, first_sector: int, encoded: bytes) -> bytes:
        """Decode whole sectors, padding included. Any bytes decode to something, so the caller must check the plaintext.

        Raises SectorError for a partial sector or an index out of range.
        """
        check_run(first_sector, encoded)
        if self._native is not None and self._library is not None:
            return native.told(self._library, self._native.decode, first_sector, bytes(encoded))
        if len(encoded) > _BATCH:
            return _in_batches(self.decode, first_sector, encoded)
        count = len(encoded) // SECTOR
        for number in range(self._profile.rounds, 0, -1):
            encoded = b"".join(apply_sectors(_split(encoded), self._n, self._profile.e))
            encoded = unpermute(encoded, round_keys(self._salt, number, first_sector, count))
        return encoded


def pad(plain: bytes) -> bytes:
    """Return `plain` with zeros added up to whole sectors."""
    return plain + bytes(-len(plain) % SECTOR)


def check_padding(decoded: bytes, used: int) -> None:
    """Raise PaddingError, with the position, unless all bytes of a decoded run after the first `used` are zero."""
    rest = decoded[used:]
    if rest.strip(b"\0"):
        place = next(i for i, byte in enumerate(rest) if byte)
        raise PaddingError(f"padding byte {used + place} of the run is not zero")


def _checked_salt(salt: bytes) -> bytes:
    if len(salt) != 32:
        raise SectorError(f"a salt has 32 bytes, not {len(salt)}")
    return bytes(salt)


def _split(run: bytes) -> tuple[bytes, ...]:
    return struct.unpack(f"{SECTOR}s" * (len(run) // SECTOR), run)


def _in_batches(work: Callable[[int, bytes], bytes], first_sector: int, run: bytes) -> bytes:
    offsets = range(0, len(run), _BATCH)
    return b"".join([work(first_sector + at // SECTOR, run[at : at + _BATCH]) for at in offsets])
