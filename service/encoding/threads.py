"""A worker of the pool that is a thread: the codec in Rust holds no lock of the interpreter, so nothing need cross a pipe."""

from __future__ import annotations

import asyncio
import heapq
import threading
from collections import deque

from .errors import PoolClosed, WorkerError
from .frames import DECODE, CodecContext
from .keys import PrivateKey
from .process import Job, Result
from .profiles import get_profile
from .sectors import SectorDecoder, SectorEncoder


class Contexts:
    """The encoders and decoders of the open contexts, shared by all worker threads."""

    def __init__(self) -> None:
        self._making = threading.Lock()
        self._lock = threading.Lock()  # never held for long: the event loop takes it, too
        self._open: dict[int, SectorEncoder | SectorDecoder | None] = {}

    def open(self, number: int) -> None:
        """Let a context be kept from its first run on."""
        with self._lock:
            self._open[number] = None

    def run(self, job: Job) -> Result:
        """Return the processed run, and its leaf hashes if the context asks for them.

        Raises what `SectorEncoder`, `SectorDecoder` and the reading of the run raise.
        """
        number, context, first_sector = job.number, job.context, job.first_sector
        data = job.data if job.read is None else job.read()
        with self._making:
            codec = self._open.get(number)
            if codec is None:
                codec = _made(context)
                self._keep(number, codec)
        if isinstance(codec, SectorDecoder):
            plain = codec.decode(first_sector, data)
            return (plain, b"") if job.finish is None else job.finish(plain)
        if context.ctx:
            return codec.encode_and_hash(context.ctx, first_sector, data)
        return codec.encode(first_sector, data), b""

    def _keep(self, number: int, codec: SectorEncoder | SectorDecoder) -> None:
        with self._lock:
            if number in self._open:
                self._open[number] = codec

    def forget(self, number: int) -> None:
        """Drop a context. Its key is overwritten when the runs that are under way with it have ended."""
        with self._lock:
            self._open.pop(number, None)


def _made(context: CodecContext) -> SectorEncoder | SectorDecoder:
    if context.what == DECODE:
        return SectorDecoder(context.salt, context.key[1:], get_profile(context.key[0]))
    return SectorEncoder(context.salt, PrivateKey.from_bytes(context.key))


class ThreadJobs:
    """The jobs of all worker threads. These take the next one by themselves: they do not wait for the event loop."""

    def __init__(self) -> None:
        self._heap: list[Job] = []
        self._changed = threading.Condition()
        self.closed = False

    def put_nowait(self, job: Job) -> None:
        """Add a job."""
        with self._changed:
            heapq.heappush(self._heap, job)
            self._changed.notify()

    def take(self) -> Job | None:
        """Wait for a job, in a thread. Return None once the jobs are closed."""
        with self._changed:
            while not self._heap and not self.closed:
                self._changed.wait()
            return None if self.closed else heapq.heappop(self._heap)

    def close(self) -> None:
        """Let no thread take any more. What is left is for `get_nowait`."""
        with self._changed:
            self.closed = True
            self._changed.notify_all()

    def empty(self) -> bool:
        """Return whether none is left."""
        return not self._heap

    def get_nowait(self) -> Job:
        """Return a job of those that are left."""
        with self._changed:
            return heapq.heappop(self._heap)


class WorkerThread:
    """A thread that takes jobs until they are closed. It never keeps the process from ending."""

    def __init__(self, jobs: ThreadJobs, contexts: Contexts) -> None:
        self._jobs, self._contexts = jobs, contexts
        self._loop = asyncio.get_running_loop()
        self._done: deque[tuple[Job, Result | Exception]] = deque()
        self._told = False
        """Whether the loop is to come for what is done: it is woken once for all that it finds then."""
        self._thread = threading.Thread(target=self._work, name="datdot-codec", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        while (job := self._jobs.take()) is not None:
            if job.result.done():
                continue
            done: Result | Exception
            try:
                done = self._contexts.run(job)
            except Exception as error:  # noqa: BLE001 - whatever reading or decoding raises is raised to who waits for it
                done = error
            except BaseException as error:  # noqa: BLE001 - with the thread, all who wait for the pool would wait for ever
                done = WorkerError(f"a worker failed at sector {job.first_sector}: {error!r}")
            if self._loop.is_closed():
                return  # whoever waited has ended with it
            self._done.append((job, done))
            if not self._told:
                self._told = True
                self._loop.call_soon_threadsafe(self._finish_all)

    def _finish_all(self) -> None:
        self._told = False  # before it looks: what is added from now on wakes it again
        while self._done:
            self._finish(*self._done.popleft())

    def _finish(self, job: Job, done: Result | Exception) -> None:
        if self._jobs.closed:
            job.fail(PoolClosed("the pool was closed"))
        elif isinstance(done, Exception):
            job.fail(done)
        elif not job.result.done():
            job.result.set_result(done)

    def forget(self, number: int) -> None:
        """Do nothing: the pool drops the contexts of all threads at once."""

    async def stop(self) -> None:
        """Take no more jobs, and wait for the run that is under way, some ten milliseconds. Its job raises PoolClosed."""
        self._jobs.close()
        await asyncio.to_thread(self._thread.join)
