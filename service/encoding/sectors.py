"""Encoding and decoding of runs of sectors: pure functions of bytes, sector index, salt and key."""

from __future__ import annotations

import struct
from collections.abc import Callable

from gmpy2 import mpz

from .errors import PaddingError, SectorError
from .keys import PrivateKey, check_modulus
from .permutation import permute, round_keys, unpermute
from .profiles import MAX_SECTORS, P1, SECTOR, Profile
from .rsa import Backend, apply_sectors, invert_sectors, make_backend

_BATCH = 256 * SECTOR  # long runs are processed in pieces of this size, which bounds memory


class SectorEncoder:
    """An encoder of one segment's sectors, with the segment's salt and the encoder's private key.

    Raises KeyErased if the key has been erased. Do not close it while another thread encodes.
    """

    def __init__(self, salt: bytes, key: PrivateKey, backend: Backend | None = None) -> None:
        self._salt = _checked_salt(salt)
        self._key = key
        self._backend = make_backend(key.crt) if backend is None else backend

    @property
    def backend(self) -> str:
        """The library that does the RSA operation: `openssl` or `gmpy2`."""
        return self._backend.name

    def encode(self, first_sector: int, plain: bytes) -> bytes:
        """Encode whole sectors, the first of which has index `first_sector` in its segment. The length stays the same.

        Raises SectorError for a partial sector or an index out of range, and ComputationFault if a result fails its
        check.
        """
        check_run(first_sector, plain)
        if len(plain) > _BATCH:
            return _in_batches(self.encode, first_sector, plain)
        crt, count = self._key.crt, len(plain) // SECTOR
        for number in range(1, self._key.profile.rounds + 1):
            plain = permute(plain, round_keys(self._salt, number, first_sector, count))
            plain = b"".join(invert_sectors(_split(plain), crt, self._backend))
        return plain

    def close(self) -> None:
        """Drop the key, as far as this object holds it."""
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

    def decode(self, first_sector: int, encoded: bytes) -> bytes:
        """Decode whole sectors, padding included. Any bytes decode to something, so the caller must check the plaintext.

        Raises SectorError for a partial sector or an index out of range.
        """
        check_run(first_sector, encoded)
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


def check_run(first_sector: int, data: bytes) -> None:
    """Raise SectorError unless `data` is whole sectors, all with an index that a segment can have."""
    if len(data) % SECTOR:
        raise SectorError(f"a run of {len(data)} bytes is not whole sectors of {SECTOR}")
    last = first_sector + len(data) // SECTOR
    if first_sector < 0 or last > MAX_SECTORS:
        raise SectorError(f"sectors {first_sector} to {last} are outside the range 0 to {MAX_SECTORS} of a segment")


def _checked_salt(salt: bytes) -> bytes:
    if len(salt) != 32:
        raise SectorError(f"a salt has 32 bytes, not {len(salt)}")
    return bytes(salt)


def _split(run: bytes) -> tuple[bytes, ...]:
    return struct.unpack(f"{SECTOR}s" * (len(run) // SECTOR), run)


def _in_batches(work: Callable[[int, bytes], bytes], first_sector: int, run: bytes) -> bytes:
    offsets = range(0, len(run), _BATCH)
    return b"".join([work(first_sector + at // SECTOR, run[at : at + _BATCH]) for at in offsets])
