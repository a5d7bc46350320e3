"""Input for the commands, and a chain for them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli_process import RunningChain, running_chain


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


@pytest.fixture(scope="module", params=["model", "wasm"])
def chain(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningChain]:
    """Each backend in turn."""
    with running_chain(request.param, tmp_path_factory.mktemp("chain")) as running:
        yield running
