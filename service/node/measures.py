"""How fast this machine does what roles do: durable writes, encoding and decoding on one core, hashing."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from service import durable
from service.encoding import PrivateKey, SectorDecoder, SectorEncoder
from service.encoding.profiles import SECTOR
from service.hypercore.crypto import leaf_node
from service.units import KIB, MIB

BATCH = 64
"""Sectors that are encoded at a time."""
LEAF = 64 * KIB
"""Bytes of a block of a feed, as imports cut them."""
OnStep = Callable[[], None]


def _ignore() -> None:
    pass


@dataclass(frozen=True, slots=True)
class CodecRates:
    """Bytes a second of one core, and which codec makes them."""

    backend: str
    encode: float
    decode: float


def disk_rate(directory: Path, size: int, on_step: OnStep = _ignore) -> float:
    """Write `size` bytes durably, in files of 16 MiB at most, and return bytes a second. The files are removed. Raises OSError."""
    data, seconds, left = os.urandom(MIB), 0.0, size
    with durable.trial(directory) as path:
        while left > 0:
            part = min(left, 16 * MIB)
            start = time.monotonic()
            durable.replace(path, data * max(1, part // MIB))
            seconds += time.monotonic() - start
            left -= part
            on_step()
    return size / max(seconds, 1e-6)


def codec_rates(least_seconds: float, on_step: OnStep = _ignore) -> CodecRates:
    """Encode and decode sectors for about so many seconds each, and at least one batch."""
    key, salt = PrivateKey.generate(), bytes(32)
    encoder = SectorEncoder(salt, key)
    try:
        encoded, encode = _rate(lambda: encoder.encode(0, bytes(BATCH * SECTOR)), least_seconds, on_step)
        decoder = SectorDecoder(salt, key.modulus)
        _, decode = _rate(lambda: decoder.decode(0, encoded), least_seconds, on_step)
        return CodecRates(encoder.backend, encode, decode)
    finally:
        encoder.close()


def hash_rate(least_seconds: float, on_step: OnStep = _ignore) -> float:
    """Hash blocks of a feed for about so many seconds on one core, and return bytes a second."""
    block = os.urandom(LEAF)
    leaves, spent = 0, 0.0
    while not leaves or spent < least_seconds:
        start = time.monotonic()
        for number in range(BATCH):
            leaf_node(number, block)
        spent += time.monotonic() - start
        leaves += BATCH
        on_step()
    return leaves * LEAF / max(spent, 1e-6)


def _rate(work: Callable[[], bytes], least_seconds: float, on_step: OnStep) -> tuple[bytes, float]:
    """Do the work of a batch again and again. Return what it made, and bytes a second."""
    batches, spent, made = 0, 0.0, b""
    while not batches or spent < least_seconds:
        start = time.monotonic()
        made = work()
        spent += time.monotonic() - start
        batches += 1
        on_step()
    return made, batches * BATCH * SECTOR / max(spent, 1e-6)
