"""The worker pool: order, back-pressure, cancellation, errors, and workers that die or lose their parent."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from service.encoding import (
    ComputationFault,
    KeyErased,
    ModulusError,
    PoolClosed,
    PrivateKey,
    SectorDecoder,
    SectorEncoder,
    SectorError,
    WorkerError,
    frames,
    native,
    process,
)
from service.encoding.hashes import leaf_hashes
from service.encoding.pool import DECODE_RUN, ENCODE_RUN, CodecPool, available_cores


@pytest.fixture
async def pool(codec: str) -> AsyncIterator[CodecPool]:
    async with CodecPool(2) as pool:
        yield pool


def pids(pool: CodecPool) -> list[int]:
    workers = [worker for worker in pool._workers if isinstance(worker, process.WorkerProcess)]
    return [worker._process.pid for worker in workers if worker._process is not None]


def held(pool: CodecPool) -> bool:
    """Whether a worker holds a context."""
    processes = [worker for worker in pool._workers if isinstance(worker, process.WorkerProcess)]
    return any(worker._opened for worker in processes) or bool(pool._contexts is not None and pool._contexts._open)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the condition did not come true within a minute")
        time.sleep(0.02)


async def pieces_of(data: bytes, *sizes: int) -> AsyncIterator[bytes]:
    at = 0
    for i in range(10**6):
        if at >= len(data):
            return
        size = sizes[i % len(sizes)]
        yield data[at : at + size]
        at += size
        await asyncio.sleep(0)


async def test_encoding_a_stream(pool: CodecPool, key: PrivateKey, salt: bytes) -> None:
    plain = hashlib.shake_128(b"stream").digest(256 * 150 + 9)
    stream = pool.encode(pieces_of(plain, 1, 1000, 0, 70000), salt=salt, key=key, sectors=151)
    runs = [run async for run in stream]
    assert [run.first_sector for run in runs] == list(range(0, 151, ENCODE_RUN))
    encoded = b"".join(run.data for run in runs)
    assert encoded == SectorEncoder(salt, key).encode(0, plain + bytes(247))
    assert (stream.progress.done, stream.progress.total) == (151, 151)
    assert stream.progress.seconds_left == 0


async def test_runs_bring_their_leaf_hashes(
    pool: CodecPool, key: PrivateKey, salt: bytes, ctx: bytes, segment: Any
) -> None:
    stream = pool.encode([segment.plain], salt=salt, key=key, ctx=ctx)
    runs = [run async for run in stream]
    assert b"".join(run.data for run in runs) == segment.encoded
    assert b"".join(run.leaves for run in runs) == b"".join(leaf_hashes(ctx, 0, segment.encoded))
    assert [run.leaves async for run in pool.encode([bytes(256)], salt=salt, key=key)] == [b""]


async def test_the_loop_turns_while_threads_work(
    key: PrivateKey, salt: bytes, threads: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a thread is within a run, the loop does other things: it is the loop that lets the run end."""
    within, on, loop = asyncio.Event(), threading.Event(), asyncio.get_running_loop()
    encode = SectorEncoder.encode

    def held_up(self: SectorEncoder, first: int, data: bytes) -> bytes:
        loop.call_soon_threadsafe(within.set)
        assert on.wait(60)
        return encode(self, first, data)

    monkeypatch.setattr(SectorEncoder, "encode", held_up)
    async with CodecPool(1) as pool:
        task = asyncio.create_task(anext(pool.encode([bytes(256)], salt=salt, key=key)))
        await within.wait()
        assert not task.done()
        on.set()
        assert len((await task).data) == 256


