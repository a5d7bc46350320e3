"""The little SCALE that the server itself needs: compact numbers, byte strings and a bounds-checked reader."""

from __future__ import annotations

import hashlib


class CodecError(ValueError):
    """Bytes are not what they should be. The message says at which offset."""


def blake2_256(data: bytes) -> bytes:
    """Return the BLAKE2b hash of 32 bytes."""
    return hashlib.blake2b(data, digest_size=32).digest()


def compact(value: int) -> bytes:
    """Encode a compact number."""
    if value < 1 << 6:
        return bytes([value << 2])
    if value < 1 << 14:
        return (value << 2 | 1).to_bytes(2, "little")
    if value < 1 << 30:
        return (value << 2 | 2).to_bytes(4, "little")
    size = max(4, (value.bit_length() + 7) // 8)
    return bytes([(size - 4) << 2 | 3]) + value.to_bytes(size, "little")


def prefixed(data: bytes) -> bytes:
    """Encode a byte string with its length."""
    return compact(len(data)) + data


class Reader:
    """A reader of SCALE that never reads beyond the end of its bytes."""

    def __init__(self, data: bytes, offset: int = 0) -> None:
        self.data, self.offset = data, offset

    def take(self, size: int) -> bytes:
        """Read raw bytes. Raises CodecError if there are fewer."""
        end = self.offset + size
        if end > len(self.data):
            raise CodecError(
                f"{size} bytes expected at offset {self.offset}, but {len(self.data) - self.offset} are left"
            )
        found = self.data[self.offset : end]
        self.offset = end
        return found

    def uint(self, size: int) -> int:
        """Read a little-endian number of `size` bytes."""
        return int.from_bytes(self.take(size), "little")

    def compact(self) -> int:
        """Read a compact number."""
        first = self.uint(1)
        mode = first & 3
        if mode == 0:
            return first >> 2
        if mode == 3:
            return self.uint((first >> 2) + 4)
        rest = self.take(1 if mode == 1 else 3)
        return int.from_bytes(bytes([first]) + rest, "little") >> 2

    def bytes(self) -> bytes:
        """Read a byte string with its length."""
        return self.take(self.compact())

    @property
    def left(self) -> int:
        """Number of bytes left."""
        return len(self.data) - self.offset

    def end(self) -> None:
        """Raise CodecError if bytes are left."""
        if self.left:
            raise CodecError(f"{self.left} unexpected bytes at offset {self.offset}")
