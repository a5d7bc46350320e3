"""Tests of timing run under a virtual clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.support.virtual_time import virtual_loop

VIRTUAL = ("test_bad_peers.py", "test_connections.py", "test_first_part.py")


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Choose the loop of a test's file."""
    return {"loop": virtual_loop if item.path.name in VIRTUAL else asyncio.new_event_loop}
