"""The two sides of the interop tests: npm hypercore, and ours."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.npm_peer import Here, NodePeer, node_peer


@pytest.fixture
async def here() -> AsyncIterator[Here]:
    """Our side."""
    async with Here.alone() as side:
        yield side


@pytest.fixture(params=["11", "10"])
async def node(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[NodePeer]:
    """npm hypercore 11 and 10 in turn."""
    async with node_peer(request.param, tmp_path) as peer:
        yield peer


@pytest.fixture
async def node11(tmp_path: Path) -> AsyncIterator[NodePeer]:
    """npm hypercore 11."""
    async with node_peer("11", tmp_path) as peer:
        yield peer
