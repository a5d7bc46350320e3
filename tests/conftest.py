"""What all tests share: they leave nothing in the home of whoever runs them, and whole networks run one at a time."""

from __future__ import annotations

import ipaddress
import signal
import sqlite3
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests.cases.catalogue import CASES

pytest.register_assert_rewrite("tests.support")

settings.register_profile("untimed", deadline=None)  # no test guesses how fast a machine is
settings.load_profile("untimed")


def _only_loopback(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuse to talk to, or look up, anything but this machine."""
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        host = arguments[1][0] if isinstance(arguments[1], tuple) else None
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
    else:
        return
    name = host.decode() if isinstance(host, bytes) else host
    if name in (None, "", "localhost"):
        return
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        raise AssertionError(f"a test looks up {name}") from None
    if not (address.is_loopback or address.is_unspecified):
        raise AssertionError(f"a test talks to {name} ({event})")


sys.addaudithook(_only_loopback)


@pytest.fixture(scope="session", autouse=True)
def _state_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Commands, also those of other processes, note what they send in a directory of the tests'."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(autouse=True)
def _own_signals() -> Iterator[None]:
    """Undo what a command that ran in this process made of signals: the processes of later tests would inherit it."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(autouse=True)
def _close_databases(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close every database that a test opens, but for those of a network that the tests of a module share.

    From Python 3.13 on one that is left open is a warning, and it strikes whichever test runs when it is collected.
    """
    if "scenarios" in request.path.parts:
        yield
        return
    opened: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def tracked(*arguments: Any, **options: Any) -> sqlite3.Connection:
        opened.append(connect(*arguments, **options))
        return opened[-1]

    monkeypatch.setattr(sqlite3, "connect", tracked)
    yield
    for database in opened:
        database.close()


HERE = Path(__file__).parent
GROUPS = {
    "scenarios": "network",
    "attack": "network",
    "node": "network",
    "bench": "network",
    "conformance": "conformance",
    "matrix": "matrix",
    "containers": "network",
}
"""Tests that share a worker, by folder.

A whole network is a dozen processes: two at a time would fight for the same cores, and their chains have deadlines.
"""
FILES = ("cli", "interop")
"""Folders of which the tests of a file share a worker, as they share what takes long to make."""
UNMEASURED = ("differential", "simulation", "play")
"""Folders whose tests do not count for coverage: hours of pure Python, four times slower with it, of lines that others reach."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say which tests must be on one worker (`--dist=loadgroup`), and refuse a misspelt case."""
    for item in items:
        for mark in item.iter_markers("case"):
            if mark.args[0] not in CASES:
                raise pytest.UsageError(f"{item.nodeid}: no case {mark.args[0]!r} in tests/cases/catalogue.py")
        folder, *_, file = item.path.relative_to(HERE).parts
        group = GROUPS.get(folder, f"{folder}/{file}" if folder in FILES else None)
        if group is not None:
            item.add_marker(pytest.mark.xdist_group(group))
        if folder in UNMEASURED:
            item.add_marker(pytest.mark.no_cover)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Trace no test that says so: in a worker pytest-cov stops one of two collectors, and the other one goes on."""
    if item.get_closest_marker("no_cover") is None:
        return (yield)
    tracer = sys.gettrace()
    sys.settrace(None)
    try:
        return (yield)
    finally:
        sys.settrace(tracer)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Make sure that pytest-xdist knows the groups: it does with what it puts at the end of a test's name."""
    if getattr(session.config.option, "loadgroup", False) and hasattr(session.config, "workerinput"):
        lost = [
            item.nodeid for item in session.items if item.get_closest_marker("xdist_group") and "@" not in item.nodeid
        ]
        if lost:
            raise pytest.UsageError(f"this pytest-xdist does not keep groups on one worker: {lost[0]}")
