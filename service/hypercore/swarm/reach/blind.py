"""What peers and a blind relay say to each other, on a protomux channel `blind-relay` whose id is the key of the peer that dialled.

Both peers name a token and the stream that each has. The relay answers each with the number of a stream at its own address, and
passes the packets of the two on to each other, with nothing but that number changed.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...codec import Reader, encode_uint
from ..dht.messages import TOKEN_BYTES

PROTOCOL = "blind-relay"
PAIR, UNPAIR = 0, 1


@dataclass(frozen=True, slots=True)
class PairMessage:
    """One peer's half of a pair, or the relay's answer. One of the two peers is the initiator."""

    initiator: bool
    token: bytes
    stream: int

    def encode(self) -> bytes:
        """Return its bytes."""
        return bytes((self.initiator,)) + self.token + encode_uint(self.stream) + encode_uint(0)

    @classmethod
    def decode(cls, data: bytes) -> PairMessage:
        """Read one. Raises CodecError."""
        reader = Reader(data)
        initiator = bool(reader.uint("flags") & 1)
        token = reader.fixed(TOKEN_BYTES, "token")
        stream = reader.uint("id of a stream", 0xFFFF_FFFF)
        reader.uint("seq")
        return cls(initiator, token, stream)


def encode_unpair(token: bytes) -> bytes:
    """Return the message that ends a pair."""
    return b"\0" + token


def decode_unpair(data: bytes) -> bytes:
    """Return the token of a pair that is to end. Raises CodecError."""
    reader = Reader(data)
    reader.uint("flags")
    return reader.fixed(TOKEN_BYTES, "token")
