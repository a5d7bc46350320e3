"""Every corestore that a test opens is closed behind it; tests of timing run under a virtual clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from service.hypercore import Corestore
from tests.support.virtual_time import virtual_loop

VIRTUAL = ("test_replication.py", "test_replicator.py", "test_false_peers.py", "test_hostile.py")


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Choose the loop of a test's file."""
    return {"loop": virtual_loop if item.path.name in VIRTUAL else asyncio.new_event_loop}


@pytest.fixture(autouse=True)
def close_stores(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    opened: list[Corestore] = []
    original = Corestore.__init__

    def init(self: Corestore, *arguments: Any, **options: Any) -> None:
        original(self, *arguments, **options)
        opened.append(self)

    monkeypatch.setattr(Corestore, "__init__", init)
    yield
    for store in opened:
        store._storage._db.close()
