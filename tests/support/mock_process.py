"""`python -m runtime_mock` as a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.chains import RunningChain


@dataclass(frozen=True)
class Mock(RunningChain):
    """A mock and its process."""

    process: subprocess.Popen[str]
    ready: dict[str, Any]


@contextmanager
def running_mock(*options: str, backend: str = "model", cwd: Path | None = None) -> Iterator[Mock]:
    """Start one on a free port, and end it."""
    command = [sys.executable, "-m", "runtime_mock", "--backend", backend, "--port", "0", "--control", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.communicate(timeout=60)[1]
        ready = json.loads(line)
        yield Mock(backend, int(ready["rpc"].rpartition(":")[2]), process, ready)
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=60)
