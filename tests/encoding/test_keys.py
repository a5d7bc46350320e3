"""Profiles, moduli and private keys: what is admitted, what is refused, and what a message says."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import gmpy2
import pytest
from gmpy2 import mpz
from hypothesis import given, settings
from hypothesis import strategies as st

from service.encoding import (
    P1,
    EncodingError,
    KeyErased,
    ModulusError,
    PrivateKey,
    PrivateKeyError,
    Profile,
    ProfileError,
    SectorDecoder,
    SectorEncoder,
    check_modulus,
    contract_id,
    get_profile,
    pk_hash,
    sector_count,
)
from service.encoding.keys import SHAPES

FORMAT_2 = Path(__file__).parents[1] / "vectors/encoding/three-primes.json"
TOP = mpz(1) << 2048
BOUND = TOP - (mpz(1) << 1988)


def as_bytes(n: mpz) -> bytes:
    return bytes(n.to_bytes(256, "big"))


def clean_from(n: mpz) -> mpz:
    """The next odd number without a small factor."""
    small = gmpy2.primorial(4095)
    while gmpy2.gcd(n, small) != 1:
        n += 1
    return n


@pytest.mark.parametrize(("e", "rounds"), [(3, 1), (5, 1), (17, 1), (257, 1), (4097, 1)])
def test_compressible_profiles_are_refused(e: int, rounds: int) -> None:
    with pytest.raises(ProfileError, match="can be compressed"):
        Profile(9, 2048, e, rounds)


@pytest.mark.parametrize(("e", "rounds"), [(3, 2), (5, 2), (65537, 1), (65537, 2)])
def test_other_profiles_are_admitted(e: int, rounds: int) -> None:
    assert Profile(9, 2048, e, rounds).e == e


@pytest.mark.parametrize(
    "profile", [(256, 2048, 3, 2), (1, 1024, 3, 2), (1, 2048, 4, 3), (1, 2048, 3, 0), (1, 2048, 1, 3)]
)
def test_profiles_that_make_no_sense(profile: tuple[int, int, int, int]) -> None:
    with pytest.raises(ProfileError):
        Profile(*profile)


def test_unknown_profile_byte() -> None:
    assert get_profile(1) is P1
    with pytest.raises(ProfileError, match="profile 2 is unknown"):
        get_profile(2)


@pytest.mark.parametrize(("length", "sectors"), [(1, 1), (256, 1), (257, 2), (1 << 38, 1 << 30)])
def test_sector_count(length: int, sectors: int) -> None:
    assert sector_count(length) == sectors


def test_moduli_at_the_bound() -> None:
    lowest = clean_from(BOUND)
    check_modulus(as_bytes(lowest))
    with pytest.raises(ModulusError, match="below"):
        check_modulus(as_bytes(BOUND - 1))
    with pytest.raises(ModulusError, match="below"):
        check_modulus(bytes(256))


def test_even_modulus() -> None:
    with pytest.raises(ModulusError, match="even"):
        check_modulus(as_bytes(clean_from(BOUND) + 1))


@pytest.mark.parametrize("factor", [3, 5, 4093])
def test_modulus_with_a_small_factor(factor: int) -> None:
    n = BOUND + factor - BOUND % factor
    while gmpy2.gcd(n, gmpy2.primorial(4095)) != factor:
        n += factor
    with pytest.raises(ModulusError, match=rf"divisible by {factor}$"):
        check_modulus(as_bytes(n))


def test_the_first_prime_beyond_the_limit_is_admitted() -> None:
    n = 4099 * clean_from(BOUND // 4099 + 1)
    assert BOUND <= n < TOP
    check_modulus(as_bytes(n))


@pytest.mark.parametrize("length", [0, 255, 257, 4096])
def test_modulus_of_wrong_length(length: int) -> None:
    with pytest.raises(ModulusError, match=f"{length} bytes long"):
        check_modulus(b"\xff" * length)


@settings(max_examples=25, deadline=None)
@given(st.binary(min_size=256, max_size=256))
def test_any_admitted_modulus_satisfies_the_rules(tail: bytes) -> None:
    modulus = b"\xff" * 8 + tail[8:]
    n = int.from_bytes(modulus, "big")
    try:
        check_modulus(modulus)
    except ModulusError:
        assert n % 2 == 0 or any(n % f == 0 for f in range(3, 4096, 2))
    else:
        assert n % 2
        assert all(n % f for f in range(3, 4096, 2))


@pytest.mark.parametrize("primes", [2, 3, 4])
def test_generated_keys(primes: int) -> None:
    keys = [PrivateKey.generate(primes=primes) for _ in range(3)]
    assert len({key.modulus for key in keys}) == 3
    for key in keys:
        check_modulus(key.modulus)
        crt = key.crt
        assert tuple(prime.bit_length() for prime in crt.primes) == SHAPES[primes]
        for prime in crt.primes:
            bits = prime.bit_length()
            assert gmpy2.is_prime(prime)
            assert prime % 3 == 2
            assert prime >= (mpz(1) << bits) - (mpz(1) << (bits - 64))
        assert abs(crt.primes[0] - crt.primes[1]) > mpz(1) << (SHAPES[primes][0] - 100)
        assert math.prod(crt.primes) == mpz.from_bytes(key.modulus, "big")


def test_new_keys_have_three_primes() -> None:
    assert tuple(prime.bit_length() for prime in PrivateKey.generate().crt.primes) == (670, 670, 708)


def test_private_key_bytes(key: PrivateKey, salt: bytes) -> None:
    data = key.to_bytes()
    assert data[:2] == b"\x01\x01"
    assert len(data) == 258
    again = PrivateKey.from_bytes(data)
    assert again.modulus == key.modulus
    assert SectorEncoder(salt, again).encode(3, bytes(256)) == SectorEncoder(salt, key).encode(3, bytes(256))


@pytest.mark.parametrize(("primes", "length"), [(3, 9 + 84 + 84 + 89), (4, 11 + 4 * 64)])
def test_bytes_of_keys_of_more_primes(primes: int, length: int, salt: bytes) -> None:
    key = PrivateKey.generate(primes=primes)
    data = key.to_bytes()
    assert data[:3] == bytes([2, 1, primes])
    assert len(data) == length
    again = PrivateKey.from_bytes(data)
    assert again.modulus == key.modulus
    assert again.to_bytes() == data
    assert SectorEncoder(salt, again).encode(3, bytes(256)) == SectorEncoder(salt, key).encode(3, bytes(256))


def test_a_key_of_format_2_reads_as_ever() -> None:
    vector = json.loads(FORMAT_2.read_text())
    key = PrivateKey.from_bytes(bytes.fromhex(vector["bytes"]))
    assert key.modulus.hex() == vector["modulus"]
    assert key.to_bytes().hex() == vector["bytes"]
    assert [f"{prime:x}" for prime in key.crt.primes] == vector["primes"]


def test_bytes_that_are_no_private_key(key: PrivateKey, other_key: PrivateKey) -> None:
    data = key.to_bytes()
    with pytest.raises(PrivateKeyError, match="258 bytes, not 257"):
        PrivateKey.from_bytes(data[:-1])
    with pytest.raises(PrivateKeyError, match="format 3"):
        PrivateKey.from_bytes(b"\x03" + data[1:])
    with pytest.raises(PrivateKeyError, match="format of no byte"):
        PrivateKey.from_bytes(b"")
    with pytest.raises(ProfileError, match="profile 7"):
        PrivateKey.from_bytes(b"\x01\x07" + data[2:])
    with pytest.raises(PrivateKeyError, match="one is out of bounds"):
        PrivateKey.from_bytes(data[:2] + bytes(128) + data[130:])
    with pytest.raises(PrivateKeyError, match="prime 1 of 2 is out of bounds"):
        PrivateKey.from_bytes(data[:2] + b"\x80" + bytes(127) + data[130:])
    with pytest.raises(PrivateKeyError, match="too close"):
        PrivateKey.from_bytes(data[:130] + data[2:130])
    more = other_key.to_bytes()
    for count in (0, 1, 5, 255):
        with pytest.raises(PrivateKeyError, match=f"not {count} in"):
            PrivateKey.from_bytes(more[:2] + bytes([count]) + more[3:])
    with pytest.raises(PrivateKeyError, match="in 8 bytes"):
        PrivateKey.from_bytes(more[:8])
    with pytest.raises(PrivateKeyError, match="266 bytes, not 267"):
        PrivateKey.from_bytes(more + b"\0")
    with pytest.raises(PrivateKeyError, match="do not make a modulus of 2048"):
        PrivateKey(other_key.crt.primes[:2])
    one = other_key.crt.primes
    with pytest.raises(PrivateKeyError, match="too close"):
        PrivateKey((one[0], one[0], one[2]))


@pytest.mark.parametrize("bit", [1, 8, 500])
def test_a_flipped_bit_in_a_private_key_is_noticed(key: PrivateKey, other_key: PrivateKey, bit: int) -> None:
    for one in (key, other_key):
        data = bytearray(one.to_bytes())
        data[-1 - bit // 8] ^= 1 << bit % 8
        with pytest.raises(PrivateKeyError):
            PrivateKey.from_bytes(bytes(data))


def test_repr_shows_nothing_secret(key: PrivateKey) -> None:
    assert key.to_bytes()[2:].hex()[-16:] not in repr(key)
    assert str(int(key.crt.primes[0])) not in repr(key.crt)


def test_an_erased_key_cannot_re_encode(segment: Any, salt: bytes) -> None:
    key = PrivateKey.generate()
    encoder = SectorEncoder(salt, key)
    encoded = encoder.encode(0, bytes(256))
    modulus = key.modulus
    encoder.close()
    key.erase()
    for use in (key.to_bytes, lambda: SectorEncoder(salt, key), lambda: encoder.encode(0, bytes(256))):
        with pytest.raises(KeyErased):
            use()
    assert SectorDecoder(salt, modulus).decode(0, encoded) == bytes(256)  # reading needs no secret
    assert SectorEncoder(salt, PrivateKey.generate()).encode(0, bytes(256)) != encoded


def test_derivations_name_a_field_of_wrong_length() -> None:
    with pytest.raises(EncodingError, match="genesis must be 32 bytes long, not 31"):
        contract_id(bytes(31), 0)
    with pytest.raises(EncodingError, match="modulus must be 256 bytes long, not 3"):
        pk_hash(b"abc")
