"""RSA keys of the encoding: the conditions on a modulus, and private keys: generated, kept as bytes, erased."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import gmpy2
from gmpy2 import mpz

from .errors import KeyErased, ModulusError, PrivateKeyError
from .profiles import P1, SECTOR, Profile, get_profile

SMALL_FACTORS = 4096  # no prime below this may divide a modulus
_SMALL_PRIMES = gmpy2.primorial(SMALL_FACTORS - 1) // 2
_FORMAT = 1
_PRIME_BITS = SECTOR * 4
_PRIME_BYTES = _PRIME_BITS // 8


def check_modulus(modulus: bytes, profile: Profile = P1) -> None:
    """Refuse a modulus that the profile does not allow (pallet-spec/README.md section 8).

    `modulus` is 256 bytes, big endian. Raises ModulusError if it has a wrong length, is outside [2^2048 − 2^1988,
    2^2048), even, or divisible by a prime below 4,096.
    """
    if len(modulus) != SECTOR:
        raise ModulusError(f"the modulus is {len(modulus)} bytes long, but profile {profile.id} needs {SECTOR}")
    n = mpz.from_bytes(modulus, "big")
    if n < (mpz(1) << profile.bits) - (mpz(1) << (profile.bits - 60)):
        raise ModulusError(f"the modulus is below 2^{profile.bits} − 2^{profile.bits - 60}")
    if gmpy2.is_even(n):
        raise ModulusError("the modulus is even")
    common = gmpy2.gcd(n, _SMALL_PRIMES)
    if common != 1:
        factor = next(f for f in range(3, SMALL_FACTORS, 2) if common % f == 0)
        raise ModulusError(f"the modulus is divisible by {factor}")


@dataclass(frozen=True, repr=False)
class CrtKey:
    """The numbers of a private key, ready for the Chinese remainder theorem. It has no repr, so that none is logged."""

    n: mpz
    e: int
    d: mpz
    p: mpz
    q: mpz
    dp: mpz
    dq: mpz
    qinv: mpz

    @classmethod
    def from_primes(cls, p: mpz, q: mpz, e: int) -> CrtKey:
        """Compute the numbers from the primes. Raises PrivateKeyError if e has no inverse."""
        try:
            d = gmpy2.invert(mpz(e), gmpy2.lcm(p - 1, q - 1))
            return cls(p * q, e, d, p, q, d % (p - 1), d % (q - 1), gmpy2.invert(q, p))
        except ZeroDivisionError:
            raise PrivateKeyError(f"the exponent {e} has no inverse for these primes") from None


class PrivateKey:
    """An encoder's trapdoor for one segment: new for each, kept as bytes until the segment is confirmed, then erased.

    It consists of two primes of 1,024 bits from [2^1024 − 2^960, 2^1024), more than 2^924 apart, so that their product
    always reaches the bound of the modulus (docs/protocol/encoding.md section 4). The bytes are secret.
    """

    def __init__(self, p: mpz, q: mpz, profile: Profile = P1) -> None:
        low = (mpz(1) << _PRIME_BITS) - (mpz(1) << (_PRIME_BITS - 64))
        for name, prime in (("p", p), ("q", q)):
            if not (low <= prime < mpz(1) << _PRIME_BITS and gmpy2.is_odd(prime)):
                raise PrivateKeyError(f"the prime {name} is out of bounds")
        if abs(p - q) <= mpz(1) << (_PRIME_BITS - 100):
            raise PrivateKeyError("the two primes are too close together")
        crt = CrtKey.from_primes(p, q, profile.e)
        probe = mpz(2) << 1024
        if gmpy2.powmod(gmpy2.powmod(probe, crt.d, crt.n), crt.e, crt.n) != probe:
            raise PrivateKeyError("these are not two primes: the exponents do not invert each other")
        self.profile = profile
        self.modulus = bytes(crt.n.to_bytes(SECTOR, "big"))
        self._crt: CrtKey | None = crt

    @classmethod
    def generate(cls, profile: Profile = P1) -> PrivateKey:
        """Return a new key from the system's randomness. This blocks for 50 to 100 ms."""
        while True:
            p, q = _random_prime(profile.e), _random_prime(profile.e)
            if abs(p - q) > mpz(1) << (_PRIME_BITS - 100):
                return cls(p, q, profile)

    @property
    def crt(self) -> CrtKey:
        """The key's numbers. Raises KeyErased once the key has been erased."""
        if self._crt is None:
            raise KeyErased("the private key of this modulus has been erased")
        return self._crt

    def to_bytes(self) -> bytes:
        """Return u8 format (1) | u8 profile | p[128] | q[128], big endian."""
        primes = (int(self.crt.p), int(self.crt.q))
        return bytes([_FORMAT, self.profile.id]) + b"".join(prime.to_bytes(_PRIME_BYTES, "big") for prime in primes)

    @classmethod
    def from_bytes(cls, data: bytes) -> PrivateKey:
        """Read what `to_bytes` wrote. Raises PrivateKeyError or ProfileError for anything else."""
        if len(data) != 2 + 2 * _PRIME_BYTES:
            raise PrivateKeyError(f"a private key has {2 + 2 * _PRIME_BYTES} bytes, not {len(data)}")
        if data[0] != _FORMAT:
            raise PrivateKeyError(f"private key format {data[0]} is unknown")
        p, q = (mpz.from_bytes(part, "big") for part in (data[2 : 2 + _PRIME_BYTES], data[2 + _PRIME_BYTES :]))
        return cls(p, q, get_profile(data[1]))

    def erase(self) -> None:
        """Drop the trapdoor and keep the modulus. A caller that stored the bytes must delete them as well."""
        self._crt = None

    def __repr__(self) -> str:
        return f"<PrivateKey profile {self.profile.id}, modulus …{self.modulus[-4:].hex()}>"


def _random_prime(e: int) -> mpz:
    """Return a random prime of [2^1024 − 2^960, 2^1024) for which e is invertible."""
    span = _PRIME_BITS - 64
    low = (mpz(1) << _PRIME_BITS) - (mpz(1) << span)
    while True:
        prime = gmpy2.next_prime(low + secrets.randbits(span))
        if prime < mpz(1) << _PRIME_BITS and gmpy2.gcd(prime - 1, e) == 1 and gmpy2.is_prime(prime, 40):
            return prime
