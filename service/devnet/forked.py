"""Processes that are forked before the work begins: a dozen peers import the program once, and not each for itself.

They wait for their arguments. Linux only: elsewhere a process without an exec is not safe, and peers are started anew.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from service.node.options import SETTINGS

PR_SET_PDEATHSIG = 1
NOT_INHERITED = frozenset(one.variable for one in SETTINGS)
"""Variables that choose defaults for the user's own commands. A child gets its settings by its command line."""
APPENDING = os.O_WRONLY | os.O_APPEND | os.O_CREAT
ORDER_BYTES = 1 << 15
"""Length of an order, at most: a pipe takes as much without waiting."""

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent() -> None:
    """Let this process end with its parent, and not at the terminal's Ctrl-C. To be called right after the fork."""
    # A signal that the parent ignores would be ignored by its children, too, and neither a stop nor its death would end them.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    os.setpgrp()  # Ctrl-C reaches the parent alone, which stops its children in order


@dataclass(slots=True, eq=False)
class Forked:
    """A process that waits for its arguments. Once it has begun it is used as one of asyncio's."""

    pid: int
    orders: int
    """The pipe by which it learns what to run. At the pipe's end it ends."""
    told: int
    """The pipe of its stdout."""
    stdout: asyncio.StreamReader | None = None
    returncode: int | None = None
    _ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def begin(self, arguments: Sequence[str], log: Path) -> None:
        """Let it run with these arguments and its stderr at the end of a file. Raises OSError if they are too long."""
        order = json.dumps({"arguments": arguments, "log": str(log)}).encode()
        if len(order) > ORDER_BYTES:
            raise OSError(f"{len(order)} bytes of arguments are too many for a process, {ORDER_BYTES} may be")
        loop = asyncio.get_running_loop()
        watched = os.pidfd_open(self.pid)
        loop.add_reader(watched, self._reap, watched)
        self.stdout = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(self.stdout)
        await loop.connect_read_pipe(lambda: protocol, os.fdopen(self.told, "rb", buffering=0))
        with os.fdopen(self.orders, "wb") as pipe:
            pipe.write(order)

    def _reap(self, watched: int) -> None:
        asyncio.get_running_loop().remove_reader(watched)
        os.close(watched)
        self.returncode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        self._ended.set()

    async def wait(self) -> int:
        """Wait for its end and return its exit code."""
        await self._ended.wait()
        assert self.returncode is not None
        return self.returncode

    def terminate(self) -> None:
        """Send it SIGTERM, if it runs."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """Send it SIGKILL, if it runs."""
        self._send(signal.SIGKILL)

    def _send(self, number: int) -> None:
        if self.returncode is None:  # until it is reaped nobody else has its number
            os.kill(self.pid, number)


def fork_all(count: int, run: Callable[[list[str]], None]) -> list[Forked]:
    """Fork so many processes, each of which calls `run` with its arguments. Call it before there are threads or a loop.

    There are fewer, or none, where that cannot be: who finds none starts a process in the usual way, which tells the reason.
    """
    made: list[Forked] = []
    if sys.platform != "linux":
        return made
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        while len(made) < count:
            made.append(_fork(made, run))
    except OSError:
        return made
    return made


def _fork(others: Sequence[Forked], run: Callable[[list[str]], None]) -> Forked:
    ends: list[int] = []
    try:
        ends += os.pipe()
        ends += os.pipe()
        pid = os.fork()
    except OSError:
        for end in ends:
            os.close(end)
        raise
    orders, order, told, tell = ends
    if pid == 0:
        code = 1
        try:
            gc.freeze()  # what is there stays: a collection would write to pages that all share
            for end in (order, told, *(end for other in others for end in (other.orders, other.told))):
                os.close(end)
            code = _obey(orders, tell, run)
        finally:
            os._exit(code)  # the frames below are those of its parent
    os.close(orders)
    os.close(tell)
    return Forked(pid, order, told)


def _obey(orders: int, tell: int, run: Callable[[list[str]], None]) -> int:
    """Wait for what to run, run it, and return the exit code."""
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    with os.fdopen(orders, "rb") as pipe:
        order = pipe.read()
    if not order:
        return 0
    told = json.loads(order)
    _redirect(tell, Path(told["log"]))
    for name in NOT_INHERITED:
        os.environ.pop(name, None)
    try:
        run(told["arguments"])
    except SystemExit as leaving:
        if leaving.code is None or isinstance(leaving.code, int):
            return leaving.code or 0
        print(leaving.code, file=sys.stderr)
        return 1
    except BaseException:  # noqa: BLE001 - the outermost frame of this process, which ends with what Python would print
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def _redirect(tell: int, log: Path) -> None:
    """Read nothing, write to the pipe, and errors to the log."""
    for file, name in ((os.open(os.devnull, os.O_RDONLY), 0), (tell, 1), (os.open(log, APPENDING, 0o666), 2)):
        os.dup2(file, name)
        os.close(file)
    sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
