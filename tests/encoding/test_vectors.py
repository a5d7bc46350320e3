"""The golden vectors of profile P1 in the stream layout: every value in p1.json, with both backends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from service.encoding import (
    P1,
    Frontier,
    Opening,
    PrivateKey,
    SectorDecoder,
    SectorEncoder,
    chain_rand,
    check_modulus,
    check_padding,
    contract_id,
    derive_ctx,
    derive_salt,
    get_profile,
    pad,
    pk_hash,
    sector_count,
    verify_opening,
)
from service.encoding.derive import public_key
from service.encoding.keys import CrtKey
from service.encoding.rsa import Backend, GmpBackend, OpenSslBackend, apply_sectors, invert_sectors

pytestmark = pytest.mark.usefixtures("codec")

BACKENDS = [OpenSslBackend, GmpBackend]
DERIVATIONS = Path(__file__).parents[1] / "vectors" / "encoding" / "derivations.json"


def fields(vectors: dict[str, Any], *names: str) -> dict[str, bytes]:
    return {name: bytes.fromhex(vectors[name]) for name in names}


def test_keys_and_hashes(vectors: dict[str, Any], key: PrivateKey) -> None:
    assert get_profile(vectors["profile"]) is P1
    assert key.modulus.hex() == vectors["modulus"]
    check_modulus(key.modulus)
    assert public_key(key.modulus).hex() == vectors["pk"]
    assert pk_hash(key.modulus).hex() == vectors["pk_hash"]


def test_salt_and_context(vectors: dict[str, Any]) -> None:
    names = ("contract_id", "encoder", "hoster", "pk_hash")
    salt = derive_salt(**fields(vectors, *names, "genesis", "feed_key", "feed_root", "chain_rand"))  # type: ignore[arg-type]
    assert salt.hex() == vectors["salt"]
    assert derive_ctx(**fields(vectors, *names, "salt")).hex() == vectors["ctx"]  # type: ignore[arg-type]


def test_contract_id_and_the_chains_randomness() -> None:
    given = json.loads(DERIVATIONS.read_text())
    assert contract_id(bytes.fromhex(given["genesis"]), given["copy"]).hex() == given["contract_id"]
    assert chain_rand(bytes.fromhex(given["seed"]), given["segment"]).hex() == given["chain_rand"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_edges_of_the_permutation(vectors: dict[str, Any], key: PrivateKey, backend: type[Backend]) -> None:
    crt: CrtKey = key.crt
    ys = [bytes.fromhex(edge["y"]) for edge in vectors["edges"]]
    xs = [bytes.fromhex(edge["x"]) for edge in vectors["edges"]]
    assert len(ys) == 6
    assert list(invert_sectors(ys, crt, backend(crt))) == xs  # type: ignore[call-arg]
    assert apply_sectors(xs, crt.n, crt.e) == ys


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("index", range(7))
def test_segments(
    vectors: dict[str, Any], key: PrivateKey, salt: bytes, ctx: bytes, index: int, backend: type[Backend]
) -> None:
    given = vectors["segments"][index]
    plain, encoded = bytes.fromhex(given["plain"]), bytes.fromhex(given["encoded"])
    sectors = sector_count(given["bytes"])
    assert len(plain) == given["bytes"]
    assert SectorEncoder(salt, key, backend(key.crt)).encode(0, pad(plain)) == encoded  # type: ignore[call-arg]
    decoded = SectorDecoder(salt, key.modulus).decode(0, encoded)
    assert decoded[: len(plain)] == plain
    check_padding(decoded, len(plain))
    tree = Frontier(ctx)
    tree.append(encoded)
    assert tree.sectors == sectors
    assert tree.root().hex() == given["root"]
    for opened in given["openings"]:
        at = 256 * opened["sector"]
        siblings = tuple(bytes.fromhex(sibling) for sibling in opened["siblings"])
        opening = Opening(opened["sector"], encoded[at : at + 256], siblings)
        verify_opening(ctx, sectors, tree.root(), opening)


def test_there_are_seven_segments(vectors: dict[str, Any]) -> None:
    assert len(vectors["segments"]) == 7
