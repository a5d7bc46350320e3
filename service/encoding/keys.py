"""RSA keys of the encoding: the conditions on a modulus, and private keys: generated, kept as bytes, erased."""

from __future__ import annotations

import itertools
import secrets
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import gmpy2
from gmpy2 import mpz

from .errors import KeyErased, ModulusError, PrivateKeyError
from .profiles import P1, SECTOR, Profile, get_profile

SMALL_FACTORS = 4096  # no prime below this may divide a modulus
_SMALL_PRIMES = gmpy2.primorial(SMALL_FACTORS - 1) // 2
SHAPES = {2: (1024, 1024), 3: (670, 670, 708), 4: (512, 512, 512, 512)}
"""Bits of a key's primes, by how many it has (docs/protocol/encoding.md section 4)."""
DEFAULT_PRIMES = 3
_TWO_PRIMES, _ANY_PRIMES = 1, 2
_MAX_PRIME_BITS = 1034


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
    """The numbers of a private key, ready for the Chinese remainder theorem. It has no repr, so that none is logged.

    `exponents` are d modulo each prime less 1. `coefficients` belong to the primes from the second on: the inverse of the
    product of those before it.
    """

    n: mpz
    e: int
    d: mpz
    primes: tuple[mpz, ...]
    exponents: tuple[mpz, ...]
    coefficients: tuple[mpz, ...]

    @classmethod
    def from_primes(cls, primes: Sequence[mpz], e: int) -> CrtKey:
        """Compute the numbers from the primes. Raises PrivateKeyError if e has no inverse, or one divides another."""
        products = tuple(itertools.accumulate(primes, lambda product, prime: product * prime))
        try:
            d = gmpy2.invert(mpz(e), gmpy2.lcm(*(prime - 1 for prime in primes)))
            before = zip(products, primes[1:], strict=False)
            coefficients = tuple(gmpy2.invert(product, prime) for product, prime in before)
        except ZeroDivisionError:
            raise PrivateKeyError(f"the exponent {e} has no inverse for these primes") from None
        return cls(products[-1], e, d, tuple(primes), tuple(d % (prime - 1) for prime in primes), coefficients)


