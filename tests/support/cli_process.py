"""`datdot` as users run it: a process of its own, its stdout read as JSON, its exit code looked at."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

WAIT = 300


def environment(**more: str) -> dict[str, str]:
    """The environment without what would choose a chain or a key for the command."""
    return {name: value for name, value in os.environ.items() if not name.startswith("DATDOT_")} | more


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "service.cli", *map(str, arguments)]


@dataclass(frozen=True)
class Ran:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def objects(self) -> list[dict[str, Any]]:
        """All JSON lines of stdout: nothing else may be there."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def object(self) -> dict[str, Any]:
        """The one result."""
        (found,) = self.objects
        return found

    def failure(self, code: str, exit_code: int = 1) -> dict[str, str]:
        """The error object, which must be the whole stdout and of this code."""
        assert self.code == exit_code, (self.code, self.out, self.err)
        assert set(self.object) == {"error"}
        error: dict[str, str] = self.object["error"]
        assert set(error) == {"code", "message", "where"}
        assert all(isinstance(value, str) for value in error.values())
        assert error["code"] == code, error
        assert error["message"]
        return error


def datdot(*arguments: object, **env: str) -> Ran:
    """Run a command to its end, with no judgement."""
    done = subprocess.run(
        command(*arguments), capture_output=True, text=True, timeout=WAIT, check=False, env=environment(**env)
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def done(*arguments: object, **env: str) -> dict[str, Any]:
    """Run a command with --json that must succeed; its one object."""
    ran = datdot(*arguments, "--json", **env)
    assert ran.code == 0, (ran.out, ran.err)
    return ran.object


ALL_IN_ONE_PROCESS = """
import contextlib, io, json, sys
from service.cli import main
for arguments in json.load(sys.stdin):
    out, err, code = io.StringIO(), io.StringIO(), None
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(arguments)
        except SystemExit as leaving:
            code = leaving.code
    print(json.dumps([code, out.getvalue(), err.getvalue()]))
"""


def many(lines: Sequence[Sequence[object]], **env: str) -> list[Ran]:
    """Run command lines one after another in one process: a process for each takes a second each."""
    ran = subprocess.run(
        [sys.executable, "-c", ALL_IN_ONE_PROCESS],
        input=json.dumps([[str(part) for part in line] for line in lines]),
        capture_output=True, text=True, timeout=WAIT, check=True, env=environment(**env),
    )  # fmt: skip
    return [Ran(*json.loads(line)) for line in ran.stdout.splitlines()]


@dataclass
class Running:
    """A command that goes on until it is told to stop."""

    process: subprocess.Popen[str]
    log: Path
    lines: queue.Queue[str] = field(default_factory=queue.Queue)

    def line(self) -> dict[str, Any]:
        """The next JSON line of stdout."""
        found: dict[str, Any] = json.loads(self.lines.get(timeout=WAIT))
        return found

    def logged(self) -> list[dict[str, Any]]:
        """The log so far: with --json, each line is an object."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def stop(self, number: int = signal.SIGINT) -> int:
        """Send a signal and wait; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(WAIT)


@contextmanager
def running(log: Path, *arguments: object, **env: str) -> Iterator[Running]:
    """Start a command; killed at the end if it still runs."""
    with log.open("w") as err:
        process = subprocess.Popen(
            command(*arguments), stdout=subprocess.PIPE, stderr=err, text=True, env=environment(**env)
        )
    child = Running(process, log)
    assert process.stdout is not None
    reader = threading.Thread(target=lambda: [child.lines.put(line) for line in process.stdout or ()], daemon=True)
    reader.start()
    try:
        yield child
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(WAIT)
        reader.join(WAIT)
        process.stdout.close()


def full_pipe() -> tuple[int, int]:
    """A pipe into which nothing more can be written: who prints there waits."""
    source, sink = os.pipe()
    os.set_blocking(sink, False)
    try:
        while True:
            os.write(sink, bytes(65_536))
    except BlockingIOError:
        os.set_blocking(sink, True)
    return source, sink


@dataclass(frozen=True)
class RunningChain:
    """A mock chain that serves RPC."""

    backend: str
    url: str


@contextmanager
def running_chain(backend: str, base: Path, seal: str = "400") -> Iterator[RunningChain]:
    """`python -m runtime_mock`."""
    command = [sys.executable, "-m", "runtime_mock", "--backend", backend, "--port", "0", "--seal", seal]
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
