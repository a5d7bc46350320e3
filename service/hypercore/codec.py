"""compact-encoding, as hypercore uses it on the wire and in manifests, with a reader that bounds what a peer announces."""

from __future__ import annotations

MAX_UINT = (1 << 53) - 1
_WIDTH = {0xFD: 2, 0xFE: 4, 0xFF: 8}
_SHORT = [bytes((value,)) for value in range(0xFD)]


class CodecError(ValueError):
    """Bytes that do not decode. The message names the field and the offset."""


def encode_uint(value: int) -> bytes:
    """Encode an unsigned number of at most 2^53 - 1 (JavaScript's limit). Raises ValueError."""
    if 0 <= value <= 0xFC:
        return _SHORT[value]
    if value < 0 or value > MAX_UINT:
        raise ValueError(f"{value} is not a uint of at most 2^53 - 1")
    if value <= 0xFFFF:
        return b"\xfd" + value.to_bytes(2, "little")
    if value <= 0xFFFF_FFFF:
        return b"\xfe" + value.to_bytes(4, "little")
    return b"\xff" + value.to_bytes(8, "little")


def encode_buffer(data: bytes) -> bytes:
    """Encode bytes with their length."""
    return encode_uint(len(data)) + data


def encode_string(text: str) -> bytes:
    """Encode a UTF-8 string with its length."""
    return encode_buffer(text.encode())


class Reader:
    """A reader that never reads beyond the end of its bytes."""

    __slots__ = ("data", "end_offset", "offset")

    def __init__(self, data: bytes, offset: int = 0, end: int | None = None) -> None:
        self.data, self.offset = data, offset
        self.end_offset = len(data) if end is None else end

    @property
    def left(self) -> int:
        """Number of bytes left."""
        return self.end_offset - self.offset

    def uint(self, what: str = "number", most: int = MAX_UINT) -> int:
        """Read a number of at most `most`."""
        at = self.offset
        if at >= self.end_offset:
            raise CodecError(f"{what} at offset {at}: the message ends")
        first = self.data[at]
        if first <= 0xFC:
            value, self.offset = first, at + 1
        else:
            width = _WIDTH[first]
            stop = at + 1 + width
            if stop > self.end_offset:
                raise CodecError(f"{what} at offset {at}: the message ends")
            value, self.offset = int.from_bytes(self.data[at + 1 : stop], "little"), stop
        if value > most:
            raise CodecError(f"{what} at offset {at}: {value} is over {most}")
        return value

    def fixed(self, size: int, what: str = "bytes") -> bytes:
        """Read exactly `size` bytes."""
        stop = self.offset + size
        if stop > self.end_offset:
            raise CodecError(f"{what} at offset {self.offset}: {size} bytes expected, but {self.left} are left")
        found = self.data[self.offset : stop]
        self.offset = stop
        return bytes(found)

    def buffer(self, limit: int = MAX_UINT, what: str = "buffer") -> bytes:
        """Read bytes with their length, which is at most `limit`."""
        return self.fixed(self.uint(f"length of {what}", limit), what)

    def string(self, limit: int = 1 << 16, what: str = "string") -> str:
        """Read a UTF-8 string of at most `limit` bytes."""
        at = self.offset
        try:
            return self.buffer(limit, what).decode()
        except UnicodeDecodeError as error:
            raise CodecError(f"{what} at offset {at}: not UTF-8") from error

    def rest(self) -> bytes:
        """Read all bytes left."""
        return self.fixed(self.left)

    def end(self) -> None:
        """Raise CodecError if bytes are left."""
        if self.left:
            raise CodecError(f"{self.left} unexpected bytes at offset {self.offset}")
