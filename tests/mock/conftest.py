"""What the tests of the mock share: chains in memory, a real node, and the helpers of the neighbouring folders."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent.parent
for neighbour in ("conformance", "differential"):
    if str(TESTS / neighbour) not in sys.path:
        sys.path.append(str(TESTS / neighbour))

from runtime_mock.chainspec import ChainSpec, artifacts  # noqa: E402
from runtime_mock.model import ModelRuntime  # noqa: E402
from runtime_mock.node.chain import Chain  # noqa: E402


@pytest.fixture(scope="session")
def spec() -> ChainSpec:
    """The project's own chain."""
    return ChainSpec.load(artifacts() / "chain-spec.json")


@pytest.fixture
def chain(spec: ChainSpec) -> Chain:
    """A fresh one on the model."""
    return Chain(ModelRuntime(artifacts()), spec.genesis)
