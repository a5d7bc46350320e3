"""The two sides of a measurement between two programs: ours in Python and npm's in Node.js, each a process of its own."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .registry import Unavailable

TURNS = 3
ROOT = Path(__file__).parents[1]
PACKAGES = ROOT / "tests" / "interop" / "node_modules"
PYTHON, NODE = "python", "node"


@dataclass(frozen=True)
class Feed:
    """What is replicated: a number of blocks of one size."""

    count: int
    size: int


LARGE, SMALL = Feed(1024, 64 * 1024), Feed(16 * 1024, 1024)


def command(side: str, program: str, *arguments: str) -> list[str]:
    """Return the command that starts a side: `bench/_PROGRAM.py`, or `bench/PROGRAM.mjs`. Raises Unavailable without Node.js."""
    if side == PYTHON:
        return [sys.executable, "-m", f"bench._{program}", *arguments]
    node = shutil.which("node")
    if node is None:
        raise Unavailable("Node.js is not installed")
    if not (PACKAGES / "hypercore").is_dir():
        raise Unavailable("the npm packages of tests/interop are not installed")
    return [node, str(Path(__file__).with_name(f"{program}.mjs")), *arguments]


class Side:
    """A process that says lines of JSON."""

    def __init__(self, process: subprocess.Popen[bytes], name: str) -> None:
        self._process, self._name = process, name

    def line(self) -> dict[str, Any]:
        """Return its next line. Raises RuntimeError, with what it complained of, if it has ended."""
        process = self._process
        assert process.stdout is not None
        assert process.stderr is not None
        said = process.stdout.readline()
        if not said:
            complaint = process.stderr.read().decode(errors="replace")[-2000:]
            raise RuntimeError(f"{self._name} ended: {complaint}")
        found: dict[str, Any] = json.loads(said)
        return found

    def ask(self) -> dict[str, Any]:
        """Give it an empty line, and return the line that it answers."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()
        return self.line()


@contextmanager
def running(arguments: list[str]) -> Iterator[Side]:
    """Run a process. It ends with its stdin, or is killed."""
    with subprocess.Popen(
        arguments, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            yield Side(process, shlex.join(arguments))
        finally:
            process.kill()
