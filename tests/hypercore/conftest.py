"""Every corestore that a test opens is closed behind it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from service.hypercore import Corestore


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
