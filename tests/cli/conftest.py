"""Input for the commands, and a chain for them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from cli_process import environment


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with all that a folder can have: empty files and folders, other scripts, depth, a file of many blocks."""
    root = tmp_path / "input"
    for name, data in {
        "README": b"hello\n",
        "empty": b"",
        "Grüße/日本語/файл.txt": "äöü".encode(),
        "a/b/c/d/e/f/deep": b"\0" * 70_000,
        "big": os.urandom(1_500_000),
        "one block": bytes(65_536),
    }.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (root / "run.sh").write_bytes(b"#!/bin/sh\n")
    (root / "run.sh").chmod(0o755)
    (root / "nothing/in/here").mkdir(parents=True)
    return root


@dataclass(frozen=True)
class RunningChain:
    """A mock chain that serves RPC."""

    backend: str
    url: str


@contextmanager
def running_chain(backend: str, base: Path) -> Iterator[RunningChain]:
    """`python -m runtime_mock`."""
    command = [sys.executable, "-m", "runtime_mock", "--backend", backend, "--port", "0", "--seal", "400"]
    with (base / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=environment())
    try:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline() or b"{}")
        assert ready, (base / "log").read_text()
        assert list(ready) == ["rpc", "genesis", "backend"]
        yield RunningChain(backend, ready["rpc"])
    finally:
        process.terminate()
        process.communicate(timeout=60)


@pytest.fixture(scope="module", params=["model", "wasm"])
def chain(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningChain]:
    """Each backend in turn."""
    with running_chain(request.param, tmp_path_factory.mktemp("chain")) as running:
        yield running
