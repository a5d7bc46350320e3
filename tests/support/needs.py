"""Tools that tests need and a machine may lack."""

from __future__ import annotations

import os
import random
import shutil
import socket
from collections.abc import Iterator
from typing import NoReturn

import pytest

PORTS = range(20_000, 32_000)
"""Below those that Linux, macOS and Windows give to whoever asks for any, as every socket that dials does."""
WORKERS = 16


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
    """A port of this machine that nobody has, that the system gives to nobody who asks for any, and that is given once."""
    for port in _PORTS:
        with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            try:
                tcp.bind(("0.0.0.0", port))
                udp.bind(("0.0.0.0", port))
            except OSError:
                continue
        return port
    pytest.fail(f"no port of {PORTS} is free")


def _own_ports() -> Iterator[int]:
    """This worker's part of the ports, from any one on: others' tests may run beside these."""
    own = PORTS[int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % WORKERS :: WORKERS]
    first = random.randrange(len(own))
    return iter([*own[first:], *own[:first]] * 2)


_PORTS = _own_ports()
