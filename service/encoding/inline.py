"""A codec in this process: what the worker pool does, without workers, for tests and for small segments."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from functools import partial
from types import TracebackType

from .errors import PoolClosed, SectorError
from .keys import PrivateKey
from .pool import ENCODE_RUN, MAX_PIECE, Digest, Pieces, Read, Run, cut_runs, read_and_decoded
from .profiles import P1, SECTOR, Profile, check_run
from .progress import Progress, ProgressMeter
from .sectors import SectorDecoder, SectorEncoder


class InlineCodec:
    """A codec that works where it is called, one run at a time. The event loop gets a turn between two runs."""

    def __init__(self) -> None:
        self._closed = False

    async def __aenter__(self) -> InlineCodec:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True

    def encode(
        self,
        pieces: Pieces,
        *,
        salt: bytes,
        key: PrivateKey,
        ctx: bytes = b"",
        first_sector: int = 0,
        sectors: int | None = None,
    ) -> InlineStream:
        """Encode a stream of plaintext as `CodecPool.encode` does. Raises PoolClosed and SectorError."""
        if self._closed:
            raise PoolClosed("the codec was closed")
        clock = asyncio.get_running_loop().time
        runs = cut_runs(pieces, first_sector, ENCODE_RUN, padded=True)
        return InlineStream(self, runs, SectorEncoder(salt, key), ctx, ProgressMeter(first_sector, sectors, clock))

    async def decode_run(
        self, first_sector: int, data: bytes, *, salt: bytes, modulus: bytes, profile: Profile = P1
    ) -> bytes:
        """Decode one run of at most 16 MiB. Raises PoolClosed, SectorError and ModulusError."""
        if self._closed:
            raise PoolClosed("the codec was closed")
        check_run(first_sector, data)
        if len(data) > MAX_PIECE:
            raise SectorError(f"a run of {len(data)} bytes exceeds {MAX_PIECE}")
        await self.work(len(data) // SECTOR)
        return SectorDecoder(salt, modulus, profile).decode(first_sector, data)

    async def decode_read(
        self, read: Read, start: int, end: int, *, salt: bytes, modulus: bytes, digest: Digest, profile: Profile = P1
    ) -> tuple[bytes, bytes]:
        """Decode bytes as `CodecPool.decode_read` does. They are read in a thread. Raises what `read` raises, too."""
        decode = partial(self.decode_run, salt=salt, modulus=modulus, profile=profile)
        return await read_and_decoded(read, start, end, decode, digest)

    async def work(self, sectors: int) -> None:
        """Give the event loop a turn before this many sectors are processed. A modelled clock waits here."""
        await asyncio.sleep(0)


class InlineStream:
    """The results of a stream, in order: an async iterator of Run, with its progress."""

    def __init__(
        self,
        codec: InlineCodec,
        runs: AsyncGenerator[Run, None],
        encoder: SectorEncoder,
        ctx: bytes,
        meter: ProgressMeter,
    ) -> None:
        """Prepare the stream. Only InlineCodec calls this."""
        self._codec, self._runs, self._encoder, self._ctx, self._meter = codec, runs, encoder, ctx, meter
        self._closed = False

    @property
    def progress(self) -> Progress:
        """Sectors returned so far (those before `first_sector` included), rate and time left."""
        return self._meter.progress

    def __aiter__(self) -> InlineStream:
        return self

    async def __anext__(self) -> Run:
        if self._closed:
            raise StopAsyncIteration
        try:
            run = await anext(self._runs)
            count = len(run.data) // SECTOR
            await self._codec.work(count)
            done = self._encoded(run)
        except BaseException:
            await self.aclose()
            raise
        self._meter.add(count)
        return done

    def _encoded(self, run: Run) -> Run:
        if not self._ctx:
            return Run(run.first_sector, self._encoder.encode(run.first_sector, run.data))
        return Run(run.first_sector, *self._encoder.encode_and_hash(self._ctx, run.first_sector, run.data))

    async def aclose(self) -> None:
        """Stop, and drop the key. Nothing is returned afterwards. Closing twice does nothing."""
        if not self._closed:
            self._closed = True
            self._encoder.close()
            await self._runs.aclose()
