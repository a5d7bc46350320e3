"""What all tests share: they leave nothing in the home of whoever runs them, and whole networks run one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.register_assert_rewrite("tests.support")


@pytest.fixture(scope="session", autouse=True)
def _state_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Commands, also those of other processes, note what they send in a directory of the tests'."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


HERE = Path(__file__).parent
WHOLE_NETWORKS = ("scenarios", "node", "bench")
"""Folders whose tests start a dozen processes each."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put whole networks on one worker: two at a time would fight for the same cores, and their chains have deadlines."""
    for item in items:
        if item.path.relative_to(HERE).parts[0] in WHOLE_NETWORKS:
            item.add_marker(pytest.mark.xdist_group("network"))
