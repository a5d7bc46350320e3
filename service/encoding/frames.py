"""The frames between the pool and its workers: length-prefixed, over a worker's standard input and output.

A frame is u32 length | u8 kind | body; the length counts kind and body. To the worker: OPEN u32 context | u8 what |
salt[32] | u8 length | ctx | key, CLOSE u32 context, RUN u32 context | u64 first sector | bytes. From the worker, one for each
RUN and in the same order: DONE bytes and, if there is a ctx, as many leaf hashes, or FAILED "ErrorName: message".
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from .errors import (
    BackendError,
    ComputationFault,
    EncodingError,
    ModulusError,
    PrivateKeyError,
    ProfileError,
    SectorError,
)

OPEN: Final = 1
CLOSE: Final = 2
RUN: Final = 3
DONE: Final = 4
FAILED: Final = 5

ENCODE: Final = 1
DECODE: Final = 2

_LENGTH = struct.Struct("<I")
_CONTEXT = struct.Struct("<I")
_RUN = struct.Struct("<IQ")
LENGTH_SIZE = _LENGTH.size
_REPORTED: dict[str, type[EncodingError]] = {
    kind.__name__: kind
    for kind in (BackendError, ComputationFault, ModulusError, PrivateKeyError, ProfileError, SectorError)
}


@dataclass(frozen=True, repr=False)
class CodecContext:
    """The context of a run: ENCODE with a private key's bytes, or DECODE with profile byte and modulus.

    With the context of a segment's tree, `ctx`, what is encoded is hashed as well.
    """

    what: int
    salt: bytes
    key: bytes
    ctx: bytes = b""


def frame(kind: int, *body: bytes) -> bytes:
    """Return one frame."""
    return _LENGTH.pack(1 + sum(map(len, body))) + bytes([kind]) + b"".join(body)


def frame_length(prefix: bytes) -> int:
    """Return the length announced by the first LENGTH_SIZE bytes."""
    return int(_LENGTH.unpack(prefix)[0])


def open_frame(number: int, context: CodecContext) -> bytes:
    """Return the frame that defines the context `number` of later frames."""
    hashed = bytes([len(context.ctx)]) + context.ctx
    return frame(OPEN, _CONTEXT.pack(number), bytes([context.what]), context.salt, hashed, context.key)


def close_frame(number: int) -> bytes:
    """Return the frame that makes a worker forget a context."""
    return frame(CLOSE, _CONTEXT.pack(number))


def run_frame(number: int, first_sector: int, data: bytes) -> bytes:
    """Return the frame that gives a worker a run of sectors."""
    return frame(RUN, _RUN.pack(number, first_sector), data)


def parse_open(body: bytes) -> tuple[int, CodecContext]:
    """Parse the body of `open_frame`."""
    key = 38 + body[37]
    return _CONTEXT.unpack_from(body)[0], CodecContext(body[4], body[5:37], body[key:], body[38:key])


def parse_close(body: bytes) -> int:
    """Parse the body of `close_frame`."""
    return int(_CONTEXT.unpack(body)[0])


def parse_run(body: bytes) -> tuple[int, int, bytes]:
    """Parse the body of `run_frame` into context, first sector and bytes."""
    number, first = _RUN.unpack_from(body)
    return number, first, body[_RUN.size :]


def failed_frame(error: EncodingError) -> bytes:
    """Return the frame that reports an error in place of a result."""
    return frame(FAILED, f"{type(error).__name__}: {error}".encode())


def parse_failed(body: bytes) -> EncodingError:
    """Return the error that a worker reported, as an exception of its own type."""
    name, _, message = body.decode().partition(": ")
    kind = _REPORTED.get(name)
    return kind(message) if kind is not None else EncodingError(f"{name}: {message}")