async def test_an_error_in_a_thread_comes_out_as_itself(
    key: PrivateKey, salt: bytes, threads: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(self: SectorEncoder, first: int, data: bytes) -> bytes:
        raise ComputationFault("it computes wrongly")

    monkeypatch.setattr(SectorEncoder, "encode", faulty)
    async with CodecPool(2) as pool:
        with pytest.raises(ComputationFault, match="it computes wrongly"):
            _ = [run async for run in pool.encode([bytes(256 * 100)], salt=salt, key=key)]


async def test_resuming_at_any_sector(pool: CodecPool, key: PrivateKey, salt: bytes, segment: Any) -> None:
    for first in (1, 17, 39):
        stream = pool.encode([segment.plain[256 * first :]], salt=salt, key=key, first_sector=first, sectors=40)
        assert stream.progress.done == first
        assert b"".join([run.data async for run in stream]) == segment.encoded[256 * first :]
        assert stream.progress.done == 40


async def test_a_generated_key_and_several_streams_at_once(
    pool: CodecPool, key: PrivateKey, other_key: PrivateKey, salt: bytes
) -> None:
    plain = hashlib.shake_128(b"several").digest(256 * 70)

    async def encode(used: PrivateKey) -> bytes:
        return b"".join([run.data async for run in pool.encode([plain], salt=salt, key=used)])

    one, two, again = await asyncio.gather(encode(key), encode(other_key), encode(key))
    assert one == again != two
    assert SectorDecoder(salt, other_key.modulus).decode(0, two) == plain


async def test_decoding_a_stream(pool: CodecPool, key: PrivateKey, salt: bytes) -> None:
    count = 2 * DECODE_RUN + 7
    encoded = hashlib.shake_128(b"decode").digest(256 * count)
    stream = pool.decode(pieces_of(encoded, 100000), salt=salt, modulus=key.modulus, first_sector=5)
    runs = [run async for run in stream]
    assert [run.first_sector for run in runs] == [5, 5 + DECODE_RUN, 5 + 2 * DECODE_RUN]
    assert b"".join(run.data for run in runs) == SectorDecoder(salt, key.modulus).decode(5, encoded)


@pytest.mark.parametrize("count", [0, 1, 16, 17, 64, 65, 600])
async def test_decoding_a_run(pool: CodecPool, key: PrivateKey, salt: bytes, count: int, codec: str) -> None:
    encoded = hashlib.shake_128(b"run").digest(256 * count)
    decoded = await pool.decode_run(3, encoded, salt=salt, modulus=key.modulus)
    assert decoded == SectorDecoder(salt, key.modulus).decode(3, encoded)
    assert bool(pool._workers) == (count > (16 if codec == "pure" else 64))  # short runs need no worker


@pytest.mark.parametrize(("start", "end"), [(0, 0), (2304, 2304), (2304, 2305), (2500, 19000), (3, 700 * 256 - 3)])
async def test_decoding_what_is_read(
    pool: CodecPool, key: PrivateKey, salt: bytes, start: int, end: int, codec: str
) -> None:
    encoded, loop, hashing = hashlib.shake_128(b"read").digest(256 * 700), threading.get_ident(), []

    def read(first: int, count: int) -> bytes:
        assert threading.get_ident() != loop
        return encoded[256 * first :][: 256 * count]

    def digest(data: bytes) -> bytes:
        hashing.append(threading.get_ident())
        return hashlib.sha256(data).digest()

    decoded, hashed = await pool.decode_read(read, start, end, salt=salt, modulus=key.modulus, digest=digest)
    assert decoded == SectorDecoder(salt, key.modulus).decode(0, encoded)[start:end]
    assert hashed == hashlib.sha256(decoded).digest()
    assert len(hashing) == 1
    assert (hashing[0] == loop) == (codec == "pure"), "where the workers are threads they hash, too"


async def test_an_error_of_what_reads_or_hashes_comes_out_as_itself(
    pool: CodecPool, key: PrivateKey, salt: bytes
) -> None:
    class Gone(Exception):
        pass

    def read(first: int, count: int) -> bytes:
        if first >= 256:
            raise Gone("the disk is")
        return bytes(256 * count)

    def failing(data: bytes) -> bytes:
        raise Gone("the hash is")

    decode = partial(pool.decode_read, salt=salt, modulus=key.modulus)
    with pytest.raises(Gone, match="the disk is"):
        await decode(read, 256 * 256, 256 * 266, digest=bytes)
    with pytest.raises(Gone, match="the hash is"):
        await decode(read, 0, 256 * 266, digest=failing)
    with pytest.raises(SectorError, match="100 bytes"):
        await decode(lambda first, count: bytes(100), 0, 256, digest=bytes)
    with pytest.raises(SectorError, match="exceeds"):
        await decode(read, 0, 2**24 + 1, digest=bytes)
    assert len((await decode(read, 0, 2560, digest=bytes))[0]) == 2560, "workers live on"


@pytest.mark.usefixtures("threads")
async def test_what_ends_while_the_loop_stands_wakes_it_once(
    key: PrivateKey, salt: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, woken, begun = asyncio.get_running_loop(), [], threading.Semaphore(0)

    def read(first: int, count: int) -> bytes:
        begun.release()
        return bytes(256 * count)

    def wake(callback: Callable[..., object], *args: Any) -> asyncio.Handle:
        woken.append(callback)
        return call(callback, *args)

    call = loop.call_soon_threadsafe
    async with CodecPool(1) as pool:
        monkeypatch.setattr(loop, "call_soon_threadsafe", wake)
        decode = partial(pool.decode_read, salt=salt, modulus=key.modulus, digest=bytes)
        tasks = [asyncio.create_task(decode(read, 0, 256)) for _ in range(100)]
        await asyncio.sleep(0)  # all are asked for
        for _ in tasks:
            begun.acquire()  # the loop stands until the last one is under way
        results = await asyncio.gather(*tasks)
        assert [len(data) for data, _ in results] == [256] * 100
        assert len(woken) <= 2, "once for those that ended meanwhile, and once if the last ended later"


async def test_more_segments_than_are_kept(
    pool: CodecPool, key: PrivateKey, salt: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.encoding.pool._DECODE_CONTEXTS", 2)
    encoded = bytes(256 * 20)
    for i in (0, 1, 2, 0, 1, 2):
        own = hashlib.sha256(bytes([i])).digest()
        decoded = await pool.decode_run(0, encoded, salt=own, modulus=key.modulus)
        assert decoded == SectorDecoder(own, key.modulus).decode(0, encoded)
        assert len(pool._decoding) <= 2


async def test_input_is_pulled_only_as_results_are_taken(pool: CodecPool, key: PrivateKey, salt: bytes) -> None:
    """However long the stream, what is under way is bounded: this one never ends."""
    pulled = 0

    def endless() -> Iterator[bytes]:
        nonlocal pulled
        while True:
            pulled += 1
            yield bytes(256 * ENCODE_RUN)

    taken = 0
    async with aclosing(pool.encode(endless(), salt=salt, key=key)) as stream:
        async for _ in stream:
            taken += 1
            await asyncio.sleep(0.05)
            assert pulled - taken <= 2 * pool.workers + 3
            if taken == 6:
                break


async def test_closing_a_stream_drops_its_work_and_its_key(pool: CodecPool, key: PrivateKey, salt: bytes) -> None:
    stream = pool.encode(iter(lambda: bytes(256 * ENCODE_RUN), None), salt=salt, key=key)
    await anext(stream)
    await stream.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(stream)
    assert not held(pool)
    assert len([run async for run in pool.encode([bytes(256)], salt=salt, key=key)]) == 1


async def test_a_stream_left_without_closing(pool: CodecPool, key: PrivateKey, salt: bytes) -> None:
    async for _ in pool.encode(iter(lambda: bytes(256 * ENCODE_RUN), None), salt=salt, key=key):
        break
    gc.collect()
    await asyncio.sleep(0)
    assert not held(pool)
    assert not any("_feed" in repr(task) for task in asyncio.all_tasks() if not task.cancelling() and not task.done())


@pytest.mark.parametrize("wait", [0, 0.001, 0.2, 0.5])
async def test_cancelling_the_task_that_iterates(pool: CodecPool, key: PrivateKey, salt: bytes, wait: float) -> None:
    async def work() -> None:
        async for _ in pool.encode(iter(lambda: bytes(256 * ENCODE_RUN), None), salt=salt, key=key):
            pass

    task = asyncio.create_task(work())
    await asyncio.sleep(wait)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(asyncio.all_tasks()) <= 1 + 2 * pool.workers
    assert await pool.decode_run(0, bytes(256 * 20), salt=salt, modulus=key.modulus)


async def test_results_before_the_source_fails_then_its_error(pool: CodecPool, key: PrivateKey, salt: bytes) -> None:
    async def source() -> AsyncIterator[bytes]:
        yield bytes(256 * ENCODE_RUN * 2)
        raise OSError("the feed went away")

    stream = pool.encode(source(), salt=salt, key=key)
    assert [(await anext(stream)).first_sector for _ in range(2)] == [0, ENCODE_RUN]
    with pytest.raises(OSError, match="the feed went away"):
        await anext(stream)
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_bad_input(pool: CodecPool, key: PrivateKey, salt: bytes) -> None:
    with pytest.raises(SectorError, match="not whole sectors"):
        _ = [run async for run in pool.decode([bytes(300)], salt=salt, modulus=key.modulus)]
    with pytest.raises(SectorError, match="are outside the range"):
        _ = [run async for run in pool.encode([bytes(512)], salt=salt, key=key, first_sector=2**30 - 1)]
    with pytest.raises(SectorError, match="exceeds"):
        _ = [run async for run in pool.encode([bytes(2**24 + 1)], salt=salt, key=key)]
    with pytest.raises(SectorError, match="exceeds"):
        await pool.decode_run(0, bytes(2**24 + 256), salt=salt, modulus=key.modulus)
    with pytest.raises(SectorError, match="not whole sectors"):
        await pool.decode_run(0, bytes(255), salt=salt, modulus=key.modulus)
    with pytest.raises(ModulusError, match="even"):
        pool.decode([], salt=salt, modulus=key.modulus[:-1] + b"\2")
    with pytest.raises(ModulusError):
        await pool.decode_run(0, bytes(256), salt=salt, modulus=bytes(256))
    with pytest.raises(SectorError, match="a salt has 32 bytes"):
        await pool.decode_run(0, bytes(256 * 20), salt=b"", modulus=key.modulus)
    erased = PrivateKey.from_bytes(key.to_bytes())
    erased.erase()
    with pytest.raises(KeyErased):
        pool.encode([], salt=salt, key=erased)
    with pytest.raises(ValueError, match="at least one worker"):
        CodecPool(0)


async def test_an_empty_stream(pool: CodecPool, key: PrivateKey, salt: bytes) -> None:
    assert [run async for run in pool.encode([], salt=salt, key=key)] == []
    assert [run async for run in pool.decode([b"", b""], salt=salt, modulus=key.modulus)] == []


async def test_an_error_in_a_worker_comes_out_as_itself(
    processes: CodecPool, key: PrivateKey, salt: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    faulty = "import service.encoding.rsa as r; r.GmpBackend.invert = lambda s, y: bytes(256)"
    choice = "r.make_backend = r.GmpBackend; import service.encoding.sectors as t; t.make_backend = r.GmpBackend"
    start = process._START.replace("from service", f"{faulty}; {choice}; from service")
    monkeypatch.setattr(process, "_START", start)
    with pytest.raises(ComputationFault, match="gmpy2 failed its check"):
        _ = [run async for run in processes.encode([bytes(256 * 100)], salt=salt, key=key)]


async def test_a_killed_worker_is_replaced(processes: CodecPool, key: PrivateKey, salt: bytes) -> None:
    plain = hashlib.shake_128(b"killed").digest(256 * ENCODE_RUN * 8)
    encoded, killed = b"", 0
    async for run in processes.encode([plain], salt=salt, key=key):
        encoded += run.data
        if not killed:  # in the middle of its work
            killed = pids(processes)[-1]
            os.kill(killed, signal.SIGKILL)
    assert SectorDecoder(salt, key.modulus).decode(0, encoded) == plain
    assert not alive(killed)
    # an idle one; none is killed on top of that: a run that loses two workers fails, by the rule of the test below
    os.kill(pids(processes)[0], signal.SIGKILL)
    assert b"".join([run.data async for run in processes.encode([plain], salt=salt, key=key)]) == encoded


async def test_workers_that_die_at_once_end_the_work(
    processes: CodecPool, key: PrivateKey, salt: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_START", "raise SystemExit(3)")
    with pytest.raises(WorkerError, match="died twice at sector 0"):
        _ = [run async for run in processes.encode([bytes(256 * 100)], salt=salt, key=key)]


async def test_workers_that_cannot_be_started(
    processes: CodecPool, key: PrivateKey, salt: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(WorkerError, match="cannot start a worker process"):
        await processes.decode_run(0, bytes(256 * 100), salt=salt, modulus=key.modulus)


async def test_closing_the_pool_ends_workers_and_work(codec: str, key: PrivateKey, salt: bytes) -> None:
    pool = CodecPool(2)
    stream = pool.encode(iter(lambda: bytes(256 * ENCODE_RUN), None), salt=salt, key=key)
    await anext(stream)
    started = pids(pool)
    assert len(started) == (2 if codec == "pure" else 0)
    await pool.close()
    assert not any(alive(pid) for pid in started)
    with pytest.raises(PoolClosed):
        _ = [run async for run in stream]
    with pytest.raises(PoolClosed):
        await pool.decode_run(0, bytes(256 * 100), salt=salt, modulus=key.modulus)
    await pool.close()


# Threads have nothing to start, and are done with the run in some ten milliseconds.
CODECS = [("pure", 0), ("pure", 0.005), ("pure", 0.05), ("native", 0), ("native", 0.001)]


@pytest.mark.parametrize(("codec", "wait"), CODECS, indirect=["codec"])
async def test_closing_the_pool_while_workers_start(codec: str, key: PrivateKey, salt: bytes, wait: float) -> None:
    pool = CodecPool(2)
    task = asyncio.create_task(pool.decode_run(0, bytes(256 * 60000), salt=salt, modulus=key.modulus))
    await asyncio.sleep(wait)
    await pool.close()
    with pytest.raises(PoolClosed):
        await asyncio.wait_for(task, 60)


async def test_decoding_goes_first() -> None:
    loop = asyncio.get_running_loop()
    kinds = (frames.ENCODE, frames.DECODE, frames.ENCODE, frames.DECODE)
    jobs = [
        process.Job(0, frames.CodecContext(what, b"", b""), 0, b"", loop.create_future(), serial)
        for serial, what in enumerate(kinds)
    ]
    assert [job.serial for job in sorted(jobs)] == [1, 3, 0, 2]


def test_as_many_workers_as_cores() -> None:
    assert CodecPool().workers == available_cores() >= 1


PARENT = """
import asyncio, os, signal, sys
from service.encoding import PrivateKey
from service.encoding.pool import CodecPool

async def main():
    async with CodecPool(2) as pool:
        stream = pool.encode(iter(lambda: bytes(8192), None), salt=bytes(32), key=PrivateKey.generate())
        async for run in stream:
            workers = [worker._process.pid for worker in pool._workers if worker._process]
            print(*workers, flush=True)

signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background of a shell it is ignored
asyncio.run(main())
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_their_parent(how: signal.Signals, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed outright, or by Ctrl-C, which the terminal sends to the whole group."""
    monkeypatch.setenv(native.CHOICE, "pure")
    parent = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PARENT],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    with parent:
        assert parent.stdout is not None
        assert parent.stderr is not None
        workers: list[int] = []
        while len(workers) < 2:
            workers = [int(pid) for pid in parent.stdout.readline().split()]
        assert all(alive(pid) for pid in workers)
        os.killpg(parent.pid, how)
        parent.stdout.close()
        errors = parent.stderr.read()
        status = parent.wait(60)
        wait_until(lambda: not any(alive(pid) for pid in workers))
    assert status == -how
    if how == signal.SIGINT:
        assert errors.rstrip().endswith("KeyboardInterrupt")
        assert "Exception ignored" not in errors
