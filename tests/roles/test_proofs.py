"""Storage proofs are made of openings, and others' are taken apart into openings that lead to the segments' roots."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

import pytest

from runtime_mock.model.datdot.merkle import proven_root
from service.chain_client.pallet.types import Sample, Segment, StorageProof
from service.encoding import Opening, OpeningError, verify_opening
from service.roles.hoster.proofs import openings_of, storage_proof
from tests.support.blank import blank
from tests.support.copy_world import digest
from tests.support.differential.segments import SECTOR, Tree, context

GENESIS, HOSTER = digest("genesis"), digest("hoster")
# by copy first: the second copy has the earliest segment
SAMPLES = (Sample(1, 7, 2), Sample(1, 7, 3), Sample(1, 9, 0), Sample(4, 5, 0), Sample(4, 5, 6), Sample(4, 5, 12))
SIZES = {7: 5, 9: 1, 5: 13}


def segment(number: int) -> Segment:
    copy = next(sample.copy for sample in SAMPLES if sample.segment == number)
    made = {
        "copy": copy,
        "encoder": digest("encoder"),
        "pk_hash": digest("key", number),
        "salt": digest("salt", number),
    }
    return replace(blank(Segment), **made, sectors=SIZES[number])


def trees() -> tuple[dict[int, Tree], dict[int, Segment]]:
    made, segments = {}, {}
    for number, sectors in SIZES.items():
        one = segment(number)
        fields = {"encoder": one.encoder, "pk_hash": one.pk_hash, "salt": one.salt}
        made[number] = Tree(number, context(GENESIS, one.copy, fields, HOSTER), sectors)
        segments[number] = replace(one, root=made[number].root)
    return made, segments


def openings(made: dict[int, Tree]) -> list[Opening]:
    shown = [(sample.sector, made[sample.segment].open(sample.sector)) for sample in SAMPLES]
    return [Opening(sector, one["data"], tuple(one["siblings"])) for sector, one in shown]


def test_a_proof_is_what_the_chain_takes_segment_by_segment_as_the_samples_come() -> None:
    made, segments = trees()
    proof = storage_proof(SAMPLES, openings(made), SIZES)
    left = deque(proof.siblings)
    for number in (7, 9, 5):
        opened = {one.sector: data for one, data in zip(SAMPLES, proof.sectors, strict=True) if one.segment == number}
        assert proven_root(made[number].ctx, SIZES[number], opened, left) == segments[number].root
    assert not left


def test_another_reads_the_openings_out_of_it() -> None:
    made, segments = trees()
    found = openings_of(GENESIS, HOSTER, SAMPLES, segments, storage_proof(SAMPLES, openings(made), SIZES))
    assert found == openings(made)
    for sample, opening in zip(SAMPLES, found, strict=True):
        verify_opening(made[sample.segment].ctx, SIZES[sample.segment], made[sample.segment].root, opening)


def test_what_is_no_proof_of_these_samples_is_refused() -> None:
    made, segments = trees()
    good = storage_proof(SAMPLES, openings(made), SIZES)

    def refused(why: str, proof: StorageProof = good, known: dict[int, Segment] = segments) -> None:
        with pytest.raises(OpeningError, match=why):
            openings_of(GENESIS, HOSTER, SAMPLES, known, proof)

    refused("6 samples need as many sectors, not 5", replace(good, sectors=good.sectors[1:]))
    refused("1 siblings are left over", replace(good, siblings=(*good.siblings, bytes(32))))
    refused("siblings, not", replace(good, siblings=good.siblings[:-1]))
    refused("do not lead to the root", replace(good, siblings=(bytes(32), *good.siblings[1:])))
    refused("segment 7 do not lead", replace(good, sectors=(bytes(SECTOR), *good.sectors[1:])))
    refused("segment 9 is not on the chain", known={number: segments[number] for number in (7, 5)})
    refused("segment 5 is not on the chain", known=segments | {5: replace(segments[5], salt=None)})
    with pytest.raises(OpeningError, match="do not lead to the root"):
        openings_of(GENESIS, digest("another"), SAMPLES, segments, good)
    with pytest.raises(OpeningError, match="sector 2 needs 3 siblings, not 0"):
        storage_proof(SAMPLES, [Opening(2, bytes(SECTOR), ()), *openings(made)[1:]], SIZES)
