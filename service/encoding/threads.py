"""A worker of the pool that is a thread: the codec in Rust holds no lock of the interpreter, so nothing need cross a pipe."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from .errors import EncodingError, PoolClosed
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

    def run(self, number: int, context: CodecContext, first_sector: int, data: bytes) -> Result:
        """Return the processed run, and its leaf hashes if the context asks for them.

        Raises what `SectorEncoder` and `SectorDecoder` raise.
        """
        with self._making:
            codec = self._open.get(number)
            if codec is None:
                codec = _made(context)
                self._keep(number, codec)
        if isinstance(codec, SectorDecoder):
            return codec.decode(first_sector, data), b""
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


class WorkerThread:
    """A thread that takes jobs from the pool's queue until it is stopped."""

    def __init__(self, jobs: asyncio.PriorityQueue[Job], contexts: Contexts) -> None:
        self._jobs, self._contexts = jobs, contexts
        self._thread = ThreadPoolExecutor(1, "datdot-codec")
        self._task = asyncio.create_task(self._supply())

    async def _supply(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            job = await self._jobs.get()
            if job.result.done():
                continue
            work = partial(self._contexts.run, job.number, job.context, job.first_sector, job.data)
            try:
                result = await loop.run_in_executor(self._thread, work)
            except asyncio.CancelledError:
                job.fail(PoolClosed("the pool was closed"))
                raise
            except EncodingError as error:
                job.fail(error)
            else:
                if not job.result.done():
                    job.result.set_result(result)

    def forget(self, number: int) -> None:
        """Do nothing: the pool drops the contexts of all threads at once."""

    async def stop(self) -> None:
        """Take no more jobs, and wait for the run that is under way, some ten milliseconds. Its job raises PoolClosed."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await asyncio.to_thread(self._thread.shutdown)
