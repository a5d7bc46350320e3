"""A network of live peers for the tests of the roles' shells; no test here opens a socket or waits by the real clock."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.simulation.life import _memory, drawn_randomness
from tests.simulation.loop import VirtualLoop
from tests.support.small_net import Net, small_net
from tests.support.virtual_time import virtual_loop


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run all tests of this folder under the virtual clock."""
    return {"loop": virtual_loop}


@pytest.fixture
async def net() -> AsyncIterator[Net]:
    """A network whose keys, salts and draws are the same in each run."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    with tempfile.TemporaryDirectory(prefix="datdot-roles-", dir=_memory()) as folder, drawn_randomness(0):
        async with small_net(Path(folder)) as net:
            yield net
    assert loop.faults == []
