"""Shared by the tests of the encoding: the golden vectors, their (public) key, and a small encoded segment."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from gmpy2 import mpz

from service.encoding import PrivateKey, SectorEncoder, native
from service.encoding.pool import CodecPool
from tests.support.needs import missing

VECTORS = Path(__file__).parents[1] / "vectors" / "encoding" / "p1.json"


@pytest.fixture(params=["pure", "native"])
def codec(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Which codec the test runs with: each of its tests runs with both."""
    choice = str(request.param)
    monkeypatch.setenv(native.CHOICE, "")
    if choice == "native" and native.library() is None:
        missing("the codec in Rust is not installed: run `make setup-dev` where cargo is")
    monkeypatch.setenv(native.CHOICE, choice)
    return choice


@pytest.fixture
async def processes(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[CodecPool]:
    """A pool without the codec in Rust: its workers are processes."""
    monkeypatch.setenv(native.CHOICE, "pure")
    async with CodecPool(2) as pool:
        yield pool


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pools work with the codec in Rust: their workers are threads."""
    monkeypatch.setenv(native.CHOICE, "")
    if native.library() is None:
        missing("the codec in Rust is not installed: run `make setup-dev` where cargo is")


@pytest.fixture(scope="session")
def vectors() -> dict[str, Any]:
    return dict(json.loads(VECTORS.read_text()))


@pytest.fixture(scope="session")
def key(vectors: dict[str, Any]) -> PrivateKey:
    return PrivateKey([mpz(int(vectors[name], 16)) for name in ("p", "q")])


@pytest.fixture(scope="session")
def other_key() -> PrivateKey:
    return PrivateKey.generate()


@pytest.fixture(scope="session")
def salt(vectors: dict[str, Any]) -> bytes:
    return bytes.fromhex(vectors["salt"])


@pytest.fixture(scope="session")
def ctx(vectors: dict[str, Any]) -> bytes:
    return bytes.fromhex(vectors["ctx"])


@dataclass(frozen=True)
class Segment:
    """Forty sectors of plaintext and what they are encoded to."""

    plain: bytes
    encoded: bytes


@pytest.fixture(scope="session")
def segment(key: PrivateKey, salt: bytes) -> Segment:
    plain = hashlib.shake_128(b"segment").digest(40 * 256)
    return Segment(plain, SectorEncoder(salt, key).encode(0, plain))
