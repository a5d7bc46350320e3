"""Dashboards and a browser for the tests of this folder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser

from tests.support.dashboard import ServedDashboard, browser, served_dashboard


@pytest.fixture
async def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ServedDashboard]:
    """The dashboard of a hoster with copies and a history."""
    async with served_dashboard(tmp_path, monkeypatch) as found:
        yield found


@pytest.fixture
async def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ServedDashboard]:
    """That of an account with nothing but money."""
    async with served_dashboard(tmp_path, monkeypatch, made=False, blocks=1) as found:
        yield found


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    """A browser."""
    async with browser() as found:
        yield found
