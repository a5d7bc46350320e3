"""The parent's side of one worker process: keep it supplied, take its results, restart it if it dies."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import Callable, Set
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from . import frames
from .errors import PoolClosed, WorkerError
from .frames import CodecContext

_ROOT = str(Path(__file__).resolve().parents[2])  # the directory of the package `service`
_START = "import sys; sys.path.append(sys.argv[1]); from service.encoding.worker import main; main()"
_ATTEMPTS = 2
_AHEAD = 2  # runs queued at a worker, so that it never waits for the parent


Result = tuple[bytes, bytes]
"""A processed run, and its leaf hashes if they were asked for."""


@dataclass(eq=False, repr=False)
class Job:
    """One run for a worker, and the future of its result."""

    number: int
    context: CodecContext
    first_sector: int
    data: bytes
    result: asyncio.Future[Result]
    serial: int
    attempts: int = 0
    read: Callable[[], bytes] | None = None
    """What reads the run in place of `data`; for threads only."""
    finish: Callable[[bytes], Result] | None = None
    """What makes the result of the decoded run; for threads only."""

    def __lt__(self, other: Job) -> bool:
        """Order decoding first, as a reader may be waiting for it, then by submission."""
        return (-self.context.what, self.serial) < (-other.context.what, other.serial)

    def fail(self, error: Exception) -> None:
        """Fail the job: its waiter gets `error`."""
        if not self.result.done():
            self.result.set_exception(error)
            self.result.exception()  # marks it as retrieved: a waiter still gets it, and without one nothing is logged


class WorkerProcess:
    """A worker process that takes jobs from the pool's queue until it is stopped.

    A job whose process dies is tried once more, because its result depends on nothing else. Then it fails with
    WorkerError.
    """

    def __init__(self, jobs: asyncio.PriorityQueue[Job], known: Set[int]) -> None:
        """Start taking jobs. A context that is not `known` when a run of it is sent is closed behind the run."""
        self._jobs, self._known = jobs, known
        self._process: Process | None = None
        self._opened: set[int] = set()
        self._ahead = asyncio.Semaphore(_AHEAD)
        self._sent: deque[Job] = deque()
        self._reader: asyncio.Task[None] | None = None
        self._task = asyncio.create_task(self._supply())

    async def _supply(self) -> None:
        while True:
            await self._ahead.acquire()
            job = await self._jobs.get()
            if job.result.done():
                self._ahead.release()
                continue
            try:
                await self._send(job)
            except asyncio.CancelledError:
                job.fail(PoolClosed("the pool was closed"))
                raise

    async def _send(self, job: Job) -> None:
        """Write a job to the process. If the process dies, the reader notices and takes care of the job."""
        try:
            process = self._process = self._process or await self._start()
        except OSError as error:
            self._ahead.release()
            job.fail(WorkerError(f"cannot start a worker process: {error}"))
            return
        if job.result.done():  # abandoned meanwhile: its key, which all workers were told to forget, must not get there
            self._ahead.release()
            return
        stream = process.stdin
        assert stream is not None
        job.attempts += 1
        self._sent.append(job)
        if job.number not in self._opened:
            self._opened.add(job.number)
            stream.write(frames.open_frame(job.number, job.context))
        stream.write(frames.run_frame(job.number, job.first_sector, job.data))
        if job.number not in self._known:
            self.forget(job.number)
        # Of a dead process the job is the reader's from here on: it may have taken it back already.
        with suppress(OSError):
            await stream.drain()

    async def _start(self) -> Process:
        """Start a process, in its own session, out of reach of Ctrl-C. It ends when its input does."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-c", _START, _ROOT, stdin=PIPE, stdout=PIPE, start_new_session=True
        )
        self._opened.clear()
        self._reader = asyncio.create_task(self._read(process))
        return process

    async def _read(self, process: Process) -> None:
        stream = process.stdout
        assert stream is not None
        with suppress(asyncio.IncompleteReadError, OSError):
            while True:
                length = frames.frame_length(await stream.readexactly(frames.LENGTH_SIZE))
                content = await stream.readexactly(length)
                job = self._sent.popleft()
                self._ahead.release()
                if content[0] == frames.FAILED:
                    job.fail(frames.parse_failed(content[1:]))
                elif not job.result.done():
                    size = 1 + len(job.data)
                    job.result.set_result((content[1:size], content[size:]))
        await self._bury(process)

    async def _bury(self, process: Process) -> None:
        """Clean up after a dead or dying process.

        Its jobs return to the queue, or fail if this was their second try.
        """
        with suppress(ProcessLookupError):
            process.kill()
        code = await _gone(process)
        self._process = None
        lost, self._sent = self._sent, deque()
        for job in lost:
            self._ahead.release()
            if job.attempts >= _ATTEMPTS:
                job.fail(WorkerError(f"worker processes died twice at sector {job.first_sector} (last status {code})"))
            else:
                self._jobs.put_nowait(job)

    def forget(self, number: int) -> None:
        """Make the process erase a context."""
        if number in self._opened and self._process is not None and self._process.stdin is not None:
            self._opened.discard(number)
            with suppress(OSError):
                self._process.stdin.write(frames.close_frame(number))

    async def stop(self) -> None:
        """Kill the process and wait until it is gone. Its jobs raise PoolClosed."""
        tasks = [task for task in (self._task, self._reader) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for job in self._sent:
            job.fail(PoolClosed("the pool was closed"))
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()
            await _gone(self._process)


async def _gone(process: Process) -> int:
    """Wait until a killed process has ended and its pipes are closed. Return its exit status."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    with suppress(OSError):
        while await process.stdout.read(1 << 16):
            pass
    with suppress(OSError):
        await process.stdin.wait_closed()
    return await process.wait()
