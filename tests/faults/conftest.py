"""The disk of these tests, their clock, and a network whose peers have one each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from tests.support.full_disk import FullDisk, full_disk
from tests.support.small_net import Net, drawn_net
from tests.support.virtual_time import virtual_loop

VIRTUAL = (
    "test_attesting.py",
    "test_damage.py",
    "test_steps.py",
    "test_fetch.py",
    "test_publish.py",
    "test_roles.py",
    "test_verify.py",
)


@pytest.fixture
def disk() -> Iterator[FullDisk]:
    """Every SQLite file that is opened."""
    with full_disk() as made:
        yield made


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Choose the loop of a test's file."""
    return {"loop": virtual_loop if item.path.name in VIRTUAL else asyncio.new_event_loop}


@pytest.fixture
async def net() -> AsyncIterator[Net]:
    """A network whose keys, salts and draws are the same in each run."""
    async with drawn_net() as net:
        yield net
