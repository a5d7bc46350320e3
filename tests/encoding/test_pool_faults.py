"""What must not befall who waits for the pool: panics, closings that are cut short, workers that die or are full."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from typing import Any

import pytest

from service.encoding import PoolClosed, PrivateKey, SectorDecoder, WorkerError, process
from service.encoding.pool import CodecPool


class PanicException(BaseException):
    """What PyO3 raises for a panic: it is no Exception."""


PanicException.__module__ = "pyo3_runtime"


async def test_a_panic_in_a_thread_is_told_and_the_thread_works_on(
    key: PrivateKey, salt: bytes, threads: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def panics(self: SectorDecoder, first: int, data: bytes) -> bytes:
        raise PanicException("index out of bounds")

    async with CodecPool(1) as pool:
        with monkeypatch.context() as patch:
            patch.setattr(SectorDecoder, "decode", panics)
            with pytest.raises(WorkerError, match=r"sector 7: PanicException\('index out of bounds'\)"):
                await asyncio.wait_for(pool.decode_run(7, bytes(256 * 100), salt=salt, modulus=key.modulus), 60)
        assert len(await pool.decode_run(0, bytes(256 * 100), salt=salt, modulus=key.modulus)) == 25600


async def test_a_close_that_is_cancelled_leaves_nobody_waiting(
    key: PrivateKey, salt: bytes, threads: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, within, on, decode = asyncio.get_running_loop(), asyncio.Event(), threading.Event(), SectorDecoder.decode

    def held_up(self: SectorDecoder, first: int, data: bytes) -> bytes:
        loop.call_soon_threadsafe(within.set)
        assert on.wait(60)
        return decode(self, first, data)

    monkeypatch.setattr(SectorDecoder, "decode", held_up)
    pool = CodecPool(1)
    try:
        waiting = [
            asyncio.create_task(pool.decode_run(0, bytes(256 * 100), salt=salt, modulus=key.modulus)) for _ in range(3)
        ]
        await within.wait()
        closing = asyncio.create_task(pool.close())
        await asyncio.sleep(0)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
    finally:
        on.set()
    async with asyncio.timeout(60):
        found = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(one) for one in found] == [PoolClosed] * 3


async def test_segments_given_up_before_their_turn_are_not_kept_by_workers(
    processes: CodecPool, key: PrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So many readers at once that a segment is forgotten while its run still waits: the run opens it in a worker again."""
    monkeypatch.setattr("service.encoding.pool._DECODE_CONTEXTS", 2)
    salts, encoded = [bytes([i]) * 32 for i in range(8)], bytes(256 * 20)
    found = await asyncio.gather(*(processes.decode_run(0, encoded, salt=one, modulus=key.modulus) for one in salts))
    assert found == [SectorDecoder(one, key.modulus).decode(0, encoded) for one in salts]
    kept = {number for number, _ in processes._decoding.values()}
    for worker in processes._workers:
        assert isinstance(worker, process.WorkerProcess)
        assert worker._opened <= kept


async def test_a_run_that_comes_while_a_dead_worker_is_buried_is_tried_again(
    processes: CodecPool, key: PrivateKey, salt: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    processes.workers = 1
    encoded, gone, late = bytes(256 * 20), process._gone, asyncio.Event()
    tasks: list[asyncio.Task[bytes]] = []

    async def decoded() -> bytes:
        return await processes.decode_run(0, encoded, salt=salt, modulus=key.modulus)

    async def slowly_gone(dead: Any) -> int:
        code = await gone(dead)
        if not tasks:
            tasks.append(asyncio.create_task(decoded()))
            (worker,) = processes._workers
            assert isinstance(worker, process.WorkerProcess)
            for _ in range(100):
                if worker._sent:  # it was written to the process, which is dead
                    late.set()
                    break
                await asyncio.sleep(0)
        return code

    plain = await decoded()
    monkeypatch.setattr(process, "_gone", slowly_gone)
    (worker,) = processes._workers
    assert isinstance(worker, process.WorkerProcess)
    assert worker._process is not None
    os.kill(worker._process.pid, signal.SIGKILL)
    async with asyncio.timeout(60):
        await late.wait()
        assert await tasks[0] == plain
    (worker,) = processes._workers
    assert isinstance(worker, process.WorkerProcess)
    assert worker._ahead._value <= process._AHEAD
