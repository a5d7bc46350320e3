"""One chain in this process for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from runtime_mock.chainspec import ChainSpec
from runtime_mock.runtime import Runtime
from service.chain_client import ChainClient
from tests.support.chain_world import World, load_runtime, load_spec


@pytest.fixture(scope="session")
def spec() -> ChainSpec:
    return load_spec()


@pytest.fixture(scope="session")
def mock_runtime() -> Runtime:
    return load_runtime()


@pytest.fixture
async def world(mock_runtime: Runtime, spec: ChainSpec) -> AsyncIterator[World]:
    """A chain sealed by hand, finalizing at once."""
    world = World(mock_runtime, spec)
    await world.start()
    try:
        yield world
    finally:
        world.go_on()
        await world.stop()


@pytest.fixture
async def client(world: World) -> AsyncIterator[ChainClient]:
    async with await ChainClient.connect(world.url, request_seconds=2.0) as client:
        yield client
