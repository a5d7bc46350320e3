"""The worker pool: encode and decode streams of sectors on all cores, from asyncio, in order and in bounded memory.

With the codec in Rust the workers are threads. Without it they are processes: the permutation holds the GIL for two percent
of an encoding and nearly all of a decoding, and a node's event loop must not wait for either.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from types import TracebackType

from . import frames, native
from .errors import PoolClosed, SectorError
from .frames import CodecContext
from .keys import PrivateKey, check_modulus
from .process import Job, Result, WorkerProcess
from .profiles import P1, SECTOR, Profile, check_run
from .progress import Progress, ProgressMeter
from .sectors import SectorDecoder, pad
from .threads import Contexts, ThreadJobs, WorkerThread

ENCODE_RUN = 32  # sectors per job: about 50 ms of work, small enough to be abandoned quickly
DECODE_RUN = 256
INLINE = 16  # sectors: a run this short is decoded here faster than a worker process could be asked
INLINE_NATIVE = 64  # the same of a thread: a fifth of a millisecond with AVX512, one without
MAX_PIECE = 16 * 1024 * 1024
_DECODE_CONTEXTS = 64

Pieces = AsyncIterable[bytes] | Iterable[bytes]
Read = Callable[[int, int], bytes]
"""A function that reads sectors, in a thread: the first of them, and how many."""
Digest = Callable[[bytes], bytes]
"""A function that hashes what was decoded, in a thread where the workers are threads."""
_Queue = asyncio.Queue[Job | Exception | None]  # results in order, then None or the error of the source


@dataclass(frozen=True)
class Run:
    """Consecutive processed sectors of a segment: their bytes, the index of the first, and the leaf hashes if asked for."""

    first_sector: int
    data: bytes
    leaves: bytes = b""


class CodecPool:
    """Workers, one per core, started at first use and shared by everything a node encodes and decodes.

    The pool is an async context manager. Processes end with this one, however it ends, and ignore Ctrl-C.
    """

    def __init__(self, workers: int | None = None) -> None:
        """Prepare a pool of that many workers, by default one for each core that this process may use.

        Raises BackendError if the environment wants a codec that is not there.
        """
        self.workers = workers if workers is not None else available_cores()
        if self.workers < 1:
            raise ValueError(f"a pool needs at least one worker, not {workers}")
        self._workers: list[WorkerProcess] | list[WorkerThread] = []
        self._contexts = None if native.library() is None else Contexts()
        self._jobs: asyncio.PriorityQueue[Job] | ThreadJobs
        self._jobs = asyncio.PriorityQueue() if self._contexts is None else ThreadJobs()
        self._inline = INLINE if self._contexts is None else INLINE_NATIVE
        self._decoding: dict[CodecContext, tuple[int, SectorDecoder]] = {}
        self._numbers = itertools.count()
        self._known: set[int] = set()
        self._serials = itertools.count()
        self._closed = False

    async def __aenter__(self) -> CodecPool:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Stop all workers at once. Unfinished jobs raise PoolClosed, even if who closes does not wait for the end."""
        self._closed = True
        workers, self._workers = self._workers, []
        try:
            await asyncio.shield(asyncio.gather(*(worker.stop() for worker in workers)))
        finally:
            while not self._jobs.empty():
                self._jobs.get_nowait().fail(PoolClosed("the pool was closed"))
            self._decoding.clear()

    # ------------------------------------------------------------------ streams

    def encode(
        self,
        pieces: Pieces,
        *,
        salt: bytes,
        key: PrivateKey,
        ctx: bytes = b"",
        first_sector: int = 0,
        sectors: int | None = None,
    ) -> CodecStream:
        """Encode a stream of plaintext, starting at byte 256·first_sector of the segment. Zeros fill up its last sector.

        `pieces` may have any sizes up to 16 MiB. With the segment's `ctx` each run brings its leaf hashes. `sectors` is
        the length of the segment, for the progress only.
        """
        context = CodecContext(frames.ENCODE, salt, key.to_bytes(), ctx)
        runs = cut_runs(pieces, first_sector, ENCODE_RUN, padded=True)
        return CodecStream(self, context, runs, ProgressMeter(first_sector, sectors))

    def decode(
        self,
        pieces: Pieces,
        *,
        salt: bytes,
        modulus: bytes,
        profile: Profile = P1,
        first_sector: int = 0,
        sectors: int | None = None,
    ) -> CodecStream:
        """Decode a stream of encoded bytes that begins with sector `first_sector`. Padding is left in.

        Raises ModulusError at once, and SectorError at the end of a stream that stops within a sector.
        """
        check_modulus(modulus, profile)
        context = CodecContext(frames.DECODE, salt, bytes([profile.id]) + modulus)
        runs = cut_runs(pieces, first_sector, DECODE_RUN, padded=False)
        return CodecStream(self, context, runs, ProgressMeter(first_sector, sectors))

    async def decode_run(
        self, first_sector: int, data: bytes, *, salt: bytes, modulus: bytes, profile: Profile = P1
    ) -> bytes:
        """Decode one run of at most 16 MiB, spread over the workers. A short one is decoded in place.

        Raises SectorError and ModulusError.
        """
        check_run(first_sector, data)
        if len(data) > MAX_PIECE:
            raise SectorError(f"a run of {len(data)} bytes exceeds {MAX_PIECE}")
        context = CodecContext(frames.DECODE, salt, bytes([profile.id]) + modulus)
        number, decoder = self._decoder(context, profile)
        count = len(data) // SECTOR
        if count <= self._inline:
            return decoder.decode(first_sector, data)
        # a thread decodes a whole run in less time than it takes to hand out and gather its parts
        least = DECODE_RUN if self._contexts is not None else self._inline
        step = SECTOR * min(DECODE_RUN, max(least, -(-count // self.workers)))
        jobs = [
            self.submit(number, context, first_sector + at // SECTOR, data[at : at + step])
            for at in range(0, len(data), step)
        ]
        try:
            return b"".join([(await job.result)[0] for job in jobs])
        finally:
            for job in jobs:
                job.result.cancel()

    async def decode_read(
        self, read: Read, start: int, end: int, *, salt: bytes, modulus: bytes, digest: Digest, profile: Profile = P1
    ) -> tuple[bytes, bytes]:
        """Decode bytes [start, end) of a segment. Return them, and what `digest` makes of them.

        Their sectors, at most 16 MiB, are read beside the event loop. Where the workers are threads one of them does it all.
        Raises what `decode_run` and `read` raise.
        """
        if self._contexts is None:
            decode = partial(self.decode_run, salt=salt, modulus=modulus, profile=profile)
            return await read_and_decoded(read, start, end, decode, digest)
        first, count, cut = sectors_of(start, end)

        def finish(plain: bytes) -> Result:
            plain = plain[cut]
            return plain, digest(plain)

        context = CodecContext(frames.DECODE, salt, bytes([profile.id]) + modulus)
        number, _ = self._decoder(context, profile)
        job = self.submit(number, context, first, b"", partial(read, first, count), finish)
        try:
            return await job.result
        finally:
            job.result.cancel()

    def _decoder(self, context: CodecContext, profile: Profile) -> tuple[int, SectorDecoder]:
        """Return number and decoder of a segment. The last 64 used are kept, in the workers too."""
        entry = self._decoding.pop(context, None)
        if entry is None:
            entry = self.new_context(), SectorDecoder(context.salt, context.key[1:], profile)
        self._decoding[context] = entry
        if len(self._decoding) > _DECODE_CONTEXTS:
            oldest, _ = self._decoding.pop(next(iter(self._decoding)))
            self.forget(oldest)
        return entry

    # ------------------------------------------------------------------ jobs (for the streams below)

    def new_context(self) -> int:
        """Return a new number by which the workers will know a context."""
        number = next(self._numbers)
        self._known.add(number)
        if self._contexts is not None:
            self._contexts.open(number)
        return number

    def submit(
        self,
        number: int,
        context: CodecContext,
        first_sector: int,
        data: bytes,
        read: Callable[[], bytes] | None = None,
        finish: Callable[[bytes], Result] | None = None,
    ) -> Job:
        """Queue a run for the first free worker, decoding before encoding. Raises PoolClosed.

        If the workers are threads, `read` brings its bytes and `finish` makes the result of the decoded ones.
        """
        if self._closed:
            raise PoolClosed("the pool was closed")
        if not self._workers:
            self._workers = self._start()
        result: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        job = Job(number, context, first_sector, data, result, serial=next(self._serials), read=read, finish=finish)
        self._jobs.put_nowait(job)
        return job

    def _start(self) -> list[WorkerProcess] | list[WorkerThread]:
        if isinstance(self._jobs, ThreadJobs):
            assert self._contexts is not None
            return [WorkerThread(self._jobs, self._contexts) for _ in range(self.workers)]
        return [WorkerProcess(self._jobs, self._known) for _ in range(self.workers)]

    def forget(self, number: int) -> None:
        """Make all workers erase what they hold of a context, and what they still open of it when its turn comes."""
        self._known.discard(number)
        if self._contexts is not None:
            self._contexts.forget(number)
        for worker in self._workers:
            worker.forget(number)


class CodecStream:
    """The results of a stream, in order: an async iterator of Run, with its progress.

    Input is pulled only as results are taken: at most two runs per worker, and three more, are in progress. To stop
    early, close the stream (`aclose`) or cancel the task that iterates; the workers then forget the key. An error ends
    it as well.
    """

    def __init__(
        self, pool: CodecPool, context: CodecContext, runs: AsyncGenerator[Run, None], meter: ProgressMeter
    ) -> None:
        """Prepare the stream. Only CodecPool calls this."""
        self._pool = pool
        self._context = context
        self._runs = runs
        self._meter = meter
        self._number = pool.new_context()
        self._queue: _Queue = asyncio.Queue(maxsize=2 * pool.workers + 1)
        self._feeder: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def progress(self) -> Progress:
        """Sectors returned so far (those before `first_sector` included), rate and time left."""
        return self._meter.progress

    def __aiter__(self) -> AsyncIterator[Run]:
        return self

    async def __anext__(self) -> Run:
        if self._closed:
            raise StopAsyncIteration
        if self._feeder is None:
            feed = _feed(self._pool, self._number, self._context, self._runs, self._queue)
            self._feeder = asyncio.create_task(feed)
        try:
            job = await self._queue.get()
            if job is None:
                raise StopAsyncIteration
            if isinstance(job, Exception):
                raise job
            run = Run(job.first_sector, *await job.result)
        except BaseException:
            await self.aclose()
            raise
        self._meter.add(len(run.data) // SECTOR)
        return run

    async def aclose(self) -> None:
        """Stop. Nothing is returned afterwards. Closing twice does nothing."""
        self._abandon()
        if self._feeder is not None:
            await asyncio.gather(self._feeder, return_exceptions=True)
            self._drop_queued()

    def _abandon(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._feeder is not None:
            self._feeder.cancel()
        self._drop_queued()
        self._pool.forget(self._number)

    def _drop_queued(self) -> None:
        while not self._queue.empty():
            job = self._queue.get_nowait()
            if isinstance(job, Job):
                job.result.cancel()

    def __del__(self) -> None:
        """Stop a stream that was left by `break` without being closed, as far as is possible without waiting."""
        if not getattr(self, "_closed", True) and self._feeder is not None and not self._feeder.get_loop().is_closed():
            self._abandon()


async def _feed(
    pool: CodecPool,
    number: int,
    context: CodecContext,
    runs: AsyncGenerator[Run, None],
    queue: _Queue,
) -> None:
    """Submit runs while the queue of results has room, and end with None or the error of the source."""
    try:
        async with aclosing(runs):
            async for run in runs:
                job = pool.submit(number, context, run.first_sector, run.data)
                try:
                    await queue.put(job)
                except asyncio.CancelledError:
                    job.result.cancel()
                    raise
        await queue.put(None)
    except Exception as error:  # noqa: BLE001 - whatever the source raises is raised to the reader of the results
        await queue.put(error)


def sectors_of(start: int, end: int) -> tuple[int, int, slice]:
    """Return where bytes [start, end) of a segment are: the first sector, how many, and the place of the bytes in them.

    Raises SectorError if they are more than is decoded at a time, 16 MiB.
    """
    first = start // SECTOR
    count = -(-end // SECTOR) - first
    if count * SECTOR > MAX_PIECE:
        raise SectorError(f"a run of {count * SECTOR} bytes exceeds {MAX_PIECE}")
    return first, count, slice(start - first * SECTOR, end - first * SECTOR)


async def read_and_decoded(
    read: Read, start: int, end: int, decode: Callable[[int, bytes], Awaitable[bytes]], digest: Digest
) -> tuple[bytes, bytes]:
    """Return bytes [start, end) of a segment, read in a thread and decoded by `decode`, and what `digest` makes of them."""
    first, count, cut = sectors_of(start, end)
    plain = (await decode(first, await asyncio.to_thread(read, first, count)))[cut]
    return plain, digest(plain)


async def cut_runs(pieces: Pieces, first_sector: int, count: int, *, padded: bool) -> AsyncGenerator[Run, None]:
    """Cut pieces of any size into runs of `count` sectors. The last one is shorter, and padded if `padded`."""
    size = count * SECTOR
    buffer = bytearray()
    async for piece in _aiter(pieces):
        if len(piece) > MAX_PIECE:
            raise SectorError(f"a piece of {len(piece)} bytes exceeds {MAX_PIECE}")
        buffer += piece
        whole = len(buffer) - len(buffer) % size
        for at in range(0, whole, size):
            run = Run(first_sector, bytes(buffer[at : at + size]))
            check_run(run.first_sector, run.data)
            yield run
            first_sector += count
        del buffer[:whole]
    if buffer:
        rest = pad(bytes(buffer)) if padded else bytes(buffer)
        check_run(first_sector, rest)
        yield Run(first_sector, rest)


async def _aiter(pieces: Pieces) -> AsyncIterator[bytes]:
    if isinstance(pieces, AsyncIterable):
        async for piece in pieces:
            yield piece
    else:
        for piece in pieces:
            yield piece


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
