"""Shared by the tests of the encoding: the golden vectors, their (public) key, and a small encoded segment."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from gmpy2 import mpz

from service.encoding import PrivateKey, SectorEncoder

VECTORS = Path(__file__).parents[1] / "vectors" / "encoding" / "p1.json"


@pytest.fixture(scope="session")
def vectors() -> dict[str, Any]:
    return dict(json.loads(VECTORS.read_text()))


@pytest.fixture(scope="session")
def key(vectors: dict[str, Any]) -> PrivateKey:
    return PrivateKey(mpz(int(vectors["p"], 16)), mpz(int(vectors["q"], 16)))


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
