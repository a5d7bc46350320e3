"""The measurements of the chain run, and what they measure is the real thing."""

from __future__ import annotations

import os

import pytest

from bench.extrinsic import _measure
from bench.memory import peak_of
from bench.proof import SparseTree, proof_verify
from service.encoding import Frontier, verify_opening

CTX = bytes(range(32))


@pytest.mark.parametrize("sectors", [1, 2, 3, 5, 8, 13, 21])
def test_a_sparse_tree_of_all_sectors_is_the_tree(sectors: int) -> None:
    tree = SparseTree(CTX, sectors, list(range(sectors)), 1)
    frontier = Frontier(CTX)
    for sector in range(sectors):
        frontier.append(tree.data[sector])
    assert tree.root == frontier.root()


@pytest.mark.parametrize("sectors", [7, 1000, 419_430_400])
def test_openings_of_a_sparse_tree_lead_to_its_root(sectors: int) -> None:
    samples = sorted({0, 1, sectors // 2, sectors - 1})
    tree = SparseTree(CTX, sectors, samples, 1)
    for sample in samples:
        verify_opening(CTX, sectors, tree.root, tree.opening(sample))


def test_the_real_runtime_takes_the_proof() -> None:
    row = proof_verify(lambda text: None)
    assert row.unit == "ms"
    assert 0 < row.peer < row.ours
    assert "16 sectors" in row.how


def test_extrinsics_are_included() -> None:
    row = _measure("model", lambda text: None)
    assert (row.unit, row.peer) == ("ms", 10.0)
    assert row.ours > 0


def test_peak_memory_of_this_process() -> None:
    assert 1 << 20 < peak_of(os.getpid()) < 1 << 40
