"""Child processes of a development network: started with a ready line, stopped in order, never outliving their parent."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from .forked import NOT_INHERITED, Forked, die_with_parent

T = TypeVar("T")
READY_SECONDS = 120.0
"""Time until the ready line: a dozen peers start at once on a small machine."""
STOP_SECONDS = 15.0
"""Time to stop after SIGTERM before SIGKILL: a peer closes its stores first."""
LAST_LINES = 15
"""Lines of a log shown with an error."""


class ProcessFailed(Exception):
    """A child ended, or stayed silent, before it was ready. The message carries the end of its log."""


def module(name: str, *arguments: str) -> list[str]:
    """Return the command that runs a Python module of this installation."""
    return [sys.executable, "-m", name, *arguments]


class Child:
    """One process.

    Its stdout carries JSON lines, the first of which says that it is ready. Its stderr goes to a log file.
    """

    def __init__(
        self,
        name: str,
        command: list[str],
        log: Path,
        on_line: Callable[[dict[str, Any]], None] | None = None,
        forked: Forked | None = None,
    ) -> None:
        """Prepare the process. `on_line` gets every JSON object that comes after the ready line.

        With `forked`, that process is it, which runs the module of `command` already.
        """
        self.name, self.command, self.log, self._on_line, self._forked = name, command, log, on_line, forked
        self._stopping = False
        self._error = ""
        self.ready: dict[str, Any] = {}
        self._process: asyncio.subprocess.Process | Forked | None = None
        self._drain: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        """The process id, or 0 before the start."""
        return self._process.pid if self._process else 0

    @property
    def running(self) -> bool:
        """Whether the process was started and has not ended."""
        return self._process is not None and self._process.returncode is None

    @property
    def ended(self) -> bool:
        """Whether the process ended without being stopped, and what it told last was read."""
        gone = self._process is not None and self._process.returncode is not None and not self._stopping
        return gone and (self._drain is None or self._drain.done())

    async def start(self) -> dict[str, Any]:
        """Start the process and return the object of its ready line. Raises ProcessFailed."""
        self._error = ""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._process = await self._begin()
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(READY_SECONDS):
                line = await self._process.stdout.readline()
        except TimeoutError:
            await self.kill()
            raise ProcessFailed(f"{self.name} was not ready within {READY_SECONDS:.0f} s: {self.log_tail()}") from None
        if not line:
            code = await self._process.wait()
            raise ProcessFailed(f"{self.name} ended with code {code} before it was ready: {self.log_tail()}")
        self.ready = json.loads(line)
        if isinstance(self.ready.get("error"), dict):
            await self._process.wait()
            raise ProcessFailed(f"{self.name}: {self.ready['error'].get('message', '')}")
        self._drain = asyncio.create_task(self._read(self._process.stdout))
        return self.ready

    async def _begin(self) -> asyncio.subprocess.Process | Forked:
        if (forked := self._forked) is not None:
            self._forked = None
            await forked.begin(self.command[len(module("")) :], self.log)
            return forked
        with self.log.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *self.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env={name: value for name, value in os.environ.items() if name not in NOT_INHERITED},
                preexec_fn=die_with_parent,
            )

    async def _read(self, stream: asyncio.StreamReader) -> None:
        async for line in stream:
            told = json.loads(line)
            if isinstance(told.get("error"), dict):
                self._error = str(told["error"].get("message", ""))
            if self._on_line is not None:
                self._on_line(told)

    def log_tail(self) -> str:
        """Return the error that the process reported at its end, or else the last lines of its log."""
        if self._error or not self.log.exists():
            return self._error or "(no log)"
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-LAST_LINES:]) or "(empty log)"

    async def wait(self) -> int:
        """Wait for the end of the process and return its exit code."""
        assert self._process is not None
        return await self._process.wait()

    async def stop(self) -> None:
        """Ask the process to stop, and kill it if it has not done so within `STOP_SECONDS`."""
        self._stopping = True
        if not self.running or self._process is None:
            return
        self._process.terminate()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._process.wait()
        except TimeoutError:
            await self.kill()
        await self._finish()

    async def kill(self) -> None:
        """Kill the process at once (SIGKILL)."""
        self._stopping = True
        if self.running and self._process is not None:
            self._process.kill()
            await self._process.wait()
        await self._finish()

    async def _finish(self) -> None:
        if self._drain is not None:
            self._drain.cancel()
            await asyncio.gather(self._drain, return_exceptions=True)
            self._drain = None


async def stop_all(children: list[Child], kill: bool = False) -> None:
    """Stop (or kill) all children concurrently. One that cannot be stopped does not keep the others running."""
    ending = (child.kill() if kill else child.stop() for child in children)
    results = await asyncio.gather(*ending, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result


async def uninterrupted(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` to completion even if the caller is cancelled, then re-raise the cancellation."""
    task = asyncio.ensure_future(work)
    cancelled = False
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        if not task.cancelled() and task.exception() is not None:
            task.result()
        raise asyncio.CancelledError
    return task.result()
