"""What shows that a sector does not decode to its feed, and the model's decoder beside the service's."""

from __future__ import annotations

import hashlib
import json
import random
from typing import Any

import pytest

from runtime_mock.model.datdot import evidence
from runtime_mock.model.datdot.encoding import decode_sector
from runtime_mock.model.datdot.records import Head, Range, Segment
from service.encoding import SectorDecoder
from tests.support.evidence import ACCOUNT, COPY, EVIDENCE, GENESIS, PATH, SECTOR, Trapdoor, vectors

VECTORS: dict[str, Any] = json.loads(PATH.read_text())
CASES: list[dict[str, Any]] = VECTORS["cases"]
EDGES = PATH.parent / "encoding" / "p1-edges.json"


def segment_of(case: dict[str, Any]) -> Segment:
    """A segment of which all that evidence needs is that of the case."""
    return Segment(
        copy=0,
        encoder=bytes(32),
        profile=1,
        pk_hash=bytes(32),
        begun=0,
        salt=bytes.fromhex(case["salt"]),
        first_byte=case["first_byte"],
        bytes=case["bytes"],
        sectors=-(-case["bytes"] // SECTOR),
        root=bytes(32),
        head=Head(0, case["length"], case["byte_length"], bytes.fromhex(case["tree_hash"])),
        half=0,
    )


def test_the_vectors_are_what_they_were_made_of() -> None:
    assert vectors() == VECTORS


@pytest.mark.parametrize("case", CASES, ids=[f"{place} {case['why']}" for place, case in enumerate(CASES)])
def test_evidence_proves_what_it_says(case: dict[str, Any]) -> None:
    raw = bytes.fromhex(case["evidence"])
    found = EVIDENCE.decode(raw)
    ranges = [Range(*one) for one in case["ranges"]]
    assert EVIDENCE.encode(found) == raw
    assert evidence.proves(found, segment_of(case), bytes.fromhex(case["modulus"]), ranges) is case["proves"]


def test_both_answers_are_in_the_vectors() -> None:
    assert {sum(case["proves"] is answer for case in CASES) for answer in (True, False)} == {30, 39}


def test_a_reporter_commits_to_account_copy_and_evidence() -> None:
    said = b"datdot/v1/report\0" + GENESIS + ACCOUNT + COPY.to_bytes(8, "little") + bytes.fromhex(CASES[0]["evidence"])
    assert hashlib.blake2b(said, digest_size=32).hexdigest() == VECTORS["report"]["hash"]


@pytest.mark.parametrize("primes", [2, 3, 4])
def test_the_decoder_is_the_service_s(primes: int) -> None:
    key, source = Trapdoor.of(primes, 10 + primes), random.Random(primes)
    for index in (0, 1, 2**30 - 1):
        salt, plain = source.randbytes(32), source.randbytes(SECTOR)
        encoded = key.encode(salt, index, plain)
        assert decode_sector(key.modulus, salt, index, encoded) == plain
        decoder = SectorDecoder(salt, key.modulus)
        numbers = [0, 1, key.n - 1, key.n, key.n + 1, 2**2048 - 1, source.getrandbits(2048)]
        for sector in (number.to_bytes(SECTOR, "big") for number in numbers):
            assert decode_sector(key.modulus, salt, index, sector) == decoder.decode(index, sector)


def test_edges_decode() -> None:
    """Of half of all moduli more than the 60 top bits are no ones: there a decoder may err that is right on p1.json."""
    cases = json.loads(EDGES.read_text())["cases"]
    for case in cases:
        modulus, salt = bytes.fromhex(case["modulus"]), bytes.fromhex(case["salt"])
        decoder = SectorDecoder(salt, modulus)
        for edge in case["edges"]:
            sector, plain = bytes.fromhex(edge["sector"]), bytes.fromhex(edge["plain"])
            assert decode_sector(modulus, salt, edge["first"], sector) == plain, edge["what"]
            assert decoder.decode(edge["first"], sector) == plain, edge["what"]
    assert sum(len(case["edges"]) for case in cases) == 14
