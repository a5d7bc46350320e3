"""What the tests of the mock share: chains in memory, a real node."""

from __future__ import annotations

import pytest

from runtime_mock.chainspec import ChainSpec, artifacts
from runtime_mock.model import ModelRuntime
from runtime_mock.node.chain import Chain


@pytest.fixture(scope="session")
def spec() -> ChainSpec:
    """The project's own chain."""
    return ChainSpec.load(artifacts() / "chain-spec.json")


@pytest.fixture
def chain(spec: ChainSpec) -> Chain:
    """A fresh one on the model."""
    return Chain(ModelRuntime(artifacts()), spec.genesis)
