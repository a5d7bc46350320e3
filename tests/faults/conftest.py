"""The disk of these tests, and their clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest

from tests.support.full_disk import FullDisk, full_disk
from tests.support.virtual_time import virtual_loop

VIRTUAL = ("test_fetch.py", "test_journal.py", "test_signer.py")


@pytest.fixture
def disk() -> Iterator[FullDisk]:
    with full_disk() as made:
        yield made


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Choose the loop of a test's file."""
    return {"loop": virtual_loop if item.path.name in VIRTUAL else asyncio.new_event_loop}
