"""The private RSA operation y → y^d mod N on sectors, by OpenSSL or by GMP. Each result is checked before use."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import gmpy2
from gmpy2 import mpz

from . import libcrypto
from .errors import BackendError, ComputationFault, KeyErased
from .keys import CrtKey
from .profiles import SECTOR


class Backend(Protocol):
    """One way to do the private operation with one key, usable from any thread."""

    name: str

    def invert(self, y: bytes) -> bytes:
        """Return the root of one element below N, 256 bytes in and out, big endian, unchecked."""

    def close(self) -> None:
        """Drop the key. `invert` raises KeyErased from then on."""


class GmpBackend:
    """The operation by GMP.

    It is not constant-time, but only the encoder itself chooses and times single operations.
    """

    name = "gmpy2"

    def __init__(self, key: CrtKey) -> None:
        self._key: CrtKey | None = key

    def invert(self, y: bytes) -> bytes:
        """Do as `Backend.invert`."""
        key = self._key
        if key is None:
            raise KeyErased("the private key of this backend has been erased")
        value = mpz.from_bytes(y, "big")
        roots = [gmpy2.powmod(value, d, prime) for d, prime in zip(key.exponents, key.primes, strict=True)]
        whole, product = roots[0], key.primes[0]
        for root, prime, coefficient in zip(roots[1:], key.primes[1:], key.coefficients, strict=True):
            whole += (root - whole) * coefficient % prime * product
            product *= prime
        return bytes(whole.to_bytes(SECTOR, "big"))

    def close(self) -> None:
        """Do as `Backend.close`."""
        self._key = None


class OpenSslBackend:
    """The operation by EVP_PKEY_decrypt without padding, for keys of two primes: more have no fast way there.

    It releases the GIL; each thread has its own context.
    """

    name = "openssl"

    def __init__(self, key: CrtKey) -> None:
        """Load the key. Raises BackendError if libcrypto is missing, refuses the key or would be slow with it."""
        if len(key.primes) != 2:
            raise BackendError(f"OpenSSL has no fast way to a root modulo {len(key.primes)} primes")
        self._library = libcrypto.load()
        self._threads = threading.local()
        self._lock = threading.Lock()
        self._contexts: list[int] = []
        der = _private_key_der(key)
        buffer = ctypes.create_string_buffer(der, len(der))
        cursor = ctypes.c_void_p(ctypes.addressof(buffer))
        self._key: int | None = self._library.d2i_PrivateKey(libcrypto.RSA, None, ctypes.byref(cursor), len(der))
        self._library.OPENSSL_cleanse(buffer, len(der))
        if not self._key:
            raise BackendError(f"OpenSSL refuses the private key: {libcrypto.last_error(self._library)}")

    def invert(self, y: bytes) -> bytes:
        """Do as `Backend.invert`. Raises BackendError if OpenSSL fails."""
        if self._key is None:
            raise KeyErased("the private key of this backend has been erased")
        state = self._threads
        if not hasattr(state, "context"):
            state.context = self._new_context()
            state.out = ctypes.create_string_buffer(SECTOR)
            state.length = ctypes.c_size_t(SECTOR)
        state.length.value = SECTOR
        result = self._library.EVP_PKEY_decrypt(state.context, state.out, state.length, y, SECTOR)
        if result != 1 or state.length.value != SECTOR:
            raise BackendError(f"OpenSSL failed in an RSA operation: {libcrypto.last_error(self._library)}")
        return state.out.raw  # type: ignore[no-any-return]

    def _new_context(self) -> int:
        library = self._library
        with self._lock:
            context: int | None = library.EVP_PKEY_CTX_new(self._key, None)
            if context is not None:
                self._contexts.append(context)
        if (
            context is None
            or library.EVP_PKEY_decrypt_init(context) != 1
            or library.EVP_PKEY_CTX_ctrl(
                context, libcrypto.RSA, -1, libcrypto.CTRL_RSA_PADDING, libcrypto.NO_PADDING, None
            )
            != 1
        ):
            raise BackendError(f"OpenSSL cannot create an RSA context: {libcrypto.last_error(library)}")
        return context

    def close(self) -> None:
        """Do as `Backend.close`; OpenSSL overwrites its copy of the key. No other thread may be inside `invert`."""
        with self._lock:
            for context in self._contexts:
                self._library.EVP_PKEY_CTX_free(context)
            self._contexts.clear()
            if self._key is not None:
                self._library.EVP_PKEY_free(self._key)
            self._key = None

    def __del__(self) -> None:
        if hasattr(self, "_key"):
            self.close()


def make_backend(key: CrtKey) -> Backend:
    """Return a backend by OpenSSL for two primes if the system has a usable libcrypto, by GMP otherwise."""
    try:
        return OpenSslBackend(key)
    except BackendError:
        return GmpBackend(key)


def invert_sectors(sectors: Iterable[bytes], key: CrtKey, backend: Backend) -> Iterator[bytes]:
    """Apply the private permutation to 256-byte strings: y^d mod N below N, identity from N on.

    Raises ComputationFault instead of returning a result x with x^e ≠ y.
    """
    n, forward, invert = key.n, public_operation(key.n, key.e), backend.invert
    for sector in sectors:
        y = mpz.from_bytes(sector, "big")
        if y >= n:
            yield sector
            continue
        root = invert(sector)
        x = mpz.from_bytes(root, "big")
        if x >= n or forward(x) != y:
            raise ComputationFault(f"an RSA result of {backend.name} failed its check; this machine computes wrongly")
        yield root


def public_operation(n: mpz, e: int) -> Callable[[mpz], mpz]:
    """Return x → x^e mod N. The cube takes two products, twice as fast as the general power."""
    if e == 3:
        return lambda x: x * x % n * x % n
    return lambda x: gmpy2.powmod(x, e, n)


def apply_sectors(sectors: Iterable[bytes], n: mpz, e: int) -> list[bytes]:
    """Apply the inverse of `invert_sectors`, with the public key alone."""
    forward = public_operation(n, e)
    values = ((sector, mpz.from_bytes(sector, "big")) for sector in sectors)
    return [forward(x).to_bytes(SECTOR, "big") if x < n else sector for sector, x in values]


def _private_key_der(key: CrtKey) -> bytes:
    """Encode the key as PKCS #1 RSAPrivateKey (RFC 8017, A.1.2)."""
    (q, p), (dq, dp), (qinv,) = key.primes, key.exponents, key.coefficients
    numbers = (0, key.n, key.e, key.d, p, q, dp, dq, qinv)
    return _der(0x30, b"".join(_der_integer(int(number)) for number in numbers))


def _der_integer(number: int) -> bytes:
    return _der(0x02, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def _der(tag: int, body: bytes) -> bytes:
    size = len(body)
    if size < 128:
        return bytes([tag, size]) + body
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + body
