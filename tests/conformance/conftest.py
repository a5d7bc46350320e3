"""One chain a backend, for all tests of this folder: the model, the real runtime in wasm, and the real node."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.chains import BACKENDS, RunningChain, running_chain


@pytest.fixture(scope="session", params=BACKENDS)
def chain(request: Any, tmp_path_factory: Any) -> Iterator[RunningChain]:
    """Each backend in turn."""
    with running_chain(request.param, tmp_path_factory.mktemp(request.param)) as running:
        yield running