class PrivateKey:
    """An encoder's trapdoor for one segment: new for each, kept as bytes until the segment is confirmed, then erased.

    It consists of two to four primes of b bits each, from [2^b − 2^(b − 64), 2^b); two of equal length are more than
    2^(b − 100) apart. The lengths add up to 2,048 bits, so their product always reaches the bound of the modulus
    (docs/protocol/encoding.md section 4). The bytes are secret.
    """

    def __init__(self, primes: Sequence[mpz], profile: Profile = P1) -> None:
        bits = [int(prime.bit_length()) for prime in primes]
        if len(primes) not in SHAPES or sum(bits) != profile.bits:
            raise PrivateKeyError(f"primes of {bits} bits do not make a modulus of {profile.bits}")
        for number, (prime, size) in enumerate(zip(primes, bits, strict=True), 1):
            if size > _MAX_PRIME_BITS or prime < _lowest(size) or gmpy2.is_even(prime):
                raise PrivateKeyError(f"prime {number} of {len(primes)} is out of bounds")
        if any(not _apart(one, other) for one, other in itertools.combinations(primes, 2)):
            raise PrivateKeyError("two of the primes are too close together")
        crt = CrtKey.from_primes(primes, profile.e)
        probe = mpz(2) << 1024
        if gmpy2.powmod(gmpy2.powmod(probe, crt.d, crt.n), crt.e, crt.n) != probe:
            raise PrivateKeyError("these are not primes: the exponents do not invert each other")
        self.profile = profile
        self.modulus = bytes(crt.n.to_bytes(SECTOR, "big"))
        self._crt: CrtKey | None = crt

    @classmethod
    def generate(cls, profile: Profile = P1, primes: int = DEFAULT_PRIMES) -> PrivateKey:
        """Return a new key of two, three or four primes from the system's randomness. This blocks for 20 to 100 ms."""
        while True:
            found = [_random_prime(bits, profile.e) for bits in SHAPES[primes]]
            if all(_apart(one, other) for one, other in itertools.combinations(found, 2)):
                return cls(found, profile)

    @property
    def crt(self) -> CrtKey:
        """The key's numbers. Raises KeyErased once the key has been erased."""
        if self._crt is None:
            raise KeyErased("the private key of this modulus has been erased")
        return self._crt

    def to_bytes(self) -> bytes:
        """Return u8 format (1) | u8 profile | p[128] | q[128] of two primes of 1,024 bits, of others format 2.

        That is u8 format (2) | u8 profile | u8 count | u16 bits of each prime | the primes, each in whole bytes. All
        numbers are big endian, but for the u16.
        """
        primes = [int(prime) for prime in self.crt.primes]
        bits = [prime.bit_length() for prime in primes]
        numbers = b"".join(prime.to_bytes(-(-size // 8), "big") for prime, size in zip(primes, bits, strict=True))
        if tuple(bits) == SHAPES[2]:
            return bytes([_TWO_PRIMES, self.profile.id]) + numbers
        return bytes([_ANY_PRIMES, self.profile.id, len(primes)]) + struct.pack(f"<{len(bits)}H", *bits) + numbers

    @classmethod
    def from_bytes(cls, data: bytes) -> PrivateKey:
        """Read what `to_bytes` wrote. Raises PrivateKeyError or ProfileError for anything else."""
        if len(data) < 3 or data[0] not in (_TWO_PRIMES, _ANY_PRIMES):
            raise PrivateKeyError(f"private key format {data[0] if data else 'of no byte'} is unknown")
        at, bits = 2, SHAPES[2]
        if data[0] == _ANY_PRIMES:
            if data[2] not in SHAPES or len(data) < 3 + 2 * data[2]:
                raise PrivateKeyError(f"a private key has 2 to 4 primes, not {data[2]} in {len(data)} bytes")
            at, bits = 3 + 2 * data[2], struct.unpack_from(f"<{data[2]}H", data, 3)
        ends = list(itertools.accumulate((-(-size // 8) for size in bits), initial=at))
        if len(data) != ends[-1]:
            raise PrivateKeyError(f"a private key of these primes has {ends[-1]} bytes, not {len(data)}")
        primes = [mpz.from_bytes(data[start:end], "big") for start, end in itertools.pairwise(ends)]
        if tuple(int(prime.bit_length()) for prime in primes) != bits:
            raise PrivateKeyError(f"the primes are not of {', '.join(map(str, bits))} bits: one is out of bounds")
        return cls(primes, get_profile(data[1]))

    def erase(self) -> None:
        """Drop the trapdoor and keep the modulus. A caller that stored the bytes must delete them as well."""
        self._crt = None

    def __repr__(self) -> str:
        return f"<PrivateKey profile {self.profile.id}, modulus …{self.modulus[-4:].hex()}>"


def _lowest(bits: int) -> mpz:
    return (mpz(1) << bits) - (mpz(1) << (bits - 64))


def _apart(one: mpz, other: mpz) -> bool:
    """Whether two primes are of different lengths, or far enough from each other."""
    bits = int(one.bit_length())
    return bits != other.bit_length() or bool(abs(one - other) > mpz(1) << (bits - 100))


def _random_prime(bits: int, e: int) -> mpz:
    """Return a random prime of [2^bits − 2^(bits − 64), 2^bits) for which e is invertible.

    Each call of GMP is short: they hold the interpreter's lock, and a node's event loop goes on between them.
    """
    while True:
        prime = _lowest(bits) + secrets.randbits(bits - 64) | 1
        while gmpy2.gcd(prime, _SMALL_PRIMES) != 1 or not gmpy2.is_prime(prime, 1):
            prime += 2
        if prime < mpz(1) << bits and gmpy2.gcd(prime - 1, e) == 1 and gmpy2.is_prime(prime, 40):
            return prime
