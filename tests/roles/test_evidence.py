"""Evidence of an invalid encoding as the service makes it: the bytes and the hash that the chain knows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runtime_mock.model.datdot import crypto, records
from runtime_mock.model.scale import codec_of
from service.chain_client.pallet.types import ChainBlockProof, ChainOpening, Evidence, Root
from service.roles.common.evidence import encode, report_hash

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors" / "evidence.json").read_text())
MODEL = codec_of(records.Evidence)


def of_the_service(found: records.Evidence) -> Evidence:
    """The same evidence as the service's value."""

    def roots(given: list[records.Root]) -> tuple[Root, ...]:
        return tuple(Root(one.hash, one.size) for one in given)

    block = None
    if found.block is not None:
        one = found.block
        block = ChainBlockProof(one.length, roots(one.roots), one.index, one.data, roots(one.siblings))
    opening = ChainOpening(found.opening.data, tuple(found.opening.siblings))
    return Evidence(found.segment, found.sector, opening, block)


def test_the_vectors_are_encoded_and_hashed() -> None:
    for case in VECTORS["cases"]:
        raw = bytes.fromhex(case["evidence"])
        assert encode(of_the_service(MODEL.decode(raw))) == raw
    said, first = VECTORS["report"], MODEL.decode(bytes.fromhex(VECTORS["cases"][0]["evidence"]))
    genesis, account = bytes.fromhex(said["genesis"]), bytes.fromhex(said["account"])
    assert report_hash(genesis, account, said["copy"], of_the_service(first)).hex() == said["hash"]


@pytest.mark.parametrize("size", [0, 63, 64, 16_383, 16_384, 1 << 20])
def test_blocks_of_any_length_are_those_of_the_model(size: int) -> None:
    root = records.Root(bytes([3]) * 32, 2**53)
    block = records.BlockProof(2**53 - 1, [root] * 53, 2**52, bytes(size), [root] * 53)
    found = records.Evidence(2**40, 2**29, records.Opening(bytes(256), [bytes(32)] * 30), block)
    assert encode(of_the_service(found)) == MODEL.encode(found)
    account, genesis = bytes([5]) * 32, bytes([6]) * 32
    assert report_hash(genesis, account, 9, of_the_service(found)) == crypto.report(genesis, account, 9, found)
