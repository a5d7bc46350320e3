"""Speed of encoding and decoding, beside `openssl speed rsa2048` on the same cores in the same minute.

A sector costs two RSA operations for its 256 bytes, so the peer's operations per second times 128 bytes are the bound.
Machines are shared and noisy: both sides take turns, and the best turn of each counts. On one core both are measured in
seconds of processor time, over all cores in seconds of the clock.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager

from service.encoding import SECTOR, PrivateKey, SectorDecoder, SectorEncoder, native
from service.encoding.hashes import leaf_hashes
from service.encoding.pool import ENCODE_RUN, CodecPool, available_cores

from .registry import Figures, Report, Unavailable, measures

TURNS = 3
SECONDS = 2
_BYTES_PER_OPERATION = SECTOR // 2


def openssl_speed(processes: int = 1) -> tuple[float, float]:
    """Return RSA-2048 signatures and verifications per second of processor time by the system's OpenSSL.

    With more than one process: those of all of them together, per second of the clock.
    """
    command = shutil.which("openssl")
    if command is None:
        raise Unavailable("the command openssl is not installed")
    multi = ["-elapsed", "-multi", str(processes)] if processes > 1 else []
    answer = subprocess.run(
        [command, "speed", "-seconds", str(SECONDS), *multi, "rsa2048"], capture_output=True, text=True, check=True
    )
    return parse_speed(answer.stdout)


def parse_speed(answer: str) -> tuple[float, float]:
    """Parse signatures and verifications per second from the output of `openssl speed rsa2048`. Raises Unavailable."""
    line = re.search(r"^rsa +2048 bits.*$", answer, re.MULTILINE)
    rates = re.findall(r"\s(\d+\.\d+)(?=\s|$)", line.group()) if line else []
    if len(rates) < 2:
        raise Unavailable(f"openssl speed gives no figures for RSA-2048: {answer[-200:]!r}")
    return float(rates[0]), float(rates[1])


@contextmanager
def one_core() -> Iterator[None]:
    """Keep this process, and what it starts, on one core. Where the system cannot do that, do nothing."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def rate(work: Callable[[], int]) -> float:
    """Return the bytes per second of processor time of `work`, which returns how many bytes it did.

    Repeat it for one turn.
    """
    done, start = 0, time.process_time()
    while (elapsed := time.process_time() - start) < SECONDS:
        done += work()
    return done / elapsed


@measures("encode/core")
def encode_core(report: Report) -> Figures:
    """Measure one process on one core, with runs of 32 sectors."""
    encoder = SectorEncoder(os.urandom(32), PrivateKey.generate())
    plain = os.urandom(SECTOR * ENCODE_RUN)
    ours, peer = [], []
    with one_core():
        for turn in range(TURNS):
            report(f"turn {turn + 1} of {TURNS}")
            peer.append(openssl_speed()[0] * _BYTES_PER_OPERATION)
            ours.append(rate(lambda: len(encoder.encode(0, plain))))
    how = f"one process on one core, {ENCODE_RUN} sectors at a time, RSA by {encoder.backend}; {_turns()}"
    return Figures("MB/s", max(ours) / 1e6, max(peer) / 1e6, "openssl speed rsa2048, signatures × 128 bytes", how)


@measures("encode/all-cores")
def encode_all_cores(report: Report) -> Figures:
    """Measure the worker pool as the encoder's role uses it, from asyncio."""
    cores = available_cores()
    ours, peer = [], []
    for turn in range(TURNS):
        report(f"turn {turn + 1} of {TURNS}")
        peer.append(openssl_speed(cores)[0] * _BYTES_PER_OPERATION)
        ours.append(asyncio.run(_pool_rate()))
    workers = "processes" if native.library() is None else "threads"
    how = f"a stream through the worker pool of {cores} {workers}, its start left out; {_turns()}"
    name = f"openssl speed -multi {cores} rsa2048, signatures × 128 bytes"
    return Figures("MB/s", max(ours) / 1e6, max(peer) / 1e6, name, how)


async def _pool_rate() -> float:
    """Return the bytes per second that leave the pool once all its workers are busy."""
    piece = os.urandom(SECTOR * ENCODE_RUN)
    async with CodecPool() as pool:
        stream = pool.encode(iter(lambda: piece, b""), salt=os.urandom(32), key=PrivateKey.generate())
        async with aclosing(stream):
            for _ in range(2 * pool.workers):
                await anext(stream)
            done, start = 0, time.perf_counter()
            while (elapsed := time.perf_counter() - start) < 2 * SECONDS:
                done += len((await anext(stream)).data)
            return done / elapsed


@measures("decode/core")
def decode_core(report: Report) -> Figures:
    """Measure one process on one core, 64 KiB at a time."""
    decoder = SectorDecoder(os.urandom(32), PrivateKey.generate().modulus)
    encoded = os.urandom(SECTOR * 256)
    ours, peer = [], []
    with one_core():
        for turn in range(TURNS):
            report(f"turn {turn + 1} of {TURNS}")
            peer.append(openssl_speed()[1] * _BYTES_PER_OPERATION)
            ours.append(rate(lambda: len(decoder.decode(0, encoded))))
    how = f"one process on one core, 256 sectors at a time; the peer's exponent is 65537, ours 3; {_turns()}"
    return Figures("MB/s", max(ours) / 1e6, max(peer) / 1e6, "openssl speed rsa2048, verifications × 128 bytes", how)


@measures("leaves/core")
def leaves_core(report: Report) -> Figures:
    """Measure the leaf hashes of one process on one core, 64 KiB at a time."""
    ctx, run = os.urandom(32), os.urandom(SECTOR * 256)
    ours, peer = [], []
    with one_core():
        for turn in range(TURNS):
            report(f"turn {turn + 1} of {TURNS}")
            peer.append(rate(lambda: len(run) * len(hashlib.blake2b(run).digest()) // 64))
            ours.append(rate(lambda: SECTOR * len(leaf_hashes(ctx, 0, run))))
    how = f"one process on one core, 256 sectors at a time; the peer hashes all of them at once; {_turns()}"
    return Figures("MB/s", max(ours) / 1e6, max(peer) / 1e6, "hashlib.blake2b of 64 KiB", how)


def _turns() -> str:
    return f"the best of {TURNS} turns of some seconds, taken in alternation with the peer"
