"""Tools that tests need and a machine may lack."""

from __future__ import annotations

import os
import shutil
import socket
from typing import NoReturn

import pytest


def missing(what: str) -> NoReturn:
    """Skip, and say what to install; in CI fail."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} (in CI nothing is skipped)")
    pytest.skip(what)


def node_binary() -> str:
    """The real node."""
    found = os.environ.get("DATDOT_NODE_BINARY") or shutil.which("polkadot-omni-node")
    return found or missing("polkadot-omni-node is not installed: set DATDOT_NODE_BINARY")


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
