"""Encoding and decoding of sector runs: round trips, random access, both backends, and faults in the computation."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from blake3 import blake3
from gmpy2 import mpz
from hypothesis import given, settings
from hypothesis import strategies as st

from service.encoding import (
    MAX_SECTORS,
    BackendError,
    ComputationFault,
    KeyErased,
    ModulusError,
    PaddingError,
    PrivateKey,
    SectorDecoder,
    SectorEncoder,
    SectorError,
    check_padding,
    libcrypto,
    pad,
)
from service.encoding.keys import CrtKey
from service.encoding.permutation import permute, round_keys, unpermute
from service.encoding.rsa import Backend, GmpBackend, OpenSslBackend, invert_sectors, make_backend

pytestmark = pytest.mark.usefixtures("codec")


def plain_feistel(sector: bytes, keys: bytes) -> bytes:
    """The permutation of one sector, written straight from docs/protocol/encoding.md section 6."""
    left, right = sector[:128], sector[128:]
    for i in range(8):
        source = right if i % 2 == 0 else left
        stream = blake3(source, key=keys[32 * i : 32 * i + 32]).digest(length=128)
        if i % 2 == 0:
            left = bytes(x ^ y for x, y in zip(left, stream, strict=True))
        else:
            right = bytes(x ^ y for x, y in zip(right, stream, strict=True))
    return left + right


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 6), st.integers(0, MAX_SECTORS - 6), st.integers(1, 2), st.randoms(use_true_random=False))
def test_permutation(count: int, first: int, number: int, random: Any) -> None:
    run = random.randbytes(256 * count)
    keys = round_keys(bytes(32), number, first, count)
    permuted = permute(run, keys)
    assert unpermute(permuted, keys) == run
    for i in range(count):
        own = round_keys(bytes(32), number, first + i, 1)
        assert keys[256 * i : 256 * i + 256] == own
        assert permuted[256 * i : 256 * i + 256] == plain_feistel(run[256 * i : 256 * i + 256], own)


@settings(max_examples=15, deadline=None)
@given(plain=st.binary(max_size=1500), first=st.integers(0, MAX_SECTORS - 6))
def test_round_trip(key: PrivateKey, salt: bytes, plain: bytes, first: int) -> None:
    encoded = SectorEncoder(salt, key).encode(first, pad(plain))
    assert len(encoded) == len(pad(plain))
    decoded = SectorDecoder(salt, key.modulus).decode(first, encoded)
    assert decoded[: len(plain)] == plain
    check_padding(decoded, len(plain))


def test_random_access_and_resume(key: PrivateKey, salt: bytes, segment: Any) -> None:
    plain, encoded = segment.plain, segment.encoded
    decoder, encoder = SectorDecoder(salt, key.modulus), SectorEncoder(salt, key)
    for first, count in ((0, 1), (7, 3), (39, 1), (5, 0)):
        part = slice(256 * first, 256 * (first + count))
        assert decoder.decode(first, encoded[part]) == plain[part]
        assert encoder.encode(first, plain[part]) == encoded[part]


def test_runs_longer_than_a_batch(key: PrivateKey, salt: bytes) -> None:
    run = hashlib.shake_128(b"long").digest(256 * 600)
    decoder = SectorDecoder(salt, key.modulus)
    decoded = decoder.decode(9, run)
    assert decoded == b"".join(decoder.decode(9 + i, run[256 * i : 256 * i + 256]) for i in range(600))


def test_generated_key_and_both_backends(salt: bytes) -> None:
    key = PrivateKey.generate(primes=2)
    plain = hashlib.shake_128(b"backends").digest(256 * 8)
    encoded = {SectorEncoder(salt, key, kind(key.crt)).encode(4, plain) for kind in (OpenSslBackend, GmpBackend)}
    encoded.add(SectorEncoder(salt, key).encode(4, plain))
    assert len(encoded) == 1
    assert SectorDecoder(salt, key.modulus).decode(4, encoded.pop()) == plain


def test_openssl_leaves_keys_of_more_primes_alone(other_key: PrivateKey) -> None:
    with pytest.raises(BackendError, match="3 primes"):
        OpenSslBackend(other_key.crt)
    assert make_backend(other_key.crt).name == "gmpy2"


def test_equal_sectors_are_never_encoded_alike(key: PrivateKey, salt: bytes) -> None:
    encoded = SectorEncoder(salt, key).encode(0, bytes(256 * 64))
    assert len({encoded[i : i + 16] for i in range(0, len(encoded), 16)}) == 64 * 16


@pytest.mark.parametrize("length", [1, 255, 257])
def test_ragged_runs_are_refused(key: PrivateKey, salt: bytes, length: int) -> None:
    for work in (SectorEncoder(salt, key).encode, SectorDecoder(salt, key.modulus).decode):
        with pytest.raises(SectorError, match=f"{length} bytes is not whole sectors"):
            work(0, bytes(length))


@pytest.mark.parametrize("first", [-1, MAX_SECTORS, MAX_SECTORS + 7])
def test_indices_out_of_range_are_refused(key: PrivateKey, salt: bytes, first: int) -> None:
    for work in (SectorEncoder(salt, key).encode, SectorDecoder(salt, key.modulus).decode):
        with pytest.raises(SectorError, match="are outside the range"):
            work(first, bytes(256))


def test_salt_and_modulus_are_checked(key: PrivateKey, salt: bytes) -> None:
    with pytest.raises(SectorError, match="a salt has 32 bytes, not 31"):
        SectorEncoder(salt[:31], key)
    with pytest.raises(SectorError, match="a salt has 32 bytes, not 33"):
        SectorDecoder(salt + b"\0", key.modulus)
    with pytest.raises(ModulusError):
        SectorDecoder(salt, bytes(256))


def test_padding_must_be_zero() -> None:
    assert pad(b"") == b""
    assert pad(b"x") == b"x" + bytes(255)
    check_padding(b"abc" + bytes(253), 3)
    check_padding(bytes(256), 256)
    with pytest.raises(PaddingError, match="byte 255 of the run"):
        check_padding(b"abc" + bytes(252) + b"\1", 3)


# ---------------------------------------------------------------- faults and backends


PARTS = [("exponents", 0), ("exponents", 1), ("coefficients", 0)]


def damaged(key: CrtKey, part: str, place: int) -> CrtKey:
    numbers = list(getattr(key, part))
    numbers[place] ^= 2
    return replace(key, **{part: tuple(numbers)})  # type: ignore[arg-type]


@pytest.mark.parametrize(("part", "place"), PARTS)
def test_gmp_never_gives_out_a_faulty_result(key: PrivateKey, part: str, place: int) -> None:
    broken = damaged(key.crt, part, place)
    with pytest.raises(ComputationFault, match="gmpy2"):
        list(invert_sectors([b"\1" * 256], key.crt, GmpBackend(broken)))


@pytest.mark.parametrize(("part", "place"), PARTS)
def test_openssl_never_gives_out_a_faulty_result(key: PrivateKey, part: str, place: int) -> None:
    """OpenSSL notices a wrong half itself and does without the remainder theorem; with d wrong too we must notice."""
    right = list(invert_sectors([b"\1" * 256], key.crt, GmpBackend(key.crt)))
    half_broken = damaged(key.crt, part, place)
    try:
        assert list(invert_sectors([b"\1" * 256], key.crt, OpenSslBackend(half_broken))) == right
    except ComputationFault:
        pass  # a library that does not repair its result is caught as well
    broken = replace(half_broken, d=key.crt.d ^ 2)
    with pytest.raises(ComputationFault, match="openssl"):
        list(invert_sectors([b"\1" * 256], key.crt, OpenSslBackend(broken)))


class Flipping(GmpBackend):
    """Computes rightly but for one bit of one result, as a particle or a hot processor may."""

    def __init__(self, key: Any, bit: int) -> None:
        super().__init__(key)
        self.left, self.bit = 3, bit

    def invert(self, y: bytes) -> bytes:
        result = bytearray(super().invert(y))
        self.left -= 1
        if self.left == 0:
            result[self.bit // 8] ^= 0x80 >> self.bit % 8
        return bytes(result)


@pytest.mark.parametrize("bit", [0, 1000, 2047])
def test_a_single_flipped_bit_stops_the_encoding(key: PrivateKey, salt: bytes, bit: int) -> None:
    encoder = SectorEncoder(salt, key, Flipping(key.crt, bit))
    with pytest.raises(ComputationFault):
        encoder.encode(0, bytes(256 * 4))


def test_closed_backends_refuse(key: PrivateKey) -> None:
    for kind in (OpenSslBackend, GmpBackend):
        backend: Backend = kind(key.crt)
        backend.invert(b"\1" * 256)
        backend.close()
        backend.close()
        with pytest.raises(KeyErased):
            backend.invert(b"\1" * 256)


def test_openssl_refuses_what_is_no_element(key: PrivateKey) -> None:
    with pytest.raises(BackendError, match="too large"):
        OpenSslBackend(key.crt).invert(b"\xff" * 256)


def test_openssl_from_many_threads(key: PrivateKey, salt: bytes, segment: Any) -> None:
    encoder = SectorEncoder(salt, key, OpenSslBackend(key.crt))
    plain, encoded = segment.plain, segment.encoded
    with ThreadPoolExecutor(4) as threads:
        parts = threads.map(lambda i: encoder.encode(i, plain[256 * i : 256 * i + 256]), range(40))
        assert b"".join(parts) == encoded


def test_gmp_takes_over_where_there_is_no_libcrypto(key: PrivateKey, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing() -> Iterator[str]:
        yield "libcrypto-that-is-not-there.so"

    assert make_backend(key.crt).name == "openssl"
    libcrypto.load.cache_clear()
    monkeypatch.setattr(libcrypto, "_candidates", nothing)
    assert make_backend(key.crt).name == "gmpy2"
    with pytest.raises(BackendError, match=r"libcrypto-that-is-not-there\.so"):
        libcrypto.load()
    libcrypto.load.cache_clear()


def test_a_library_of_another_kind_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["libc.so.6", *libcrypto._candidates()]
    libcrypto.load.cache_clear()
    monkeypatch.setattr(libcrypto, "_candidates", lambda: iter(names))
    assert libcrypto.load()._name == names[1]
    libcrypto.load.cache_clear()


def test_importing_the_room_stays_light() -> None:
    """Each worker process imports it, so it must not pull in asyncio or the node's libraries."""
    heavy = "{'asyncio', 'cryptography', 'structlog', 'substrateinterface'}"
    script = f"import sys, service.encoding.worker; print(sorted({heavy} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_the_modulus_is_a_number_of_two_primes(key: PrivateKey) -> None:
    assert mpz.from_bytes(key.modulus, "big") == key.crt.primes[0] * key.crt.primes[1]
