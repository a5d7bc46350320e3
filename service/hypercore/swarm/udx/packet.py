"""The packets of UDX: a header of 20 bytes, then padding or the ranges that have come, then data.

    255 | 1 | kind | offset | u32 stream | u32 window | u32 seq | u32 ack        (little endian)

`stream` is the receiver's number of the stream, `window` the bytes that the sender can take in, `seq` counts packets of
kind DATA and END, `ack` is the next one that the sender awaits. `offset` bytes stand between header and data: zeros that
fill a packet up to a size that is tried (MTU), or, with SACK, the ranges. Sequence numbers wrap at 2^32.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

MAGIC, VERSION = 255, 1
DATA, END, SACK, MESSAGE, DESTROY, HEARTBEAT = 1, 2, 4, 8, 16, 32
HEADER_BYTES = 20
BARE_ACK = bytes((MAGIC, VERSION, 0, 0))
"""How a packet begins that does nothing but acknowledge."""
IP_UDP_BYTES = 28
"""What IPv4 and UDP put before a packet."""
MAX_SACKS = 50
MAX_OFFSET = 255
MASK = 0xFFFF_FFFF
HALF = 0x8000_0000

_HEADER = struct.Struct("<BBBBIIII")
_RANGE = struct.Struct("<II")
unpack = _HEADER.unpack_from
"""Return (magic, version, kind, offset, stream, window, seq, ack) of a packet of at least 20 bytes."""

Range = tuple[int, int]
"""Sequence numbers from the first up to, and without, the second."""


def distance(a: int, b: int) -> int:
    """Return a - b for two sequence numbers, between -2^31 and 2^31 - 1."""
    d = (a - b) & MASK
    return d - (1 << 32) if d & HALF else d


def is_udx(packet: bytes | bytearray | memoryview) -> bool:
    """Return whether a datagram is a packet of UDX."""
    return len(packet) >= HEADER_BYTES and packet[0] == MAGIC and packet[1] == VERSION


def stream_of(packet: bytes | bytearray | memoryview) -> int:
    """Return the receiver's number of the stream that a packet belongs to."""
    return int.from_bytes(packet[4:8], "little")


def ack_of(packet: bytes | memoryview) -> int:
    """Return the sequence number that the sender of a packet awaits next."""
    return int.from_bytes(packet[16:HEADER_BYTES], "little")


def header(kind: int, stream: int, window: int, seq: int, ack: int, offset: int = 0) -> bytes:
    """Return a packet's header."""
    return _HEADER.pack(MAGIC, VERSION, kind, offset, stream, window, seq, ack)


def encode_ranges(ranges: Iterable[Range]) -> bytes:
    """Return the ranges of a SACK as bytes."""
    return b"".join(_RANGE.pack(start, end) for start, end in ranges)


def decode_ranges(packet: bytes | memoryview, size: int) -> list[Range]:
    """Return the ranges that a packet with SACK holds, at most 50. `size` is the number of bytes that they take."""
    count = min(size, len(packet) - HEADER_BYTES) // 8
    return [_RANGE.unpack_from(packet, HEADER_BYTES + 8 * i) for i in range(min(count, MAX_SACKS))]
