"""The datagrams of dht-rpc: requests, and replies to them, one UDP datagram each.

    request  03 | flags | u16 tid | to | [id] | [token] | command | [target] | [value]
    reply    13 | flags | u16 tid | to | [id] | [token] | [closer nodes] | [error] | [value]

`to` is the receiver's address as the sender sees it. `id` is told by nodes that stay, from the socket at which they are
asked; one that is not the hash of its sender's address counts as absent.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from ...codec import CodecError, Reader, encode_buffer, encode_uint
from .address import ID_BYTES, Address, decode_address, decode_addresses, encode_address, encode_addresses, node_id

REQUEST, REPLY = 0x03, 0x13
TOKEN_BYTES = TARGET_BYTES = 32
MAX_CLOSER = 20
"""Nodes that a reply names. npm's peers name no more; a message that does is not believed."""
MAX_VALUE_BYTES = 4096
"""Bytes of a value: more than any datagram that reaches its end."""
_ID, _TOKEN = 1, 2
_INTERNAL, _TARGET = 4, 8
_CLOSER, _ERROR = 4, 8
_VALUE = 16


class Internal(IntEnum):
    """The commands of dht-rpc itself."""

    PING = 0
    PING_NAT = 1
    FIND_NODE = 2
    DOWN_HINT = 3
    DELAYED_PING = 4


class RpcFault(IntEnum):
    """Why a request was not answered."""

    NONE = 0
    UNKNOWN_COMMAND = 1
    INVALID_TOKEN = 2


@dataclass(frozen=True, slots=True)
class DhtRequest:
    """A request. `to` is the receiver's address."""

    tid: int
    to: Address
    command: int
    internal: bool = False
    target: bytes | None = None
    value: bytes | None = None
    token: bytes | None = None
    id: bytes | None = None

    def encode(self) -> bytes:
        """Return the datagram."""
        flags = (
            (_ID if self.id else 0)
            | (_TOKEN if self.token else 0)
            | (_INTERNAL if self.internal else 0)
            | (_TARGET if self.target else 0)
            | (_VALUE if self.value is not None else 0)
        )
        head = bytes((REQUEST, flags)) + self.tid.to_bytes(2, "little") + encode_address(self.to)
        value = b"" if self.value is None else encode_buffer(self.value)
        return head + (self.id or b"") + (self.token or b"") + encode_uint(self.command) + (self.target or b"") + value


@dataclass(frozen=True, slots=True)
class DhtReply:
    """A reply. `to` is the asker's address, `closer` are nodes nearer to the target."""

    tid: int
    to: Address
    id: bytes | None = None
    token: bytes | None = None
    closer: tuple[Address, ...] = ()
    error: int = 0
    value: bytes | None = None

    def encode(self) -> bytes:
        """Return the datagram."""
        flags = (
            (_ID if self.id else 0)
            | (_TOKEN if self.token else 0)
            | (_CLOSER if self.closer else 0)
            | (_ERROR if self.error else 0)
            | (_VALUE if self.value is not None else 0)
        )
        out = bytes((REPLY, flags)) + self.tid.to_bytes(2, "little") + encode_address(self.to)
        out += (self.id or b"") + (self.token or b"")
        if self.closer:
            out += encode_addresses(self.closer)
        if self.error:
            out += encode_uint(self.error)
        return out + (b"" if self.value is None else encode_buffer(self.value))


def decode(data: bytes, sender: Address) -> DhtRequest | DhtReply:
    """Return the message that a datagram holds. Raises CodecError."""
    if len(data) < 2 or data[0] not in (REQUEST, REPLY):
        raise CodecError(f"a datagram of {len(data)} bytes is no message of the DHT")
    reader = Reader(data, 2)
    flags = data[1]
    tid = int.from_bytes(reader.fixed(2, "tid"), "little")
    to = decode_address(reader)
    told = reader.fixed(ID_BYTES, "id") if flags & _ID else None
    own = told if told is not None and told == node_id(sender) else None
    token = reader.fixed(TOKEN_BYTES, "token") if flags & _TOKEN else None
    if data[0] == REQUEST:
        command = reader.uint("command")
        target = reader.fixed(TARGET_BYTES, "target") if flags & _TARGET else None
        value = reader.buffer(MAX_VALUE_BYTES, "value") if flags & _VALUE else None
        return DhtRequest(tid, to, command, bool(flags & _INTERNAL), target, value, token, own)
    closer = decode_addresses(reader, MAX_CLOSER) if flags & _CLOSER else ()
    error = reader.uint("error") if flags & _ERROR else 0
    value = reader.buffer(MAX_VALUE_BYTES, "value") if flags & _VALUE else None
    return DhtReply(tid, to, own, token, closer, error, value)
