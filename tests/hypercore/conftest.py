"""Tests of timing run under a virtual clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.support.virtual_time import virtual_loop

VIRTUAL = (
    "test_serving.py", "test_replication.py", "test_replicator.py", "test_false_peers.py", "test_hostile.py", "test_upload.py",
    "test_conflicts.py", "test_conflict_limits.py", "test_pushed.py", "test_push_gaps.py",
    "test_promised.py",
)  # fmt: skip


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Choose the loop of a test's file."""
    return {"loop": virtual_loop if item.path.name in VIRTUAL else asyncio.new_event_loop}
