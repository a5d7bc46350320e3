"""A network of live peers for the tests of the roles' shells; no test here opens a socket or waits by the real clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from tests.support.small_net import Net, drawn_net
from tests.support.virtual_time import virtual_loop


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run all tests of this folder under the virtual clock."""
    return {"loop": virtual_loop}


@pytest.fixture
async def net() -> AsyncIterator[Net]:
    """A network whose keys, salts and draws are the same in each run."""
    async with drawn_net() as net:
        yield net
