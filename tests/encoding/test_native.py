"""The codec in Rust beside the one in Python: each decodes what the other encodes, and which of them works."""

from __future__ import annotations

import hashlib
import random
import sys
from types import ModuleType
from typing import Any

import pytest
from gmpy2 import mpz

from service.encoding import (
    BackendError,
    ComputationFault,
    Frontier,
    KeyErased,
    PrivateKey,
    SectorDecoder,
    SectorEncoder,
    SectorError,
    native,
)
from service.encoding.hashes import leaf_hashes, parents
from service.encoding.merkle import sibling_count
from tests.support.needs import missing

LENGTHS = (0, 1, 7, 8, 9, 16, 17, 40)


@pytest.fixture(scope="module")
def library() -> native.Library:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(native.CHOICE, "")
        return native.library() or missing("the codec in Rust is not installed: run `make setup-dev` where cargo is")


@pytest.fixture
def pure(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is made by name of the room is in Python."""
    monkeypatch.setenv(native.CHOICE, "pure")


def big_endian(key: PrivateKey) -> list[bytes]:
    return [int(prime).to_bytes(-(-int(prime.bit_length()) // 8), "big") for prime in key.crt.primes]


@pytest.mark.parametrize("portable", [False, True])
@pytest.mark.parametrize("primes", [2, 3, 4])
def test_each_decodes_what_the_other_encodes(
    library: native.Library, pure: None, salt: bytes, ctx: bytes, primes: int, portable: bool
) -> None:
    key = PrivateKey.generate(primes=primes)
    python, rust = SectorEncoder(salt, key), library.Encoder(big_endian(key), salt, portable)
    decoder, decoded_by_rust = SectorDecoder(salt, key.modulus), library.Decoder(key.modulus, salt, portable)
    for first, count in zip((0, 5, 2**30 - 41, 77, 0, 1, 2, 3), LENGTHS, strict=True):
        plain = random.Random(count).randbytes(256 * count)
        encoded = python.encode(first, plain)
        assert rust.encode(first, plain) == encoded
        assert rust.encode_and_hash(ctx, first, plain) == (encoded, b"".join(leaf_hashes(ctx, first, encoded)))
        assert python.encode_and_hash(ctx, first, plain) == rust.encode_and_hash(ctx, first, plain)
        assert decoded_by_rust.decode(first, encoded) == plain == decoder.decode(first, encoded)


@pytest.mark.parametrize("portable", [False, True])
@pytest.mark.parametrize("primes", [2, 3, 4])
def test_the_edges_of_the_permutation(
    library: native.Library, pure: None, salt: bytes, primes: int, portable: bool
) -> None:
    key = PrivateKey.generate(primes=primes)
    n = int(mpz.from_bytes(key.modulus, "big"))
    encoded = b"".join(x.to_bytes(256, "big") for x in (0, 1, n - 1, n, n + 1, 2**2048 - 1))
    plain = SectorDecoder(salt, key.modulus).decode(9, encoded)
    assert library.Decoder(key.modulus, salt, portable).decode(9, encoded) == plain
    assert library.Encoder(big_endian(key), salt, portable).encode(9, plain) == encoded
    assert SectorEncoder(salt, key).encode(9, plain) == encoded


@pytest.mark.parametrize("sectors", [1, 2, 3, 64, 65, 200])
def test_trees_are_the_same(library: native.Library, pure: None, ctx: bytes, sectors: int) -> None:
    encoded = hashlib.shake_128(b"tree").digest(256 * sectors)
    tree = Frontier(ctx)
    tree.append(encoded)
    assert library.segment_root(ctx, encoded) == tree.root()
    level = leaf_hashes(ctx, 0, encoded)
    assert library.leaf_hashes(ctx, 0, encoded) == b"".join(level)
    assert library.parents(b"".join(level)) == b"".join(parents(level))
    by_leaves = Frontier(ctx)
    by_leaves.append_leaves(b"".join(level))
    assert by_leaves.root() == tree.root()
    for sector in {0, sectors // 2, sectors - 1}:
        root, siblings = library.opening(ctx, encoded, sector)
        assert root == tree.root()
        assert len(siblings) == 32 * sibling_count(sector, sectors)


def test_errors_come_by_name(
    library: native.Library, key: PrivateKey, salt: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(native.CHOICE, "native")
    wrong = big_endian(key)
    wrong[0] = (int.from_bytes(wrong[0], "big") + 6).to_bytes(128, "big")
    rubbish = library.Encoder(wrong, salt)
    with pytest.raises(ComputationFault, match="computes wrongly"):
        native.told(library, rubbish.encode, 0, bytes(256 * 9))
    with pytest.raises(SectorError, match="255 bytes from sector 3"):
        native.told(library, library.Encoder(big_endian(key), salt).encode, 3, bytes(255))
    closed = SectorEncoder(salt, key)
    assert closed.backend in ("native", "openssl")  # two primes, and no AVX512-IFMA
    closed.close()
    closed.close()
    with pytest.raises(KeyErased):
        closed.encode(0, bytes(256))
    with pytest.raises(SectorError, match="hashes of 32"):
        Frontier(salt).append_leaves(bytes(31))


@pytest.mark.parametrize("size", [0, 31, 33])
@pytest.mark.parametrize("sectors", [1, 2, 40])
def test_a_context_of_another_length_is_refused_alike(
    codec: str, key: PrivateKey, salt: bytes, size: int, sectors: int
) -> None:
    """One codec would hash it to what no other party can check, another would raise what nobody catches."""
    with pytest.raises(SectorError, match=f"a context has 32 bytes, not {size}"):
        leaf_hashes(bytes(size), 0, bytes(256 * sectors))
    with pytest.raises(SectorError, match=f"a context has 32 bytes, not {size}"):
        SectorEncoder(salt, key).encode_and_hash(bytes(size), 0, bytes(256 * sectors))
    with pytest.raises(SectorError, match=f"a context has 32 bytes, not {size}"):
        Frontier(bytes(size)).append(bytes(256 * sectors))


def test_a_panic_comes_as_an_error_of_ours(library: native.Library) -> None:
    """PyO3 raises what is no Exception: tasks and threads would end with it, and who waits for them would hear nothing."""

    class PanicException(BaseException):
        __module__ = "pyo3_runtime"

    def panics() -> None:
        raise PanicException("index out of bounds")

    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(BackendError, match="the codec in Rust ended in the midst of its work: index out of bounds"):
        native.told(library, panics)
    with pytest.raises(KeyboardInterrupt):
        native.told(library, interrupted)


def test_new_keys_are_encoded_with_by_the_codec_in_rust(
    library: native.Library, other_key: PrivateKey, salt: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    for choice, name in (("", "native"), ("native", "native"), ("pure", "gmpy2")):
        monkeypatch.setenv(native.CHOICE, choice)
        assert SectorEncoder(salt, other_key).backend == name


class Old(ModuleType):
    """A wheel of another time."""

    INTERFACE = 7


@pytest.mark.parametrize(
    ("module", "message"), [(None, "is native, but .*datdot_codec"), (Old("datdot_codec"), "has interface 7, not 1")]
)
def test_what_is_not_there_is_missed_only_if_it_is_wanted(
    module: Any, message: str, monkeypatch: pytest.MonkeyPatch, salt: bytes, other_key: PrivateKey
) -> None:
    monkeypatch.setitem(sys.modules, "datdot_codec", module)
    native._library.cache_clear()
    try:
        monkeypatch.setenv(native.CHOICE, "")
        assert native.library() is None
        assert SectorEncoder(salt, other_key).backend == "gmpy2"
        monkeypatch.setenv(native.CHOICE, "native")
        with pytest.raises(BackendError, match=message):
            native.library()
        monkeypatch.setenv(native.CHOICE, "fast")
        with pytest.raises(BackendError, match="'fast': it may be pure or native"):
            native.library()
    finally:
        native._library.cache_clear()
