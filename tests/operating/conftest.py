"""Which tests of this folder run under the virtual clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.support.virtual_time import virtual_loop

VIRTUAL = ("test_alert_sending.py",)


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The virtual clock for those that wait."""
    return {"loop": virtual_loop if item.path.name in VIRTUAL else asyncio.new_event_loop}
